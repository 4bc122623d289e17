/* schema.c - see schema.h.  Compiling: the document is copied and walked once; each
 * schema object gets its node (base URI, patterns, rules); then the references are
 * followed.  What is wrong with a schema is found here, so that checking need not
 * doubt the shape of anything. */
#include "mcp/schema_impl.h"
#include "mcp/uri.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	VALUE_MAX = 200 * 1000, /* JSON values in a document */
	NODES_MAX = 20 * 1000,  /* schema objects in a document */
	DEPTH_MAX = 200,        /* of a document */
};

static const char home[] = "schema:///document"; /* the base of a document that names none */

struct compile {
	struct schema *schema;
	char **error;
	int depth;
};

static void *need(void *memory)
{
	if (!memory)
		abort(); /* out of memory: a supervisor starts the bridge again */
	return memory;
}

static bool __attribute__((format(printf, 2, 3))) refuse(struct compile *c, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	if (!*c->error && vasprintf(c->error, format, ap) < 0)
		abort();
	va_end(ap);
	return false;
}

/* --- the nodes, found by address --- */

static size_t slot_of(const struct schema *s, const json_t *object)
{
	size_t i = (size_t)((uintptr_t)object >> 4) * (size_t)0x9E3779B97F4A7C15u >> 16 & (s->slots_count - 1);
	while (s->slots[i] && s->slots[i]->schema != object)
		i = (i + 1) & (s->slots_count - 1);
	return i;
}

struct node *schema_node(const struct schema *s, const json_t *object)
{
	return s->slots_count ? s->slots[slot_of(s, object)] : NULL;
}

static void grow(struct schema *s)
{
	s->slots_count = s->slots_count ? s->slots_count * 2 : 64;
	free(s->slots);
	s->slots = need(calloc(s->slots_count, sizeof *s->slots));
	s->nodes = need(realloc(s->nodes, s->slots_count / 2 * sizeof *s->nodes));
	for (size_t i = 0; i < s->nodes_count; i++)
		s->slots[slot_of(s, s->nodes[i]->schema)] = s->nodes[i];
}

static struct node *add_node(struct schema *s, const json_t *object, struct resource *resource)
{
	if (s->nodes_count == s->slots_count / 2)
		grow(s);
	struct node *n = need(calloc(1, sizeof *n));
	n->schema = object;
	n->resource = resource;
	s->nodes[s->nodes_count++] = n;
	s->slots[slot_of(s, object)] = n;
	return n;
}

static struct resource *add_resource(struct schema *s, const char *uri)
{
	struct resource *r = need(calloc(1, sizeof *r));
	r->uri = need(strndup(uri, strcspn(uri, "#")));
	r->next = s->resources;
	s->resources = r;
	return r;
}

/* --- shapes --- */

static bool is_type_name(const json_t *v)
{
	static const char *const names[] = {"null", "boolean", "object", "array", "number", "string", "integer"};
	for (size_t i = 0; json_is_string(v) && i < sizeof names / sizeof *names; i++)
		if (strcmp(json_string_value(v), names[i]) == 0)
			return true;
	return false;
}

static bool is_schema(const json_t *v)
{
	return json_is_object(v) || json_is_boolean(v);
}

static bool is_text(const json_t *v)
{
	return json_is_string(v);
}

static bool is_texts(const json_t *v)
{
	for (size_t i = 0; i < json_array_size(v); i++)
		if (!is_text(json_array_get(v, i)))
			return false;
	return json_is_array(v);
}

static bool is_map_of(const json_t *map, bool (*is)(const json_t *))
{
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)map, key, v)
		if (!is(v))
			return false;
	return json_is_object(map);
}

static bool is_array_of(const json_t *array, bool (*is)(const json_t *))
{
	for (size_t i = 0; i < json_array_size(array); i++)
		if (!is(json_array_get(array, i)))
			return false;
	return json_array_size(array) > 0;
}

static bool is_count(const json_t *v)
{
	double d = json_number_value(v);
	return json_is_number(v) && d >= 0 && d <= 9e15 && d == (double)(long long)d;
}

/* NULL: V has that shape; else what was expected. */
static const char *misshapen(enum shape shape, const json_t *v)
{
	switch (shape) {
	case SHAPE_SCHEMA: return is_schema(v) ? NULL : "a schema (an object or a boolean)";
	case SHAPE_SCHEMAS: return is_array_of(v, is_schema) ? NULL : "a non-empty array of schemas";
	case SHAPE_SCHEMA_MAP:
	case SHAPE_PATTERN_MAP: return is_map_of(v, is_schema) ? NULL : "an object of schemas";
	case SHAPE_NUMBER: return json_is_number(v) ? NULL : "a number";
	case SHAPE_POSITIVE: return json_is_number(v) && json_number_value(v) > 0 ? NULL : "a number over 0";
	case SHAPE_COUNT: return is_count(v) ? NULL : "a whole number, 0 or more";
	case SHAPE_FLAG: return json_is_boolean(v) ? NULL : "true or false";
	case SHAPE_TEXT: return is_text(v) ? NULL : "a string";
	case SHAPE_TEXTS: return is_texts(v) ? NULL : "an array of strings";
	case SHAPE_TEXTS_MAP: return is_map_of(v, is_texts) ? NULL : "an object of arrays of strings";
	case SHAPE_TYPE: return is_type_name(v) || is_array_of(v, is_type_name) ? NULL : "a type's name or an array of them";
	case SHAPE_LIST: return json_is_array(v) ? NULL : "an array";
	case SHAPE_ANY: break;
	}
	return NULL;
}

