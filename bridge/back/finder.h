/* finder.h - finds Emacs instances by their sockets in the runtime folders, which are
 * watched and never polled, and keeps one worker for each name.  main alone calls. */
#ifndef FINDER_H
#define FINDER_H

#include "back/service.h"

struct finder;

struct finder *finder_create(struct ev_loop *, const struct config *, struct service *); /* looks at once */
void finder_look_in(struct finder *, const char *folder); /* too; what is full or too long is said in the log */
void finder_destroy(struct finder *); /* the workers stay with the service */

#endif
