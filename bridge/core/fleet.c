/* fleet.c - see fleet.h */
#include "core/fleet.h"
#include "back/pool.h"
#include "core/keeper.h"
#include "core/pipeline.h"
#include "core/registry.h"
#include "core/session.h"
#include "core/stage.h"
#include "log.h"
#include "mcp/text.h"
#include "os.h"
#include "turn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One instance, or one pool with its workers. */
struct group {
	TAILQ_ENTRY(group) link;
	struct fleet *fleet;       /* borrowed */
	struct fleet_spec *spec;   /* owned */
	struct pool *pool;         /* the service's; NULL: an instance */
	TAILQ_HEAD(, keeper) keepers; /* owned */
	long count;
	bool leaving;              /* not declared any more: goes when all have ended */
	ev_timer idle;             /* of a pool: looks for workers it does not need */
	struct outlet outlet;      /* of the wish that an instance may end */
	struct session *session;   /* owned; of that wish; NULL: none */
	char *refusal;             /* owned */
	struct turn parted;
};

struct fleet {
	struct pipeline *pipeline; /* borrowed */
	struct keeper_host host;
	struct os_orphans *orphans; /* owned */
	TAILQ_HEAD(, group) groups; /* owned */
	bool ending, handed_over;
	struct turn turn;          /* once all that happened in a turn is over */
	void (*on_done)(void *data);
	void *data;
};

/* --- the pools --- */

static long count_in(const struct group *g, enum keeper_state state)
{
	const struct keeper *k;
	long n = 0;
	TAILQ_FOREACH(k, &g->keepers, link)
		n += k->state == state;
	return n;
}

static long standing(const struct group *g)
{
	return count_in(g, KEEPER_UP) + count_in(g, KEEPER_STARTING) + count_in(g, KEEPER_PAUSING) + count_in(g, KEEPER_CRASH_LOOP);
}

static struct keeper *add_keeper(struct group *g, const char *name)
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
			return add_keeper(g, name);
	}
}

static long waiting_in(const struct group *g)
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
	long there = standing(g), coming = count_in(g, KEEPER_STARTING) + count_in(g, KEEPER_PAUSING), waiting = waiting_in(g);
	if (g->fleet->ending || g->leaving || there >= g->spec->max)
		return false;
	return there < g->spec->min || (waiting && !there) || waiting >= g->spec->scale_up * (coming + 1);
}

static void scale_up(struct group *g)
{
	struct keeper *k;
	while (needs_more(g) && (k = spare(g)))
		keeper_start(k);
}

static void on_load(void *data, struct pool *pool)
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

static void on_idle(EV_P_ ev_timer *timer, int revents)
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
	if (standing(g) > g->spec->min) {
		ev_timer_set(timer, next + 0.001, 0.);
		ev_timer_start(loop, timer);
	}
}

static void watch_idle(struct group *g)
{
	if (!g->pool || ev_is_active(&g->idle) || standing(g) <= g->spec->min)
		return;
	ev_timer_set(&g->idle, (double)g->spec->idle_time, 0.);
	ev_timer_start(g->fleet->pipeline->loop, &g->idle);
}

/* --- how instances part --- */

static void on_answer(struct outlet *outlet, struct request *r)
{
	struct group *g = (struct group *)(void *)((char *)outlet - offsetof(struct group, outlet));
	json_t *reply = json_loadb(buf_data(&r->reply), buf_len(&r->reply), 0, NULL);
	const char *text = json_string_value(json_object_get(json_array_get(json_object_get(reply, "content"), 0), "text"));
	json_t *said = text ? json_loads(text, 0, NULL) : NULL;
	const char *error = json_string_value(json_object_get(said, "error")), *code = json_string_value(json_object_get(said, "error_code"));
	free(g->refusal);
	g->refusal = NULL;
	if ((error || !said) && !(code && strcmp(code, "emacs_gone") == 0))
		g->refusal = strdup(error ? error : "it could not be asked");
	json_decref(said);
	json_decref(reply);
	pipeline_settle(r);
	turn_want(&g->parted);
}

static void on_more(struct outlet *outlet, struct request *r)
{
	(void)outlet;
	(void)r;
}

static void on_notify(struct outlet *outlet, struct request *about, const char *line, size_t len)
{
	(void)outlet;
	(void)about;
	(void)line;
	(void)len;
}

static void on_parted(void *data)
{
	struct group *g = data;
	struct keeper *k = TAILQ_FIRST(&g->keepers);
	pipeline_close(g->session);
	g->session = NULL;
	if (k && g->refusal)
		keeper_parted(k, g->refusal);
}

