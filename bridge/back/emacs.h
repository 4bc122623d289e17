/* emacs.h - the worker that is one Emacs instance: connects to its socket, greets it,
 * turns calls into frames and frames into answers, and notices when it falls silent.
 * back/finder.c makes them; everybody else sees a struct worker.  Bridge loop only. */
#ifndef EMACS_H
#define EMACS_H

#include "back/service.h"
#include "wire/runtime.h"

struct emacs;

/* FOLDERS is borrowed and outlives it.  SERVICE owns the new worker. */
struct worker *emacs_create(struct ev_loop *, const struct config *, struct service *, const char *name,
			    char (*folders)[RUNTIME_PATH_MAX]);

/* Its socket lies in the folders whose bits are set, the first one wins; 0: it lies
 * nowhere any more.  Connects where that is needed. */
void emacs_seen(struct worker *, unsigned folders);
bool emacs_evictable(const struct worker *); /* not listed and without calls */

#endif
