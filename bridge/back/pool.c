/* pool.c - see pool.h.  Each worker is in one of the pool's lists: by the number of requests
 * that fly to it, or in the one of those that can take none.  What runs idle comes first,
 * the one used last before the others, so that those that are not needed stay so. */
#include "back/service_impl.h"
#include "log.h"
#include "mcp/result.h"
#include "os.h"
#include "share.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUE_MAX = 10000, RETRIES = 2, FAILURES_MAX = 5, SHUT = POOL_FLIGHT_MAX, RETRY_AFTER_MAX = 60 };

struct pool {
	TAILQ_ENTRY(pool) of_service;
	struct service *service; /* borrowed */
	char name[WORKER_NAME_MAX + 1];
	struct pool_policy policy;
	struct line_policy line_policy;
	struct line line;
	struct worker_list places[POOL_FLIGHT_MAX + 1]; /* worker::of_pool; the last: those that are shut */
	long workers, flying;
	long batch_workers;      /* to which batch requests fly */
	double deserted;         /* os_now when the last worker that is there went away; 0: one is there */
	double took;             /* seconds; a moving mean */
	ev_timer patience;       /* the next one has waited long enough, or a worker may be tried again */
	void (*on_load)(void *data, struct pool *);
	void *data;
	bool news, telling;
};

/* --- coming and going --- */

static void set_policy(struct pool *p, const struct pool_policy *policy)
{
	const struct config *c = p->service->config;
	struct pool_policy *q = &p->policy;
	*q = *policy;
	q->queue_max = q->queue_max ? q->queue_max : QUEUE_MAX;
	q->queue_bytes = q->queue_bytes ? q->queue_bytes : c->queue_bytes;
	q->client_max = q->client_max ? q->client_max : (q->queue_max + 1) / 2;
	q->flight = q->flight < 1 ? 1 : q->flight > POOL_FLIGHT_MAX ? POOL_FLIGHT_MAX : q->flight;
	q->start_timeout = q->start_timeout > 0 ? q->start_timeout : (double)c->start_timeout;
	q->retries = q->retries < 0 ? 0 : q->retries ? q->retries : RETRIES;
	q->failures_max = q->failures_max ? q->failures_max : FAILURES_MAX;
	p->line_policy = (struct line_policy){q->queue_max, q->queue_bytes, q->client_max, share_of(c, q->queue_max), (double)c->queue_age / 1000};
}

static void on_patience(EV_P_ ev_timer *timer, int revents);

struct pool *pool_create(struct service *s, const char *name, const struct pool_policy *policy)
{
	struct pool *p = calloc(1, sizeof *p);
	if (!p)
		log_no_memory();
	p->service = s;
	snprintf(p->name, sizeof p->name, "%s", name);
	set_policy(p, policy);
	line_init(&p->line, &p->line_policy);
	for (int i = 0; i <= SHUT; i++)
		TAILQ_INIT(&p->places[i]);
	p->deserted = os_now();
	ev_timer_init(&p->patience, on_patience, 0., 0.);
	p->patience.data = p;
	TAILQ_INSERT_TAIL(&s->pools, p, of_service);
	return p;
}

