/* headers.c - see headers.h */
#include "mcp/headers.h"
#include "copy.h"
#include "log.h"
#include "mcp/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEPTH_MAX = 16 };

static const char modern[] = "2026-07-28";
static const char sentinel[] = "=?base64?", sentinel_end[] = "?=";

/* Which member of params Mcp-Name repeats. */
static const struct {
	const char *method, *member;
} named[] = {
	{"tools/call", "name"},    {"prompts/get", "name"},     {"resources/read", "uri"},
	{"tasks/get", "taskId"},   {"tasks/update", "taskId"},  {"tasks/cancel", "taskId"},
};

static const char *member_named(const struct request *r)
{
	for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
		if (strcmp(named[i].method, r->name) == 0)
			return named[i].member;
	return NULL;
}

bool headers_claim_modern(const struct http_said *h)
{
	return h && h->version && strcmp(h->version, modern) >= 0;
}

static int digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;
	return at ? (int)(at - digits) : -1;
}

/* Strictly: whole groups of four, padding at the end only, no bits left over. */
static char *decode(const char *text, size_t len)
{
	char *out = calloc(1, len + 1);
	size_t n = 0;
	if (!out)
		log_no_memory();
	for (size_t i = 0; i < len; i += 4) {
		bool last = i + 4 == len;
		size_t pad = !last ? 0 : text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
		int bits = 0, d;
		for (size_t k = 0; k < 4; k++) {
			d = k < 4 - pad ? digit(text[i + k]) : 0;
			if (d < 0)
				goto bad;
			bits = bits << 6 | d;
		}
		if (bits & ((1 << 8 * pad) - 1))
			goto bad;
		for (size_t k = 0; k < 3 - pad; k++)
			out[n++] = (char)(bits >> (16 - 8 * (int)k));
	}
	for (size_t i = 0; i < n; ) {
		size_t step = text_sequence(out + i, n - i);
		if (!step || !out[i])
			goto bad;
		i += step;
	}
	return out;
bad:
	free(out);
	return NULL;
}

char *headers_decode(const char *value)
{
	size_t len = strlen(value), before = sizeof sentinel - 1, after = sizeof sentinel_end - 1;
	if (len >= before + after && strncmp(value, sentinel, before) == 0 && strcmp(value + len - after, sentinel_end) == 0) {
		len -= before + after;
		return len % 4 ? NULL : decode(value + before, len);
	}
	return copy_text(value);
}

static bool mismatch(struct request *r, const char *header, const char *value, const char *body)
{
	return request_fail(r, FAULT_HEADER, NULL, "Header mismatch: the header %s is '%.100s' and the body says '%.100s'", header,
			    value, body ? body : "(nothing)");
}

static bool name_agrees(struct request *r, const char *member)
{
	const char *body = json_string_value(json_object_get(r->params, member));
	char *said = headers_decode(r->http->name);
	bool good = true;
	if (!said)
		good = request_fail(r, FAULT_HEADER, NULL, "the header Mcp-Name is '%.100s', which is not proper base64", r->http->name);
	else if (body && strcmp(said, body) != 0)
		good = mismatch(r, "Mcp-Name", said, body);
	free(said);
	return good;
}

bool headers_agree(struct request *r, const char *version)
{
	const struct http_said *h = r->http;
	if (!h)
		return true;
	if (h->version && (!version || strcmp(h->version, version) != 0))
		return mismatch(r, "MCP-Protocol-Version", h->version, version);
	if (h->method && strcmp(h->method, r->name) != 0)
		return mismatch(r, "Mcp-Method", h->method, r->name);
	const char *member = h->name ? member_named(r) : NULL;
	return !member || name_agrees(r, member);
}

