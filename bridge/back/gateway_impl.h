/* gateway_impl.h - the inside of the link to the gateway, shared by the two files that make it
 * up: gateway.c (finding it, coming and going, what is asked of it) and parley.c (what is said
 * in both directions).  Nobody else includes it.  Bridge loop only. */
#ifndef GATEWAY_IMPL_H
#define GATEWAY_IMPL_H

#include "back/gateway.h"
#include "back/plug.h"

struct gateway {
	struct worker worker;
	struct ev_loop *loop;        /* borrowed */
	const struct config *config; /* borrowed */
	char path[RUNTIME_PATH_MAX];
	struct os_watch *watch;      /* owned; of the folder of its socket */
	struct plug plug;
	TAILQ_HEAD(, ask) asks;      /* ask::of_worker; borrowed */
	ev_timer hello;              /* it must have answered the greeting, then have told its tools, by then */
	ev_timer tick;               /* runs while calls fly */
	ev_timer retry;
	double pause;                /* seconds until the next try */
	double heard, ticked;        /* os_now of its last byte, of our last look */
	bool news;                   /* the folder changed since we connected */
	bool ending;                 /* lines that are still in the buffer mean nothing */
	char parting[WORKER_WHY_MAX];
	char logged[WORKER_WHY_MAX]; /* the last complaint: a retry does not repeat it */
	char version[64];
	uint64_t numbers;            /* of asks */

	/* parley.c */
	size_t scanned;              /* bytes of plug.in without a newline */
	bool skipping;               /* inside a line over the limit */
	bool listing, stale;         /* what it offers is being asked for; it changed meanwhile */
	size_t list;                 /* which of its lists */
	bool pinged;                 /* it was asked whether it listens and has not answered */
	json_t *told;                /* owned; what was told so far */
	struct buf offers;           /* {"tools":[...],"resources":[...],...}, when all was told */
};

/* gateway.c */
void gateway_welcome(struct gateway *, const char *version); /* it has answered the greeting */
void gateway_distrust(struct worker *, const char *why);
void gateway_refuse(struct gateway *, const char *why);      /* it cannot be used: the connection ends */

/* parley.c */
void parley_begin(struct gateway *);   /* connected: nothing was said yet; says the greeting */
void parley_end(struct gateway *);     /* the connection is closed */
void parley_list(struct gateway *);    /* asks what it offers */
void parley_no_offers(struct gateway *);/* it does not tell, or not all */
void parley_ask(struct gateway *, uint64_t number, const char *params); /* calls one of its tools: the ask of that number gets the text; PARAMS: an object */
void parley_ping(struct gateway *);    /* asks whether it listens, unless that was asked already */
void parley_call(struct gateway *, struct request *);
void parley_cancel(struct gateway *, const struct request *, const char *reason);
void parley_on_bytes(struct plug *);   /* reads lines and does what they say */

#endif
