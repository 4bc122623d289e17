/* annals.h - what became of the calls of each Emacs and each pool in the last hour and the
 * last day: figures that outlive the Emacs and, in the store, the gateway.  Only the gateway
 * has them, of the calls that went through it.  core alone calls; bridge loop only. */
#ifndef ANNALS_H
#define ANNALS_H

#include "core/stage.h"

struct annals;
struct store;

struct annals *annals_create(struct pipeline *); /* from now on it counts, in memory */
/* What the store has is counted too, and from now on what is counted is put there: when no
 * other process does so.  The store is borrowed and outlives it. */
void annals_use_store(struct annals *, struct store *);
void annals_destroy(struct annals *); /* what was counted is put first; NULL is fine */

/* Appends ,"history":{...}, of an Emacs or a pool; false: nothing is known of it, or A is NULL. */
bool annals_tell(const struct annals *, const char *name, struct buf *out);

#endif
