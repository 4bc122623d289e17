/* deadline.c - see deadline.h.  A call that Emacs has is stopped and answered there, by the
 * module's own clock; here is judged what cannot: calls that wait, workers that are silent. */
#include "core/deadline.h"
#include "back/service.h"
#include "core/stage.h"
#include "core/visit.h"
#include "os.h"

#include <stdio.h>

static const double again = 0.25; /* seconds until one that is not answered yet is looked at again */

static void set_timer(struct request *r, double seconds)
{
	ev_timer_stop(r->pipeline->loop, &r->deadline);
	ev_timer_set(&r->deadline, seconds > 0 ? seconds : 0., 0.);
	ev_timer_start(r->pipeline->loop, &r->deadline);
}

static double over(const struct request *r)
{
	return os_now() - r->clock - (double)request_timeout(r) / 1000;
}

/* A worker that is heard answers by itself, as soon as what runs has ended. */
static void look(struct request *r)
{
	const struct config *c = r->pipeline->config;
	struct worker *w = r->worker;
	double margin = (double)c->call_margin / 1000, silence = (double)c->silence / 1000, late = over(r);
	char why[WORKER_WHY_MAX], sentence[WORKER_WHY_MAX + WORKER_NAME_MAX + 64];
	bool stopped = w->pid && os_process_state(w->pid) == OS_PROCESS_STOPPED;
	bool silent = !w->ops->heard || os_now() - w->ops->heard(w) >= silence;
	if (!stopped && (late < margin || !silent)) {
		set_timer(r, late < margin ? margin - late : again);
		return;
	}
	service_explain(w, why);
	snprintf(sentence, sizeof sentence, "%s \"%s\" has not answered for %.1f s: %s", w->ops->noun, w->name, os_now() - r->sent, why);
	service_give_up(w, r, "not_responding", sentence);
}

static void on_deadline(EV_P_ ev_timer *timer, int revents)
{
	struct request *r = timer->data;
	double left = -over(r);
	(void)loop;
	(void)revents;
	if (r->settled || r->ended || r->received)
		return;
	if (left > 0) /* the loop's clock runs before ours */
		set_timer(r, left);
	else if (r->flying)
		look(r);
	else if (r->lane)
		service_expire(r);
	else if (r->task)
		visit_expire(r);
}

void deadline_start(struct request *r)
{
	if (r->patient || r->settled || (r->relayed && !r->timeout_ms))
		return;
	if (!ev_is_active(&r->deadline)) {
		ev_timer_init(&r->deadline, on_deadline, 0., 0.);
		r->deadline.data = r;
	}
	set_timer(r, -over(r));
}

void deadline_stop(struct request *r)
{
	if (ev_is_active(&r->deadline))
		ev_timer_stop(r->pipeline->loop, &r->deadline);
}
