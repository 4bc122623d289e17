/* fleet.c - see fleet.h and fleet_impl.h */
#include "core/fleet_impl.h"
#include "mcp/census.h"
#include "copy.h"
#include "core/pipeline.h"
#include "core/session.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

/* --- how instances part --- */

static void on_answer(struct outlet *outlet, struct request *r)
{
	struct group *g = (struct group *)(void *)((char *)outlet - offsetof(struct group, outlet));
	json_t *reply = census_load(buf_data(&r->reply), buf_len(&r->reply), 0, NULL);
	const char *text = json_string_value(json_object_get(json_array_get(json_object_get(reply, "content"), 0), "text"));
	json_t *said = text ? census_load(text, strlen(text), 0, NULL) : NULL;
	const char *error = json_string_value(json_object_get(said, "error")), *code = json_string_value(json_object_get(said, "error_code"));
	free(g->refusal);
	g->refusal = NULL;
	if ((error || !said) && !(code && strcmp(code, "emacs_gone") == 0))
		g->refusal = copy_text(error ? error : "it could not be asked");
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
	g->session->ours = true;
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
		fleet_scale_up(g);
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
	ev_timer_init(&g->idle, fleet_on_idle, 0., 0.);
	g->idle.data = g;
	turn_init(&g->parted, f->pipeline->loop, on_parted, g);
	if (spec->pool) {
		pool_policy_of(g, &policy);
		g->pool = pool_create(f->pipeline->service, spec->name, &policy);
		pool_on_load(g->pool, fleet_on_load, g);
	} else {
		fleet_add_keeper(g, *spec->daemon ? spec->daemon : spec->name);
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
	return fleet_count(g, KEEPER_OFF) + fleet_count(g, KEEPER_FOREIGN) == g->count;
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
			fleet_scale_up(g);
		fleet_watch_idle(g);
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
	return g->pool ? fleet_standing(g) <= g->spec->min || fleet_waiting(g) : g->spec->auto_start;
}

static bool may_start(void *data, const struct keeper *k)
{
	const struct fleet *f = data;
	const struct group *g = k->owner;
	return !f->ending && !g->leaving;
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

static void on_ended(void *data, struct worker *w, struct request *r, enum service_end how)
{
	(void)how;
	struct keeper *k = fleet_keeper_of(data, w);
	if (!k)
		return;
	if (r->failed || r->settled)
		keeper_on_failed(k, w, r);
	keeper_on_ended(k, w, r);
}

/* --- the whole --- */

struct fleet *fleet_create(struct pipeline *p)
{
	struct fleet *f = calloc(1, sizeof *f);
	if (!f)
		log_no_memory();
	f->pipeline = p;
	f->host = (struct keeper_host){p->loop, p->config, p->service, on_keeper, wanted, may_start, part, f};
	TAILQ_INIT(&f->groups);
	turn_init(&f->turn, p->loop, on_turn, f);
	f->orphans = os_orphans_create(p->loop);
	process_sweep();
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
			keeper_stop(k, ++many <= g->spec->max && fleet_standing(g) <= g->spec->max, "it is declared otherwise now");
	}
	fleet_scale_up(g);
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
	service_deafen(f->pipeline->service, f);
	os_orphans_destroy(f->orphans);
	f->pipeline->fleet = NULL;
	free(f);
}
