/* registry.c - see registry.h */
#include "core/registry.h"
#include "core/fleet.h"
#include "fleet_config.h"
#include "core/self.h"
#include "core/session.h"
#include "mcp/era.h"
#include "mcp/result.h"
#include "mcp/text.h"
#include "os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool registry_empty(const struct service *s)
{
	for (struct worker *w = service_first(s); w; w = service_next(w))
		if (w->listed)
			return false;
	return true;
}

void registry_absence(const struct service *s, struct buf *out)
{
	text_format(out,
		    "no Emacs with efrit-mcp is running; start one with: emacs -L lisp -l efrit-mcp -f efrit-mcp-mode, or evaluate "
		    "(efrit-mcp-mode 1) in a running one. Looked in: %s",
		    service_places(s));
	if (*service_trouble(s))
		text_format(out, ". Not used: %s", service_trouble(s));
}

static bool fits(const struct request *r, const struct worker *w, const struct tool *tool)
{
	return w->listed && (!tool || catalogue_has(r->pipeline->catalogue, w, tool));
}

/* The ids that could have been meant, as an array and in words. */
static json_t *known(const struct request *r, const struct tool *tool, struct buf *words)
{
	json_t *ids = json_array();
	for (struct worker *w = service_first(r->pipeline->service); w; w = service_next(w)) {
		if (!fits(r, w, tool))
			continue;
		text_format(words, "%s%s", buf_len(words) ? ", " : "", w->name);
		json_array_append_new(ids, json_string(w->name));
	}
	for (struct pool *p = pool_first(r->pipeline->service); p; p = pool_next(p)) {
		text_format(words, "%s%s (a pool)", buf_len(words) ? ", " : "", pool_name(p));
		json_array_append_new(ids, json_string(pool_name(p)));
	}
	if (!buf_len(words))
		text_put(words, "none");
	return ids;
}

static struct worker *refuse(struct request *r, const char *code, const char *asked, const struct tool *tool, const char *sentence)
{
	struct buf words = {0};
	json_t *extra = json_object();
	json_t *ids = known(r, tool, &words);
	if (asked)
		json_object_set_new(extra, "instance_id", json_string(asked));
	json_object_set_new(extra, "instances", ids);
	json_object_set_new(extra, "may_have_run", json_false());
	result_error(r, code, extra, "%s: %s", sentence, text_string(&words));
	buf_finish(&words);
	return NULL;
}

static struct worker *by_name(struct request *r, const char *asked, const struct tool *tool)
{
	struct service *s = r->pipeline->service;
	struct worker *w = service_find(s, asked);
	struct buf sentence = {0};
	if (w && fits(r, w, tool))
		return w;
	if (w && w->listed) {
		text_format(&sentence, "the Emacs \"%s\" has no tool %s; these have", asked, tool->name);
		refuse(r, "unknown_tool", asked, tool, text_string(&sentence));
	} else if (w && w->pid) { /* it was here, so the name is right */
		text_format(&sentence, "the Emacs \"%s\" is gone (%s); start it again, or use one of these", asked, w->why);
		refuse(r, "emacs_gone", asked, NULL, text_string(&sentence));
	} else if (registry_empty(s)) {
		registry_absence(s, &sentence);
		result_error(r, "no_instance", json_pack("{s:s,s:[],s:b}", "instance_id", asked, "instances", "may_have_run", 0),
			     "there is no Emacs \"%.100s\": %s", asked, text_string(&sentence));
	} else {
		text_format(&sentence, "there is no Emacs \"%.100s\"; these are known", asked);
		refuse(r, "unknown_instance", asked, NULL, text_string(&sentence));
	}
	buf_finish(&sentence);
	return NULL;
}

/* --- where the client works --- */

/* Bytes of FOLDER when PATH is it or is below it; 0: it is not. */
static size_t covers(const char *folder, const char *path)
{
	size_t len = strlen(folder);
	return len > 1 && strncmp(folder, path, len) == 0 && (path[len] == 0 || path[len] == '/') ? len : 0;
}

static const char *client_folder(const struct request *r)
{
	const char *said = json_string_value(json_object_get(json_object_get(r->params, "_meta"), era_key_folder));
	return said && *said == '/' ? said : r->session->folder;
}

/* The one whose folder is nearest above the client's.  NULL: there is none, or there are two.
 * That an Emacs was started in the home folder says nothing. */
static struct worker *by_folder(const struct request *r, const struct tool *tool)
{
	struct worker *first = service_first(r->pipeline->service), *nearest = NULL;
	const char *path = first && service_next(first) ? client_folder(r) : NULL, *home = path ? getenv("HOME") : NULL;
	size_t best = 0;
	for (struct worker *w = path ? first : NULL; w; w = service_next(w)) {
		size_t len = covers(w->folder, path);
		if (!len || w->pool || w->pooled || w->state == WORKER_GONE || !fits(r, w, tool) || (home && strcmp(w->folder, home) == 0))
			continue;
		nearest = len > best ? w : len == best ? NULL : nearest;
		best = len > best ? len : best;
	}
	return nearest;
}

