/* bulk_record.h - one batch of forms: what was ordered, what became of each form, as it is
 * shown and as it is kept.  Plain data; core/bulk.c alone calls. */
#ifndef BULK_RECORD_H
#define BULK_RECORD_H

#include "request.h"

enum { BULK_ID = 33 };

enum form_status { FORM_WAITING, FORM_STARTED, FORM_SUCCESS, FORM_FAILED, FORM_LOST, FORM_SKIPPED };

struct form {
	struct bulk *bulk;      /* borrowed */
	enum form_status status;
	char instance[REQUEST_INSTANCE_MAX + 1]; /* that ran it */
	struct buf answer;      /* JSON text; empty: none */
	double queued, ran;     /* seconds */
	struct request *call;   /* ours, while it waits for a worker or runs */
};

struct bulk {
	TAILQ_ENTRY(bulk) link;
	struct bulks *all;      /* borrowed */
	char id[BULK_ID];       /* nobody can guess it */
	char principal[REQUEST_CLIENT_MAX + 1], client[REQUEST_CLIENT_MAX + 1];
	char place[REQUEST_INSTANCE_MAX + 1]; /* an Emacs or a pool */
	json_t *forms;          /* owned; array of strings */
	bool sequential, stop, idempotent, kept;
	long timeout_ms, max_chars;
	enum priority priority;
	int64_t created;        /* ms since 1970 */
	uint64_t client_key;

	/* while it runs */
	size_t count, next, running; /* forms; the first that was not begun; begun and without answer */
	size_t ended[FORM_SKIPPED + 1];
	bool stopped;           /* nothing more is begun */
	bool read;              /* out of the store, of a gateway before this one */
	unsigned round;         /* of bulk_run_all */
	double begun, took;     /* os_now; seconds, once it has ended */
	struct request *creator; /* borrowed; the client's that waits for all of it, or NULL */
	struct form list[];
};

/* FORMS: a new reference is made. */
struct bulk *bulk_record_create(json_t *forms);
void bulk_record_destroy(struct bulk *);
bool bulk_record_ended(const struct bulk *);

/* In the one way that states change: counts what has ended. */
void bulk_record_set(struct form *, enum form_status);

/* What RESULT, the result of a tool's call, says of the form: its answer, and whether it failed. */
enum form_status bulk_record_take(struct form *, const char *result, size_t len);
void bulk_record_error(struct form *, const char *code, const char *sentence, bool may_have_run);

void bulk_record_show(const struct bulk *, bool answers, struct buf *out); /* one JSON object */
bool bulk_record_good(const struct bulk *); /* something of it was of use, or may yet be */

/* As they are kept: the order, and each form that was begun. */
void bulk_record_write(const struct bulk *, struct buf *body);
struct bulk *bulk_record_read(const char *id, const char *body, size_t len); /* NULL: it cannot be read */
void bulk_record_write_form(const struct form *, struct buf *body);
bool bulk_record_read_form(struct form *, const char *body, size_t len); /* false: it cannot be read */

#endif
