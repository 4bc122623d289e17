/* lobby.c - see lobby.h */
#include "core/lobby.h"
#include "core/catalogue.h"
#include "core/self.h"
#include "log.h"
#include "mcp/headers.h"
#include "os.h"

#include <stdlib.h>

struct lobby {
	struct pipeline *pipeline; /* borrowed */
	TAILQ_HEAD(guests, guest) guests; /* the one who came first will be sent on first */
	ev_check turn;             /* active while somebody waits: do we know now? */
	ev_timer patience;         /* of the one whose time ends first */
};

struct guest {
	struct task task;
	TAILQ_ENTRY(guest) link;
	struct lobby *lobby;       /* borrowed; NULL: it was sent on, or nobody waits for it */
	struct request *request;   /* borrowed */
	struct http_said *http;    /* owned; NULL: it did not come by HTTP */
	bool outer;                /* it waits for the gateway alone */
	json_t *message, *params;  /* owned, borrowed from it; what the request needs to enter again */
};

static bool told(const struct service *s)
{
	for (struct worker *w = service_first(s); w; w = service_next(w))
		if (w->listed && (w->state == WORKER_STARTING || (w->linked && !*w->hash))) /* it serves, and tells what at once */
			return false;
	return true;
}

static bool gateway_told(const struct lobby *l)
{
	const struct pipeline *p = l->pipeline;
	return !p->outer || (told(p->outer) && !catalogue_asks(p->catalogue, true));
}

static bool everybody_told(const struct lobby *l)
{
	return told(l->pipeline->service) && gateway_told(l) && !catalogue_asks(l->pipeline->catalogue, false);
}

/* No longer than the time-out that a call brings, which is read in full later. */
static double time_left(const struct request *r, const json_t *params)
{
	double patience = (double)r->pipeline->config->hello_timeout / 1000;
	const json_t *own = json_object_get(json_object_get(params, "arguments"), "timeout");
	double seconds = json_is_string(own) ? strtod(json_string_value(own), NULL) : json_number_value(own);
	return r->born + (seconds > 0 && seconds < patience ? seconds : patience) - os_now();
}

static double guest_left(const struct guest *g)
{
	return time_left(g->request, g->params);
}

/* Whose patience ends first. */
static struct guest *next_guest(const struct lobby *l)
{
	struct guest *g, *next = NULL;
	TAILQ_FOREACH(g, &l->guests, link)
		if (!next || guest_left(g) < guest_left(next))
			next = g;
	return next;
}

static void watch(struct lobby *l)
{
	struct ev_loop *loop = l->pipeline->loop;
	struct guest *first = next_guest(l);
	ev_timer_stop(loop, &l->patience);
	if (!first) {
		ev_check_stop(loop, &l->turn);
		return;
	}
	double left = guest_left(first);
	ev_now_update(loop);
	ev_timer_set(&l->patience, left > 0 ? left : 0., 0.);
	ev_timer_start(loop, &l->patience);
	ev_check_start(loop, &l->turn);
}

static void leave(struct guest *g)
{
	if (!g->lobby)
		return;
	TAILQ_REMOVE(&g->lobby->guests, g, link);
	g->lobby = NULL;
}

static void drop(struct task *task)
{
	struct guest *g = (struct guest *)(void *)task;
	struct lobby *l = g->lobby;
	leave(g);
	if (l)
		watch(l);
}

static void destroy(struct task *task)
{
	struct guest *g = (struct guest *)(void *)task;
	json_decref(g->message);
	headers_forget(g->http);
	free(g);
}

void lobby_send_in(struct request *r, json_t *message, json_t *params, struct http_said *http)
{
	request_forget_message(r);
	r->message = message;
	r->params = params;
	progress_stop(r);
	r->stage--;
	r->http = http;
	pipeline_run(r);
	r->http = NULL; /* it is freed at the end of the turn at the earliest */
	headers_forget(http);
}

static void send_on(struct guest *g)
{
	struct request *r = g->request;
	json_t *message = json_incref(g->message), *params = g->params;
	struct http_said *http = g->http;
	leave(g);
	g->http = NULL;
	self_destroy(r->task);
	r->task = NULL;
	lobby_send_in(r, message, params, http);
}

/* Only the guests who are here now: what they do may bring others. */
static void send_on_all(struct lobby *l)
{
	struct guest *g, *last = TAILQ_LAST(&l->guests, guests);
	bool more = last != NULL;
	while (more && (g = TAILQ_FIRST(&l->guests))) {
		more = g != last;
		send_on(g);
	}
	watch(l);
}

/* What they do may bring others, of whom none waits for the gateway: it has told. */
static void send_on_outer(struct lobby *l)
{
	struct guest *g;
	do {
		TAILQ_FOREACH(g, &l->guests, link)
			if (g->outer)
				break;
		if (g)
			send_on(g);
	} while (g && gateway_told(l));
	watch(l);
}

static void on_turn(EV_P_ ev_check *check, int revents)
{
	struct lobby *l = check->data;
	(void)loop;
	(void)revents;
	if (everybody_told(l))
		send_on_all(l);
	else if (gateway_told(l))
		send_on_outer(l);
}

static void on_patience(EV_P_ ev_timer *timer, int revents)
{
	struct lobby *l = timer->data;
	struct guest *g;
	(void)loop;
	(void)revents;
	while ((g = next_guest(l)) && guest_left(g) <= 0) /* who comes back without patience is not kept */
		send_on(g);
	watch(l);
}

bool lobby_knows(const struct pipeline *p)
{
	return everybody_told(p->lobby);
}

static bool keep(struct request *r, bool outer)
{
	struct lobby *l = r->pipeline->lobby;
	if ((outer ? gateway_told(l) : everybody_told(l)) || time_left(r, r->params) <= 0)
		return false;
	struct guest *g = calloc(1, sizeof *g);
	if (!g)
		log_no_memory();
	*g = (struct guest){.task = {drop, destroy}, .lobby = l, .request = r, .http = headers_keep(r->http), .outer = outer,
			    .message = json_incref(r->message), .params = r->params};
	r->task = &g->task;
	TAILQ_INSERT_TAIL(&l->guests, g, link);
	watch(l);
	return true;
}

bool lobby_keeps(struct request *r)
{
	return keep(r, false);
}

bool lobby_keeps_for_gateway(struct request *r)
{
	return keep(r, true);
}

struct lobby *lobby_create(struct pipeline *p)
{
	struct lobby *l = calloc(1, sizeof *l);
	if (!l)
		log_no_memory();
	l->pipeline = p;
	TAILQ_INIT(&l->guests);
	ev_check_init(&l->turn, on_turn);
	ev_set_priority(&l->turn, EV_MINPRI); /* after all that this turn of the loop brought */
	ev_timer_init(&l->patience, on_patience, 0., 0.);
	l->turn.data = l->patience.data = l;
	return l;
}

void lobby_destroy(struct lobby *l)
{
	if (!l)
		return;
	watch(l);
	free(l);
}