/* What a session that has named one and the same all the time means when it names none. */
static struct worker *by_session(const struct request *r, const struct tool *tool)
{
	const struct session *s = r->session;
	struct worker *w = *s->instance && !s->instances ? service_find(r->pipeline->service, s->instance) : NULL;
	return w && w->state != WORKER_GONE && fits(r, w, tool) ? w : NULL;
}

static void remember(struct session *s, const char *name)
{
	if (*s->instance && strcmp(s->instance, name) != 0)
		s->instances = true;
	snprintf(s->instance, sizeof s->instance, "%s", name);
}

/* --- who sits there --- */

/* Nobody does, as far as can be known: a bridge has started it, it is a batch Emacs or for a
 * pool, or the configuration says so. */
static bool unattended(const struct request *r, const struct worker *w)
{
	return w->pool || w->pooled || w->unattended || fleet_may_batch(r->pipeline->fleet, w)
	       || config_lists(r->pipeline->config->batch_instances, w->name)
	       || (w->pid && os_process_mark(w->pid, STARTED_MARK) == OS_MARK_YES);
}

/* Batch work is not for who is at the keyboard.  What is that only because nobody said
 * otherwise is normal there. */
static bool fit_for_work(struct request *r, const struct worker *w)
{
	struct buf words = {0};
	json_t *ids = json_array();
	if (r->priority != PRIORITY_BATCH || unattended(r, w)) {
		json_decref(ids);
		return true;
	}
	if (r->batch_unasked) {
		r->priority = PRIORITY_NORMAL;
		json_decref(ids);
		return true;
	}
	for (struct pool *p = pool_first(r->pipeline->service); p; p = pool_next(p)) {
		text_format(&words, "%s%s (a pool)", buf_len(&words) ? ", " : "", pool_name(p));
		json_array_append_new(ids, json_string(pool_name(p)));
	}
	for (struct worker *o = service_first(r->pipeline->service); o; o = service_next(o)) {
		if (!o->listed || o->state == WORKER_GONE || o->pool || o->pooled || !unattended(r, o))
			continue;
		text_format(&words, "%s%s", buf_len(&words) ? ", " : "", o->name);
		json_array_append_new(ids, json_string(o->name));
	}
	result_error(r, "not_for_batch", json_pack("{s:s,s:o,s:b}", "instance_id", w->name, "instances", ids, "may_have_run", 0),
		     "a person may sit at the Emacs \"%s\", so it gets no batch work: leave priority away, or give instance_id one that does batch "
		     "work (%s); if nobody sits there, name it in the setting batch_instances",
		     w->name, buf_len(&words) ? text_string(&words) : "there is none now; efrit_start_instance starts one");
	buf_finish(&words);
	return false;
}

/* --- the pool --- */

/* Those that are there have it; what every Emacs has, those that come will have too. */
static bool pool_fits(const struct request *r, const struct pool *p, const struct tool *tool)
{
	bool any = false;
	for (struct worker *w = service_first(r->pipeline->service); w; w = service_next(w)) {
		if (w->pool != p || !w->listed)
			continue;
		any = true;
		if (tool && !tool->builtin && !catalogue_has(r->pipeline->catalogue, w, tool))
			return false;
	}
	return any || !tool || tool->builtin;
}

static struct pool *by_pool(const struct request *r, const struct tool *tool)
{
	const struct service *s = r->pipeline->service;
	const char *name = r->pipeline->config->pool;
	struct pool *p = pool_find(s, *name ? name : "default");
	if (!p && !*name && pool_first(s) && !pool_next(pool_first(s)))
		p = pool_first(s);
	return p && pool_fits(r, p, tool) ? p : NULL;
}

/* Of those that may be meant: how many there are, and which it is if it must be decided. */
struct choice {
	struct worker *last, *standard, *first; /* standard: called "default"; first: of the highest priority */
	long count, priority;
	bool tied;
};

static void consider(struct choice *c, struct worker *w, long priority)
{
	c->tied = c->count && (priority == c->priority || (c->tied && priority < c->priority));
	if (!c->count || priority > c->priority) {
		c->first = w;
		c->priority = priority;
	}
	c->last = w;
	c->count++;
	if (strcmp(w->name, "default") == 0)
		c->standard = w;
}

static struct worker *decide(const struct choice *c)
{
	return c->count == 1 ? c->last : c->count && !c->tied ? c->first : c->standard;
}

/* The only one, the one of the highest declared priority, or the one called "default"; one that is
 * merely listed as gone counts last.  Batch work goes to one that nobody sits at, if there is any. */
