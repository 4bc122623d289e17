/* keywords.c - the keywords of JSON Schema 2020-12: the table, and a function for each
 * that looks at a value (see check.h). */
#include "mcp/check.h"

#include <stdlib.h>
#include <string.h>

enum { LISTED_MAX = 20 }; /* values of an enum that a sentence lists */

/* --- values of any type --- */

static const char *with_article(const char *type)
{
	static const char *const known[] = {"an object", "an array", "an integer", "a string", "a number", "a boolean", "null"};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(strrchr(known[i], ' ') ? strrchr(known[i], ' ') + 1 : known[i], type) == 0)
			return known[i];
	return type;
}

static bool rule_type(struct check *c, const struct at *at, const json_t *value)
{
	struct check_sentence s;
	if (json_is_string(value))
		return schema_value_is(at->instance, json_string_value(value))
		       || check_fail(c, at->spot, at->instance, "expected %s", with_article(json_string_value(value)));
	for (size_t i = 0; i < json_array_size(value); i++)
		if (schema_value_is(at->instance, json_string_value(json_array_get(value, i))))
			return true;
	if (!check_open(&s, c))
		return false;
	for (size_t i = 0; i < json_array_size(value); i++)
		fprintf(s.out, "%s%s", i ? " or " : "expected ", with_article(json_string_value(json_array_get(value, i))));
	fputs(", got ", s.out);
	schema_value_show(s.out, at->instance);
	return check_close(&s, c, at->spot);
}

static bool rule_enum(struct check *c, const struct at *at, const json_t *value)
{
	struct check_sentence s;
	size_t n = json_array_size(value);
	for (size_t i = 0; i < n; i++)
		if (!check_spend(c, schema_value_size(json_array_get(value, i))))
			return false;
		else if (schema_value_same(at->instance, json_array_get(value, i)))
			return true;
	if (!check_open(&s, c))
		return false;
	for (size_t i = 0; i < n && i < LISTED_MAX; i++) {
		fputs(i ? ", " : "expected one of ", s.out);
		schema_value_show(s.out, json_array_get(value, i));
	}
	if (n > LISTED_MAX)
		fprintf(s.out, " and %zu more", n - LISTED_MAX);
	fputs("; got ", s.out);
	schema_value_show(s.out, at->instance);
	const char *near = json_is_string(at->instance) ? schema_value_nearest_in(value, json_string_value(at->instance)) : NULL;
	if (near) {
		fputs("; did you mean ", s.out);
		schema_value_quote(s.out, near);
		fputc('?', s.out);
	}
	return check_close(&s, c, at->spot);
}

static bool rule_const(struct check *c, const struct at *at, const json_t *value)
{
	struct check_sentence s;
	if (!check_spend(c, schema_value_size(value)) || schema_value_same(at->instance, value))
		return !c->broken;
	if (!check_open(&s, c))
		return false;
	fputs("expected ", s.out);
	schema_value_show(s.out, value);
	fputs(", got ", s.out);
	schema_value_show(s.out, at->instance);
	return check_close(&s, c, at->spot);
}

/* --- numbers and strings --- */

static bool number_fails(struct check *c, const struct at *at, const char *words, const json_t *value)
{
	struct check_sentence s;
	if (!check_open(&s, c))
		return false;
	fprintf(s.out, "expected %s ", words);
	schema_value_show(s.out, value);
	fputs(", got ", s.out);
	schema_value_show(s.out, at->instance);
	return check_close(&s, c, at->spot);
}

static bool rule_minimum(struct check *c, const struct at *at, const json_t *value)
{
	return !json_is_number(at->instance) || schema_value_compare(at->instance, value) >= 0
	       || number_fails(c, at, "at least", value);
}

static bool rule_maximum(struct check *c, const struct at *at, const json_t *value)
{
	return !json_is_number(at->instance) || schema_value_compare(at->instance, value) <= 0
	       || number_fails(c, at, "at most", value);
}

