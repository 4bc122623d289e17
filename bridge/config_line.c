/* config_line.c - see config_line.h */
#include "config_line.h"
#include "json_scan.h"

#include <string.h>

/* The quote that begins the member KEY of the object at P; NULL: it has none. */
static const char *find(const char *p, const char *key, const char **value)
{
	if (*p != '{')
		return NULL;
	for (p = scan_space(p + 1); *p == '"'; p = scan_space(p)) {
		const char *name = p, *end = scan_string(p);
		*value = scan_space(scan_space(end) + 1); /* behind the colon */
		if (scan_is_key(name, end, key))
			return name;
		p = scan_space(scan_value(*value));
		p += *p == ',';
	}
	return NULL;
}

int config_line(const char *text, const char *const *keys, size_t count)
{
	static const char mark[] = "\xEF\xBB\xBF";
	const char *p = scan_space(strncmp(text, mark, sizeof mark - 1) == 0 ? text + sizeof mark - 1 : text), *at = p;
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
