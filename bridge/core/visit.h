/* visit.h - requests that wait until a declared Emacs serves: a call that names it, which then
 * goes its way, and efrit_start_instance, which is answered.  core alone calls; bridge loop only. */
#ifndef VISIT_H
#define VISIT_H

#include "core/stage.h"

struct keeper;

/* True: it waits, and will enter the stage it is in again when K serves, or be answered why it does not. */
bool visit_keeps(struct request *, struct keeper *);

/* The time of one that visit_keeps is over: it is answered. */
void visit_expire(struct request *);

enum verdict visit_start(struct request *, struct keeper *); /* efrit_start_instance */

#endif
