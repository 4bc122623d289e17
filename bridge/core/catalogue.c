/* catalogue.c - see catalogue.h */
#include "core/catalogue.h"
#include "mcp/census.h"
#include "core/profile.h"
#include "log.h"
#include "mcp/schema.h"
#include "mcp/text.h"
#include "os.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = 3, TOOLS_MAX = 1000, NAME_MAX_HOSTS = 64 }; /* hosts refuse longer names */
static const double patience = 10; /* seconds for an instance to list its tools */

/* What one version of the Lisp side offers; instances with the same hash share it. */
struct toolset {
	TAILQ_ENTRY(toolset) link;
	struct catalogue *catalogue; /* borrowed */
	char hash[WORKER_HASH_MAX + 1];
	json_t *all;                 /* owned; what it offers, an object; NULL until it is known */
	json_t *tools;               /* borrowed from it */
	const struct worker *asked;  /* compared only */
	struct ask ask;
	double since;                /* os_now when it was asked */
	bool outer;                  /* the gateway's */
};

struct catalogue {
	struct ev_loop *loop;        /* borrowed */
	const struct config *config; /* borrowed */
	struct service *service;     /* borrowed */
	struct service *outer;       /* borrowed; the gateway's, or NULL */
	TAILQ_HEAD(, toolset) sets;  /* owned */
	struct tool *tools;          /* owned; in the order of the list */
	size_t count, builtin;
	struct buf lists[PROFILE_SETS][LEVELS]; /* for 2024-11-05, 2025-03-26, later ones; empty: not asked for yet */
	uint64_t hash;               /* of the list */
	ev_timer changed;
	void (*on_changed)(void *data);
	void *data;
};

static bool name_valid(const char *name)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
	return n > 0 && n <= NAME_MAX_HOSTS && !name[n];
}

static bool takes(const struct tool *t, const char *argument)
{
	return json_object_get(json_object_get(json_object_get(t->definition, "inputSchema"), "properties"), argument) != NULL;
}

enum origin { BUILTIN, ADDED, OUTER };

static void add_tool(struct catalogue *c, const json_t *definition, enum origin origin)
{
	struct tool *t = &c->tools[c->count++];
	*t = (struct tool){.definition = json_copy((json_t *)(void *)(size_t)definition), .builtin = origin == BUILTIN, .outer = origin == OUTER};
	if (!t->definition)
		log_no_memory();
	json_object_del(t->definition, "answeredBy"); /* for people who read the table; self.c knows */
	const char *task = json_string_value(json_object_get(t->definition, "task"));
	t->profiles = profile_of_tool(definition);
	t->may_task = task != NULL;
	t->task_later = json_is_true(json_object_get(t->definition, "taskLater"));
	t->must_task = task && strcmp(task, "required") == 0;
	t->name = json_string_value(json_object_get(t->definition, "name"));
	if (t->outer) { /* what words like these mean there is not ours to say */
		t->may_task = t->task_later = t->must_task = false;
		return;
	}
	json_t *hints = json_object_get(definition, "annotations");
	t->idempotent = json_is_true(json_object_get(hints, "idempotentHint")) || json_is_true(json_object_get(hints, "readOnlyHint"));
	t->takes_timeout = takes(t, "timeout");
	t->takes_priority = takes(t, "priority");
	t->takes_instance = takes(t, "instance_id");
}

static void forget_tool(struct tool *t)
{
	json_decref(t->definition);
	schema_destroy(t->schema);
	free(t->broken);
}

struct tool *catalogue_find(struct catalogue *c, const char *name)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->tools[i].name, name) == 0)
			return &c->tools[i];
	return NULL;
}

const char *catalogue_nearest(const struct catalogue *c, const char *name)
{
	const char *names[TOOLS_MAX];
	for (size_t i = 0; i < c->count; i++)
		names[i] = c->tools[i].name;
	return config_nearest(name, names, c->count);
}

bool catalogue_check(struct tool *t, const json_t *arguments, char **pointer, char **reason)
{
	if (!t->schema && !t->broken) {
		t->schema = schema_compile(json_object_get(t->definition, "inputSchema"), &t->broken);
		if (t->broken)
			log_warning("the schema of %s cannot be used: %s", t->name, t->broken);
	}
	*pointer = *reason = NULL;
	return !t->schema || schema_check(t->schema, arguments, pointer, reason);
}

/* --- the list as clients see it --- */

static int level_of(enum version version)
{
	return version < VERSION_2025_03_26 ? 0 : version < VERSION_2025_06_18 ? 1 : 2;
}

static void write_tool(struct buf *out, const struct tool *t, int level)
{
	static const struct { const char *key; int level; } keys[] = {
		{"name", 0}, {"title", 2}, {"description", 0}, {"inputSchema", 0},
		{"outputSchema", 2}, {"annotations", 1}, {"_meta", 2}};
	const char *separator = "{";
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		json_t *value = json_object_get(t->definition, keys[i].key);
		if (!value || level < keys[i].level)
			continue;
		text_format(out, "%s\"%s\":", separator, keys[i].key);
		text_json(out, value);
		separator = ",";
	}
	text_put(out, "}");
}

