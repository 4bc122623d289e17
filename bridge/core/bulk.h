/* bulk.h - efrit_execute_batch: many forms, one answer.  A batch that is kept is answered
 * for when it is safe in the store; it goes on without its client, and in the next gateway
 * when this one ends, where what was not begun is run and what was begun and has no answer
 * is reported as lost.  core alone calls; bridge loop only. */
#ifndef BULK_H
#define BULK_H

#include "core/pipeline.h"
#include "core/stage.h"

struct store;
struct bulks *bulks_create(struct pipeline *);
void bulks_use_store(struct bulks *, struct store *); /* borrowed; without one nothing is kept */
void bulks_resume(struct bulks *);   /* goes on with what the store has; once, when no other gateway does */
void bulks_rest(struct bulks *, void (*on_rested)(void *data), void *data); /* begins nothing more; told once when nothing runs */
void bulks_destroy(struct bulks *);  /* NULL is fine; stops what runs */

void bulks_revoke(struct bulks *, pipeline_gone *, void *data, const char *why); /* cancels theirs that are kept */

enum verdict bulk_call(struct request *r, const json_t *arguments, const char *instance);

#endif
