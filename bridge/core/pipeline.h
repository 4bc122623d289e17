/* pipeline.h - the road that every message takes, as the fronts see it: open a session
 * for a client, give it what the client says, get answers through the outlet, pass the
 * pieces of long results on.  Fronts and main call; bridge loop only. */
#ifndef PIPELINE_H
#define PIPELINE_H

#include "config.h"
#include "request.h"

struct service;
struct store;

struct pipeline *pipeline_create(struct ev_loop *, const struct config *, struct service *); /* all borrowed */
void pipeline_use_store(struct pipeline *, struct store *); /* borrowed, before any session: from then on there are tasks */
void pipeline_destroy(struct pipeline *); /* after its sessions and the service */

struct session *pipeline_open(struct pipeline *, struct outlet *); /* outlet: borrowed, outlives it */
void pipeline_close(struct session *); /* cancels what is unanswered; nothing more is delivered */

void pipeline_take(struct session *, const char *text, size_t len);            /* one message */
void pipeline_take_long(struct session *, const char *beginning, size_t len);  /* one over request_max */
bool pipeline_busy(const struct session *);       /* requests are unanswered, subscriptions not counted */
void pipeline_end_listens(struct session *);      /* tells open subscriptions that they end */

/* For what was delivered.  A request that does not stream is complete: head, reply, tail. */
void pipeline_settle(struct request *); /* all of it went on, or nobody wants it: do not touch it again */

enum pipeline_passed { PIPELINE_SOME, PIPELINE_WAIT, PIPELINE_END };

/* Moves up to MOST bytes of a streaming reply into OUT.  WAIT: no more is there now.
 * END: the answer is whole; one that never will be was finished with a note and isError. */
enum pipeline_passed pipeline_pass(struct request *, struct buf *out, size_t most);
void pipeline_cut(struct request *, const char *why, struct buf *out); /* finishes it now */

#endif
