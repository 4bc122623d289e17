/* offers.c - see offers.h */
#include "core/offers.h"
#include "copy.h"
#include "core/catalogue.h"
#include "core/registry.h"
#include "core/relay.h"
#include "log.h"
#include "mcp/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MAX = 10000, URI_MAX = 8192 };

static const struct {
	const char *list, *key; /* the name of the array, and of what tells its members apart */
} kinds[OFFERS] = {
	[OFFER_TOOLS] = {"tools", "name"},
	[OFFER_RESOURCES] = {"resources", "uri"},
	[OFFER_TEMPLATES] = {"resourceTemplates", "uriTemplate"},
	[OFFER_PROMPTS] = {"prompts", "name"},
};

/* --- URIs --- */

/* Where the variable that begins at FORM ends; NULL: it is none. */
static const char *after_variable(const char *form)
{
	const char *p = form + 1 + (form[1] == '+');
	const char *begun = p;
	while (isalnum((unsigned char)*p) || *p == '_')
		p++;
	return p > begun && *p == '}' ? p + 1 : NULL;
}

/* The longest text first, as the Lisp side's regexp does; the work is bounded by *budget. */
static bool fits(const char *form, const char *uri, int *budget)
{
	while (*form && --*budget > 0) {
		const char *rest = *form == '{' ? after_variable(form) : NULL;
		if (!rest) {
			if (*form++ != *uri++)
				return false;
			continue;
		}
		size_t most = form[1] == '+' ? strlen(uri) : strcspn(uri, "/?#");
		for (; most > 0 && *budget > 0; most--)
			if (fits(rest, uri + most, budget))
				return true;
		return false;
	}
	return !*uri && *budget > 0;
}

bool offers_uri_fits(const char *form, const char *uri)
{
	int budget = 100000;
	return fits(form, uri, &budget);
}

/* The instance at the end of URI, and how much of it stands before; NULL: it names none. */
static const char *instance_in(const char *uri, size_t *before)
{
	static const char word[] = "instance_id=";
	const char *last = NULL;
	for (const char *p = strstr(uri, word); p; p = strstr(p + 1, word))
		last = p;
	if (!last || last == uri || (last[-1] != '?' && last[-1] != '&') || strpbrk(last, "&#"))
		return NULL;
	*before = (size_t)(last - 1 - uri);
	return last + strlen(word);
}

static char *with_instance(const char *uri, const char *name)
{
	char *made;
	if (asprintf(&made, "%s%cinstance_id=%s", uri, strchr(uri, '?') ? '&' : '?', name) < 0)
		log_no_memory();
	return made;
}

bool offers_means(const char *subscribed, const char *uri, const char *name)
{
	char *full = with_instance(uri, name);
	bool means = strcmp(subscribed, uri) == 0 || strcmp(subscribed, full) == 0;
	free(full);
	return means;
}

char *offers_plain(const char *subscribed, const char *name)
{
	size_t before;
	const char *instance = instance_in(subscribed, &before);
	if (instance && strcmp(instance, name) != 0)
		return NULL;
	return instance ? copy_part(subscribed, before) : copy_text(subscribed);
}

/* --- lists --- */

struct entry {
	const char *key;        /* borrowed from definition */
	const json_t *definition;
	const struct worker *worker;
};

static int by_key(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = strcmp(x->key, y->key);
	return order ? order : strcmp(x->worker->name, y->worker->name);
}

static bool offers_it(const struct pipeline *p, const struct worker *w, enum offer kind, const char *what, bool as_form)
{
	size_t i;
	json_t *definition;
	json_array_foreach(catalogue_offers(p->catalogue, w, kinds[kind].list), i, definition) {
		const char *key = json_string_value(json_object_get(definition, kinds[kind].key));
		if (key && (strcmp(key, what) == 0 || (as_form && offers_uri_fits(key, what))))
			return true;
	}
	return false;
}

/* The gateway's only where nobody here has it: not of a key that an Emacs offers, nor what it
 * tells apart of an Emacs that is seen here. */
static bool gateway_alone(const struct pipeline *p, enum offer kind, const char *key)
{
	size_t before;
	const char *instance = kind == OFFER_PROMPTS ? NULL : instance_in(key, &before);
	for (struct worker *w = service_first(p->service); w; w = service_next(w))
		if (w->listed && ((instance && strcmp(w->name, instance) == 0) || (!w->pool && offers_it(p, w, kind, key, false))))
			return false;
	return true;
}

