/* fleet_pool.c - how many workers a pool has: more when calls wait, fewer when nothing does.
 * See fleet_impl.h. */
#include "core/fleet_impl.h"

#include <stdio.h>
#include <string.h>

long fleet_count(const struct group *g, enum keeper_state state)
{
	const struct keeper *k;
	long n = 0;
	TAILQ_FOREACH(k, &g->keepers, link)
		n += k->state == state;
	return n;
}

long fleet_standing(const struct group *g)
{
	return fleet_count(g, KEEPER_UP) + fleet_count(g, KEEPER_STARTING) + fleet_count(g, KEEPER_PAUSING) + fleet_count(g, KEEPER_CRASH_LOOP);
}

struct keeper *fleet_add_keeper(struct group *g, const char *name)
{
	struct keeper *k = keeper_create(&g->fleet->host, g->spec, name);
	k->owner = g;
	TAILQ_INSERT_TAIL(&g->keepers, k, link);
	g->count++;
	return k;
}

/* One that is off, or a new one; NULL: all are there. */
static struct keeper *spare(struct group *g)
{
	char name[WORKER_NAME_MAX + 24];
	struct keeper *k;
	TAILQ_FOREACH(k, &g->keepers, link)
		if (k->state == KEEPER_OFF)
			return k;
	if (g->count >= g->spec->max)
		return NULL;
	for (long i = 1;; i++) { /* not the name of somebody who runs, whoever that is */
		snprintf(name, sizeof name, "%.44s-%ld", g->spec->name, i);
		const struct worker *w = service_find(g->fleet->pipeline->service, name);
		bool taken = w && w->listed && w->state != WORKER_GONE;
		TAILQ_FOREACH(k, &g->keepers, link)
			taken |= strcmp(k->name, name) == 0;
		if (!taken && strlen(name) <= WORKER_NAME_MAX)
			return fleet_add_keeper(g, name);
	}
}

long fleet_waiting(const struct group *g)
{
	struct pool_load load;
	long n = 0;
	pool_load(g->pool, &load);
	for (int i = 0; i < PRIORITIES; i++)
		n += load.waiting[i];
	return n;
}

/* Those that start take what waits when they are up. */
static bool needs_more(const struct group *g)
{
	long there = fleet_standing(g), coming = fleet_count(g, KEEPER_STARTING) + fleet_count(g, KEEPER_PAUSING), waiting = fleet_waiting(g);
	if (g->fleet->ending || g->leaving || there >= g->spec->max)
		return false;
	return there < g->spec->min || (waiting && !there) || waiting >= g->spec->scale_up * (coming + 1);
}

void fleet_scale_up(struct group *g)
{
	struct keeper *k;
	while (needs_more(g) && (k = spare(g)))
		keeper_start(k);
}

void fleet_on_load(void *data, struct pool *pool)
{
	struct group *g = data;
	(void)pool;
	turn_want(&g->fleet->turn);
}

/* The one that was idle for longest goes first. */
static struct keeper *most_idle(const struct group *g, double now)
{
	struct keeper *k, *found = NULL;
	TAILQ_FOREACH(k, &g->keepers, link)
		if (k->state == KEEPER_UP && !keeper_busy(k) && now - k->used >= (double)g->spec->idle_time && (!found || k->used < found->used))
			found = k;
	return found;
}

void fleet_on_idle(EV_P_ ev_timer *timer, int revents)
{
	struct group *g = timer->data;
	struct pool_load load;
	struct keeper *k;
	double now = os_now();
	(void)revents;
	for (;;) {
		pool_load(g->pool, &load);
		if (load.workers <= g->spec->min || load.idle <= g->spec->scale_down || !(k = most_idle(g, now)))
			break;
		keeper_stop(k, false, "the pool needs fewer workers");
	}
	ev_timer_stop(loop, timer);
	double next = (double)g->spec->idle_time;
	TAILQ_FOREACH(k, &g->keepers, link)
		if (k->state == KEEPER_UP && k->used + (double)g->spec->idle_time - now < next && k->used + (double)g->spec->idle_time > now)
			next = k->used + (double)g->spec->idle_time - now;
	if (fleet_standing(g) > g->spec->min) {
		ev_timer_set(timer, next + 0.001, 0.);
		ev_timer_start(loop, timer);
	}
}

void fleet_watch_idle(struct group *g)
{
	if (!g->pool || ev_is_active(&g->idle) || fleet_standing(g) <= g->spec->min)
		return;
	ev_timer_set(&g->idle, (double)g->spec->idle_time, 0.);
	ev_timer_start(g->fleet->pipeline->loop, &g->idle);
}
