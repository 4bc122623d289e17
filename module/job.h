/* job.h - one call on its way through Lisp, and the answer to it.  Plain data without
 * a lock: queue.c changes a job's state under its own, and says which thread may. */
#ifndef JOB_H
#define JOB_H

#include "body.h"
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

enum job_stop {
	STOP_NONE,
	STOP_TIMEOUT,
	STOP_CANCELLED,   /* by its own client */
	STOP_INTERRUPTED, /* by another client, or M-x */
	STOP_CLIENT_GONE,
	STOP_EXIT, /* Emacs ends, or the server does */
};

/* NOTE is no answer: a word on the way, in the line of the answers so that it stays before its own. */
enum job_outcome { JOB_DONE, JOB_FAILED, JOB_STOPPED, JOB_FAULT, JOB_ASKS, JOB_NOTE };

enum { JOB_BY_MAX = 96, JOB_OBSTACLE_MAX = 160 };

/* An answer on its way to a peer; the loop owns it once taken. */
struct reply {
	TAILQ_ENTRY(reply) link;
	uint64_t peer, id, number; /* peer 0: nobody's, it only tells that the job ended */
	struct buf text;           /* one JSON object; empty: there was no memory for one */
	struct body *rest;         /* owned; what of it is written while it is sent; NULL: nothing */
	enum job_outcome outcome;
};
TAILQ_HEAD(reply_list, reply);

struct job {
	TAILQ_ENTRY(job) lane; /* peer_queue::lanes, while WAITING */
	TAILQ_ENTRY(job) all;  /* queue::jobs */
	uint64_t number;       /* unique in this Emacs */
	uint64_t peer, id;     /* whose, and its number on the wire */
	uint8_t priority;
	uint32_t timeout_ms;
	char *tool, *client, *arguments; /* owned, terminated */
	size_t arguments_len;
	char *context;                   /* owned, terminated; NULL: none came */
	size_t context_len;
	struct reply *reply;          /* owned; made with the job, so that an answer needs no memory */
	double queued_at, started_at; /* seconds, monotonic */
	enum job_state state;
	unsigned char turn; /* clients of one peer go in turn by it */
	bool nests; /* its tool may run inside another job */
	bool noted; /* it has spoken: its answer keeps to the same line */
	bool patient; /* its time counts from its begin */
	bool late;  /* a patient one that has waited longer than it may run: the loop's timer has forgotten it */
	enum job_stop stop;
	char by[JOB_BY_MAX];             /* who asked */
	bool seen;                       /* Lisp saw the stop and unwinds */
	char obstacle[JOB_OBSTACLE_MAX]; /* why Lisp could not act on it */
	bool brief;                      /* the obstacle is over in a moment: signal again soon */
	bool answered;                   /* the thread has answered in Lisp's place */
};

struct job *job_create(uint64_t peer, uint64_t id, const struct wire_call *call); /* copies; NULL: out of memory */
void job_destroy(struct job *job);
void reply_destroy(struct reply *reply);

uint8_t job_wire_flag(enum job_outcome outcome); /* of a RESULT */
const char *job_stop_word(enum job_stop why); /* of an answer's error_code */
void job_ask_stop(struct job *job, enum job_stop why, const char *by); /* the first reason stays */
void job_set_obstacle(struct job *job, const char *obstacle);          /* NULL: none */
/* When its time is over.  It counts from its arrival; of a patient one from its begin. */
double job_deadline(const struct job *job, double now);
double job_left(const struct job *job, double now); /* seconds it may run if it begins now; what a queue costs by itself is not counted */
bool job_overdue(const struct job *job, double now); /* past its time, and nobody has asked it to stop */
uint8_t job_wire_flag(enum job_outcome outcome); /* of its RESULT */
size_t reply_length(const struct reply *reply); /* bytes that are still to be sent */
/* Its answer, filled; takes TEXT.  Once only. */
struct reply *job_reply(struct job *job, struct buf *text, enum job_outcome outcome);

#endif
