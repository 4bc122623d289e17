/* emacs_impl.h - the inside of one Emacs, shared by the two files that make it up: emacs.c
 * (coming and going, what is asked of it) and dialogue.c (what it says).  Nobody else
 * includes it.  Bridge loop only. */
#ifndef EMACS_IMPL_H
#define EMACS_IMPL_H

#include "back/emacs.h"
#include "back/plug.h"
#include "wire/ledger.h"
#include "wire/wire.h"

struct emacs {
	struct worker worker;
	struct ev_loop *loop;          /* borrowed */
	const struct config *config;   /* borrowed */
	char (*folders)[RUNTIME_PATH_MAX]; /* borrowed */
	unsigned seen;                 /* folders that hold its socket */
	int folder;                    /* the one it is connected in */
	bool better;                   /* its name has appeared in a folder that comes first */
	struct plug plug;
	TAILQ_HEAD(, ask) asks;        /* ask::of_worker; borrowed */
	uint64_t numbers;              /* of asks: odd; calls have even ones */
	ev_timer hello;                /* it must have answered the greeting by then */
	ev_timer tick;                 /* runs while calls fly */
	ev_timer retry;
	double pause;                  /* seconds until the next try */
	double heard;                  /* os_now of its last byte */
	double ticked;                 /* and of our last look */
	bool refused_us;               /* it said GOODBYE with a reason that will not pass by itself */
	bool news;                     /* the folder changed since we connected: somebody else may listen now */
	bool ending;                   /* frames that are still in the buffer mean nothing */
	bool watches_due;              /* it is told of them when it has read what waits for it */
	struct buf watches;            /* what it was told to watch, or will be: a JSON array */
	struct ledger *ledger;         /* which calls it has begun, until the next connection; NULL: it does not say */
	uint64_t peer;                 /* what we are called there */
	char parting[WORKER_WHY_MAX];  /* what GOODBYE, or our distrust, said */
	char logged[WORKER_WHY_MAX];   /* the last complaint: a retry does not repeat it */
};

/* Calls and questions share the wire's ids. */
static inline uint64_t emacs_wire_id(const struct request *r)
{
	return r->number * 2;
}

/* emacs.c */
void emacs_send_frame(struct emacs *, enum wire_type type, uint64_t id, const char *data, size_t len);
void emacs_complain(struct emacs *, const char *why); /* in the log, once */
void emacs_move(struct emacs *);                      /* to a better folder, when nothing is under way */
void emacs_distrust(struct worker *, const char *why);

/* dialogue.c */
void dialogue_put_question(struct emacs *, const struct ask *);
void dialogue_on_bytes(struct plug *); /* reads frames and does what they say */
void dialogue_on_sent(struct plug *);

#endif