static bool rule_above(struct check *c, const struct at *at, const json_t *value)
{
	return !json_is_number(at->instance) || schema_value_compare(at->instance, value) > 0
	       || number_fails(c, at, "more than", value);
}

static bool rule_below(struct check *c, const struct at *at, const json_t *value)
{
	return !json_is_number(at->instance) || schema_value_compare(at->instance, value) < 0
	       || number_fails(c, at, "less than", value);
}

static bool rule_multiple(struct check *c, const struct at *at, const json_t *value)
{
	return !json_is_number(at->instance) || schema_value_multiple(at->instance, value)
	       || number_fails(c, at, "a multiple of", value);
}

/* HAVE against the limit VALUE, at least or at most. */
static bool count_fits(struct check *c, const struct at *at, size_t have, const json_t *value, bool least, const char *what)
{
	double limit = json_number_value(value);
	if (least ? (double)have >= limit : (double)have <= limit)
		return true;
	return check_fail(c, at->spot, NULL, "expected at %s %.0f %s, got %zu", least ? "least" : "most", limit, what, have);
}

static bool rule_min_length(struct check *c, const struct at *at, const json_t *value)
{
	return !json_is_string(at->instance) || !check_spend(c, json_string_length(at->instance) / 64)
	       || count_fits(c, at, schema_value_characters(at->instance), value, true, "characters");
}

static bool rule_max_length(struct check *c, const struct at *at, const json_t *value)
{
	return !json_is_string(at->instance) || !check_spend(c, json_string_length(at->instance) / 64)
	       || count_fits(c, at, schema_value_characters(at->instance), value, false, "characters");
}

static bool searches(struct check *c, const struct pattern *pattern, const char *subject, size_t len)
{
	enum pattern_match found = c->broken ? PATTERN_NO : pattern_search(pattern, subject, len, &c->budget);
	if (found == PATTERN_TOO_MUCH)
		return check_give_up(c, "a pattern of the schema takes more work on this value than is allowed");
	return found == PATTERN_YES;
}

static bool rule_pattern(struct check *c, const struct at *at, const json_t *value)
{
	struct check_sentence s;
	if (!json_is_string(at->instance)
	    || searches(c, at->node->pattern, json_string_value(at->instance), json_string_length(at->instance)))
		return true;
	if (!check_open(&s, c))
		return false;
	fputs("expected a string that matches the pattern ", s.out);
	schema_value_quote(s.out, json_string_value(value));
	fputs(", got ", s.out);
	schema_value_show(s.out, at->instance);
	return check_close(&s, c, at->spot);
}

/* --- arrays --- */

static bool eval_item(struct check *c, const struct at *at, const json_t *schema, size_t i)
{
	struct spot spot = {at->spot, NULL, i};
	check_mark(at->seen, i);
	return check_eval(c, schema, json_array_get(at->instance, i), &spot, NULL);
}

/* prefixItems and items. */
static bool rule_items(struct check *c, const struct at *at, const json_t *value)
{
	const json_t *first = json_object_get(at->node->schema, "prefixItems");
	const json_t *rest = json_object_get(at->node->schema, "items");
	size_t size = json_array_size(at->instance), named = json_array_size(first);
	bool ok = true;
	(void)value;
	if (json_is_false(rest) && size > named)
		return check_fail(c, at->spot, NULL, "expected at most %zu items, got %zu", named, size);
	for (size_t i = 0; ok && i < (rest || size < named ? size : named); i++)
		ok = eval_item(c, at, i < named ? json_array_get(first, i) : rest, i);
	return ok;
}

