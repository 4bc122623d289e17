/* migrate_request.h - one request of Efrit's file queue, and the answer its client reads.
 * Pure.  migrate_queue.c and main_migrate.c call. */
#ifndef MIGRATE_REQUEST_H
#define MIGRATE_REQUEST_H

#include <jansson.h>
#include <stdbool.h>

enum { MIGRATE_ID_MAX = 200 };

struct migrate_request {
	json_t *all;         /* owned; the whole */
	json_t *id;          /* borrowed; as the client wrote it */
	char name[MIGRATE_ID_MAX + 1]; /* the same as part of a file name */
	const char *type, *content, *instance; /* borrowed; instance: NULL when it names none */
	double timeout;      /* seconds; 0: it says none */
	bool return_context;
};

/* False: *error (caller frees) says why it cannot be run.  With an id it may be answered so. */
bool migrate_request_read(const char *text, size_t len, struct migrate_request *, char **error) __attribute__((warn_unused_result));
void migrate_request_finish(struct migrate_request *);

json_t *migrate_request_arguments(const struct migrate_request *, const char *instance, double timeout); /* of efrit_execute */

/* SAID is what efrit_execute answered, an object.  A new reference. */
json_t *migrate_request_answer(const json_t *id, const json_t *said, const char *instance);
json_t *migrate_request_failure(const json_t *id, const char *code, const char *why);

/* SAID says of itself that nothing has run. */
bool migrate_request_did_not_run(const json_t *said);

#endif
