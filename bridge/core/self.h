/* self.h - the tools that the bridge answers by itself, so that they work whatever
 * state Emacs is in: list, status, interrupt, waiting for idle.  core alone calls. */
#ifndef SELF_H
#define SELF_H

#include "core/registry.h"
#include "core/stage.h"

/* False: the tool is not ours, or not with these arguments.  Else *verdict is DONE, the
 * reply being there, or WAIT. */
bool self_call(struct request *r, const struct tool *tool, const json_t *arguments, const char *instance, enum verdict *verdict);
void self_drop(struct request *r);   /* stops working on it */
void self_destroy(struct task *);    /* NULL is fine */

#endif
