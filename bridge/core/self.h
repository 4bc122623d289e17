/* self.h - the tools that the bridge answers by itself, so that they work whatever
 * state Emacs is in: list, status, interrupt, waiting for idle, start, stop.  core alone calls. */
#ifndef SELF_H
#define SELF_H

#include "core/registry.h"
#include "core/stage.h"

/* Work on a request that is not done at once; the first member of what its kind needs. */
struct task {
	void (*drop)(struct task *);    /* nobody waits any more: stops working */
	void (*destroy)(struct task *);
};

/* False: the tool is not ours, or not with these arguments.  Else *verdict is DONE, the
 * reply being there, or WAIT. */
bool self_call(struct request *r, const struct tool *tool, const json_t *arguments, const char *instance, enum verdict *verdict);
void self_drop(struct request *r);   /* stops working on it */
void self_destroy(struct task *);    /* NULL is fine */

/* core/starter.c */
struct starter *starter_create(struct pipeline *);
void starter_destroy(struct starter *); /* kills those that never served */
enum verdict starter_start(struct request *, const json_t *arguments, const char *instance);

/* core/stopper.c */
#define STARTED_MARK "EFRIT_MCP_STARTED=1" /* in the environment of an Emacs that a bridge started */
enum verdict stopper_stop(struct request *, const json_t *arguments, const char *instance);

#endif