/* --- the walk --- */

static bool walk(struct compile *c, const json_t *schema, struct resource *base);

static bool walk_inside(struct compile *c, enum shape shape, const json_t *value, struct resource *base)
{
	const char *key;
	json_t *v;
	bool ok = true;
	if (shape == SHAPE_SCHEMA)
		return walk(c, value, base);
	if (shape == SHAPE_SCHEMAS)
		for (size_t i = 0; ok && i < json_array_size(value); i++)
			ok = walk(c, json_array_get(value, i), base);
	if (shape == SHAPE_SCHEMA_MAP || shape == SHAPE_PATTERN_MAP)
		json_object_foreach((json_t *)value, key, v)
			ok = ok && walk(c, v, base);
	return ok;
}

static bool take_patterns(struct compile *c, struct node *n, const json_t *map)
{
	const char *key;
	json_t *v;
	n->properties = need(calloc(json_object_size(map) + 1, sizeof *n->properties));
	json_object_foreach((json_t *)map, key, v) {
		struct pattern *p = pattern_compile(key, c->error);
		if (!p)
			return false;
		n->properties[n->properties_count++] = p;
	}
	return true;
}

static bool take_keyword(struct compile *c, struct node *n, const struct keyword *k, const json_t *value)
{
	const char *wanted = misshapen(k->shape, value);
	if (wanted)
		return refuse(c, "the schema's \"%s\" must be %s", k->name, wanted);
	if (k->shape == SHAPE_PATTERN_MAP && !take_patterns(c, n, value))
		return false;
	if (strcmp(k->name, "pattern") == 0 && !(n->pattern = pattern_compile(json_string_value(value), c->error)))
		return false;
	if (strncmp(k->name, "unevaluated", 11) == 0)
		c->schema->tracks = true;
	if (k->check && !(n->rules_count && n->rules[n->rules_count - 1].check == k->check))
		n->rules[n->rules_count++] = (struct rule){k->check, value};
	return walk_inside(c, k->shape, value, n->resource);
}

static void set_place(struct schema *s, const char *uri, const char *anchor, const json_t *schema)
{
	char *place = NULL;
	if (asprintf(&place, "%s%s%s", uri, anchor ? "#" : "", anchor ? anchor : "") < 0)
		abort();
	if (!json_object_get(s->places, place) && json_object_set(s->places, place, (json_t *)schema) != 0)
		abort();
	free(place);
}

static struct resource *take_names(struct schema *s, const json_t *schema, struct resource *base)
{
	const char *id = json_string_value(json_object_get(schema, "$id"));
	const char *anchor = json_string_value(json_object_get(schema, "$anchor"));
	const char *dynamic = json_string_value(json_object_get(schema, "$dynamicAnchor"));
	if (id && id[0] != '#') {
		char *uri = uri_resolve(base->uri, id);
		base = add_resource(s, uri);
		set_place(s, base->uri, NULL, schema);
		free(uri);
	}
	if (anchor)
		set_place(s, base->uri, anchor, schema);
	if (dynamic) {
		set_place(s, base->uri, dynamic, schema);
		if (!base->dynamic)
			base->dynamic = need(json_object());
		if (json_object_set(base->dynamic, dynamic, (json_t *)schema) != 0)
			abort();
	}
	return base;
}

static size_t keywords_count(void)
{
	size_t n = 0;
	while (schema_keywords[n].name)
		n++;
	return n;
}

static bool walk(struct compile *c, const json_t *schema, struct resource *base)
{
	if (!json_is_object(schema) || schema_node(c->schema, schema))
		return true;
	if (c->schema->nodes_count >= NODES_MAX)
		return refuse(c, "the schema has more than %d parts", NODES_MAX);
	struct node *n = add_node(c->schema, schema, take_names(c->schema, schema, base));
	n->rules = need(calloc(keywords_count(), sizeof *n->rules));
	for (const struct keyword *k = schema_keywords; k->name; k++) {
		const json_t *value = json_object_get(schema, k->name);
		if (value && !take_keyword(c, n, k, value))
			return false;
	}
	return true;
}

/* --- references --- */

