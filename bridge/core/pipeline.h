/* pipeline.h - the road that every message takes, as the fronts see it: open a session
 * for a client, give it what the client says, get answers through the outlet, pass the
 * pieces of long results on.  Fronts and main call; bridge loop only. */
#ifndef PIPELINE_H
#define PIPELINE_H

#include "config.h"
#include "request.h"

struct guard;
struct service;
struct spool;
struct store;

struct pipeline *pipeline_create(struct ev_loop *, const struct config *, struct service *); /* all borrowed */
void pipeline_heed(struct pipeline *); /* the settings are others now */
void pipeline_use_store(struct pipeline *, struct store *); /* borrowed, before any session: from then on there are tasks */
void pipeline_resume_batches(struct pipeline *); /* goes on with what the store has; once, when no other process does */
/* Begins nothing by itself any more: the program ends.  ON_RESTED, which may be NULL, comes
 * once when nothing of that kind runs, maybe at once. */
void pipeline_rest(struct pipeline *, void (*on_rested)(void *data), void *data);
void pipeline_use_spool(struct pipeline *, struct spool *); /* borrowed, before any session: from then on long results are kept */
void pipeline_use_outer(struct pipeline *, struct service *); /* borrowed, before any session: of the gateway, where what is not Emacs is passed to */
void pipeline_destroy(struct pipeline *); /* after its sessions and the service */

/* Principals that are GONE have no rights any more: their tasks and kept batches, which no client ends, are cancelled. */
typedef bool pipeline_gone(void *data, const char *principal);
void pipeline_revoke(struct pipeline *, pipeline_gone *, void *data, const char *why);

struct session *pipeline_open(struct pipeline *, struct outlet *); /* outlet: borrowed, outlives it */
void pipeline_identify(struct session *, const char *principal); /* who it is, once that was proved; "local" before */
void pipeline_place(struct session *, const char *folder); /* where the client works, as far as that is known; NULL is fine */
void pipeline_close(struct session *); /* cancels what is unanswered; nothing more is delivered */

void pipeline_take(struct session *, const char *text, size_t len);            /* one message */
void pipeline_take_long(struct session *, const char *beginning, size_t len);  /* one over request_max */

/* For a front that must know what a message is before it knows whose it is.  The request
 * belongs to the caller until pipeline_enter has it. */
struct request *pipeline_read(const char *text, size_t len); /* its message, or its fault */
struct manner {
	bool modern;     /* it speaks 2026-07-28 */
	bool initialize; /* it opens a session */
	bool request;    /* it, or an element of the batch, has to be answered */
};
struct manner pipeline_manner(const struct request *, const struct http_said *);

/* It takes the road; answers and what is notified about it go to OUTLET instead of the session's. */
void pipeline_enter(struct session *, struct outlet *, const struct http_said *, struct request *); /* said: never NULL */

/* JSON that others wrote, as json_loadb would; not more of it than the settings allow.  Too many values: WHY says so. */
enum { PIPELINE_WHY_MAX = 120 };
bool pipeline_too_much(const char *text, size_t len, char why[PIPELINE_WHY_MAX]);
json_t *pipeline_load(const char *text, size_t len, size_t flags, json_error_t *error);

void pipeline_stop(struct session *, const char *why); /* answers what is unanswered: it was stopped */
struct outlet *pipeline_outlet(struct request *);       /* of the request, or of the batch it is in */
const char *pipeline_principal(const struct session *); /* who it is, as far as that was proved */
enum version pipeline_version(const struct session *);  /* what was negotiated */

struct guard *pipeline_guard(struct pipeline *); /* borrowed */
/* The plain HTTP interface; PRINCIPAL has proved who it is. */
void pipeline_tools(struct pipeline *, const char *principal, struct buf *out);    /* {"tools":[...]} */
void pipeline_services(struct pipeline *, const char *principal, struct buf *out); /* {"services":[...]} */
void pipeline_openapi(struct pipeline *, const char *principal, struct buf *out);  /* its description */

bool pipeline_busy(const struct session *);       /* requests are unanswered, subscriptions not counted */
void pipeline_end_listens(struct session *);      /* tells open subscriptions that they end */

/* For what was delivered.  A request that does not stream is complete: head, reply, tail. */
void pipeline_settle(struct request *); /* all of it went on, or nobody wants it: do not touch it again */

enum pipeline_passed { PIPELINE_SOME, PIPELINE_WAIT, PIPELINE_END };

/* Moves up to MOST bytes of a streaming reply into OUT.  WAIT: no more is there now.
 * END: the answer is whole; one that never will be was finished with a note and isError. */
enum pipeline_passed pipeline_pass(struct request *, struct buf *out, size_t most);
void pipeline_cut(struct request *, const char *why, struct buf *out); /* finishes it now */

/* A long result that was kept.  NULL: there is none of that id for that principal.  It stays
 * until pipeline_release, also when its time is over meanwhile. */
struct handle;
struct handle *pipeline_result(struct pipeline *, const char *id, const char *principal, size_t *size, const char **digest);
void pipeline_result_read(struct handle *, size_t at, size_t len, void (*done)(void *data, int error, const char *bytes, size_t len), void *data);
int pipeline_result_file(struct handle *); /* a descriptor of the caller's own, to read from; -1: none */
void pipeline_release(struct handle *, void *data); /* DATA is told nothing more; NULL handle is fine */

#endif
