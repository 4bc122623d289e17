/* seal.h - text that a client carries for us and must neither read nor change: encrypted,
 * bound to what it belongs to, good for a time.  libsodium.  core calls; bridge loop only. */
#ifndef SEAL_H
#define SEAL_H

#include <stdbool.h>
#include <stddef.h>

struct seal;

/* KEY_FILE: 32 random bytes, made with mode 0600 where it is missing; "": a key of this
 * process alone.  The key is read or made at the first use.  Borrowed. */
struct seal *seal_create(const char *key_file);
void seal_destroy(struct seal *); /* NULL is fine */

/* TEXT sealed as base64url; caller frees.  ABOUT must be the same when it is opened. */
char *seal_close(struct seal *, const char *text, size_t len, const char *about, size_t about_len, long seconds);

/* The text, terminated; caller frees.  NULL: not ours, changed, about something else, or too old. */
char *seal_open(struct seal *, const char *sealed, const char *about, size_t about_len);

#endif