static bool rule_contains(struct check *c, const struct at *at, const json_t *value)
{
	const json_t *min = json_object_get(at->node->schema, "minContains");
	const json_t *max = json_object_get(at->node->schema, "maxContains");
	double least = min ? json_number_value(min) : 1;
	size_t found = 0;
	if (!json_is_array(at->instance))
		return true;
	for (size_t i = 0; i < json_array_size(at->instance) && !c->broken; i++) {
		struct spot spot = {at->spot, NULL, i};
		if (!check_fits(c, value, json_array_get(at->instance, i), &spot, NULL))
			continue;
		check_mark(at->seen, i);
		found++;
	}
	if ((double)found < least)
		return check_fail(c, at->spot, NULL, "expected at least %.0f items of the asked-for kind, got %zu", least, found);
	if (max && (double)found > json_number_value(max))
		return check_fail(c, at->spot, NULL, "expected at most %.0f items of the asked-for kind, got %zu",
				  json_number_value(max), found);
	return true;
}

struct hashed {
	uint64_t hash;
	const json_t *value;
	size_t index;
};

static int by_hash(const void *a, const void *b)
{
	const struct hashed *x = a, *y = b;
	return (x->hash > y->hash) - (x->hash < y->hash);
}

/* Two equal items lie side by side when sorted by hash, or among others of the same hash. */
static bool find_twins(struct check *c, const struct at *at, const struct hashed *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n && items[j].hash == items[i].hash; j++) {
			if (!check_spend(c, schema_value_size(items[i].value)))
				return false;
			if (schema_value_same(items[i].value, items[j].value))
				return check_fail(c, at->spot, items[i].value, "expected items that differ, but number %zu and %zu are the same",
						  items[i].index, items[j].index);
		}
	return true;
}

static bool rule_unique(struct check *c, const struct at *at, const json_t *value)
{
	size_t n = json_array_size(at->instance);
	if (!json_is_true(value) || n < 2 || !check_spend(c, schema_value_size(at->instance)))
		return true;
	struct hashed *items = calloc(n, sizeof *items);
	if (!items)
		abort();
	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_array_get(at->instance, i);
		items[i] = (struct hashed){schema_value_hash(item), item, i};
	}
	qsort(items, n, sizeof *items, by_hash);
	bool ok = find_twins(c, at, items, n);
	free(items);
	return ok;
}

static bool rule_min_items(struct check *c, const struct at *at, const json_t *value)
{
	return !json_is_array(at->instance) || count_fits(c, at, json_array_size(at->instance), value, true, "items");
}

static bool rule_max_items(struct check *c, const struct at *at, const json_t *value)
{
	return !json_is_array(at->instance) || count_fits(c, at, json_array_size(at->instance), value, false, "items");
}

static bool rule_unevaluated_items(struct check *c, const struct at *at, const json_t *value)
{
	bool ok = true;
	for (size_t i = 0; ok && i < json_array_size(at->instance); i++)
		if (i >= at->seen->count || !at->seen->bits[i])
			ok = eval_item(c, at, value, i);
	return ok;
}

/* --- objects --- */

static bool unknown_property(struct check *c, const struct at *at, const char *key)
{
	struct check_sentence s;
	struct spot spot = {at->spot, key, 0};
	const json_t *known = json_object_get(at->node->schema, "properties");
	const char *near = schema_value_nearest(known, key), *name;
	json_t *v;
	size_t n = 0;
	if (!check_open(&s, c))
		return false;
	fputs("unknown property ", s.out);
	schema_value_quote(s.out, key);
	if (near) {
		fputs("; did you mean ", s.out);
		schema_value_quote(s.out, near);
		fputc('?', s.out);
		return check_close(&s, c, &spot);
	}
	json_object_foreach((json_t *)known, name, v)
		if (n++ < LISTED_MAX) {
			fputs(n == 1 ? "; known are " : ", ", s.out);
			schema_value_quote(s.out, name);
		}
	if (n > LISTED_MAX)
		fprintf(s.out, " and %zu more", n - LISTED_MAX);
	return check_close(&s, c, &spot);
}

static bool eval_member(struct check *c, const struct at *at, const json_t *schema, const char *key, const json_t *member)
{
	struct spot spot = {at->spot, key, 0};
	if (json_is_false(schema))
		return unknown_property(c, at, key);
	return check_eval(c, schema, member, &spot, NULL);
}

