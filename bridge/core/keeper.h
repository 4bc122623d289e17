/* keeper.h - keeps one declared Emacs: starts it, knows when it serves, starts it again with
 * growing pauses when it ended unexpectedly, and no more when that happens too often; drains
 * and ends it; kills and replaces it when it cannot be stopped, where that is allowed.  Every
 * change of state is made in one function.  core/fleet.c alone calls; bridge loop only. */
#ifndef KEEPER_H
#define KEEPER_H

#include "back/process.h"
#include "back/service.h"
#include "core/launch.h"
#include "fleet_config.h"

enum keeper_state {
	KEEPER_OFF,       /* nothing of it runs */
	KEEPER_STARTING,
	KEEPER_UP,
	KEEPER_DRAINING,  /* gets no more calls; ends when those it has are answered */
	KEEPER_ENDING,
	KEEPER_PAUSING,   /* ended unexpectedly; is started again in a moment */
	KEEPER_CRASH_LOOP,
	KEEPER_FOREIGN,   /* runs, and somebody else has started it: it is neither ended nor replaced */
};

struct keeper;

/* Somebody who waits until it serves, or does not. */
struct keeper_wait {
	TAILQ_ENTRY(keeper_wait) link;
	struct keeper *keeper; /* borrowed; NULL: it is over */
	void (*on_done)(struct keeper_wait *, const char *code, const char *why); /* once, from the loop; code NULL: it serves */
};

struct keeper_host {
	struct ev_loop *loop;        /* borrowed, as all here */
	const struct config *config;
	struct service *service;
	void (*on_state)(void *data, struct keeper *);    /* it is in another state */
	bool (*wanted)(void *data, const struct keeper *); /* is it to be started again by itself? */
	bool (*may_start)(void *data, const struct keeper *); /* when somebody asks for it */
	void (*part)(void *data, struct keeper *);        /* it has drained and is to be asked to end; keeper_parted */
	void *data;
};

enum { KEEPER_ENDS = 100 };

struct keeper {
	TAILQ_ENTRY(keeper) link;       /* the fleet's */
	void *owner;                    /* the fleet's */
	const struct keeper_host *host; /* borrowed */
	const struct fleet_spec *spec;  /* borrowed; keeper_respec changes it */
	char name[WORKER_NAME_MAX + 1]; /* it serves under */
	enum keeper_state state;
	char why[LAUNCH_ERROR];
	char log[LAUNCH_LOG];
	struct process *process;        /* owned; NULL: none is known */
	pid_t pid;                      /* of it, also when it has ended; 0: none was */
	int lock;                       /* of its log, while it starts; -1 */
	bool again;                     /* it is started when it has ended */
	bool unattended;                /* it was told to end, and who told it does not wait any more */
	bool stale;                     /* of a pool, and what was declared is something else now: it is replaced when it is free */
	ev_timer timer;                 /* the next step of this state */
	ev_timer stuck, idle;
	struct ask ask;                 /* whether a form that did not stop runs still */
	json_int_t stuck_request;       /* that one; 0: none */
	struct pool *held_from;         /* borrowed; it gets no calls until that is known; NULL */
	double begun, ready, used;      /* os_now of the start, of its readiness, of its last call */
	double looked;                  /* at its memory */
	double ends[KEEPER_ENDS];       /* the last unexpected ones, the newest at ends_count - 1 */
	long ends_count, misses;        /* misses: failures since it last served for a while */
	long starts, calls, good;       /* calls of this life; those that did not fail */
	TAILQ_HEAD(, keeper_wait) waits;
};

struct keeper *keeper_create(const struct keeper_host *, const struct fleet_spec *, const char *name);
void keeper_destroy(struct keeper *); /* kills what it has started and what is not to be kept; NULL is fine */
void keeper_respec(struct keeper *, const struct fleet_spec *); /* for its next life */

void keeper_start(struct keeper *);  /* also out of a crash loop; nothing where it runs */
void keeper_wait(struct keeper *, struct keeper_wait *); /* on_done set; starts it */
void keeper_unwait(struct keeper_wait *);                /* twice does no harm */

/* Drains and ends it.  AGAIN: it is started afterwards. */
void keeper_stop(struct keeper *, bool again, const char *why);
void keeper_replace(struct keeper *, const char *why); /* kills it and starts it again */
void keeper_leaves(struct keeper *); /* it ends because somebody wants that: nothing is wrong then */
void keeper_parted(struct keeper *, const char *refusal); /* what became of that, or of host->part; NULL: it ends */
void keeper_unattended(struct keeper *); /* or nobody waits for what becomes of it */

/* What the service tells. */
void keeper_on_worker(struct keeper *, struct worker *);
void keeper_on_ended(struct keeper *, struct worker *, const struct request *);
void keeper_on_failed(struct keeper *, struct worker *, const struct request *); /* a call came back failed: did it stop? */

struct worker *keeper_worker(const struct keeper *); /* borrowed; NULL: none is known */
bool keeper_busy(const struct keeper *);  /* it has calls */
const char *keeper_word(const struct keeper *);

#endif
