/* queue.h - the jobs of all peers: from the server thread to Lisp, and their
 * answers back.  Bounded, prioritised, fair between peers.  It is also where both
 * threads agree on what runs and whether it is to stop: each state of a job is
 * changed here, under one lock that is never held for long.  Knows neither Emacs
 * nor sockets.  Each function says which thread may call it. */
#ifndef QUEUE_H
#define QUEUE_H

#include "wire/wire.h"

#include <stdint.h>
#include <sys/queue.h>

enum job_state {
	JOB_WAITING,  /* in a lane */
	JOB_TAKEN,    /* Lisp has it and has not begun */
	JOB_RUNNING,  /* between the begin-mark and the end-mark: may be stopped by signal */
	JOB_NESTED,   /* one of the few that run inside another job: never signalled */
	JOB_DEFERRED, /* its function returned, the answer comes later */
	JOB_ENDED,    /* past the end-mark, not yet answered */
};

/* Why a job is to stop, in the words of an answer's error_code. */
enum job_stop {
	STOP_NONE,
	STOP_TIMEOUT,
	STOP_CANCELLED,   /* by its own client */
	STOP_INTERRUPTED, /* by another client, or M-x */
	STOP_CLIENT_GONE,
	STOP_EXIT, /* Emacs ends, or the server does */
};

enum { JOB_BY_MAX = 96, JOB_OBSTACLE_MAX = 160 };

struct job {
	TAILQ_ENTRY(job) lane; /* peer_queue::lanes, while WAITING */
	TAILQ_ENTRY(job) all;  /* queue::jobs */
	uint64_t number;       /* unique in this Emacs */
	uint64_t peer, id;     /* whose, and its number on the wire */
	uint8_t priority;
	uint32_t timeout_ms;
	char *tool, *client, *arguments; /* owned, terminated */
	size_t arguments_len;
	double queued_at, started_at; /* seconds, monotonic */
	enum job_state state;
	enum job_stop stop;
	double stop_at;           /* when the stop was asked for */
	char by[JOB_BY_MAX];      /* who asked */
	bool seen;                /* Lisp saw the stop and unwinds */
	char obstacle[JOB_OBSTACLE_MAX]; /* why Lisp could not act on it */
	bool answered;            /* the thread has answered in Lisp's place */
};

enum job_outcome { JOB_DONE, JOB_FAILED, JOB_STOPPED };

/* An answer on its way to a peer; the loop owns it once taken. */
struct reply {
	TAILQ_ENTRY(reply) link;
	uint64_t peer, id, number;
	struct buf text; /* one JSON object */
	enum job_outcome outcome;
};
TAILQ_HEAD(reply_list, reply);

struct queue_limits {
	unsigned total, per_peer; /* waiting jobs */
};

struct queue_counts {
	uint64_t done, failed, stopped, refused;
};

/* What the thread tells of the state, copied under the lock. */
struct queue_view {
	bool running;
	struct job job; /* of what runs; pointers below replace its strings */
	char tool[WIRE_TOOL_MAX + 1], client[WIRE_CLIENT_MAX + 1];
	unsigned waiting, lanes[WIRE_PRIORITIES], deferred;
	struct queue_counts counts;
	bool rung;          /* a ring is not answered yet */
	double rung_at;     /* when it was */
	double heard_at;    /* when Emacs last answered one; 0: never */
	char prompt[256];   /* of an open minibuffer; empty: none */
};

struct queue;

/* thread: emacs */ struct queue *queue_create(const struct queue_limits *limits); /* NULL: out of memory */
/* thread: emacs, after the loop ended */ void queue_destroy(struct queue *q);
/* thread: emacs, before the loop */ void queue_open(struct queue *q, const struct queue_limits *limits);

double queue_now(void); /* monotonic seconds; any thread */

/* ---- the loop's side ---- */
enum queue_refusal { QUEUE_OK, QUEUE_FULL, QUEUE_CLIENT_FULL, QUEUE_DUPLICATE, QUEUE_STOPPING, QUEUE_NO_MEMORY };
enum queue_refusal queue_submit(struct queue *q, uint64_t peer, uint64_t id, const struct wire_call *call, uint64_t *number);

