/* schema.c - a hostile schema and a hostile value: both end soon, and a refusal names a
 * place that exists.  Input: the schema, a newline, the value. */
#include "fuzz.h"

#include "mcp/schema.h"

enum { NAME = 1024 };

static json_t *json(const char *text, size_t len)
{
	return json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

/* One name of a JSON pointer without its escapes; where it ends in the pointer. */
static const char *name_of(const char *p, char *name, size_t *len)
{
	for (*len = 0; *p && *p != '/'; p++) {
		must(*len < NAME);
		must(*p != '~' || p[1] == '0' || p[1] == '1');
		name[(*len)++] = *p != '~' ? *p : p[1] == '0' ? '~' : '/';
		p += *p == '~';
	}
	return p;
}

/* What the pointer names; a key too long to be shown, or cut, is not followed. */
static void exists(const json_t *v, const char *pointer)
{
	char name[NAME + 1];
	size_t len;
	if (strlen(pointer) >= NAME)
		return;
	while (*pointer) {
		must(*pointer == '/');
		pointer = name_of(pointer + 1, name, &len);
		name[len] = 0;
		if (len > 200 && memcmp(name + len - 3, "...", 3) == 0)
			return;
		v = json_is_array(v) ? json_array_get(v, strtoul(name, NULL, 10)) : json_object_getn(v, name, len);
		must(v);
	}
}

static void check(const struct schema *s, const json_t *v)
{
	char *pointer, *reason;
	bool fits = schema_check(s, v, &pointer, &reason);
	must(fits == (pointer == NULL) && fits == (reason == NULL));
	if (!fits) {
		must(*reason);
		exists(v, pointer);
	}
	free(pointer);
	free(reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *line = size ? memchr(text, '\n', size) : NULL;
	size_t len = line ? (size_t)(line - text) : size;
	json_t *document = json(text, len), *v = line ? json(line + 1, size - len - 1) : NULL;
	char *error = NULL;
	if (document) {
		struct schema *s = schema_compile(document, &error);
		must((s == NULL) == (error != NULL));
		if (s) {
			check(s, document);
			if (v)
				check(s, v);
		}
		schema_destroy(s);
	}
	free(error);
	json_decref(document);
	json_decref(v);
	return 0;
}
