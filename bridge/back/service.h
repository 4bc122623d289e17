/* service.h - a set of workers and one policy: how many calls fly to each, who waits,
 * who is refused, and what is said when a worker is lost.  core and the kinds of worker
 * call.  Bridge loop only.  It owns its workers. */
#ifndef SERVICE_H
#define SERVICE_H

#include "back/worker.h"
#include "config.h"

struct service;

enum { SERVICE_HOME_MAX = 108 };

struct service *service_create(const struct config *config); /* config: borrowed, outlives us */
void service_destroy(struct service *); /* its requests must be settled before */

/* Called whenever a worker tells the hash of its catalogue. */
void service_on_hash(struct service *, void (*on_hash)(void *data, struct worker *), void *data);

/* Called with whatever a worker says to everybody: one JSON object. */
void service_on_note(struct service *, void (*on_note)(void *data, struct worker *, const char *json, size_t len), void *data);

/* Called whenever a worker's state is another one; up to four may want to know. */
void service_on_state(struct service *, void (*on_state)(void *data, struct worker *), void *data);

/* Called when a request flies no more: it was answered, did not run (it was refused, or had not
 * begun when its worker was lost), or was lost with its worker.  Nothing may be submitted or
 * removed from inside.  Up to four may want to know. */
enum service_end { SERVICE_ANSWERED, SERVICE_UNRUN, SERVICE_LOST };
void service_on_ended(struct service *, void (*on_ended)(void *data, struct worker *, struct request *, enum service_end), void *data);
void service_deafen(struct service *, const void *data); /* who listened with DATA is told nothing more */

void service_add(struct service *, struct worker *); /* takes it over; its ops->destroy ends it */
void service_remove(struct worker *);                /* destroys it; it must have no calls */
struct worker *service_find(const struct service *, const char *name);
struct worker *service_first(const struct service *);
struct worker *service_next(const struct worker *);

/* True: it waits or flies and will be resumed.  False: its reply says why not. */
bool service_submit(struct worker *, struct request *) __attribute__((warn_unused_result));
void service_cancel(struct request *, const char *reason); /* it is settled by the caller */

/* The one writer of a worker's state. */
void service_set_state(struct worker *, enum worker_state state, const char *why);
const char *service_state_word(enum worker_state state);
void service_explain(const struct worker *, char why[WORKER_WHY_MAX]); /* why it may be silent */

/* Answers a call that waits in a line and whose time is over. */
void service_expire(struct request *);
/* Answers a call that flies as failed; the worker still owes its answer. */
void service_give_up(struct worker *, struct request *, const char *code, const char *why);

/* Where instances are looked for, and what is wrong there; for people.  Never NULL. */
void service_set_places(struct service *, const char *places, const char *trouble);
const char *service_places(const struct service *);
const char *service_trouble(const struct service *);

/* For those who start an instance: may it have that name, and where will its socket be? */
bool service_name_valid(const char *name);
bool service_home(char folder[SERVICE_HOME_MAX], char error[WORKER_WHY_MAX]) __attribute__((warn_unused_result));

#endif