/* Finds the number of PEER's job with wire id ID.  0: none. */
uint64_t queue_find(struct queue *q, uint64_t peer, uint64_t id);
uint64_t queue_running(struct queue *q); /* number of what runs; 0: nothing */

enum queue_cancel { CANCEL_UNKNOWN, CANCEL_DROPPED, CANCEL_ASKED };
/* Asks job NUMBER to stop.  DROPPED: it waited or was deferred, is gone and *job is
 * the caller's to answer and job_destroy.  ASKED: it runs; drive the stop with queue_signal. */
enum queue_cancel queue_stop(struct queue *q, uint64_t number, enum job_stop why, const char *by, struct job **job);
void job_destroy(struct job *job); /* NULL is fine */

/* The next moment at which a job may be past its time; 0: none. */
double queue_next_deadline(struct queue *q);
uint64_t queue_overdue(struct queue *q, double now); /* number of a job past its time, not yet asked to stop; 0: none */

/* True while NUMBER runs and its stop has not been seen: then SIGNAL(number) was
 * called under the lock, so it cannot arrive after the job's end-mark. */
bool queue_signal(struct queue *q, uint64_t number, void (*signal)(void));
bool queue_stop_state(struct queue *q, uint64_t number, bool *seen, char obstacle[JOB_OBSTACLE_MAX]); /* false: it has ended */
void queue_stop_again(struct queue *q, uint64_t number); /* a further round: its clean-up does not end */
/* Takes the answer out of Lisp's hands: false when it is already on its way.  The
 * copy's strings are NULL. */
bool queue_answer_for(struct queue *q, uint64_t number, struct job *copy);

void queue_drop_peer(struct queue *q, uint64_t peer, uint64_t running[2]); /* its waiting jobs go; what runs of it is told */
void queue_hold(struct queue *q, uint64_t peer, bool held);                /* its jobs wait while it does not read */
void queue_take_replies(struct queue *q, struct reply_list *into);
void reply_destroy(struct reply *reply);
void queue_close(struct queue *q); /* refuses from now on, until queue_open */
void queue_look(struct queue *q, struct queue_view *view);
/* True when the doorbell is to be rung: there is something to say and no ring is open. */
bool queue_want_ring(struct queue *q, bool force);
void queue_ring_failed(struct queue *q);
void queue_wake_on_ring(struct queue *q); /* the loop waits for the next answer to a ring */

/* ---- Lisp's side ---- */
void queue_on_change(struct queue *q, void (*wake)(void *), void *data); /* wake: called in the emacs thread, any time */
void queue_heard(struct queue *q);                                       /* the doorbell's filter runs */
bool queue_name_nesting(struct queue *q, char **names, size_t n);         /* tools that may run inside a job; takes the strings */
/* The next job, marked TAKEN; NULL: none.  NESTED: only one that may run inside
 * another.  Borrowed until queue_end; the strings do not change. */
const struct job *queue_take(struct queue *q, bool nested);
bool queue_begin(struct queue *q, uint64_t number, bool nested); /* false: asked to stop before it began */
void queue_end(struct queue *q, uint64_t number);
void queue_defer(struct queue *q, uint64_t number);
bool queue_alive(struct queue *q, uint64_t number); /* somebody still waits for its answer */
enum job_stop queue_why(struct queue *q, uint64_t number, char by[JOB_BY_MAX]);
uint64_t queue_stop_wanted(struct queue *q); /* what runs and is to stop; 0: nothing */
void queue_stop_seen(struct queue *q, uint64_t number, const char *obstacle); /* NULL: it unwinds now */
/* Hands over an answer; takes TEXT.  False: nobody waits for it any more. */
bool queue_reply(struct queue *q, uint64_t number, struct buf *text, enum job_outcome outcome);
void queue_prompt(struct queue *q, const char *text); /* "" : no minibuffer is open */
bool queue_pending(struct queue *q);                  /* something could be taken */

#endif