bool headers_there(struct request *r)
{
	const struct http_said *h = r->http;
	const char *missing = NULL;
	if (!h)
		return true;
	if (!h->version)
		missing = "MCP-Protocol-Version";
	else if (!h->method)
		missing = "Mcp-Method";
	else if (!h->name && member_named(r))
		missing = "Mcp-Name";
	return !missing || request_fail(r, FAULT_HEADER, NULL, "the header %s is missing; it repeats what the body of %.100s says",
					missing, r->name);
}

/* --- Mcp-Param-* --- */

static const char *param(const struct http_said *h, const char *name)
{
	for (size_t i = 0; i < h->params_count; i++)
		if (strcasecmp(h->params[i].name, name) == 0)
			return h->params[i].value;
	return NULL;
}

static bool equals(const char *said, const json_t *value)
{
	char *end;
	if (json_is_string(value))
		return strlen(said) == json_string_length(value) && strcmp(said, json_string_value(value)) == 0;
	if (json_is_boolean(value))
		return strcmp(said, json_is_true(value) ? "true" : "false") == 0;
	if (!json_is_number(value) || !*said || strspn(said, "0123456789.eE+-") != strlen(said))
		return false;
	if (json_is_integer(value)) {
		errno = 0;
		long long n = strtoll(said, &end, 10);
		if (!*end && !errno)
			return n == json_integer_value(value);
	}
	double d = strtod(said, &end);
	return !*end && d == json_number_value(value);
}

static bool one_agrees(struct request *r, const char *name, const json_t *value)
{
	const char *raw = param(r->http, name);
	bool given = value && !json_is_null(value);
	if (!raw)
		return !given || request_fail(r, FAULT_HEADER, NULL,
					      "the header Mcp-Param-%.60s is missing; the body has a value for it", name);
	char *said = headers_decode(raw);
	bool good = true;
	if (!said)
		good = request_fail(r, FAULT_HEADER, NULL, "the header Mcp-Param-%.60s is '%.100s', which is not proper base64", name, raw);
	else if (!given || !equals(said, value)) {
		char *body = given ? text_dump(value) : NULL;
		request_fail(r, FAULT_HEADER, NULL, "Header mismatch: the header Mcp-Param-%.60s is '%.100s' and the body says %.100s", name,
			     said, body ? body : "nothing");
		free(body);
		good = false;
	}
	free(said);
	return good;
}

static bool properties_agree(struct request *r, const json_t *schema, const json_t *value, int depth)
{
	const char *key;
	json_t *property;
	if (depth > DEPTH_MAX)
		return true;
	json_object_foreach(json_object_get(schema, "properties"), key, property) {
		const char *name = json_string_value(json_object_get(property, "x-mcp-header"));
		const json_t *inner = json_object_get(value, key);
		if (name && *name && !one_agrees(r, name, inner))
			return false;
		if (!properties_agree(r, property, inner, depth + 1))
			return false;
	}
	return true;
}

bool headers_params(struct request *r, const json_t *schema, const json_t *arguments)
{
	return !r->http || r->era != ERA_MODERN || properties_agree(r, schema, arguments, 0);
}

struct http_said *headers_keep(const struct http_said *h)
{
	if (!h)
		return NULL;
	struct http_said *own = malloc(sizeof *own);
	struct http_param *params = calloc(h->params_count + 1, sizeof *params);
	if (!own || !params)
		log_no_memory();
	*own = (struct http_said){.version = copy_text(h->version), .method = copy_text(h->method), .name = copy_text(h->name),
				  .params = params, .params_count = h->params_count, .principal = copy_text(h->principal)};
	for (size_t i = 0; i < h->params_count; i++)
		params[i] = (struct http_param){copy_text(h->params[i].name), copy_text(h->params[i].value)};
	return own;
}

void headers_forget(struct http_said *own)
{
	if (!own)
		return;
	for (size_t i = 0; i < own->params_count; i++) {
		free((char *)own->params[i].name);
		free((char *)own->params[i].value);
	}
	free((struct http_param *)own->params);
	free((char *)own->version);
	free((char *)own->method);
	free((char *)own->name);
	free((char *)own->principal);
	free(own);
}