/* It is asked as an agent would ask: what is not saved is not thrown away. */
static void part(void *data, struct keeper *k)
{
	struct group *g = k->owner;
	(void)data;
	json_t *message = json_pack("{s:s,s:i,s:s,s:{s:s,s:{s:s},s:{s:s,s:{},s:{s:s,s:s}}}}", "jsonrpc", "2.0", "id", 1, "method", "tools/call",
				    "params", "name", "efrit_stop_instance", "arguments", "instance_id", k->name, "_meta",
				    "io.modelcontextprotocol/protocolVersion", "2026-07-28", "io.modelcontextprotocol/clientCapabilities",
				    "io.modelcontextprotocol/clientInfo", "name", "efrit-gateway", "version", EFRIT_MCP_VERSION);
	char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
	if (!text)
		log_no_memory();
	g->outlet = (struct outlet){on_answer, on_more, on_notify, NULL};
	if (!g->session)
		g->session = pipeline_open(g->fleet->pipeline, &g->outlet);
	pipeline_take(g->session, text, strlen(text));
	free(text);
	json_decref(message);
}

/* --- groups --- */

static void pool_policy_of(const struct group *g, struct pool_policy *policy)
{
	const struct fleet_spec *s = g->spec;
	*policy = (struct pool_policy){.loop = g->fleet->pipeline->loop, .queue_max = s->queue_max, .queue_bytes = s->queue_bytes,
				       .interactive_reserve = s->reserve, .flight = s->concurrency};
	if (policy->flight > POOL_FLIGHT_MAX)
		policy->flight = POOL_FLIGHT_MAX;
}

static void begin(struct group *g)
{
	struct keeper *k = TAILQ_FIRST(&g->keepers);
	if (g->pool)
		scale_up(g);
	else if (g->spec->auto_start)
		keeper_start(k);
	else { /* it may run already: then its end, and who started it, are known */
		const struct worker *w = service_find(g->fleet->pipeline->service, k->name);
		if (w && w->listed && w->state != WORKER_GONE)
			keeper_start(k);
	}
}

static void add_group(struct fleet *f, const struct fleet_spec *spec)
{
	struct group *g = calloc(1, sizeof *g);
	struct pool_policy policy;
	if (!g)
		log_no_memory();
	g->fleet = f;
	g->spec = fleet_spec_copy(spec);
	TAILQ_INIT(&g->keepers);
	TAILQ_INSERT_TAIL(&f->groups, g, link);
	ev_timer_init(&g->idle, on_idle, 0., 0.);
	g->idle.data = g;
	turn_init(&g->parted, f->pipeline->loop, on_parted, g);
	if (spec->pool) {
		pool_policy_of(g, &policy);
		g->pool = pool_create(f->pipeline->service, spec->name, &policy);
		pool_on_load(g->pool, on_load, g);
	} else {
		add_keeper(g, *spec->daemon ? spec->daemon : spec->name);
	}
	begin(g);
}

static void destroy_group(struct group *g)
{
	struct keeper *k;
	ev_timer_stop(g->fleet->pipeline->loop, &g->idle);
	turn_stop(&g->parted);
	pipeline_close(g->session);
	while ((k = TAILQ_FIRST(&g->keepers))) {
		TAILQ_REMOVE(&g->keepers, k, link);
		keeper_destroy(k);
	}
	pool_destroy(g->pool);
	fleet_spec_destroy(g->spec);
	free(g->refusal);
	TAILQ_REMOVE(&g->fleet->groups, g, link);
	free(g);
}

static void leave(struct group *g, const char *why)
{
	struct keeper *k;
	g->leaving = true;
	TAILQ_FOREACH(k, &g->keepers, link)
		keeper_stop(k, false, why);
}

static bool at_rest(const struct group *g)
{
	const struct keeper *k;
	TAILQ_FOREACH(k, &g->keepers, link)
		if (k->state == KEEPER_STARTING || k->state == KEEPER_DRAINING || k->state == KEEPER_ENDING)
			return false;
	return true;
}

static bool all_off(const struct group *g)
{
	return count_in(g, KEEPER_OFF) + count_in(g, KEEPER_FOREIGN) == g->count;
}

