/* deadline.h - the time-out of a call bounds all of it, its waits included: in the lobby, for
 * a start, in a line, with a worker that is silent.  core alone calls; bridge loop only. */
#ifndef DEADLINE_H
#define DEADLINE_H

#include "request.h"

/* From now on the time of r runs out, but for a patient one; its timeout_ms is known.  Again is
 * fine: the time counts from request::clock.  When it is over, the answer says why. */
void deadline_start(struct request *r);
void deadline_stop(struct request *r);

#endif
