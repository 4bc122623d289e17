/* json_scan.c - see json_scan.h */
#include "json_scan.h"

#include <jansson.h>
#include <string.h>

const char *scan_space(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

const char *scan_string(const char *p)
{
	for (p++; *p && *p != '"'; p++)
		p += *p == '\\' && p[1];
	return *p ? p + 1 : p;
}

const char *scan_value(const char *p)
{
	int depth = 0;
	do {
		if (*p == '"') {
			p = scan_string(p);
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
bool scan_is_key(const char *quoted, const char *end, const char *key)
{
	json_t *text = json_loadb(quoted, (size_t)(end - quoted), JSON_DECODE_ANY, NULL);
	bool same = text && strcmp(json_string_value(text), key) == 0;
	json_decref(text);
	return same;
}