/* The end of a turn: pools get what they need, who has left goes. */
static void on_turn(void *data)
{
	struct fleet *f = data;
	struct group *g, *next;
	bool rest = true;
	for (g = TAILQ_FIRST(&f->groups); g; g = next) {
		next = TAILQ_NEXT(g, link);
		if (g->leaving && !f->ending && (all_off(g) || (!g->pool && at_rest(g)))) {
			destroy_group(g);
			continue;
		}
		if (g->pool)
			scale_up(g);
		watch_idle(g);
		rest &= at_rest(g);
	}
	if (f->ending && rest && f->on_done) {
		void (*on_done)(void *) = f->on_done;
		f->on_done = NULL;
		on_done(f->data);
	}
}

/* --- what is heard --- */

static void on_keeper(void *data, struct keeper *k)
{
	struct fleet *f = data;
	struct group *g = k->owner;
	struct worker *w = keeper_worker(k);
	if (k->state == KEEPER_UP && g->pool && w)
		pool_join(g->pool, w);
	turn_want(&f->turn);
}

static bool wanted(void *data, const struct keeper *k)
{
	struct fleet *f = data;
	struct group *g = k->owner;
	if (f->ending || g->leaving)
		return false;
	return g->pool ? standing(g) <= g->spec->min || waiting_in(g) : g->spec->auto_start;
}

struct keeper *fleet_keeper_of(const struct fleet *f, const struct worker *w)
{
	struct group *g;
	struct keeper *k;
	if (!f || !w)
		return NULL;
	TAILQ_FOREACH(g, &f->groups, link)
		TAILQ_FOREACH(k, &g->keepers, link)
			if (strcmp(k->name, w->name) == 0)
				return k;
	return NULL;
}

static void on_worker(void *data, struct worker *w)
{
	struct fleet *f = data;
	struct keeper *k = fleet_keeper_of(f, w);
	if (!k)
		return;
	w->pooled = k->spec->pool;
	if (k->state == KEEPER_OFF && !k->spec->pool && w->state == WORKER_READY)
		keeper_start(k); /* somebody else has started it */
	else
		keeper_on_worker(k, w);
}

static void on_ended(void *data, struct worker *w, struct request *r)
{
	struct keeper *k = fleet_keeper_of(data, w);
	if (!k)
		return;
	if (r->failed || r->settled)
		keeper_on_failed(k, w, r);
	keeper_on_ended(k, w, r);
}

/* --- what others ask --- */

struct keeper *fleet_keeper(const struct fleet *f, const char *name)
{
	struct group *g;
	if (!f || !name)
		return NULL;
	TAILQ_FOREACH(g, &f->groups, link)
		if (!g->pool && (strcmp(g->spec->name, name) == 0 || strcmp(TAILQ_FIRST(&g->keepers)->name, name) == 0))
			return TAILQ_FIRST(&g->keepers);
	return NULL;
}

const char *fleet_serves(const struct fleet *f, const char *name)
{
	const struct keeper *k = fleet_keeper(f, name);
	return k ? k->name : name;
}

long fleet_timeout(const struct fleet *f, const struct place *at)
{
	const struct group *g;
	const struct keeper *k = fleet_keeper_of(f, at->worker);
	if (f && at->pool)
		TAILQ_FOREACH(g, &f->groups, link)
			if (g->pool == at->pool)
				return g->spec->timeout;
	return k ? k->spec->timeout : 0;
}

long fleet_priority(const struct fleet *f, const struct worker *w)
{
	const struct keeper *k = fleet_keeper_of(f, w);
	return k ? k->spec->priority : 0;
}

bool fleet_may_batch(const struct fleet *f, const struct worker *w)
{
	const struct keeper *k = fleet_keeper_of(f, w);
	return k && k->state != KEEPER_FOREIGN;
}

void fleet_tell(const struct keeper *k, struct buf *out)
{
	text_format(out, ",\"kept\":\"%s\",\"starts\":%ld", keeper_word(k), k->starts);
	if (k->spec->pool)
		text_format(out, ",\"pool\":\"%s\"", k->spec->name);
	else if (strcmp(k->spec->name, k->name) != 0)
		text_format(out, ",\"declared\":\"%s\"", k->spec->name);
	if (*k->why) {
		text_put(out, ",\"kept_why\":");
		text_quote(out, k->why);
	}
}

