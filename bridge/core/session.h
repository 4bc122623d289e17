/* session.h - what is known of one client's pipe: what it negotiated, which requests
 * are unanswered, who listens for changes.  The era stage of the road.  core alone calls. */
#ifndef SESSION_H
#define SESSION_H

#include "core/stage.h"

struct session {
	TAILQ_ENTRY(session) of_pipeline;
	struct pipeline *pipeline;      /* borrowed */
	struct outlet *outlet;          /* borrowed */
	struct request_list unanswered; /* request::of_session; borrowed */
	long unanswered_count;
	bool legacy;      /* initialize was answered */
	bool initialized; /* and the client has said that it is ready */
	bool closing;
	enum version version;
	char client[REQUEST_CLIENT_MAX + 1];
};

struct session *session_create(struct pipeline *, struct outlet *);
void session_destroy(struct session *); /* nothing may be unanswered */

enum verdict session_enter(struct request *);
void session_leave(struct request *);
void session_forget(struct request *); /* it is answered */

bool session_takes_batches(const struct session *);
enum verdict session_initialize(struct request *);
enum verdict session_listen(struct request *);
void session_tools_changed(struct pipeline *); /* tells every client that wants to know */

#endif
