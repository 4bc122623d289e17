/* presence.c - the thread looks whether its socket is still in its folder, and comes back under
 * its name where a log-out or a cleaner of /tmp has taken the file or the folder away.
 * Connections that are open stay.  Thread: loop. */
#include "server_priv.h"

#include <stdio.h>
#include <string.h>

static void on_look(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct server *s = owner(w, struct server, presence);
	char error[RUNTIME_ERROR];
	(void)loop;
	(void)revents;
	if (listen_there(&s->listening)) {
		s->absent[0] = 0;
		return;
	}
	int fd = listen_again(&s->listening, error);
	if (fd >= 0) {
		server_move(s, fd);
		server_event(s, "the socket %s was gone and is there again", s->listening.path);
	} else if (strcmp(error, s->absent) != 0) {
		server_event(s, "new bridges do not find this Emacs: %s; it is tried again", error);
	}
	snprintf(s->absent, sizeof s->absent, "%s", error);
}

void presence_start(struct server *s, double seconds)
{
	ev_timer_init(&s->presence, on_look, seconds, seconds);
	ev_timer_start(s->loop, &s->presence);
}