static const json_t *step(const json_t *at, const char *token, size_t len)
{
	char *name = need(malloc(len + 1)), *to = name;
	for (size_t i = 0; i < len; i++) {
		bool coded = token[i] == '~' && i + 1 < len && (token[i + 1] == '0' || token[i + 1] == '1');
		*to++ = !coded ? token[i] : token[++i] == '0' ? '~' : '/';
	}
	*to = 0;
	const json_t *next = json_object_get(at, name);
	if (json_is_array(at) && *name && strspn(name, "0123456789") == len && len < 10)
		next = json_array_get(at, (size_t)strtoul(name, NULL, 10));
	free(name);
	return next;
}

/* Follows POINTER from RESOURCE's root.  *base becomes the resource of what is found. */
static const json_t *follow(struct schema *s, const json_t *root, const char *pointer, struct resource **base)
{
	const json_t *at = root;
	while (at && *pointer == '/') {
		const struct node *n = schema_node(s, at);
		if (n)
			*base = n->resource;
		size_t len = strcspn(++pointer, "/");
		at = step(at, pointer, len);
		pointer += len;
	}
	return at;
}

/* Where REFERENCE leads, or NULL with the error set.  *anchor says whether it was by a name. */
static const json_t *resolve(struct compile *c, const struct node *n, const char *reference, bool *anchor)
{
	char *uri = uri_resolve(n->resource->uri, reference);
	char *hash = strchr(uri, '#');
	char *fragment = uri_decode(hash ? hash + 1 : "");
	if (hash)
		*hash = 0;
	struct resource *base = n->resource;
	const json_t *found = json_object_get(c->schema->places, uri);
	*anchor = *fragment && *fragment != '/';
	if (*anchor) {
		char *place = NULL;
		if (asprintf(&place, "%s#%s", uri, fragment) < 0)
			abort();
		found = json_object_get(c->schema->places, place);
		free(place);
	} else if (found) {
		found = follow(c->schema, found, fragment, &base);
	}
	if (!found)
		refuse(c, "the schema's reference \"%.200s\" leads to nothing in the same document (nothing is fetched)", reference);
	else if (!is_schema(found))
		refuse(c, "the schema's reference \"%.200s\" does not lead to a schema", reference);
	free(fragment);
	free(uri);
	/* A pointer may lead to a place that no keyword makes a schema; it becomes one now. */
	return found && is_schema(found) && walk(c, found, base) ? found : NULL;
}

static bool link_node(struct compile *c, struct node *n)
{
	const char *ref = json_string_value(json_object_get(n->schema, "$ref"));
	const char *dynamic = json_string_value(json_object_get(n->schema, "$dynamicRef"));
	bool anchor;
	if (ref && !(n->ref = resolve(c, n, ref, &anchor)))
		return false;
	if (!dynamic)
		return true;
	if (!(n->dynamic = resolve(c, n, dynamic, &anchor)))
		return false;
	const char *name = json_string_value(json_object_get(n->dynamic, "$dynamicAnchor"));
	const char *hash = strchr(dynamic, '#');
	if (anchor && name && hash && strcmp(hash + 1, name) == 0)
		n->dynamic_name = name;
	return true;
}

/* --- the whole --- */

static bool bounded(struct compile *c, const json_t *v, size_t *count)
{
	const char *key;
	json_t *member;
	bool ok = ++*count <= VALUE_MAX && ++c->depth <= DEPTH_MAX;
	if (!ok)
		return refuse(c, "the schema is too large or too deep (at most %d values, %d levels)", VALUE_MAX, DEPTH_MAX);
	for (size_t i = 0; ok && i < json_array_size(v); i++)
		ok = bounded(c, json_array_get(v, i), count);
	json_object_foreach((json_t *)v, key, member)
		ok = ok && bounded(c, member, count);
	c->depth--;
	return ok;
}

struct schema *schema_compile(const json_t *document, char **error)
{
	size_t count = 0;
	struct schema *s = need(calloc(1, sizeof *s));
	struct compile c = {.schema = s, .error = error};
	*error = NULL;
	bool ok = is_schema(document) || refuse(&c, "a schema must be an object or a boolean");
	ok = ok && bounded(&c, document, &count);
	if (ok) {
		s->document = need(json_deep_copy(document));
		s->places = need(json_object());
		struct resource *base = add_resource(s, home);
		set_place(s, home, NULL, s->document);
		ok = walk(&c, s->document, base);
	}
	for (size_t i = 0; ok && i < s->nodes_count; i++) /* the number grows where a pointer makes a schema */
		ok = link_node(&c, s->nodes[i]);
	if (ok)
		return s;
	schema_destroy(s);
	return NULL;
}

static void destroy_node(struct node *n)
{
	for (size_t i = 0; i < n->properties_count; i++)
		pattern_destroy(n->properties[i]);
	pattern_destroy(n->pattern);
	free(n->properties);
	free(n->rules);
	free(n);
}

void schema_destroy(struct schema *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->nodes_count; i++)
		destroy_node(s->nodes[i]);
	while (s->resources) {
		struct resource *r = s->resources;
		s->resources = r->next;
		json_decref(r->dynamic);
		free(r->uri);
		free(r);
	}
	json_decref(s->places);
	json_decref(s->document);
	free(s->nodes);
	free(s->slots);
	free(s);
}
