/* bulk_impl.h - the inside of the batches of forms: bulk.c (what clients say of them),
 * bulk_run.c (how they run) and bulk_keep.c (how they are kept).  Nobody else includes it. */
#ifndef BULK_IMPL_H
#define BULK_IMPL_H

#include "core/bulk.h"
#include "core/bulk_record.h"
#include "core/self.h"

struct bulks {
	struct pipeline *pipeline;   /* borrowed */
	struct store *store;         /* borrowed, or NULL */
	struct outlet outlet;        /* of our own calls */
	struct session *session;     /* owned; theirs too */
	TAILQ_HEAD(, bulk) all;      /* owned */
	TAILQ_HEAD(, bulk_wait) waits;
	long kept;
	bool resumed;                /* what the store has is known */
	bool resting;                /* nothing more is begun */
	void (*on_rested)(void *data); /* NULL: nobody waits for what runs */
	void *data;
	unsigned rounds;
	ev_timer kick, sweep;
};

/* A client's request that waits: for its batch, or for a kept one to be kept or to end. */
struct bulk_wait {
	struct task task;            /* first member */
	TAILQ_ENTRY(bulk_wait) link;
	struct bulks *all;           /* borrowed */
	struct request *request;     /* borrowed; NULL: nobody waits any more */
	char id[BULK_ID];
	ev_timer timer;
};

struct bulk *bulk_find(struct bulks *, const char *id);
void bulk_forget(struct bulk *); /* stops what runs */

/* bulk_run.c */
void bulk_run(struct bulk *);    /* begins what may begin; it may be gone afterwards */
void bulk_run_all(struct bulks *);
void bulk_skip_rest(struct bulk *);
void bulk_end_form(struct form *, enum form_status);
void bulk_drop_call(struct form *, const char *why);
bool bulk_submit(struct form *); /* false: not now, it waits on */
void bulk_on_deliver(struct outlet *, struct request *call);

/* bulk.c */
void bulk_look_rested(struct bulks *); /* tells who waits that nothing runs, if so */
void bulk_finish(struct bulk *); /* all of it has an answer: tells who waits; it may be gone afterwards */

/* bulk_keep.c; DONE may be NULL */
void bulk_keep(struct bulk *, void (*done)(struct bulk *, bool ok)); /* the order */
void bulk_keep_form(struct form *, void (*done)(struct form *, bool ok)); /* not told when the batch is gone */
void bulk_remove_kept(struct bulk *);
void bulk_watch_sweep(struct bulks *);
void bulk_on_sweep(EV_P_ ev_timer *, int revents);

#endif
