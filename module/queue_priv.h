/* queue_priv.h - what queue.c and queue_stop.c share: the queue itself.  Everything
 * in it is used under its lock, by both threads. */
#ifndef QUEUE_PRIV_H
#define QUEUE_PRIV_H

#include "history.h"
#include "queue.h"
#include "wire/ledger.h"

#include <pthread.h>

TAILQ_HEAD(job_list, job);

enum { QUEUE_TURNS = 64 };

/* One peer's waiting jobs.  The round robin walks these.  A peer may carry calls of many
 * clients (a gateway does): these go in turn too. */
struct peer_queue {
	TAILQ_ENTRY(peer_queue) link; /* queue::peers; the one served goes to the end */
	uint64_t peer;
	struct job_list lanes[WIRE_PRIORITIES];
	unsigned waiting;
	bool held;
	bool mixed;                   /* they are of several clients */
	unsigned char only;           /* else job::turn of all of them */
	uint64_t served[QUEUE_TURNS]; /* by job::turn: when one was taken last */
};

struct queue {
	pthread_mutex_t lock;
	struct queue_limits limits;
	TAILQ_HEAD(, peer_queue) peers;
	struct job_list jobs; /* all that have not left */
	size_t bytes;         /* of their arguments */
	struct reply_list replies;
	unsigned n_replies;
	bool watched; /* the loop looks for replies by itself, soon */
	unsigned notes; /* among the replies */
	struct job *running; /* borrowed from jobs */
	uint64_t last_number, takes;
	unsigned waiting, lanes[WIRE_PRIORITIES];
	unsigned nesting_waiting; /* of those, jobs that may run inside another */
	struct queue_counts counts;
	struct history history;
	struct ledger *ledger; /* borrowed; of what was begun; NULL: nobody asks */
	bool closed, paused, rung, wake_on_ring;
	bool prompt_of_job; /* the open minibuffer was opened by the job that runs */
	bool look; /* the loop is to look at deadlines and stops */
	double rung_at, heard_at;
	char prompt[256];
	char **nesting; /* owned */
	size_t n_nesting;
	void (*wake)(void *); /* these three: the emacs thread's alone */
	bool (*send)(void *, const struct reply *);
	void *wake_data;
};

/* All for a caller that has the lock. */
struct job *queue_job(struct queue *q, uint64_t number);                       /* NULL: it has left */
struct peer_queue *queue_peer(struct queue *q, uint64_t peer);                 /* NULL: it never called, or is gone */
void queue_leave_lane(struct queue *q, struct peer_queue *pq, struct job *job); /* one that waits */
void queue_remove(struct queue *q, struct job *job);                           /* it leaves; the caller's to destroy */

#endif