static struct entry *gather(const struct pipeline *p, enum offer kind, size_t *count)
{
	struct entry *entries = NULL;
	size_t n = 0, room = 0, i;
	json_t *definition;
	struct worker *gateway = relay_usable(p);
	json_array_foreach(gateway ? catalogue_offers(p->catalogue, gateway, kinds[kind].list) : NULL, i, definition) {
		const char *key = json_string_value(json_object_get(definition, kinds[kind].key));
		if (!key || strlen(key) > URI_MAX || n >= ENTRIES_MAX || !gateway_alone(p, kind, key))
			continue;
		if (n == room && !(entries = realloc(entries, (room = room ? 2 * room : 16) * sizeof *entries)))
			log_no_memory();
		entries[n++] = (struct entry){key, definition, gateway};
	}
	for (struct worker *w = service_first(p->service); w; w = service_next(w)) {
		if (!w->listed || w->pool) /* any worker of a pool is as good as another: they offer tools */
			continue;
		json_array_foreach(catalogue_offers(p->catalogue, w, kinds[kind].list), i, definition) {
			const char *key = json_string_value(json_object_get(definition, kinds[kind].key));
			if (!key || strlen(key) > URI_MAX || n >= ENTRIES_MAX)
				continue;
			if (n == room && !(entries = realloc(entries, (room = room ? 2 * room : 16) * sizeof *entries)))
				log_no_memory();
			entries[n++] = (struct entry){key, definition, w};
		}
	}
	if (n)
		qsort(entries, n, sizeof *entries, by_key);
	*count = n;
	return entries;
}

static void set(json_t *object, const char *key, const char *value)
{
	json_object_set_new(object, key, json_string(value));
}

/* This one of several instances' resource. */
static void tell_apart(json_t *entry, enum offer kind, const struct entry *e)
{
	const char *title = json_string_value(json_object_get(entry, "title"));
	const char *name = json_string_value(json_object_get(entry, "name"));
	char *uri = with_instance(e->key, e->worker->name);
	struct buf words = {0};
	set(entry, kinds[kind].key, uri);
	text_format(&words, "%s (%s)", title ? title : name ? name : "", e->worker->name);
	set(entry, title ? "title" : "name", text_string(&words));
	buf_finish(&words);
	free(uri);
}

/* A prompt that several offer stands there once. */
static void add_argument(json_t *entry)
{
	json_t *arguments = json_deep_copy(json_object_get(entry, "arguments"));
	if (!arguments)
		arguments = json_array();
	json_array_append_new(arguments, json_pack("{s:s,s:s,s:b}", "name", "instance_id", "description",
						   "Which Emacs: several have this prompt.", "required", 1));
	json_object_set_new(entry, "arguments", arguments);
}

static void write_entry(struct buf *out, enum offer kind, enum version version, const struct entry *e, bool several)
{
	json_t *entry = json_copy((json_t *)(void *)(size_t)e->definition);
	if (!entry)
		log_no_memory();
	if (several && kind == OFFER_PROMPTS)
		add_argument(entry);
	else if (several)
		tell_apart(entry, kind, e);
	if (version < VERSION_2025_06_18)
		json_object_del(entry, "title");
	if (version < VERSION_2025_03_26)
		json_object_del(entry, "size");
	text_json(out, entry);
	json_decref(entry);
}

void offers_list(const struct pipeline *p, enum offer kind, enum version version, struct buf *out)
{
	size_t count;
	struct entry *entries = gather(p, kind, &count);
	const char *separator = "";
	text_format(out, "{\"%s\":[", kinds[kind].list);
	for (size_t i = 0; i < count; i++) {
		bool before = i && strcmp(entries[i - 1].key, entries[i].key) == 0;
		bool after = i + 1 < count && strcmp(entries[i + 1].key, entries[i].key) == 0;
		if (before && kind == OFFER_PROMPTS)
			continue;
		text_put(out, separator);
		write_entry(out, kind, version, &entries[i], before || after);
		separator = ",";
	}
	text_put(out, "]}");
	free(entries);
}

uint64_t offers_hash(const struct pipeline *p, enum offer kind)
{
	struct buf text = {0};
	uint64_t hash = 14695981039346656037u; /* FNV-1a */
	if (kind == OFFER_TOOLS)
		return catalogue_hash(p->catalogue);
	offers_list(p, kind, VERSION_2026_07_28, &text);
	for (size_t i = 0; i < buf_len(&text); i++)
		hash = (hash ^ (unsigned char)buf_data(&text)[i]) * 1099511628211u;
	buf_finish(&text);
	return hash;
}

/* --- whose is it? --- */

struct candidates {
	struct worker *only, *standard;
	int count;
	struct buf names; /* for people */
};

