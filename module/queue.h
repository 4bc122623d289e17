/* queue.h - the jobs of all peers: from the server thread to Lisp, and their
 * answers back.  Bounded, prioritised, fair between peers.  It is also where both
 * threads agree on what runs and whether it is to stop: each state of a job is
 * changed here, under one lock that is never held for long.  Knows neither Emacs
 * nor sockets.  Each function says which thread may call it. */
#ifndef QUEUE_H
#define QUEUE_H

#include "job.h"

enum { QUEUE_BYTES_MAX = 64 * 1024 * 1024 }; /* arguments of all jobs together */

struct queue_limits {
	unsigned total, per_peer; /* jobs that wait: for their turn, or deferred */
};

struct queue_counts {
	uint64_t done, failed, stopped, refused;
};

/* What the thread tells of the state, copied under the lock. */
struct queue_view {
	bool running;
	struct job job; /* what runs; its pointers are NULL, the names are below */
	char tool[WIRE_TOOL_MAX + 1], client[WIRE_CLIENT_MAX + 1];
	unsigned waiting, lanes[WIRE_PRIORITIES], deferred;
	struct queue_counts counts;
	bool rung;          /* a ring is not answered yet */
	double rung_at;     /* when it was */
	double heard_at;    /* when Emacs last answered one; 0: never */
	char prompt[256];   /* of an open minibuffer; empty: none */
	bool prompting;     /* and what runs opened it */
};

struct queue;

/* thread: emacs */ struct queue *queue_create(const struct queue_limits *limits); /* NULL: out of memory */
/* thread: emacs, after the loop ended */ void queue_destroy(struct queue *q);
/* thread: emacs, before the loop */ void queue_open(struct queue *q, const struct queue_limits *limits);

double queue_now(void); /* monotonic seconds; any thread */

/* ---- the loop's side ---- */
enum queue_refusal { QUEUE_OK, QUEUE_FULL, QUEUE_CLIENT_FULL, QUEUE_DUPLICATE, QUEUE_STOPPING, QUEUE_PAUSED, QUEUE_NO_MEMORY };
enum queue_refusal queue_submit(struct queue *q, uint64_t peer, uint64_t id, const struct wire_call *call, uint64_t *number);

/* Finds the number of PEER's job with wire id ID.  0: none. */
uint64_t queue_find(struct queue *q, uint64_t peer, uint64_t id);
uint64_t queue_running(struct queue *q); /* number of what runs; 0: nothing */

enum queue_cancel {
	CANCEL_UNKNOWN, /* it has ended, or never was */
	CANCEL_DROPPED, /* it waited or was deferred, and has left: *job is the caller's to answer and job_destroy */
	CANCEL_ASKED,   /* Lisp has it and has not begun: it will not, and says so itself */
	CANCEL_NESTED,  /* it runs inside another one and is not cut */
	CANCEL_DRIVE,   /* it runs; drive the stop with queue_signal */
};
enum queue_cancel queue_stop(struct queue *q, uint64_t number, enum job_stop why, const char *by, struct job **job);

/* The next moment at which a job may be past its time; 0: none. */
double queue_next_deadline(struct queue *q, double now);
/* A job past its time and not asked to stop, or deferred and asked to; 0: none. */
uint64_t queue_overdue(struct queue *q, double now);
unsigned queue_before(struct queue *q, const struct job *job); /* how many wait that came before it and are not less urgent */
bool queue_take_look(struct queue *q); /* true once when deadlines and stops are to be looked at */

/* True while NUMBER runs and its stop has not been seen: then SIGNAL(number) was
 * called under the lock, so it cannot arrive after the job's end-mark. */
bool queue_signal(struct queue *q, uint64_t number, void (*signal)(void));
enum queue_stopping {
	STOP_OVER,    /* it runs no more */
	STOP_UNSEEN,  /* Lisp has not acted on it yet */
	STOP_FOREIGN, /* something that is not the job's runs inside it */
	STOP_BRIEF,   /* the same, and it soon returns */
	STOP_SEEN,    /* it unwinds */
};
enum queue_stopping queue_stop_state(struct queue *q, uint64_t number);
/* Of a stop that Lisp has not seen: what is in its way; "": nothing more. */
void queue_stop_obstacle(struct queue *q, uint64_t number, const char *obstacle);
/* Calls SIGNAL under the lock unless a job runs: it is no stop, it only wakes Emacs. */
void queue_poke(struct queue *q, void (*signal)(void));
double queue_rung_for(struct queue *q); /* seconds a ring has not been answered; 0: none is open */
void queue_stop_again(struct queue *q, uint64_t number); /* a further round: its clean-up does not end */
/* Takes the answer out of Lisp's hands: false when it is already on its way.  The
 * copy's pointers are NULL. */
