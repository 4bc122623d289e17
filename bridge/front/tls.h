/* tls.h - TLS for front/conn.c, over OpenSSL.  Non-blocking.  Room front. */
#ifndef FRONT_TLS_H
#define FRONT_TLS_H

#include <stdbool.h>
#include <sys/types.h>

struct tls;      /* certificate and key */
struct tls_pipe; /* one connection */

struct tls *tls_create(const char *cert, const char *key, char **error); /* NULL: *error (caller frees) says why */
void tls_destroy(struct tls *); /* connections keep what they need */

struct tls_pipe *tls_open(struct tls *, int fd); /* of a server; fd is borrowed */
void tls_close(struct tls_pipe *);               /* says goodbye if that can be said at once; NULL is fine */

/* As read(2) and write(2); -1 with EAGAIN, and *wants_write says for what it waits. */
ssize_t tls_read(struct tls_pipe *, void *to, size_t len, bool *wants_write);
ssize_t tls_write(struct tls_pipe *, const void *from, size_t len, bool *wants_read);

#endif
