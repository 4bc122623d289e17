/* pool.h - a named set of workers behind one waiting line: whoever of them is free gets
 * the next request, some of them are kept free of batch work.  It neither starts nor ends
 * workers; whoever does is told when there is reason to.  What a worker refused, and what
 * was lost with it and may run twice, goes to another one.  core and main call; bridge
 * loop only. */
#ifndef POOL_H
#define POOL_H

#include "back/service.h"

enum { POOL_FLIGHT_MAX = 16 };

struct pool;

/* What is 0 has the default that is given. */
struct pool_policy {
	struct ev_loop *loop;     /* borrowed; NULL: nobody waits for too long */
	long queue_max;           /* requests that wait; 10000 */
	long queue_bytes;         /* of their arguments; queue_bytes of the configuration */
	long client_max;          /* requests that wait of one client; half of queue_max */
	long interactive_reserve; /* workers that get no batch work; one gets some in any case */
	long flight;              /* requests sent to one worker and not answered; 1 */
	double queue_timeout;     /* seconds a request waits at most; 0: as long as it takes */
	double start_timeout;     /* seconds it waits while there is no worker at all; start_timeout of the configuration */
	long retries;             /* how often it goes to another worker; 2; -1: never */
	long failures_max;        /* failures in a row after which a worker is left alone; 5 */
};

struct pool *pool_create(struct service *, const char *name, const struct pool_policy *); /* owned by the service */
void pool_destroy(struct pool *);                 /* what waits is refused, did not run; NULL is fine */
struct pool *pool_find(const struct service *, const char *name);
struct pool *pool_first(const struct service *);
struct pool *pool_next(const struct pool *);
const char *pool_name(const struct pool *);
void pool_set_policy(struct pool *, const struct pool_policy *); /* for what comes */

void pool_join(struct pool *, struct worker *);   /* a worker belongs to at most one; worker::pool */
void pool_leave(struct worker *);                 /* gets no new requests; what flies goes on */

/* True: it waits or flies and will be resumed.  False: its reply says why not. */
bool pool_submit(struct pool *, struct request *) __attribute__((warn_unused_result));

struct pool_load {
	long waiting[PRIORITIES], flying, workers, idle;
	double oldest; /* seconds the first has waited */
	double took;   /* seconds a request runs, as of late; 0: none has */
};
void pool_load(const struct pool *, struct pool_load *);

/* Waiting began, a worker fell idle, all is empty.  It may join and leave workers. */
void pool_on_load(struct pool *, void (*on_load)(void *data, struct pool *), void *data);

#endif
