/* catalogue.h - which tools there are, and what instances offer besides: those built in, known before any Emacs is up,
 * and those that instances have besides, kept while an instance is away so that a
 * restart is no change.  core alone calls; bridge loop only. */
#ifndef CATALOGUE_H
#define CATALOGUE_H

#include "back/service.h"

extern const char catalogue_text[]; /* made from the Lisp when the bridge is built */

struct tool {
	const char *name;      /* borrowed from definition */
	json_t *definition;    /* owned; without answeredBy */
	struct schema *schema; /* owned; compiled at the first call */
	char *broken;          /* owned; why the schema cannot be used, or NULL */
	bool builtin;          /* every instance has it */
	unsigned profiles;     /* those it is in: core/profile.h */
	bool may_task, must_task; /* where tasks are known, a call of it is one; nowhere else can it be called */
	bool task_later;       /* but not before it says so itself */
	bool idempotent;       /* it says that it may be called twice */
	bool takes_timeout, takes_priority, takes_instance; /* its schema names these */
	bool outer;            /* no Emacs that is known has it: it is the gateway's */
};

struct catalogue;

/* ON_CHANGED: what instances offer may be another now; a few changes are one call. */
struct catalogue *catalogue_create(struct ev_loop *, const struct config *, struct service *, void (*on_changed)(void *), void *data);
void catalogue_destroy(struct catalogue *);
void catalogue_use_outer(struct catalogue *, struct service *); /* borrowed; what its worker offers is there besides; NULL: it is gone for good */
void catalogue_tell_later(struct catalogue *); /* calls on_changed after list_changed_delay */

struct tool *catalogue_find(struct catalogue *, const char *name); /* borrowed until the loop turns */
const char *catalogue_nearest(const struct catalogue *, const char *name);

uint64_t catalogue_hash(const struct catalogue *); /* of the list of tools */

/* The array of what W offers under KEY (resources, resourceTemplates, prompts); borrowed until
 * the loop turns; NULL: nothing is known. */
const json_t *catalogue_offers(const struct catalogue *, const struct worker *, const char *key);

/* {"tools":[...]} as clients of VERSION may see it who have what is in all of the profiles WANTED; borrowed until the loop turns. */
const struct buf *catalogue_list(struct catalogue *, unsigned wanted, enum version version);

/* A worker was asked for its tools within hello_timeout and has not told yet; OUTER: only the gateway counts. */
bool catalogue_asks(const struct catalogue *, bool outer);
bool catalogue_has(const struct catalogue *, const struct worker *, const struct tool *);
bool catalogue_lists(const struct catalogue *, const struct worker *, const char *name); /* it told so itself */

/* False: *pointer and *reason as schema_check has them. */
bool catalogue_check(struct tool *, const json_t *arguments, char **pointer, char **reason) __attribute__((warn_unused_result));

#endif