static void write_list(const struct catalogue *c, unsigned wanted, int level, struct buf *out)
{
	text_put(out, "{\"tools\":[");
	for (size_t i = 0, written = 0; i < c->count; i++) {
		if (wanted & ~c->tools[i].profiles)
			continue;
		text_put(out, written++ ? "," : "");
		write_tool(out, &c->tools[i], level);
	}
	text_put(out, "]}");
}

const struct buf *catalogue_list(struct catalogue *c, unsigned wanted, enum version version)
{
	struct buf *list = &c->lists[wanted][level_of(version)];
	if (!buf_len(list))
		write_list(c, wanted, level_of(version), list);
	return list;
}

static void forget_lists(struct catalogue *c)
{
	for (unsigned wanted = 0; wanted < PROFILE_SETS; wanted++)
		for (int level = 0; level < LEVELS; level++)
			buf_finish(&c->lists[wanted][level]);
}

static void renew_lists(struct catalogue *c)
{
	forget_lists(c);
	const struct buf *full = catalogue_list(c, 0, VERSION_2026_07_28);
	c->hash = 14695981039346656037u; /* FNV-1a */
	for (size_t i = 0; i < buf_len(full); i++)
		c->hash = (c->hash ^ (unsigned char)buf_data(full)[i]) * 1099511628211u;
}

static void on_changed_timer(EV_P_ ev_timer *timer, int revents)
{
	struct catalogue *c = timer->data;
	(void)loop;
	(void)revents;
	c->on_changed(c->data);
}

/* --- merging --- */

static struct worker *first_of(const struct catalogue *c, const struct toolset *set)
{
	struct service *s = set->outer ? c->outer : c->service;
	return s ? service_first(s) : NULL;
}

static bool in_use(const struct catalogue *c, const struct toolset *set)
{
	for (struct worker *w = first_of(c, set); w; w = service_next(w))
		if (strcmp(w->hash, set->hash) == 0)
			return true;
	return false;
}

static void forget_set(struct catalogue *c, struct toolset *set)
{
	if (set->ask.worker)
		set->ask.worker->ops->drop(set->ask.worker, &set->ask);
	TAILQ_REMOVE(&c->sets, set, link);
	buf_finish(&set->ask.question);
	buf_finish(&set->ask.answer);
	json_decref(set->all);
	free(set);
}

/* Not BUT: we may be inside its callback. */
static void forget_unused(struct catalogue *c, const struct toolset *but)
{
	struct toolset *set, *next;
	for (set = TAILQ_FIRST(&c->sets); set; set = next) {
		next = TAILQ_NEXT(set, link);
		if (set != but && !in_use(c, set))
			forget_set(c, set);
	}
}

struct found {
	const char *name;
	const struct toolset *set;
	const json_t *definition;
};

/* By name; of two tools of one name always the same one is taken, whoever came first, and
 * the gateway's only when no Emacs has one. */
static int by_name(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	int order = strcmp(x->name, y->name);
	if (!order)
		order = (int)x->set->outer - (int)y->set->outer;
	return order ? order : strcmp(x->set->hash, y->set->hash);
}

static size_t gather(struct catalogue *c, struct found *found, size_t most)
{
	struct toolset *set;
	size_t i, n = 0;
	json_t *definition;
	TAILQ_FOREACH(set, &c->sets, link)
		json_array_foreach(set->tools, i, definition) {
			const char *name = json_string_value(json_object_get(definition, "name"));
			if (!name || !name_valid(name) || !json_is_object(json_object_get(definition, "inputSchema")))
				log_debug("a tool without a proper name or schema was left out");
			else if (n < most)
				found[n++] = (struct found){name, set, definition};
		}
	return n;
}

static void merge(struct catalogue *c)
{
	struct found *found = calloc(TOOLS_MAX, sizeof *found);
	if (!found)
		log_no_memory();
	while (c->count > c->builtin)
		forget_tool(&c->tools[--c->count]);
	size_t n = gather(c, found, TOOLS_MAX);
	qsort(found, n, sizeof *found, by_name);
	for (size_t i = 0; i < n && c->count < TOOLS_MAX; i++)
		if (!catalogue_find(c, found[i].name))
			add_tool(c, found[i].definition, found[i].set->outer ? OUTER : ADDED);
	free(found);
	renew_lists(c);
	catalogue_tell_later(c);
}

static struct toolset *set_of(const struct catalogue *c, const char *hash)
{
	struct toolset *set;
	TAILQ_FOREACH(set, &c->sets, link)
		if (strcmp(set->hash, hash) == 0)
			return set;
	return NULL;
}

const json_t *catalogue_offers(const struct catalogue *c, const struct worker *w, const char *key)
{
	const struct toolset *set = set_of(c, w->hash);
	return set ? json_object_get(set->all, key) : NULL;
}

uint64_t catalogue_hash(const struct catalogue *c)
{
	return c->hash;
}