size_t fleet_absent(const struct fleet *f, struct buf *out, bool comma)
{
	struct group *g;
	struct keeper *k;
	size_t count = 0;
	if (!f)
		return 0;
	TAILQ_FOREACH(g, &f->groups, link)
		TAILQ_FOREACH(k, &g->keepers, link) {
			const struct worker *w = keeper_worker(k);
			if ((w && w->listed) || (g->pool && k->state == KEEPER_OFF))
				continue;
			text_format(out, "%s{\"id\":\"%s\",\"instance\":\"%s\",\"state\":\"%s\",\"pid\":", comma || count ? "," : "", k->name, k->name,
				    k->state == KEEPER_CRASH_LOOP || k->state == KEEPER_STARTING ? keeper_word(k) : "gone");
			if (k->process)
				text_format(out, "%ld", (long)process_pid(k->process));
			else
				text_put(out, "null");
			text_put(out, ",\"why\":");
			text_quote(out, *k->why ? k->why : k->state == KEEPER_OFF ? "it is declared and not started; the first call that names it starts it" : "");
			fleet_tell(k, out);
			text_put(out, "}");
			count++;
		}
	return count;
}

/* --- the whole --- */

struct fleet *fleet_create(struct pipeline *p)
{
	struct fleet *f = calloc(1, sizeof *f);
	if (!f)
		log_no_memory();
	f->pipeline = p;
	f->host = (struct keeper_host){p->loop, p->config, p->service, on_keeper, wanted, part, f};
	TAILQ_INIT(&f->groups);
	turn_init(&f->turn, p->loop, on_turn, f);
	f->orphans = os_orphans_create(p->loop);
	p->fleet = f;
	service_on_state(p->service, on_worker, f);
	service_on_ended(p->service, on_ended, f);
	for (size_t i = 0; i < p->config->fleet->count; i++)
		add_group(f, p->config->fleet->specs[i]);
	return f;
}

static struct group *group_of(const struct fleet *f, const struct fleet_spec *spec)
{
	struct group *g;
	TAILQ_FOREACH(g, &f->groups, link)
		if (!g->leaving && g->spec->pool == spec->pool && strcmp(g->spec->name, spec->name) == 0
		    && strcmp(g->spec->daemon, spec->daemon) == 0)
			return g;
	return NULL;
}

static void respec(struct group *g, const struct fleet_spec *spec)
{
	struct fleet_spec *old = g->spec;
	struct pool_policy policy;
	struct keeper *k, *next;
	if (fleet_spec_same(old, spec))
		return;
	g->spec = fleet_spec_copy(spec);
	TAILQ_FOREACH(k, &g->keepers, link)
		keeper_respec(k, g->spec);
	fleet_spec_destroy(old);
	if (!g->pool) {
		log_info("%s: what is declared of it now counts when it is started again", g->spec->name);
		begin(g);
		return;
	}
	pool_policy_of(g, &policy);
	pool_set_policy(g->pool, &policy);
	long many = 0;
	for (k = TAILQ_FIRST(&g->keepers); k; k = next) {
		next = TAILQ_NEXT(k, link);
		if (k->state != KEEPER_OFF)
			keeper_stop(k, ++many <= g->spec->max && standing(g) <= g->spec->max, "it is declared otherwise now");
	}
	scale_up(g);
}

void fleet_reload(struct fleet *f)
{
	const struct fleet_config *c = f->pipeline->config->fleet;
	struct group *g, *next;
	for (g = TAILQ_FIRST(&f->groups); g; g = next) {
		const struct fleet_spec *spec = fleet_config_find(c, g->spec->name);
		next = TAILQ_NEXT(g, link);
		if (!g->leaving && !(spec && group_of(f, spec) == g)) {
			leave(g, "it is not declared any more");
			g->leaving = true;
		}
	}
	for (size_t i = 0; i < c->count; i++)
		if ((g = group_of(f, c->specs[i])))
			respec(g, c->specs[i]);
		else if (pool_find(f->pipeline->service, c->specs[i]->name))
			log_warning("%s: the pool of that name has not ended yet; read the settings again later", c->specs[i]->name);
		else
			add_group(f, c->specs[i]);
	turn_want(&f->turn);
}

void fleet_end(struct fleet *f, bool handed_over, void (*on_done)(void *data), void *data)
{
	struct group *g;
	f->ending = true;
	f->handed_over = handed_over;
	f->on_done = on_done;
	f->data = data;
	TAILQ_FOREACH(g, &f->groups, link)
		if (g->pool || !(handed_over || g->spec->keep))
			leave(g, "the gateway ends");
	turn_want(&f->turn);
}

void fleet_destroy(struct fleet *f)
{
	struct group *g;
	if (!f)
		return;
	while ((g = TAILQ_FIRST(&f->groups)))
		destroy_group(g);
	turn_stop(&f->turn);
	os_orphans_destroy(f->orphans);
	f->pipeline->fleet = NULL;
	free(f);
}
