/* socket.h - Unix stream sockets where systems differ: made, accepted and written to
 * without a signal, a wait, or a descriptor that a child inherits; and who is at the
 * other end.  Both programs; any thread.  socket_linux.c or socket_portable.c, as the
 * build says. */
#ifndef WIRE_SOCKET_H
#define WIRE_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

int socket_make(void);            /* non-blocking, closed on exec; -1: errno */
int socket_accept(int listening); /* the same for whom LISTENING has; -1: errno */

/* As much as it takes now, never a SIGPIPE; as send(2). */
ssize_t socket_send(int fd, const void *data, size_t len);

/* The same, and PASSED with the first byte: the other end gets a descriptor of the same file. */
ssize_t socket_send_with(int fd, const void *data, size_t len, int passed);

/* As recv(2), without a wait.  A descriptor that came along is *PASSED, closed on exec, in
 * place of the one that is there, which is closed; -1: none. */
ssize_t socket_receive(int fd, void *room, size_t len, int *passed);

/* Who is connected at FD.  pid is 0 where the system does not tell. */
bool socket_peer(int fd, uid_t *uid, pid_t *pid) __attribute__((warn_unused_result));

#endif
