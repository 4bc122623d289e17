/* relay.h - what a stdio bridge leaves to the gateway that it found: the tools that no Emacs
 * and not the bridge itself has, starting and stopping instances, batches, and kept results.
 * Calls of Emacs never go there.  core alone calls; bridge loop only. */
#ifndef RELAY_H
#define RELAY_H

#include "core/catalogue.h"
#include "core/stage.h"

struct worker *relay_worker(const struct pipeline *); /* whatever state it is in; NULL: none is looked for */
struct worker *relay_usable(const struct pipeline *); /* NULL too when there is none now */

/* False: it is not for the gateway, or there is none.  Else *verdict as from a stage. */
bool relay_call(struct request *, const struct tool *, const json_t *arguments, const char *instance, enum verdict *verdict);

/* A method as a call of it: r's tool and arguments are set. */
enum verdict relay_submit(struct request *, struct worker *gateway);

void relay_describe(const struct pipeline *, struct buf *out); /* an object for those who ask what is used */

#endif
