/* registry.h - which Emacs a call means: by its id, by the setting, or because there is
 * only one.  Says it well when there is none.  core alone calls. */
#ifndef REGISTRY_H
#define REGISTRY_H

#include "core/catalogue.h"

/* The worker for a call of TOOL (NULL: any tool); ASKED may be NULL.  NULL: r's reply says why. */
struct worker *registry_choose(struct request *r, const char *asked, const struct tool *tool);

bool registry_empty(const struct service *); /* no instance is there */
void registry_absence(const struct service *, struct buf *out); /* a sentence: none runs, how to start one */

#endif
