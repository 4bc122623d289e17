/* schema_value.c - see schema_value.h */
#include "mcp/schema_value.h"
#include "near.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	SHOWN_MAX = 60, /* bytes of a string that a sentence quotes */
	NEAR_MAX = 200, /* names that are compared */
};

/* A double of this size and more has no fraction; below it, long long holds its whole part. */
static const double all_whole = 4503599627370496.0;

/* The nearest whole number.  The three functions here spare the bridge the mathematics library. */
static double rounded(double d)
{
	if (!(fabs(d) < all_whole))
		return d;
	return (double)(long long)(d < 0 ? d - 0.5 : d + 0.5);
}

bool schema_value_whole(const json_t *v)
{
	return json_is_integer(v) || (json_is_real(v) && rounded(json_real_value(v)) == json_real_value(v));
}

/* Long division in base two; every step is exact. */
static double rest_of(double a, double b)
{
	double step = b;
	while (step <= a / 2)
		step *= 2;
	for (; step >= b; step /= 2)
		if (a >= step)
			a -= step;
	return a;
}

/* The machine's long double holds every integer of 64 bits where it has 64 of mantissa. */
static long double number(const json_t *v)
{
	return json_is_integer(v) ? (long double)json_integer_value(v) : (long double)json_real_value(v);
}

int schema_value_compare(const json_t *a, const json_t *b)
{
	if (json_is_integer(a) && json_is_integer(b))
		return (json_integer_value(a) > json_integer_value(b)) - (json_integer_value(a) < json_integer_value(b));
	return (number(a) > number(b)) - (number(a) < number(b));
}

bool schema_value_multiple(const json_t *v, const json_t *of)
{
	if (json_is_integer(v) && json_is_integer(of))
		return json_integer_value(v) % json_integer_value(of) == 0;
	double a = json_number_value(v), b = json_number_value(of), q = a / b;
	if (!isfinite(q))
		return rest_of(fabs(a), b) == 0;
	return fabs(q - rounded(q)) <= 8 * DBL_EPSILON * fabs(q);
}

size_t schema_value_characters(const json_t *string)
{
	const char *s = json_string_value(string);
	size_t n = 0;
	for (size_t i = 0; i < json_string_length(string); i++)
		n += ((unsigned char)s[i] & 0xC0) != 0x80;
	return n;
}

static bool same_objects(const json_t *a, const json_t *b)
{
	const char *key;
	json_t *v;
	if (json_object_size(a) != json_object_size(b))
		return false;
	json_object_foreach((json_t *)a, key, v)
		if (!schema_value_same(v, json_object_get(b, key)))
			return false;
	return true;
}

bool schema_value_same(const json_t *a, const json_t *b)
{
	if (json_is_number(a) && json_is_number(b))
		return schema_value_compare(a, b) == 0;
	if (!a || !b || json_typeof(a) != json_typeof(b))
		return false;
	if (json_is_string(a))
		return json_equal(a, b);
	if (json_is_object(a))
		return same_objects(a, b);
	if (!json_is_array(a))
		return true;
	if (json_array_size(a) != json_array_size(b))
		return false;
	for (size_t i = 0; i < json_array_size(a); i++)
		if (!schema_value_same(json_array_get(a, i), json_array_get(b, i)))
			return false;
	return true;
}

static uint64_t mix(uint64_t h, uint64_t with)
{
	h = (h ^ with) * 0x9E3779B97F4A7C15u;
	return h ^ h >> 29;
}

static uint64_t hash_bytes(const char *s, size_t len)
{
	uint64_t h = len + 1;
	for (size_t i = 0; i < len; i++)
		h = mix(h, (unsigned char)s[i]);
	return h;
}

uint64_t schema_value_hash(const json_t *v)
{
	const char *key;
	json_t *member;
	uint64_t h = json_is_real(v) ? JSON_INTEGER : json_typeof(v);
	if (json_is_string(v))
		return hash_bytes(json_string_value(v), json_string_length(v));
	if (json_is_number(v)) {
		double d = json_number_value(v) + 0.0; /* -0.0 becomes 0.0 */
		uint64_t bits;
		memcpy(&bits, &d, sizeof bits);
		return mix(h, bits);
	}
	for (size_t i = 0; i < json_array_size(v); i++)
		h = mix(h, schema_value_hash(json_array_get(v, i)));
	json_object_foreach((json_t *)v, key, member) /* in any order the same */
		h += mix(hash_bytes(key, strlen(key)), schema_value_hash(member));
	return h;
}

size_t schema_value_size(const json_t *v)
{
	const char *key;
	json_t *member;
	size_t n = 1;
	for (size_t i = 0; i < json_array_size(v); i++)
		n += schema_value_size(json_array_get(v, i));
	json_object_foreach((json_t *)v, key, member)
		n += schema_value_size(member);
	return n;
}

bool schema_value_is(const json_t *v, const char *type)
{
	switch (type[0]) {
	case 'n': return type[2] == 'l' ? json_is_null(v) : json_is_number(v);
	case 'b': return json_is_boolean(v);
	case 'o': return json_is_object(v);
	case 'a': return json_is_array(v);
	case 's': return json_is_string(v);
	default: return schema_value_whole(v);
	}
}

/* --- for people --- */

void schema_value_quote(FILE *out, const char *text)
{
	size_t len = strlen(text), shown = len;
	if (len > SHOWN_MAX) {
		shown = SHOWN_MAX;
		while (shown && ((unsigned char)text[shown] & 0xC0) == 0x80)
			shown--;
	}
	json_t *part = json_stringn(text, shown);
	char *quoted = part ? json_dumps(part, JSON_ENCODE_ANY) : NULL;
	if (!quoted)
		abort();
	fprintf(out, "%.*s%s", (int)strlen(quoted) - (shown < len), quoted, shown < len ? "...\"" : "");
	free(quoted);
	json_decref(part);
}

void schema_value_show(FILE *out, const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_STRING: schema_value_quote(out, json_string_value(v)); break;
	case JSON_INTEGER: fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v)); break;
	case JSON_REAL: fprintf(out, "%.15g", json_real_value(v)); break;
	case JSON_TRUE: fputs("true", out); break;
	case JSON_FALSE: fputs("false", out); break;
	case JSON_NULL: fputs("null", out); break;
	case JSON_ARRAY:
		if (json_array_size(v))
			fprintf(out, "an array of %zu", json_array_size(v));
		else
			fputs("an empty array", out);
		break;
	case JSON_OBJECT: fputs(json_object_size(v) ? "an object" : "an empty object", out); break;
	}
}

struct nearest {
	const char *name, *best;
	size_t distance, tried;
};

static void look(struct nearest *n, const char *candidate)
{
	size_t d = n->tried++ < NEAR_MAX ? near_distance(n->name, candidate) : SIZE_MAX;
	if (d < n->distance) {
		n->distance = d;
		n->best = candidate;
	}
}

static struct nearest search(const char *name)
{
	size_t len = strlen(name);
	return (struct nearest){.name = name, .distance = len > 8 ? 4 : len > 3 ? 3 : 2};
}

const char *schema_value_nearest(const json_t *object, const char *name)
{
	struct nearest n = search(name);
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)object, key, v)
		look(&n, key);
	return n.best;
}

const char *schema_value_nearest_in(const json_t *strings, const char *name)
{
	struct nearest n = search(name);
	for (size_t i = 0; i < json_array_size(strings); i++)
		if (json_is_string(json_array_get(strings, i)))
			look(&n, json_string_value(json_array_get(strings, i)));
	return n.best;
}
