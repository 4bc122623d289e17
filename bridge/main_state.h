/* main_state.h - what of the gateway outlives a request: its folder, the token, and the lock
 * that makes it the only one on its Unix socket.  main_gateway*.c and main_load.c call. */
#ifndef MAIN_STATE_H
#define MAIN_STATE_H

#include "config.h"
#include "core/guard.h"
#include "wire/runtime.h"

#include <sys/types.h>

enum { STATE_WORD_MAX = 1024 };

#define STATE_SIGN ".not-for-agents" /* in that folder; lisp/efrit-mcp-secrets.el looks for it */

/* Each: false, and *error (caller frees) says why. */
bool state_folder(const struct config *, char path[RUNTIME_PATH_MAX * 4], char **error); /* made, mode 0700 */

/* The file of the gateway's log; "" is stderr. */
bool state_log(const struct config *, bool daemon, char path[RUNTIME_PATH_MAX * 4], char **error);

/* The token of the file in that folder, which is made at the first time; NAME: of that one of the
 * setting tokens, NULL: everybody's. */
bool state_token(const struct config *, const char *name, char token[GUARD_TOKEN_MAX], char **error);

bool state_socket(const struct config *, char path[RUNTIME_PATH_MAX], char **error); /* where the Unix socket is, or would be */

/* Holds the lock of that socket; FD, if it is one (>= 0), holds it already.  Writes our pid into it. */
int state_lock(const char *socket, int fd, char **error); /* the descriptor, closed on exec; -1 */
/* Makes the lock again where its file is gone.  False: another gateway has it now, or *error says why not. */
bool state_keep_lock(const struct config *, const char *socket, int *fd, char **error) __attribute__((warn_unused_result));
void state_unlock(const char *socket, int fd);            /* removes socket and lock */

/* What came of the latest reading of the settings, told in a file beside the socket: "read", or "kept: " and
 * why.  The generation counts up, so that a reader knows a new word from the old one. */
void state_tell(const char *socket, bool read, const char *why);
long state_told(const char *socket, char word[STATE_WORD_MAX]); /* the generation; 0: none yet */

/* The process that holds it; 0: none. */
pid_t state_holder(const char *socket);
bool state_wait(const char *socket, unsigned seconds); /* until nobody does; false: somebody still does */

#endif
