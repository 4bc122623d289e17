/* fleet_impl.h - the inside of the fleet, shared by fleet.c (what is declared, from the first
 * reading to the end), fleet_pool.c (how many workers a pool has) and fleet_view.c (what others
 * ask).  Nobody else includes it.  Bridge loop only. */
#ifndef FLEET_IMPL_H
#define FLEET_IMPL_H

#include "back/pool.h"
#include "core/fleet.h"
#include "core/keeper.h"
#include "core/stage.h"
#include "turn.h"

/* One instance, or one pool with its workers. */
struct group {
	TAILQ_ENTRY(group) link;
	struct fleet *fleet;       /* borrowed */
	struct fleet_spec *spec;   /* owned */
	struct pool *pool;         /* the service's; NULL: an instance */
	TAILQ_HEAD(, keeper) keepers; /* owned */
	long count;
	bool leaving;              /* not declared any more: goes when all have ended */
	ev_timer idle;             /* of a pool: looks for workers it does not need */
	struct outlet outlet;      /* of the wish that an instance may end */
	struct session *session;   /* owned; of that wish; NULL: none */
	char *refusal;             /* owned */
	struct turn parted;
};

struct fleet {
	struct pipeline *pipeline; /* borrowed */
	struct keeper_host host;
	struct os_orphans *orphans; /* owned */
	TAILQ_HEAD(, group) groups; /* owned */
	bool ending, handed_over;
	struct turn turn;          /* once all that happened in a turn is over */
	void (*on_done)(void *data);
	void *data;
};

/* fleet_pool.c */
long fleet_count(const struct group *, enum keeper_state); /* of its keepers are in that state */
long fleet_standing(const struct group *);  /* are there, or come */
long fleet_waiting(const struct group *);   /* calls */
struct keeper *fleet_add_keeper(struct group *, const char *name);
void fleet_scale_up(struct group *);
void fleet_watch_idle(struct group *);      /* so that who is not needed goes */
void fleet_on_load(void *data, struct pool *);
void fleet_on_idle(struct ev_loop *, ev_timer *, int revents);

#endif