bool catalogue_asks(const struct catalogue *c, bool outer)
{
	double lately = os_now() - (double)c->config->hello_timeout / 1000;
	const struct toolset *set;
	TAILQ_FOREACH(set, &c->sets, link)
		if (set->ask.worker && set->since > lately && (set->outer || !outer))
			return true;
	return false;
}

bool catalogue_lists(const struct catalogue *c, const struct worker *w, const char *tool)
{
	const struct toolset *set = set_of(c, w->hash);
	size_t i;
	json_t *definition;
	if (set)
		json_array_foreach(set->tools, i, definition) {
			const char *name = json_string_value(json_object_get(definition, "name"));
			if (name && strcmp(name, tool) == 0)
				return true;
		}
	return false;
}

bool catalogue_has(const struct catalogue *c, const struct worker *w, const struct tool *t)
{
	return t->builtin || catalogue_lists(c, w, t->name);
}

static void ask_for(struct toolset *set, struct worker *w);

/* The instance that was asked went away: another one with the same tools may tell. */
static void ask_another(struct toolset *set)
{
	for (struct worker *w = first_of(set->catalogue, set); w; w = service_next(w))
		if (w->linked && w != set->asked && strcmp(w->hash, set->hash) == 0) {
			ask_for(set, w);
			return;
		}
}

static void on_tools(struct ask *ask, const char *json, size_t len)
{
	struct toolset *set = ask->owner;
	json_error_t error;
	json_t *all = json ? census_load(json, len, JSON_REJECT_DUPLICATES, &error) : NULL;
	if (json && !json_is_array(json_object_get(all, "tools"))) {
		log_warning("what an Emacs offers cannot be read: %s", all ? "no object with tools" : error.text);
		json_decref(all);
		all = NULL;
	}
	json_decref(set->all);
	set->all = all;
	set->tools = json_object_get(all, "tools");
	buf_finish(&ask->answer);
	if (!json)
		ask_another(set);
	forget_unused(set->catalogue, set);
	merge(set->catalogue);
}

static void ask_for(struct toolset *set, struct worker *w)
{
	set->asked = w;
	set->since = os_now();
	set->ask.kind = ASK_CATALOGUE;
	set->ask.on_answer = on_tools;
	set->ask.owner = set;
	w->ops->ask(w, &set->ask, NULL, patience);
}

static void on_hash(void *data, struct worker *w)
{
	struct catalogue *c = data;
	struct toolset *set = set_of(c, w->hash);
	if (!*w->hash || (set && (set->all || set->ask.worker))) { /* none: it is gone, and what it had with it */
		forget_unused(c, NULL);
		merge(c);
		return;
	}
	if (!set) {
		set = calloc(1, sizeof *set);
		if (!set)
			log_no_memory();
		set->catalogue = c;
		set->outer = c->outer && w->service == c->outer;
		snprintf(set->hash, sizeof set->hash, "%s", w->hash);
		TAILQ_INSERT_TAIL(&c->sets, set, link);
	}
	ask_for(set, w);
}

static void load_builtin(struct catalogue *c)
{
	json_error_t error;
	size_t i;
	json_t *definition, *whole = json_loads(catalogue_text, JSON_REJECT_DUPLICATES, &error);
	json_t *all = json_object_get(whole, "tools");
	if (!json_is_array(all))
		log_error("the built-in list of tools cannot be read: %s", error.text);
	assert(json_is_array(all));
	json_array_foreach(all, i, definition) {
		assert(json_is_string(json_object_get(definition, "name")) && c->count < TOOLS_MAX);
		add_tool(c, definition, BUILTIN);
	}
	c->builtin = c->count;
	json_decref(whole);
	renew_lists(c);
}

void catalogue_use_outer(struct catalogue *c, struct service *outer)
{
	c->outer = outer;
	if (outer)
		service_on_hash(outer, on_hash, c);
}

void catalogue_tell_later(struct catalogue *c)
{
	if (ev_is_active(&c->changed))
		return;
	ev_timer_set(&c->changed, (double)c->config->list_changed_delay / 1000, 0.);
	ev_timer_start(c->loop, &c->changed);
}

struct catalogue *catalogue_create(struct ev_loop *loop, const struct config *config, struct service *service,
				   void (*on_changed)(void *), void *data)
{
	struct catalogue *c = calloc(1, sizeof *c);
	if (!c || !(c->tools = calloc(TOOLS_MAX, sizeof *c->tools)))
		log_no_memory();
	c->loop = loop;
	c->config = config;
	c->service = service;
	c->on_changed = on_changed;
	c->data = data;
	TAILQ_INIT(&c->sets);
	ev_timer_init(&c->changed, on_changed_timer, 0., 0.);
	c->changed.data = c;
	load_builtin(c);
	service_on_hash(service, on_hash, c);
	return c;
}

void catalogue_destroy(struct catalogue *c)
{
	struct toolset *set;
	if (!c)
		return;
	ev_timer_stop(c->loop, &c->changed);
	while ((set = TAILQ_FIRST(&c->sets)))
		forget_set(c, set);
	while (c->count)
		forget_tool(&c->tools[--c->count]);
	free(c->tools);
	forget_lists(c);
	free(c);
}