static void consider(struct candidates *c, const struct request *r, struct worker *w)
{
	const char *preferred = *r->pipeline->config->instance ? registry_serves(r->pipeline, r->pipeline->config->instance) : "default";
	c->only = w;
	c->count++;
	if (strcmp(w->name, preferred) == 0)
		c->standard = w;
	text_format(&c->names, "%s%s", buf_len(&c->names) ? ", " : "", w->name);
}

static struct worker *chosen(struct candidates *c)
{
	return c->count == 1 ? c->only : c->standard;
}

static struct worker *find_uri(struct request *r, const char *uri, const char *instance, enum offer kind, struct candidates *c)
{
	for (struct worker *w = service_first(r->pipeline->service); w; w = service_next(w)) {
		if (!w->listed || (instance ? strcmp(w->name, instance) != 0 : w->pool != NULL))
			continue;
		if (offers_it(r->pipeline, w, kind, uri, false)
		    || (kind == OFFER_RESOURCES && offers_it(r->pipeline, w, OFFER_TEMPLATES, uri, true)))
			consider(c, r, w);
	}
	return chosen(c);
}

/* What nobody here has; it knows its resources by the names that it gives. */
static struct worker *gateway_with(const struct request *r, enum offer kind, const char *what)
{
	struct worker *w = relay_usable(r->pipeline);
	bool has = w && (offers_it(r->pipeline, w, kind, what, false)
			 || (kind == OFFER_RESOURCES && offers_it(r->pipeline, w, OFFER_TEMPLATES, what, true)));
	return has ? w : NULL;
}

/* ", and the gateway, which may have it, ...": for who looks for something that nobody has. */
static void gateway_away(const struct request *r, struct buf *out)
{
	const struct worker *w = relay_worker(r->pipeline);
	if (w && w->listed && !relay_usable(r->pipeline))
		text_format(out, "; the gateway, which may have it, is not there: %s", *w->why ? w->why : service_state_word(w->state));
	else if (w && w->pid && !w->listed) /* there was one */
		text_format(out, "; the gateway, which may have had it, is gone: %s", w->why);
}

static struct worker *by_uri(struct request *r, const char *uri, enum offer kind, char **plain)
{
	struct candidates c = {0};
	size_t before;
	struct worker *w = NULL;
	struct buf away = {0};
	const char *instance = registry_serves(r->pipeline, instance_in(uri, &before));
	*plain = instance ? copy_part(uri, before) : copy_text(uri);
	w = find_uri(r, *plain, instance, kind, &c);
	if (!w && !c.count && (w = gateway_with(r, kind, uri))) {
		free(*plain);
		*plain = copy_text(uri);
	}
	if (!w && c.count) {
		char *example = with_instance(uri, c.only->name);
		request_fail(r, FAULT_PARAMS, json_pack("{s:s}", "uri", uri),
			     "several Emacs instances have this resource (%s): say which, as in %s", text_string(&c.names), example);
		free(example);
	} else if (!w) {
		gateway_away(r, &away);
		request_fail(r, FAULT_PARAMS, json_pack("{s:s}", "uri", uri),
			     "there is no resource %.200s%s%s", uri, service_first(r->pipeline->service) ? "" : "; no Emacs runs",
			     buf_len(&away) ? text_string(&away) : "");
	}
	buf_finish(&away);
	buf_finish(&c.names);
	if (!w) {
		free(*plain);
		*plain = NULL;
	}
	return w;
}

struct worker *offers_resource(struct request *r, const char *uri, char **plain)
{
	return by_uri(r, uri, OFFER_RESOURCES, plain);
}

struct worker *offers_template(struct request *r, const char *uri, char **plain)
{
	return by_uri(r, uri, OFFER_TEMPLATES, plain);
}

struct worker *offers_prompt(struct request *r, const char *name, const char *instance)
{
	instance = registry_serves(r->pipeline, instance);
	struct candidates c = {0};
	for (struct worker *w = service_first(r->pipeline->service); w; w = service_next(w))
		if (w->listed && (instance ? strcmp(w->name, instance) == 0 : !w->pool) && offers_it(r->pipeline, w, OFFER_PROMPTS, name, false))
			consider(&c, r, w);
	struct worker *w = chosen(&c);
	struct buf away = {0};
	if (!w && !c.count)
		w = gateway_with(r, OFFER_PROMPTS, name);
	if (!w)
		gateway_away(r, &away);
	if (!w && c.count)
		request_fail(r, FAULT_PARAMS, NULL, "several Emacs instances have this prompt (%s): say which by the argument instance_id",
			     text_string(&c.names));
	else if (!w)
		request_fail(r, FAULT_PARAMS, NULL, "Unknown prompt: %.100s; prompts/list names them%s", name, buf_len(&away) ? text_string(&away) : "");
	buf_finish(&away);
	buf_finish(&c.names);
	return w;
}
