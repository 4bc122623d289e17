/* session.h - what is known of one client's pipe: what it negotiated, which requests
 * are unanswered, who listens for changes.  The era stage of the road.  core alone calls. */
#ifndef SESSION_H
#define SESSION_H

#include "core/offers.h"
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
	bool ours;        /* the bridge asks itself */
	enum version version;
	char client[REQUEST_CLIENT_MAX + 1];
	char principal[REQUEST_CLIENT_MAX + 1]; /* who it is, as far as it was proved */
	json_t *capabilities; /* owned; of initialize */
	json_t *subscribed;   /* owned; URIs as the keys of an object, or NULL */
	int log_level;        /* of a legacy session; what is below it is not told */
	bool log_set;         /* the client chose it */
	char *folder;         /* owned; where the client works, or NULL */
	char *folder_members; /* owned; the same as core/folder.c writes it, or NULL */
	char instance[REQUEST_INSTANCE_MAX + 1]; /* the one its calls have named; empty: none yet */
	bool instances;       /* they have named several */
	uint64_t knows[REQUEST_LISTS]; /* hashes of the lists it was given, or told to be others; 0: never */
	TAILQ_HEAD(, question) questions; /* core/asking.c: what it was asked and has not answered */
};

struct session *session_create(struct pipeline *, struct outlet *);
void session_destroy(struct session *); /* nothing may be unanswered */

enum verdict session_enter(struct request *);
void session_leave(struct request *);
void session_forget(struct request *); /* it is answered */

/* Does what was kept for PRINCIPAL belong to this client?  What versions before kept for clients of the Unix socket is "local". */
bool session_owns(const struct session *, const char *principal);

bool session_takes_batches(const struct session *);
enum verdict session_initialize(struct request *);
enum verdict session_set_level(struct request *);

/* core/changes.c: who hears of changes */
enum verdict changes_listen(struct request *);    /* subscriptions/listen */
enum verdict changes_subscribe(struct request *, bool on); /* resources/subscribe and unsubscribe */
void changes_begin(struct session *);         /* from now on it hears of changes, also of lists it has not asked for */
void changes_tell(struct pipeline *);         /* tells every client that wants to know which lists are others now */
void changes_note(struct pipeline *, const struct worker *, const char *json, size_t len); /* an instance tells everybody */
void changes_watch(struct pipeline *);        /* tells each instance which of its resources somebody hears of */
void changes_tell_listener(struct request *, const char *method, struct buf *members); /* of an open subscription */
void changes_notify(struct session *, struct request *about, const char *method, const char *params);

#endif
