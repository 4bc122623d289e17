/* oneshot.h - the front of the command line: one call of a tool, made in this process,
 * on the road that an agent's calls take.  main_*.c call; bridge loop only. */
#ifndef FRONT_ONESHOT_H
#define FRONT_ONESHOT_H

#include "core/pipeline.h"

struct oneshot;

/* Calls TOOL with ARGUMENTS (borrowed) and breaks LOOP when it is answered. */
struct oneshot *oneshot_create(struct ev_loop *, const struct config *, struct pipeline *, const char *tool, const json_t *arguments);
const struct buf *oneshot_answer(const struct oneshot *); /* a JSON-RPC response; empty: not yet */
void oneshot_destroy(struct oneshot *); /* cancels what is unanswered */

#endif
