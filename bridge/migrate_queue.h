/* migrate_queue.h - a folder of Efrit's file queue, emptied so that each request runs at most
 * once and none is lost, whoever else works there and wherever we are killed.  A request is
 *     requests/F            it waits
 *     migrating/F           taken by us, not begun: a later run begins it
 *     migrating/F.begun     it may have run; it is never begun again
 *     archive/F             answered in responses/resp_ID.json
 * Each step is one rename.  main_migrate.c alone calls; blocking. */
#ifndef MIGRATE_QUEUE_H
#define MIGRATE_QUEUE_H

#include "migrate_request.h"

#include <sys/types.h>
#include <time.h>

enum migrate_stage {
	MIGRATE_WAITING, /* in requests */
	MIGRATE_TAKEN,   /* in migrating, by a run that ended early */
	MIGRATE_BEGUN,   /* the same; it may have run */
	MIGRATE_FOREIGN, /* in processing: Efrit began it */
};

struct migrate_item {
	enum migrate_stage stage;
	char *file;  /* owned; the name in its folder, without .begun */
	time_t since;
	char *why;   /* owned; why it cannot be run; NULL: it can */
	struct migrate_request request; /* what it says; content only until the next one is read */
};

struct migrate_queue;

/* NULL: *error (caller frees).  Looks only. */
struct migrate_queue *migrate_queue_open(const char *folder, size_t size_max, char **error);
void migrate_queue_close(struct migrate_queue *);
size_t migrate_queue_count(const struct migrate_queue *);
struct migrate_item *migrate_queue_item(struct migrate_queue *, size_t i); /* the oldest first */
bool migrate_queue_read(struct migrate_queue *, struct migrate_item *);    /* fills request, or why; false: it is gone */
bool migrate_queue_answered(const struct migrate_queue *, const struct migrate_request *); /* its answer lies there */

/* From here on something is changed.  Each: false and *error. */
bool migrate_queue_lock(struct migrate_queue *, char **error) __attribute__((warn_unused_result));
bool migrate_queue_take(struct migrate_queue *, struct migrate_item *, char **error) __attribute__((warn_unused_result)); /* WAITING -> TAKEN; false without error: somebody was faster */
bool migrate_queue_begin(struct migrate_queue *, struct migrate_item *, char **error) __attribute__((warn_unused_result)); /* TAKEN -> BEGUN */
bool migrate_queue_give_back(struct migrate_queue *, struct migrate_item *, char **error) __attribute__((warn_unused_result)); /* -> WAITING */
bool migrate_queue_answer(struct migrate_queue *, struct migrate_item *, const json_t *answer, char **error) __attribute__((warn_unused_result)); /* NULL: it is there; -> archive */

#endif
