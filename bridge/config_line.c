/* config_line.c - see config_line.h */
#include "config_line.h"

#include <jansson.h>
#include <stdbool.h>
#include <string.h>

static const char *skip_space(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

static const char *skip_string(const char *p) /* at its first quote */
{
	for (p++; *p && *p != '"'; p++)
		p += *p == '\\' && p[1];
	return *p ? p + 1 : p;
}

static const char *skip_value(const char *p)
{
	int depth = 0;
	do {
		if (*p == '"') {
			p = skip_string(p);
			continue;
		}
		if (*p == '{' || *p == '[')
			depth++;
		else if (*p == '}' || *p == ']')
			depth--;
		else if (!depth)
			return p + strcspn(p, ",}] \t\r\n");
		p++;
	} while (*p && depth);
	return p;
}

/* Escapes are another way to write the same key. */
static bool is_key(const char *quoted, const char *end, const char *key)
{
	json_t *text = json_loadb(quoted, (size_t)(end - quoted), JSON_DECODE_ANY, NULL);
	bool same = text && strcmp(json_string_value(text), key) == 0;
	json_decref(text);
	return same;
}

/* The quote that begins the member KEY of the object at P; NULL: it has none. */
static const char *find(const char *p, const char *key, const char **value)
{
	if (*p != '{')
		return NULL;
	for (p = skip_space(p + 1); *p == '"'; p = skip_space(p)) {
		const char *name = p, *end = skip_string(p);
		*value = skip_space(skip_space(end) + 1); /* behind the colon */
		if (is_key(name, end, key))
			return name;
		p = skip_space(skip_value(*value));
		p += *p == ',';
	}
	return NULL;
}

int config_line(const char *text, const char *const *keys, size_t count)
{
	static const char mark[] = "\xEF\xBB\xBF";
	const char *p = skip_space(strncmp(text, mark, sizeof mark - 1) == 0 ? text + sizeof mark - 1 : text), *at = p;
	int line = 1;
	for (size_t i = 0; i < count; i++) {
		const char *value, *name = find(p, keys[i], &value);
		if (!name)
			break;
		at = name;
		p = value;
	}
	for (const char *c = text; c < at; c++)
		line += *c == '\n';
	return line;
}
