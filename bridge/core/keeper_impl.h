/* keeper_impl.h - the inside of a keeper, shared by keeper.c (its life) and keeper_watch.c
 * (whether it does what it should while it serves).  Nobody else includes it. */
#ifndef KEEPER_IMPL_H
#define KEEPER_IMPL_H

#include "core/keeper.h"

/* keeper.c */
void keeper_set_state(struct keeper *, enum keeper_state, const char *why); /* the one writer */
void keeper_after(struct keeper *, ev_timer *, double seconds);
void keeper_stop_timer(struct keeper *, ev_timer *);
void keeper_serves(struct keeper *, struct worker *); /* it is ready */

/* keeper_watch.c */
void keeper_watch_init(struct keeper *);
void keeper_watch_stop(struct keeper *);
void keeper_watch_finish(struct keeper *);

#endif