struct pool *pool_find(const struct service *s, const char *name)
{
	struct pool *p;
	TAILQ_FOREACH(p, &s->pools, of_service)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

struct pool *pool_first(const struct service *s)
{
	return TAILQ_FIRST(&s->pools);
}

struct pool *pool_next(const struct pool *p)
{
	return TAILQ_NEXT(p, of_service);
}

const char *pool_name(const struct pool *p)
{
	return p->name;
}

void pool_on_load(struct pool *p, void (*on_load)(void *data, struct pool *), void *data)
{
	p->on_load = on_load;
	p->data = data;
}

/* Last in each way in: what is told may come back in. */
static void tell(struct pool *p)
{
	if (!p->news || p->telling)
		return;
	p->telling = true;
	while (p->news) {
		p->news = false;
		if (p->on_load)
			p->on_load(p->data, p);
	}
	p->telling = false;
}

/* --- where a worker stands --- */

static bool open_for_more(const struct worker *w)
{
	return w->linked && !w->clogged && w->state == WORKER_READY && (w->breaker.until <= 0 || breaker_closed(&w->breaker, os_now()));
}

static void place(struct pool *p, struct worker *w)
{
	int to = w->flying_count < p->policy.flight && open_for_more(w) ? (int)w->flying_count : SHUT;
	if (w->linked)
		p->deserted = 0;
	if (to == w->pool_place)
		return;
	TAILQ_REMOVE(&p->places[w->pool_place], w, of_pool);
	TAILQ_INSERT_HEAD(&p->places[to], w, of_pool);
	w->pool_place = to;
}

static struct worker *any_worker(const struct pool *p, bool linked)
{
	struct worker *w;
	for (int i = 0; i <= SHUT; i++)
		TAILQ_FOREACH(w, &p->places[i], of_pool)
			if (!linked || w->linked)
				return w;
	return NULL;
}

static long batch_most(const struct pool *p)
{
	long most = p->workers - p->policy.interactive_reserve;
	return most > 1 ? most : 1;
}

/* The one with the least to do; BATCH: that may get such work. */
static struct worker *choose(struct pool *p, bool batch)
{
	bool only_those = batch && p->batch_workers >= batch_most(p);
	for (int i = only_those ? 1 : 0; i < p->policy.flight; i++) {
		struct worker *w, *next;
		for (w = TAILQ_FIRST(&p->places[i]); w; w = next) {
			next = TAILQ_NEXT(w, of_pool);
			if (only_those && !w->pool_batch)
				continue;
			if (open_for_more(w))
				return w;
			place(p, w);
		}
	}
	return NULL;
}

/* --- waiting --- */

static double patience_of(const struct pool *p, const struct request *r)
{
	double until = p->policy.queue_timeout > 0 ? r->queued + p->policy.queue_timeout : 0;
	if (p->deserted > 0) {
		double lonely = (p->deserted > r->queued ? p->deserted : r->queued) + p->policy.start_timeout;
		until = until > 0 && until < lonely ? until : lonely;
	}
	return until;
}

/* When somebody has to look again though nothing happens; 0: never. */
static double next_look(const struct pool *p)
{
	double first = 0;
	struct worker *w;
	for (int i = 0; i < PRIORITIES; i++) {
		const struct request *r = TAILQ_FIRST(&p->line.ranks[i].arrived);
		double until = r ? patience_of(p, r) : 0;
		if (until > 0 && (first <= 0 || until < first))
			first = until;
	}
	TAILQ_FOREACH(w, &p->places[SHUT], of_pool)
		if (w->breaker.until > 0 && !w->breaker.trying && (first <= 0 || w->breaker.until < first))
			first = w->breaker.until;
	return first;
}

static void watch(struct pool *p)
{
	struct ev_loop *loop = p->policy.loop;
	double first = loop && p->line.count ? next_look(p) : 0, now;
	if (!loop)
		return;
	ev_timer_stop(loop, &p->patience);
	if (first <= 0)
		return;
	now = os_now();
	ev_timer_set(&p->patience, first > now ? first - now + 0.001 : 0.001, 0.);
	ev_timer_start(loop, &p->patience);
}

/* Seconds after which there may be room. */
static long retry_after(const struct pool *p)
{
	double seconds = (double)p->line.count * p->took / (double)(p->workers ? p->workers : 1);
	return seconds < 1 ? 1 : seconds > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : (long)seconds;
}

static json_t *about(const struct pool *p)
{
	return json_pack("{s:s,s:b,s:I}", "pool", p->name, "may_have_run", 0, "retry_after", (json_int_t)retry_after(p));
}

static void expire(struct pool *p, struct request *r, double now)
{
	line_remove(&p->line, r);
	r->waited += now - r->queued;
	if (p->deserted > 0 && now - p->deserted >= p->policy.start_timeout)
		result_error(r, "no_worker", about(p), "the pool \"%s\" had no Emacs for %.0f s; the call was not sent and did not run: look at "
			     "efrit_list_instances why none starts", p->name, now - p->deserted);
	else
		result_error(r, "queue_timeout", about(p), "the call waited for %.0f s for one of the %ld workers of the pool \"%s\" and did not "
			     "run; try again later", now - r->queued, p->workers, p->name);
	service_hand_over(r);
}

static void pump(struct pool *p)
{
	double now = 0;
	while (p->line.count) {
		struct worker *w = choose(p, false);
		if (!w)
			return;
		struct worker *for_batch = p->batch_workers < batch_most(p) ? w : choose(p, true);
		now = now > 0 ? now : os_now();
		struct request *r = line_next(&p->line, for_batch ? PRIORITY_BATCH : PRIORITY_NORMAL, now, NULL, NULL);
		if (!r)
			return;
		r->waited += now - r->queued;
		service_send(r->priority == PRIORITY_BATCH ? for_batch : w, r);
	}
}

static void on_patience(EV_P_ ev_timer *timer, int revents)
{
	struct pool *p = timer->data;
	double now = os_now();
	struct worker *w, *next;
	(void)loop;
	(void)revents;
	for (w = TAILQ_FIRST(&p->places[SHUT]); w; w = next) {
		next = TAILQ_NEXT(w, of_pool);
		place(p, w);
	}
	pump(p);
	for (int i = 0; i < PRIORITIES; i++) {
		struct request *r;
		while ((r = TAILQ_FIRST(&p->line.ranks[i].arrived)) && patience_of(p, r) > 0 && patience_of(p, r) <= now)
			expire(p, r, now);
	}
	watch(p);
	p->news = true;
	tell(p);
}

static void enqueue(struct pool *p, struct request *r, bool again)
{
	bool first = !p->line.count;
	if (again)
		r->queued = os_now();
	if (again)
		line_return(&p->line, r);
	else
		line_add(&p->line, r, os_now());
	p->news |= first;
	pump(p);
	if (p->line.count && (first || again))
		watch(p);
}

bool pool_submit(struct pool *p, struct request *r)
{
	struct worker *w;
	service_begin(r);
	r->pool = p;
	if (!p->line.count && (w = choose(p, r->priority == PRIORITY_BATCH))) {
		service_send(w, r);
		tell(p);
		return true;
	}
	enum line_room room = line_room(&p->line, r);
	if (room != LINE_ROOM) {
		r->pool = NULL;
		result_error(r, "queue_full", about(p), "%ld calls%s wait for the pool \"%s\" already; wait for some of them and try again",
			     room == LINE_FULL ? p->line.count : p->policy.client_max, room == LINE_FULL ? "" : " of this client", p->name);
		return false;
	}
	enqueue(p, r, false);
	tell(p);
	return true;
}

void pool_drop(struct request *r)
{
	struct pool *p = r->pool;
	line_remove(&p->line, r);
	p->news |= !p->line.count && !p->flying;
	tell(p);
}

void pool_expire(struct request *r)
{
	struct pool *p = r->pool;
	expire(p, r, os_now());
	watch(p);
	p->news = true;
	tell(p);
}

bool pool_again(struct request *r, const struct worker *from)
{
	struct pool *p = r->pool;
	if (!p || r->settled || r->hopeless || r->streaming || r->grown || r->fault || r->tries > (unsigned)p->policy.retries)
		return false;
	log_info("%s: a call of %s goes to another worker of the pool %s", from->name, r->tool, p->name);
	service_begin(r);
	r->received = r->consumed = 0;
	r->ended = r->failed = r->faulted = r->asks = false;
	buf_eat(&r->reply, buf_len(&r->reply));
	enqueue(p, r, true);
	tell(p);
	return true;
}

/* --- what the service tells --- */

void pool_sent(struct worker *w, struct request *r)
{
	struct pool *p = w->pool;
	p->flying++;
	if (r->pool)
		snprintf(r->instance, sizeof r->instance, "%s", w->name);
	if (w->breaker.until > 0)
		breaker_begin(&w->breaker);
	if (r->priority == PRIORITY_BATCH && w->pool_batch++ == 0)
		p->batch_workers++;
	place(p, w);
}

void pool_ended(struct worker *w, struct request *r, bool good)
{
	struct pool *p = w->pool;
	double now = os_now();
	p->flying--;
	if (r->priority == PRIORITY_BATCH && --w->pool_batch == 0)
		p->batch_workers--;
	if (good) {
		double took = now - r->sent;
		if (r->received)
			p->took += (took - p->took) * (p->took > 0 ? 0.1 : 1);
		breaker_good(&w->breaker);
	} else if (!r->received) {
		breaker_open(&w->breaker, now); /* it refused */
	} else {
		breaker_failed(&w->breaker, p->policy.failures_max, now);
	}
	place(p, w);
	p->news |= !w->flying_count;
}

void pool_failed(struct worker *w)
{
	breaker_failed(&w->breaker, w->pool->policy.failures_max, os_now());
	pool_room(w);
}

void pool_room(struct worker *w)
{
	struct pool *p = w->pool;
	bool was_there = p->deserted <= 0;
	place(p, w);
	if (!w->linked && was_there && !any_worker(p, true))
		p->deserted = os_now();
	if (p->line.count) {
		pump(p);
		if (w->pool_place == SHUT || was_there != (p->deserted <= 0))
			watch(p);
	}
	tell(p);
}

/* --- workers --- */

void pool_join(struct pool *p, struct worker *w)
{
	struct request *r;
	if (w->pool == p)
		return;
	pool_leave(w);
	w->pool = p;
	w->pool_place = SHUT;
	w->pool_batch = 0;
	w->breaker = (struct breaker){0};
	TAILQ_INSERT_HEAD(&p->places[SHUT], w, of_pool);
	TAILQ_FOREACH(r, &w->flying, of_worker)
		w->pool_batch += r->priority == PRIORITY_BATCH;
	p->batch_workers += w->pool_batch > 0;
	p->flying += w->flying_count;
	p->workers++;
	p->news = true;
	pool_room(w);
}

void pool_leave(struct worker *w)
{
	struct pool *p = w->pool;
	if (!p)
		return;
	TAILQ_REMOVE(&p->places[w->pool_place], w, of_pool);
	p->batch_workers -= w->pool_batch > 0;
	p->flying -= w->flying_count;
	p->workers--;
	w->pool = NULL;
	if (p->deserted <= 0 && !any_worker(p, true)) {
		p->deserted = os_now();
		watch(p);
	}
	p->news = true;
	tell(p);
}

void pool_set_policy(struct pool *p, const struct pool_policy *policy)
{
	struct worker *w;
	if (p->policy.loop)
		ev_timer_stop(p->policy.loop, &p->patience);
	set_policy(p, policy);
	TAILQ_FOREACH(w, &p->service->workers, of_service)
		if (w->pool == p)
			place(p, w);
	pump(p);
	watch(p);
}

void pool_load(const struct pool *p, struct pool_load *load)
{
	struct worker *w;
	const struct request *oldest = line_oldest(&p->line);
	*load = (struct pool_load){.flying = p->flying, .workers = p->workers, .took = p->took};
	for (int i = 0; i < PRIORITIES; i++)
		load->waiting[i] = p->line.ranks[i].count;
	TAILQ_FOREACH(w, &p->places[0], of_pool)
		load->idle += open_for_more(w);
	load->oldest = oldest ? os_now() - oldest->queued : 0;
}

void pool_destroy(struct pool *p)
{
	struct request *r;
	struct worker *w;
	if (!p)
		return;
	p->on_load = NULL;
	while ((w = any_worker(p, false)))
		pool_leave(w);
	TAILQ_REMOVE(&p->service->pools, p, of_service);
	TAILQ_FOREACH(w, &p->service->workers, of_service)
		TAILQ_FOREACH(r, &w->flying, of_worker)
			r->pool = r->pool == p ? NULL : r->pool;
	while ((r = line_oldest(&p->line))) {
		line_remove(&p->line, r);
		r->pool = NULL;
		result_error(r, "pool_gone", json_pack("{s:s,s:b}", "pool", p->name, "may_have_run", 0),
			     "the pool \"%s\" is no more; the call was not sent and did not run", p->name);
		service_hand_over(r);
	}
	if (p->policy.loop)
		ev_timer_stop(p->policy.loop, &p->patience);
	free(p);
}
