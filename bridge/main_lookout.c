/* main_lookout.c - see main_lookout.h.  A look is an lstat for each socket; a watch of the
 * folder would miss a file system that is mounted over it, as at a log-in. */
#include "main_lookout.h"
#include "log.h"
#include "main_state.h"

#include <stdlib.h>
#include <string.h>

static const double between = 5; /* seconds from look to look */

static void on_look(EV_P_ ev_timer *timer, int revents)
{
	struct lookout *p = timer->data;
	char *error = NULL;
	(void)loop;
	(void)revents;
	if (*p->lock < 0)
		return;
	bool good = state_keep_lock(p->config, p->socket, p->lock, &error) && listeners_look(p->listeners, &error);
	if (!good && (!p->told || strcmp(error, p->told) != 0))
		log_warning("new clients do not find the gateway on its Unix socket: %s; it is tried again", error);
	free(p->told);
	p->told = error;
}

void lookout_start(struct lookout *p, struct ev_loop *loop)
{
	p->told = NULL;
	ev_timer_init(&p->timer, on_look, between, between);
	p->timer.data = p;
	ev_timer_start(loop, &p->timer);
}

void lookout_stop(struct lookout *p, struct ev_loop *loop)
{
	ev_timer_stop(loop, &p->timer);
	free(p->told);
	p->told = NULL;
}
