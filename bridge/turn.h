/* turn.h - what is done once at the end of a turn of the loop, however often it was asked
 * for: one write for all that was said.  Also when it is asked for by another such end,
 * which ev_prepare alone does not do: the loop would sleep first.  Bridge loop only. */
#ifndef TURN_H
#define TURN_H

#include <ev.h>

struct turn {
	ev_prepare prepare;
	ev_idle awake; /* keeps the loop from sleeping meanwhile */
	struct ev_loop *loop; /* borrowed */
	void (*on_end)(void *data);
	void *data;
};

void turn_init(struct turn *t, struct ev_loop *loop, void (*on_end)(void *data), void *data);
void turn_want(struct turn *t);
void turn_stop(struct turn *t); /* it is not wanted any more */

#endif
