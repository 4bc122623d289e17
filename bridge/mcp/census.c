/* census.c - see census.h */
#include "mcp/census.h"
#include "mcp/envelope.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static size_t values_max = SIZE_MAX, depth_max = SIZE_MAX, id_max = SIZE_MAX;

void census_set(long values, long depth, long id)
{
	values_max = (size_t)values;
	depth_max = (size_t)depth;
	id_max = (size_t)id;
}

/* Of what is no JSON it counts something: that is refused by whoever parses it. */
enum census census_judge(const char *text, size_t len, char why[CENSUS_WHY_MAX])
{
	size_t values = 1, depth = 0;
	if (len <= depth_max && len <= values_max) /* each costs a byte */
		return CENSUS_FINE;
	for (const char *p = text, *end = text + len; p < end;) {
		switch (*p++) {
		case '"':
			if (!(p = envelope_after_string(p - 1, end)))
				return CENSUS_FINE;
			break;
		case '[':
		case '{':
			values++;
			if (++depth > depth_max) {
				snprintf(why, CENSUS_WHY_MAX, "arrays and objects lie more than %zu deep in each other", depth_max);
				return CENSUS_DEEP;
			}
			break;
		case ']':
		case '}':
			depth -= depth > 0;
			break;
		case ',':
		case ':':
			if (++values > values_max) {
				snprintf(why, CENSUS_WHY_MAX, "there are more than %zu values; send less at a time", values_max);
				return CENSUS_MANY;
			}
			break;
		}
	}
	return CENSUS_FINE;
}

json_t *census_load(const char *text, size_t len, size_t flags, json_error_t *error)
{
	json_error_t ignored;
	error = error ? error : &ignored;
	*error = (json_error_t){.position = 0};
	return census_judge(text, len, error->text) == CENSUS_FINE ? json_loadb(text, len, flags, error) : NULL;
}

bool census_is_short(size_t len)
{
	return len <= id_max;
}

long census_id_max(void)
{
	return (long)id_max;
}
