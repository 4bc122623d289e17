/* envelope.c - see envelope.h */
#include "mcp/envelope.h"
#include "mcp/census.h"

#include <string.h>

static const char *after_blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
		p++;
	return p;
}

const char *envelope_after_string(const char *p, const char *end)
{
	const char *begin = p + 1;
	for (p = begin; (p = memchr(p, '"', (size_t)(end - p))); p++) {
		const char *back = p;
		while (back > begin && back[-1] == '\\')
			back--;
		if ((p - back) % 2 == 0)
			return p + 1;
	}
	return NULL;
}

static const char *after_nested(const char *p, const char *end)
{
	size_t depth = 0;
	while (p < end) {
		if (*p == '"') {
			if (!(p = envelope_after_string(p, end)))
				return NULL;
			continue;
		}
		if (*p == '{' || *p == '[')
			depth++;
		else if ((*p == '}' || *p == ']') && --depth == 0)
			return p + 1;
		p++;
	}
	return NULL;
}

static const char *after_word(const char *p, const char *end)
{
	const char *begin = p;
	while (p < end && !strchr(",}] \t\r\n:\"{[", *p) && *p)
		p++;
	return p > begin ? p : NULL;
}

static const char *after_value(const char *p, const char *end)
{
	if (p >= end)
		return NULL;
	return *p == '"' ? envelope_after_string(p, end) : *p == '{' || *p == '[' ? after_nested(p, end) : after_word(p, end);
}

bool envelope_each(struct span object, void (*visit)(void *, struct span, struct span), void *data)
{
	const char *end = object.at ? object.at + object.len : NULL, *p = object.at ? after_blanks(object.at, end) : NULL;
	if (!p || p >= end || *p++ != '{')
		return false;
	p = after_blanks(p, end);
	if (p < end && *p == '}')
		return after_blanks(p + 1, end) == end;
	for (;;) {
		const char *key = p = after_blanks(p, end), *value;
		if (p >= end || *p != '"' || !(p = envelope_after_string(p, end)))
			return false;
		struct span name = {key + 1, (size_t)(p - key) - 2};
		p = after_blanks(p, end);
		if (p >= end || *p++ != ':')
			return false;
		value = p = after_blanks(p, end);
		if (!(p = after_value(p, end)))
			return false;
		visit(data, name, (struct span){value, (size_t)(p - value)});
		p = after_blanks(p, end);
		if (p < end && *p == '}')
			return after_blanks(p + 1, end) == end;
		if (p >= end || *p++ != ',')
			return false;
	}
}

static void note(void *data, struct span key, struct span value)
{
	struct envelope *e = data;
	const struct { const char *name; struct span *to; } members[] = {
		{"id", &e->id}, {"method", &e->method}, {"params", &e->params}, {"result", &e->result}, {"error", &e->error}};
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
		if (envelope_is(key, members[i].name) && !members[i].to->at)
			*members[i].to = value;
}

bool envelope_read(const char *text, size_t len, struct envelope *e)
{
	*e = (struct envelope){0};
	return envelope_each((struct span){text, len}, note, e);
}

bool envelope_is(struct span s, const char *words)
{
	return s.at && s.len == strlen(words) && memcmp(s.at, words, s.len) == 0;
}

json_t *envelope_load(struct span s)
{
	return s.at ? census_load(s.at, s.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL) : NULL;
}