/* properties, patternProperties and additionalProperties: one member against all three. */
static bool eval_named(struct check *c, const struct at *at, const char *key, const json_t *member, bool *matched)
{
	const struct node *n = at->node;
	const json_t *named = json_object_get(json_object_get(n->schema, "properties"), key);
	const json_t *patterns = json_object_get(n->schema, "patternProperties");
	const json_t *rest = json_object_get(n->schema, "additionalProperties");
	size_t i = 0, len = strlen(key);
	const char *pattern;
	json_t *schema;
	*matched = named != NULL;
	if (named && !eval_member(c, at, named, key, member))
		return false;
	json_object_foreach((json_t *)patterns, pattern, schema)
		if (searches(c, n->properties[i++], key, len)) {
			*matched = true;
			if (!eval_member(c, at, schema, key, member))
				return false;
		}
	if (*matched || !rest)
		return true;
	*matched = true;
	return eval_member(c, at, rest, key, member);
}

static bool rule_members(struct check *c, const struct at *at, const json_t *value)
{
	const char *key;
	json_t *member;
	size_t i = 0;
	(void)value;
	json_object_foreach((json_t *)at->instance, key, member) {
		bool matched;
		if (!check_spend(c, 1) || !eval_named(c, at, key, member, &matched))
			return false;
		if (matched)
			check_mark(at->seen, i);
		i++;
	}
	return true;
}

static bool missing(struct check *c, const struct at *at, const char *name, const char *because)
{
	struct check_sentence s;
	const char *near = schema_value_nearest(at->instance, name);
	if (!check_open(&s, c))
		return false;
	fputs("missing required property ", s.out);
	schema_value_quote(s.out, name);
	if (because) {
		fputs(", needed beside ", s.out);
		schema_value_quote(s.out, because);
	}
	if (near && !json_object_get(json_object_get(at->node->schema, "properties"), near)) {
		fputs("; is it meant by ", s.out);
		schema_value_quote(s.out, near);
		fputc('?', s.out);
	}
	return check_close(&s, c, at->spot);
}

static bool has_all(struct check *c, const struct at *at, const json_t *names, const char *because)
{
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));
		if (!json_object_get(at->instance, name))
			return missing(c, at, name, because);
	}
	return check_spend(c, json_array_size(names));
}

static bool rule_required(struct check *c, const struct at *at, const json_t *value)
{
	return !json_is_object(at->instance) || has_all(c, at, value, NULL);
}

static bool rule_dependent_required(struct check *c, const struct at *at, const json_t *value)
{
	const char *key;
	json_t *names;
	bool ok = true;
	json_object_foreach((json_t *)value, key, names)
		if (json_object_get(at->instance, key))
			ok = ok && has_all(c, at, names, key);
	return ok;
}

static bool rule_dependent_schemas(struct check *c, const struct at *at, const json_t *value)
{
	const char *key;
	json_t *schema;
	bool ok = true;
	json_object_foreach((json_t *)value, key, schema)
		if (json_object_get(at->instance, key))
			ok = ok && check_eval(c, schema, at->instance, at->spot, at->seen);
	return ok && check_spend(c, json_object_size(value));
}

static bool rule_names(struct check *c, const struct at *at, const json_t *value)
{
	const char *key;
	json_t *member;
	bool ok = true;
	json_object_foreach((json_t *)at->instance, key, member) {
		struct spot spot = {at->spot, key, 0};
		json_t *name = ok ? json_string(key) : NULL;
		ok = ok && name && check_eval(c, value, name, &spot, NULL);
		json_decref(name);
	}
	if (!ok && !c->quiet && c->reason) {
		char *whole = NULL;
		if (asprintf(&whole, "a property's name: %s", c->reason) < 0)
			abort();
		free(c->reason);
		c->reason = whole;
	}
	return ok;
}

