/* stage.h - what the stages of the road and their helpers share.  core alone includes
 * it; fronts see pipeline.h. */
#ifndef STAGE_H
#define STAGE_H

#include "config.h"
#include "request.h"
#include "turn.h"

struct annals;
struct bulks;
struct catalogue;
struct fleet;
struct lobby;
struct handles;
struct guard;
struct service;
struct starter;
struct store;
TAILQ_HEAD(session_list, session);

struct pipeline {
	struct ev_loop *loop;         /* borrowed */
	const struct config *config;  /* borrowed */
	struct service *service;      /* borrowed */
	struct service *outer;        /* borrowed; of the gateway that a bridge may find; NULL: none is looked for */
	struct catalogue *catalogue;  /* owned */
	struct starter *starter;      /* owned */
	struct lobby *lobby;          /* owned */
	struct fleet *fleet;          /* borrowed; NULL: nothing is declared, or this is no gateway */
	struct guard *guard;          /* owned */
	struct session_list sessions; /* session::of_pipeline; owned */
	struct request_list dead;     /* request::of_session; freed when nobody is in a callback */
	struct turn reaper;           /* wanted while dead holds something */
	ev_timer tidy;                /* memory goes back to the system */
	uint64_t numbers;
	uint32_t birth;               /* by chance: tells numbers of this process from those of others */
	struct seal *seal;            /* owned */
	struct bulks *bulks;          /* owned */
	struct annals *annals;        /* owned; NULL: no store was given */
	struct store *store;          /* borrowed; NULL: none */
	struct tasks *tasks;          /* owned; NULL: no store was given */
	struct handles *handles;      /* owned; NULL: no spool was given */
};

enum verdict {
	NEXT, /* on to the next stage */
	DONE, /* the answer is there: back */
	WAIT, /* somebody else will resume it */
};

struct request *pipeline_new(struct session *); /* a request on which nothing was said yet */
void pipeline_run(struct request *);            /* lets it enter the road */
void pipeline_resume(struct request *);         /* its answer is there: lets it leave the road */
void pipeline_cancel(struct request *, const char *reason); /* nothing more is sent for it */

/* core/batch.c */
enum verdict batch_enter(struct request *);
void batch_forget(struct request *child); /* it has been answered, or never will be */

/* core/progress.c */
void progress_start(struct request *);
void progress_stop(struct request *);
void progress_note(struct request *, const char *json, size_t len); /* what Emacs says of it while it runs */

/* core/asking.c: a legacy client is asked by requests of ours */
void asking_begin(struct request *, json_t *questions, json_t *state); /* r's reply was a question; both are taken */
void asking_drop(struct request *); /* nobody waits any more */
void asking_destroy(struct request *);
bool asking_waits(const struct request *);
void asking_take(struct session *, const json_t *response); /* what a client answered */

/* core/guard.c */
enum verdict guard_enter(struct request *);
void guard_leave(struct request *); /* twice does no harm */

/* core/large.c */
void large_announced(struct request *, size_t size); /* its result comes next and is one text; SIZE: of the JSON */
void large_drop(struct request *); /* nobody waits any more; twice does no harm */
bool large_is_uri(const char *uri);
enum verdict large_read(struct request *, const char *uri); /* resources/read of a kept result */

/* core/router.c */
enum verdict router_enter(struct request *);

#endif
