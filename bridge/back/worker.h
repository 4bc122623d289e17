/* worker.h - somebody who answers calls: an Emacs instance, or the gateway.  What core and the
 * service see of it; its kind (back/emacs.c, back/gateway.c) embeds it and fills ops.  Bridge loop only. */
#ifndef WORKER_H
#define WORKER_H

#include "back/breaker.h"
#include "back/line.h"
#include "request.h"

#include <sys/types.h>

enum worker_state {
	WORKER_STARTING, /* found, greeted, has not answered yet */
	WORKER_READY,
	WORKER_BLOCKED,  /* does not answer; why says what is known */
	WORKER_GONE,
};

enum { WORKER_NAME_MAX = 48, WORKER_WHY_MAX = 512, WORKER_LIMITS_MAX = 200, WORKER_HASH_MAX = 128, WORKER_FOLDER_MAX = 1024 };

enum ask_kind { ASK_STATUS, ASK_INTERRUPT, ASK_CATALOGUE };

/* A short question besides the calls; it never waits behind them. */
struct ask {
	TAILQ_ENTRY(ask) of_worker;
	struct worker *worker; /* borrowed; NULL while it is not under way */
	uint64_t number;
	enum ask_kind kind;
	ev_timer timer;
	struct buf question;   /* kept until the worker is linked */
	struct buf answer;     /* pieces of a long answer */
	/* Once.  JSON is borrowed and NULL when none came in time or the worker was lost. */
	void (*on_answer)(struct ask *, const char *json, size_t len);
	void *owner;
};

struct worker;

struct worker_ops {
	const char *noun; /* "the Emacs": what it is called, before its name if it has one of its own */
	const char *key;  /* the member of an error that has its name */
	const char *gone; /* the error_code when it was lost */
	void (*call)(struct worker *, struct request *);
	bool (*unbegun)(const struct worker *, const struct request *); /* it is lost, and certainly had not begun that call; NULL: it never knows */
	bool (*withdraw)(struct worker *, struct request *);            /* its time is over: cancels it; true: it certainly never begins.  NULL: it never knows */
	double (*heard)(const struct worker *);                         /* os_now when it said something last, while calls fly; NULL: not known */
	void (*cancel)(struct worker *, struct request *, const char *reason);
	void (*credit)(struct worker *, struct request *, size_t bytes);
	void (*ask)(struct worker *, struct ask *, const char *payload, double timeout); /* on_answer comes later */
	void (*drop)(struct worker *, struct ask *);  /* on_answer does not come */
	void (*watch)(struct worker *, const char *uris); /* tells whose changes are heard of, a JSON array; NULL: it cannot */
	void (*distrust)(struct worker *, const char *why); /* it broke the contract: ends the connection */
	void (*destroy)(struct worker *);
};

struct worker {
	TAILQ_ENTRY(worker) of_service;
	const struct worker_ops *ops;
	struct service *service; /* borrowed */
	char name[WORKER_NAME_MAX + 1];
	pid_t pid;               /* 0 when unknown */
	char folder[WORKER_FOLDER_MAX]; /* it works in; empty when unknown */
	enum worker_state state; /* written by service_set_state alone */
	char why[WORKER_WHY_MAX];
	char hash[WORKER_HASH_MAX + 1]; /* of its catalogue; kept while it is gone */
	char limits[WORKER_LIMITS_MAX]; /* " (what it may take)", where it was given any; else empty */
	bool unattended; /* it is a batch Emacs: no person can sit at it */
	bool listed;  /* it exists, be it gone for a moment */
	bool linked;  /* calls can be sent */
	bool pooled;  /* a pool is what it is for, also while it is in none: it comes or goes */
	bool clogged; /* it reads too slowly to be sent more */

	/* the service's */
	struct line line; /* of what was given to this one and no other */
	struct request_list flying;
	long flying_count;
	double ended;     /* os_now when the last one was over; written by who counts */
	long flight_max;  /* requests that may fly; 0: as the configuration says */

	/* the pool's */
	struct pool *pool; /* borrowed, or NULL; written by pool_join and pool_leave alone */
	TAILQ_ENTRY(worker) of_pool;
	int pool_place;    /* which of its lists it is in */
	long pool_batch;   /* batch requests that fly */
	struct breaker breaker;

	void (*on_reply)(struct worker *, struct request *, bool last); /* reply has grown or is complete */
	void (*on_refused)(struct worker *, struct request *);          /* it will not run; the reply says why */
	void (*on_lost)(struct worker *, const char *why);              /* nothing sent will be answered */
	void (*on_note)(struct worker *, struct request *, const char *json, size_t len); /* a word of that call; NULL: to all */
	void (*on_hash)(struct worker *);                               /* hash is another one */
	void (*on_room)(struct worker *);                               /* linked, or no longer clogged */
};

#endif