static bool rule_min_members(struct check *c, const struct at *at, const json_t *value)
{
	return !json_is_object(at->instance) || count_fits(c, at, json_object_size(at->instance), value, true, "properties");
}

static bool rule_max_members(struct check *c, const struct at *at, const json_t *value)
{
	return !json_is_object(at->instance) || count_fits(c, at, json_object_size(at->instance), value, false, "properties");
}

static bool rule_unevaluated_members(struct check *c, const struct at *at, const json_t *value)
{
	const char *key;
	json_t *member;
	size_t i = 0;
	json_object_foreach((json_t *)at->instance, key, member) {
		if ((i >= at->seen->count || !at->seen->bits[i]) && !eval_member(c, at, value, key, member))
			return false;
		check_mark(at->seen, i++);
	}
	return true;
}

/* In the order they are checked, which is the order of what a person wants to hear first. */
const struct keyword schema_keywords[] = {
	{"$defs", SHAPE_SCHEMA_MAP, NULL},
	{"definitions", SHAPE_SCHEMA_MAP, NULL},
	{"$id", SHAPE_TEXT, NULL},
	{"$anchor", SHAPE_TEXT, NULL},
	{"$dynamicAnchor", SHAPE_TEXT, NULL},
	{"type", SHAPE_TYPE, rule_type},
	{"enum", SHAPE_LIST, rule_enum},
	{"const", SHAPE_ANY, rule_const},
	{"minimum", SHAPE_NUMBER, rule_minimum},
	{"maximum", SHAPE_NUMBER, rule_maximum},
	{"exclusiveMinimum", SHAPE_NUMBER, rule_above},
	{"exclusiveMaximum", SHAPE_NUMBER, rule_below},
	{"multipleOf", SHAPE_POSITIVE, rule_multiple},
	{"minLength", SHAPE_COUNT, rule_min_length},
	{"maxLength", SHAPE_COUNT, rule_max_length},
	{"pattern", SHAPE_TEXT, rule_pattern},
	{"properties", SHAPE_SCHEMA_MAP, rule_members},
	{"patternProperties", SHAPE_PATTERN_MAP, rule_members},
	{"additionalProperties", SHAPE_SCHEMA, rule_members},
	{"required", SHAPE_TEXTS, rule_required},
	{"dependentRequired", SHAPE_TEXTS_MAP, rule_dependent_required},
	{"propertyNames", SHAPE_SCHEMA, rule_names},
	{"minProperties", SHAPE_COUNT, rule_min_members},
	{"maxProperties", SHAPE_COUNT, rule_max_members},
	{"prefixItems", SHAPE_SCHEMAS, rule_items},
	{"items", SHAPE_SCHEMA, rule_items},
	{"minItems", SHAPE_COUNT, rule_min_items},
	{"maxItems", SHAPE_COUNT, rule_max_items},
	{"uniqueItems", SHAPE_FLAG, rule_unique},
	{"minContains", SHAPE_COUNT, NULL},
	{"maxContains", SHAPE_COUNT, NULL},
	{"contains", SHAPE_SCHEMA, rule_contains},
	{"$ref", SHAPE_TEXT, check_ref},
	{"$dynamicRef", SHAPE_TEXT, check_dynamic_ref},
	{"allOf", SHAPE_SCHEMAS, check_all_of},
	{"anyOf", SHAPE_SCHEMAS, check_any_of},
	{"oneOf", SHAPE_SCHEMAS, check_one_of},
	{"not", SHAPE_SCHEMA, check_not},
	{"then", SHAPE_SCHEMA, NULL},
	{"else", SHAPE_SCHEMA, NULL},
	{"if", SHAPE_SCHEMA, check_if},
	{"dependentSchemas", SHAPE_SCHEMA_MAP, rule_dependent_schemas},
	{"unevaluatedItems", SHAPE_SCHEMA, rule_unevaluated_items},
	{"unevaluatedProperties", SHAPE_SCHEMA, rule_unevaluated_members},
	{NULL, SHAPE_ANY, NULL},
};
