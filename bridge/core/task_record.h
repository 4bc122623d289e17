/* task_record.h - one task: what is known of it, as it is shown and as it is kept.  Plain
 * data; core/tasks.c alone calls. */
#ifndef TASK_RECORD_H
#define TASK_RECORD_H

#include "config.h"
#include "request.h"

enum { TASK_ID = 37, TASK_LINGER = 60 }; /* bytes of an id with its end; seconds a task that has ended is there at least */

enum task_status { TASK_WORKING, TASK_INPUT_REQUIRED, TASK_COMPLETED, TASK_FAILED, TASK_CANCELLED };

struct task_record {
	TAILQ_ENTRY(task_record) link; /* tasks::all */
	char id[TASK_ID];              /* nobody can guess it */
	char principal[REQUEST_CLIENT_MAX + 1];
	enum task_status status;
	json_t *message;               /* owned; a string, or NULL */
	int64_t created, updated;      /* ms since 1970 */
	long ttl, poll;                /* ms */
	json_t *asked, *keys, *used;   /* owned; questions that wait by the keys they are known by; the tool's own key for each; all keys ever */
	json_t *answers, *state;       /* owned; for the next call; state may be NULL */
	struct buf result;             /* JSON text of an object */
	json_t *error;                 /* owned */
	struct request *call;          /* ours, or NULL */
	struct request *creator;       /* borrowed; the client's that waits for its beginning, or NULL */
	bool announcing, announced, started;
};

struct task_record *task_record_create(const char *principal, const struct config *);
struct task_record *task_record_read(const char *id, const char *body, size_t len); /* NULL: it cannot be read */
void task_record_write(const struct task_record *, struct buf *body);
void task_record_destroy(struct task_record *); /* not its requests */

int64_t task_record_expires(const struct task_record *);
bool task_record_ended(const struct task_record *);

/* Members of an object, without its braces: what a new task tells, and all there is. */
void task_record_show_head(const struct task_record *, struct buf *out);
void task_record_show(const struct task_record *, struct buf *out);

void task_record_ask(struct task_record *, const json_t *questions, json_t *state); /* under keys that are new */
bool task_record_answer(struct task_record *, const json_t *responses); /* true: one of them was wanted */

#endif
