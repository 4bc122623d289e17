/* registry.h - which Emacs, or which pool of them, a call means.  The one it names; else,
 * for batch work, the pool; else the Emacs that works where the client works; else the one
 * that the session's calls have named so far; else the one in the setting, the only one, or
 * the one called "default"; else the pool.  Says it well when there is none.  core alone calls. */
#ifndef REGISTRY_H
#define REGISTRY_H

#include "core/catalogue.h"
#include "back/pool.h"

/* One of them, or none. */
struct place {
	struct worker *worker;
	struct pool *pool;
};

/* Where a call of TOOL (NULL: any tool) goes; ASKED may be NULL.  False: r's reply says why nowhere. */
bool registry_place(struct request *r, const char *asked, const struct tool *tool, struct place *);

/* The same for what asks one Emacs about itself: never a pool. */
struct worker *registry_choose(struct request *r, const char *asked, const struct tool *tool);

/* The pool that such a question means, which then is about its load; NULL: it means an Emacs.  ASKED may be NULL. */
struct pool *registry_pool(struct request *r, const char *asked);
/* Under which name the instance that is declared as NAME serves; NAME itself if none is.  Also where
 * nobody keeps instances: their names are the same with and without a gateway. */
const char *registry_serves(const struct pipeline *, const char *name); /* NULL is fine */

const char *registry_name(const struct place *);

bool registry_empty(const struct service *); /* no instance is there */
void registry_absence(const struct service *, struct buf *out); /* a sentence: none runs, how to start one */

#endif
