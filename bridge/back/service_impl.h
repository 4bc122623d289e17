/* service_impl.h - the inside of the service, shared by service.c, which knows workers one
 * by one, and pool.c, which chooses among them.  Nobody else includes it.  Bridge loop only. */
#ifndef SERVICE_IMPL_H
#define SERVICE_IMPL_H

#include "back/pool.h"
#include "back/service.h"

enum { SERVICE_LISTENERS = 4 };

TAILQ_HEAD(worker_list, worker);
TAILQ_HEAD(pool_list, pool);

struct service {
	const struct config *config;    /* borrowed */
	struct line_policy line_policy; /* of each worker's own line */
	struct worker_list workers;     /* worker::of_service; owned */
	struct pool_list pools;         /* pool::of_service; owned */
	void (*on_hash)(void *data, struct worker *);
	void *data;
	struct state_listener {
		void (*on_state)(void *data, struct worker *);
		void *data;
	} on_state[SERVICE_LISTENERS];
	struct end_listener {
		void (*on_ended)(void *data, struct worker *, struct request *, enum service_end);
		void *data;
	} on_ended[SERVICE_LISTENERS];
	void (*on_note)(void *data, struct worker *, const char *json, size_t len);
	void *note_data;
	char *places, *trouble; /* owned */
};

/* service.c */
void service_begin(struct request *);                   /* it is going to wait or to fly */
void service_send(struct worker *, struct request *);   /* which has room for it */
void service_hand_over(struct request *);               /* its reply is there or will never be */

/* pool.c; only of workers that are in a pool */
void pool_sent(struct worker *, struct request *);
void pool_ended(struct worker *, struct request *, bool good);
void pool_failed(struct worker *);  /* it is there and does not do what it should */
void pool_room(struct worker *);    /* it may have room, or none any more */

void pool_expire(struct request *); /* it waits in a pool and its time is over */
void pool_drop(struct request *);   /* it waits in a pool and is not wanted any more */

/* R was not run, or may run twice: another worker gets it.  False: it is in no pool, it was
 * tried often enough, or nobody wants it. */
bool pool_again(struct request *, const struct worker *from);

#endif
