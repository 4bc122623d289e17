/* tasks.h - calls that go on when their request has been answered: the tasks extension of
 * the modern dialect.  Only where a store was given, which remembers them.  core alone calls. */
#ifndef TASKS_H
#define TASKS_H

#include "core/pipeline.h"
#include "core/registry.h"
#include "core/stage.h"

struct store;
struct tasks *tasks_create(struct pipeline *, struct store *); /* reads what the store still has */
void tasks_destroy(struct tasks *); /* NULL is fine; stops what runs */

void tasks_revoke(struct tasks *, pipeline_gone *, void *data, const char *why); /* cancels theirs */

/* The call of TOOL is to be a task.  False with r refused: it can be called as a task only. */
bool tasks_wanted(struct request *r, const struct tool *tool);
enum verdict tasks_submit(struct request *r, const struct place *); /* as calls_submit */
enum verdict tasks_enter(struct request *r);                    /* tasks/get, update, cancel */

/* The filter taskIds of subscriptions/listen.  False: r is refused. */
bool tasks_listen(struct request *r, const json_t *wanted, struct buf *honoured);
void tasks_listened(struct request *r); /* it was acknowledged: what is known is told at once */

#endif