static struct worker *by_itself(const struct request *r, const struct tool *tool, long *count)
{
	const struct fleet *fleet = r->pipeline->fleet;
	struct choice all = {0}, free_of_people = {0};
	struct worker *gone = NULL;
	for (struct worker *w = service_first(r->pipeline->service); w; w = service_next(w)) {
		if (w->pool || w->pooled || !fits(r, w, tool))
			continue;
		if (w->state == WORKER_GONE) {
			gone = w;
			continue;
		}
		consider(&all, w, fleet_priority(fleet, w));
		if (r->priority == PRIORITY_BATCH && unattended(r, w))
			consider(&free_of_people, w, fleet_priority(fleet, w));
	}
	const struct choice *c = r->priority == PRIORITY_BATCH && free_of_people.count ? &free_of_people : &all;
	*count = c->count;
	return c->count ? decide(c) : gone;
}

static struct worker *nowhere(struct request *r, const struct tool *tool, long count)
{
	const struct service *s = r->pipeline->service;
	if (count || (!tool && !registry_empty(s)))
		return refuse(r, "ambiguous_instance", NULL, NULL, "several Emacs instances run; pass instance_id, one of these");
	if (!registry_empty(s))
		return refuse(r, "unknown_tool", NULL, NULL, "no Emacs that runs now has this tool; these run");
	struct buf sentence = {0};
	registry_absence(s, &sentence);
	result_error(r, "no_instance", json_pack("{s:[],s:b}", "instances", "may_have_run", 0), "%s", text_string(&sentence));
	buf_finish(&sentence);
	return NULL;
}

/* Nobody was named.  *count: of those between which it could not be decided. */
static struct worker *unnamed(struct request *r, const struct tool *tool, long *count)
{
	struct worker *w = by_folder(r, tool);
	if (!w)
		w = by_session(r, tool);
	*count = 0;
	if (w && (r->priority != PRIORITY_BATCH || r->batch_unasked || unattended(r, w)))
		return w;
	struct worker *other = by_itself(r, tool, count);
	return w && !(other && unattended(r, other)) ? w : other;
}

const char *registry_serves(const struct pipeline *p, const char *name)
{
	const struct fleet_spec *spec = !p->fleet && name ? fleet_config_find(p->config->fleet, name) : NULL;
	if (p->fleet && name)
		return fleet_serves(p->fleet, name);
	return spec && !spec->pool && *spec->daemon ? spec->daemon : name;
}

static const char *named(const struct request *r, const char *asked)
{
	return asked ? asked : *r->pipeline->config->instance ? registry_serves(r->pipeline, r->pipeline->config->instance) : NULL;
}

struct pool *registry_pool(struct request *r, const char *asked)
{
	long count = 0;
	if ((asked = named(r, asked)))
		return service_find(r->pipeline->service, asked) ? NULL : pool_find(r->pipeline->service, asked);
	struct pool *p = by_pool(r, NULL);
	struct worker *w = p ? unnamed(r, NULL, &count) : NULL;
	return p && !count && (!w || w->state == WORKER_GONE) ? p : NULL;
}

struct worker *registry_choose(struct request *r, const char *asked, const struct tool *tool)
{
	long count;
	if ((asked = named(r, asked))) {
		if (!service_find(r->pipeline->service, asked) && pool_find(r->pipeline->service, asked))
			return refuse(r, "is_a_pool", asked, tool, "that is a pool; name one Emacs");
		return by_name(r, asked, tool);
	}
	struct worker *w = unnamed(r, tool, &count);
	return w ? w : nowhere(r, tool, count);
}

static bool place(struct request *r, const char *asked, const struct tool *tool, struct place *at)
{
	long count;
	struct pool *p = NULL;
	*at = (struct place){0};
	if ((asked = named(r, asked))) {
		if (!service_find(r->pipeline->service, asked))
			p = pool_find(r->pipeline->service, asked);
		if (p && !pool_fits(r, p, tool)) {
			refuse(r, "unknown_tool", asked, tool, "the Emacs instances of that pool do not have this tool; these have");
			return false;
		}
		if (!p && !(at->worker = by_name(r, asked, tool)))
			return false;
		at->pool = p;
		return true;
	}
	p = by_pool(r, tool);
	if (r->priority == PRIORITY_BATCH && p) { /* who is at the keyboard is left alone */
		at->pool = p;
		return true;
	}
	at->worker = unnamed(r, tool, &count);
	if (at->worker && at->worker->state == WORKER_GONE && p) /* it is known, but somebody else is there */
		at->worker = NULL;
	if (at->worker)
		return true;
	at->pool = p;
	return p || nowhere(r, tool, count);
}

bool registry_place(struct request *r, const char *asked, const struct tool *tool, struct place *at)
{
	if (!place(r, asked, tool, at) || (at->worker && !fit_for_work(r, at->worker)))
		return false;
	if ((asked = named(r, asked)))
		remember(r->session, asked);
	return true;
}

const char *registry_name(const struct place *at)
{
	return at->pool ? pool_name(at->pool) : at->worker->name;
}
