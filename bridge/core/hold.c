/* hold.c - requests whose answer depends on what instances offer, while one that was just
 * found has not told it yet: they wait a moment, so that a client that begins with a list
 * gets the whole list.  Bounded: an Emacs that does not answer holds up nobody for long. */
#include "core/catalogue.h"
#include "core/session.h"

static bool known(const struct pipeline *p)
{
	for (struct worker *w = service_first(p->service); w; w = service_next(w))
		if (w->listed && (w->state == WORKER_STARTING || (w->linked && !*w->hash))) /* it serves, and tells the rest at once */
			return false;
	return !catalogue_asks(p->catalogue);
}

bool hold_known(const struct pipeline *p)
{
	return known(p);
}

bool hold_enter(struct request *r)
{
	struct pipeline *p = r->pipeline;
	if (r->was_held || known(p) || !p->config->offers_wait)
		return false;
	r->held = r->was_held = true;
	TAILQ_INSERT_TAIL(&p->held, r, of_worker);
	if (!ev_is_active(&p->patience)) {
		ev_timer_set(&p->patience, (double)p->config->offers_wait / 1000, 0.);
		ev_timer_start(p->loop, &p->patience);
	}
	return true;
}

void hold_drop(struct request *r)
{
	if (!r->held)
		return;
	r->held = false;
	TAILQ_REMOVE(&r->pipeline->held, r, of_worker);
}

/* Those that are there now; each enters the last stage again. */
static void release(struct pipeline *p)
{
	struct request_list now = TAILQ_HEAD_INITIALIZER(now);
	struct request *r;
	ev_timer_stop(p->loop, &p->patience);
	TAILQ_CONCAT(&now, &p->held, of_worker);
	while ((r = TAILQ_FIRST(&now))) {
		TAILQ_REMOVE(&now, r, of_worker);
		r->held = false;
		progress_stop(r);
		r->stage--;
		pipeline_run(r);
	}
}

static void on_patience(EV_P_ ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	release(timer->data);
}

/* From the loop, and not from inside what a worker says. */
static void on_look(EV_P_ ev_timer *timer, int revents)
{
	struct pipeline *p = timer->data;
	(void)loop;
	(void)revents;
	if (known(p))
		release(p);
}

void hold_look(struct pipeline *p)
{
	if (TAILQ_EMPTY(&p->held) || ev_is_active(&p->look))
		return;
	ev_timer_set(&p->look, 0., 0.);
	ev_timer_start(p->loop, &p->look);
}

void hold_init(struct pipeline *p)
{
	TAILQ_INIT(&p->held);
	ev_timer_init(&p->patience, on_patience, 0., 0.);
	ev_timer_init(&p->look, on_look, 0., 0.);
	p->patience.data = p->look.data = p;
}

void hold_finish(struct pipeline *p)
{
	ev_timer_stop(p->loop, &p->patience);
	ev_timer_stop(p->loop, &p->look);
}
