/* gateway.h - the gateway of the same user, as a stdio bridge uses it: a worker that is no
 * Emacs.  It is found by its socket, never waited for by looking again and again, and spoken
 * to in MCP 2026-07-28, a message a line.  Calls are given to it as to an Emacs (service.h);
 * asked for its catalogue it tells its tools.  main creates the only one; bridge loop only. */
#ifndef BACK_GATEWAY_H
#define BACK_GATEWAY_H

#include "back/service.h"
#include "wire/runtime.h"

/* Where the gateway listens: the setting socket, else in XDG_RUNTIME_DIR, else a folder in /tmp. */
bool gateway_socket(const struct config *config, char path[RUNTIME_PATH_MAX], char error[RUNTIME_ERROR]) __attribute__((warn_unused_result));

/* Looks for it from now on.  SERVICE is its own, with no other worker, and owns it.  NULL: it
 * cannot be looked for, which was said in the log. */
struct worker *gateway_create(struct ev_loop *loop, const struct config *config, struct service *service);

const char *gateway_version(const struct worker *); /* what it says it is; "": unknown */

#endif
