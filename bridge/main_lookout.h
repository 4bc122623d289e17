/* main_lookout.h - the gateway looks whether its lock and its Unix sockets are still in their
 * folders, and makes them again: a log-out or a cleaner of /tmp takes them away.  main_serve.c calls. */
#ifndef MAIN_LOOKOUT_H
#define MAIN_LOOKOUT_H

#include "main_listen.h"

struct lookout {
	ev_timer timer;
	const struct config *config; /* borrowed, as all here */
	const char *socket;
	struct listeners *listeners;
	int *lock;  /* its descriptor; -1: nothing is looked at */
	char *told; /* owned; what the log has last */
};

void lookout_start(struct lookout *, struct ev_loop *); /* the members above are set */
void lookout_stop(struct lookout *, struct ev_loop *);

#endif