bool queue_answer_for(struct queue *q, uint64_t number, struct job *copy);
/* The same for any job that is not answered, when the server ends; one that waited leaves. */
bool queue_answer_next(struct queue *q, struct job *copy);

/* The peer is gone: what waits of it leaves, what Lisp has is to stop.  Returns the
 * number of its job that runs; 0: none. */
uint64_t queue_drop_peer(struct queue *q, uint64_t peer);
void queue_hold(struct queue *q, uint64_t peer, bool held); /* its jobs wait while it does not read */
/* False: there was none.  WATCHED: the caller comes again within a millisecond or so, and is
 * not woken for each further reply; unless there is none, then it is. */
bool queue_take_replies(struct queue *q, struct reply_list *into, bool watched);
void queue_close(struct queue *q); /* refuses from now on, until queue_open */
/* True when the doorbell is to be rung: there is something to say and no ring is open. */
bool queue_want_ring(struct queue *q, bool force);
void queue_ring_failed(struct queue *q);
void queue_wake_on_ring(struct queue *q); /* the loop waits for the next answer to a ring */
bool queue_pending(struct queue *q);      /* something could be taken now */
uint64_t queue_waiting(struct queue *q);  /* number of a job that waits or is deferred; 0: none */

/* ---- any thread ---- */
struct ledger;
void queue_write_down(struct queue *q, struct ledger *ledger); /* there, what begins from now on; borrowed; NULL: nowhere */
void queue_pause(struct queue *q, bool paused); /* refuse what comes, until told otherwise */
/* Appends what became of the last hour's jobs: members of a JSON object. */
bool queue_stats(struct queue *q, struct buf *out) __attribute__((warn_unused_result));
void queue_look(struct queue *q, struct queue_view *view);
uint64_t queue_stop_wanted(struct queue *q); /* what runs and is to stop; 0: nothing */

/* ---- Lisp's side ---- */
/* Both are called in the emacs thread: wake any time; send with an answer that nothing waits
 * in front of: true, it is sent, and the loop need not know. */
void queue_on_change(struct queue *q, void (*wake)(void *), bool (*send)(void *, const struct reply *), void *data);
void queue_heard(struct queue *q);                                       /* the doorbell's filter runs */
void queue_look_later(struct queue *q); /* Lisp stops taking jobs and wants to be rung for what is left or comes */
bool queue_name_nesting(struct queue *q, char **names, size_t n);         /* tools that may run inside a job; takes the strings */
/* The next job, marked TAKEN; NULL: none.  NESTED: only one that may run inside
 * another.  Borrowed until queue_reply; what the caller reads of it does not change. */
const struct job *queue_take(struct queue *q, bool nested);
bool queue_begin(struct queue *q, uint64_t number, bool nested); /* false: asked to stop before it began */
void queue_end(struct queue *q, uint64_t number);
void queue_defer(struct queue *q, uint64_t number);
bool queue_alive(struct queue *q, uint64_t number); /* somebody still waits for its answer */
enum job_stop queue_why(struct queue *q, uint64_t number, char by[JOB_BY_MAX]);
void queue_stop_seen(struct queue *q, uint64_t number, const char *obstacle, bool brief); /* NULL: it unwinds now */
size_t queue_begun(struct queue *q, uint64_t *numbers, size_t max); /* the jobs Lisp has taken and not ended */
/* Hands over an answer; takes TEXT.  False: nobody waits for it any more. */
bool queue_reply(struct queue *q, uint64_t number, struct buf *text, enum job_outcome outcome);
bool queue_reply_long(struct queue *q, uint64_t number, struct buf *text, struct body **rest, enum job_outcome outcome); /* takes both */
/* Seconds since it began, 0: it did not; and the name of its TOOL, NULL: not wanted. */
double queue_took(struct queue *q, uint64_t number, char tool[WIRE_TOOL_MAX + 1]);
/* queue_note.c: a word of job NUMBER to its client, or with 0 to everybody, before any answer
 * that comes later.  Takes TEXT.  False: too many are on their way, or nobody waits. */
bool queue_note(struct queue *q, uint64_t number, struct buf *text);
void queue_prompt(struct queue *q, const char *text, bool of_job); /* "" : no minibuffer is open */

#endif
