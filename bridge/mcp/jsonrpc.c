/* jsonrpc.c - see jsonrpc.h */
#include "mcp/jsonrpc.h"
#include "mcp/census.h"
#include "mcp/text.h"

#include <stdlib.h>
#include <string.h>

static const int numbers[] = {
	[FAULT_PARSE] = -32700,   [FAULT_INVALID] = -32600,  [FAULT_METHOD] = -32601,
	[FAULT_PARAMS] = -32602,  [FAULT_INTERNAL] = -32603, [FAULT_VERSION] = -32022,
	[FAULT_CAPABILITY] = -32021,
	[FAULT_ENVELOPE] = -32602, [FAULT_HEADER] = -32020,  [FAULT_DENIED] = -32603,
};

bool jsonrpc_parse(struct request *r)
{
	json_error_t error;
	char why[CENSUS_WHY_MAX];
	const char *nul = memchr(r->text, 0, r->text_len);
	if (nul) /* jansson steps over one that follows a number or a word */
		return request_fail(r, FAULT_PARSE, NULL, "not JSON: a NUL, at byte %td of the line", nul - r->text + 1);
	enum census found = census_judge(r->text, r->text_len, why);
	if (found != CENSUS_FINE) {
		r->id = jsonrpc_peek_id(r->text, r->text_len);
		return request_fail(r, found == CENSUS_DEEP ? FAULT_PARSE : FAULT_INVALID, NULL, "the message was not read: %s", why);
	}
	r->message = json_loadb(r->text, r->text_len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
	if (!r->message)
		return request_fail(r, FAULT_PARSE, NULL, "not JSON: %s, at byte %d of the line", error.text, error.position);
	if (!json_is_object(r->message) && !json_is_array(r->message))
		return request_fail(r, FAULT_INVALID, NULL, "a message must be a JSON object");
	return true;
}

enum jsonrpc_kind jsonrpc_read(struct request *r)
{
	json_t *m = r->message;
	if (!json_is_object(m)) {
		request_fail(r, FAULT_INVALID, NULL, "a message must be a JSON object");
		return JSONRPC_BAD;
	}
	json_t *id = json_object_get(m, "id"), *method = json_object_get(m, "method");
	json_t *version = json_object_get(m, "jsonrpc");
	if (!method && (json_object_get(m, "result") || json_object_get(m, "error")))
		return JSONRPC_RESPONSE;
	if (json_is_string(id) || json_is_integer(id)) {
		r->id = text_dump(id);
	} else if (id) {
		request_fail(r, FAULT_INVALID, NULL, "the id must be a string or an integer");
		return JSONRPC_BAD;
	}
	if (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0)
		request_fail(r, FAULT_INVALID, NULL, "a message must say \"jsonrpc\":\"2.0\"");
	else if (!json_is_string(method) || strlen(json_string_value(method)) != json_string_length(method))
		request_fail(r, FAULT_INVALID, NULL, "the method must be a string");
	if (r->fault)
		return JSONRPC_BAD;
	if (r->id && !census_is_short(strlen(r->id))) { /* it would be kept, and said again and again */
		free(r->id);
		r->id = NULL;
		request_fail(r, FAULT_INVALID, NULL, "the id is longer than %ld bytes", census_id_max());
		return JSONRPC_BAD;
	}
	r->name = json_string_value(method);
	r->params = json_object_get(m, "params");
	if (r->params && !json_is_object(r->params)) {
		request_fail(r, FAULT_PARAMS, NULL, "the params of %.100s must be an object", r->name);
		return r->id ? JSONRPC_BAD : JSONRPC_NOTIFICATION;
	}
	return r->id ? JSONRPC_REQUEST : JSONRPC_NOTIFICATION;
}

/* Skips the JSON string whose first quote is at P; NULL when it does not end before END. */
static const char *after_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p < end ? p + 1 : NULL;
}

static const char *after_space(const char *p, const char *end)
{
	while (p < end && strchr(" \t\r", *p) && *p)
		p++;
	return p;
}

/* The text of the value at P when it is an id that jansson takes too. */
static char *id_at(const char *p, const char *end)
{
	const char *after = p;
	if (p < end && *p == '"')
		after = after_string(p, end);
	else
		while (after < end && strchr("-0123456789", *after) && *after)
			after++;
	if (!after || after == p || after >= end || !strchr(",} \t", *after) || !*after)
		return NULL;
	json_t *id = json_loadb(p, (size_t)(after - p), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	char *text = json_is_string(id) || json_is_integer(id) ? text_dump(id) : NULL;
	json_decref(id);
	return text;
}

/* Looks only at members with plain string or number values, as far as they come first. */
char *jsonrpc_peek_id(const char *text, size_t len)
{
	const char *end = text + len, *p = after_space(text, end);
	if (p >= end || *p++ != '{')
		return NULL;
	for (;;) {
		p = after_space(p, end);
		const char *key = p;
		if (p >= end || *p != '"' || !(p = after_string(p, end)))
			return NULL;
		bool is_id = p - key == 4 && memcmp(key, "\"id\"", 4) == 0;
		p = after_space(p, end);
		if (p >= end || *p++ != ':')
			return NULL;
		p = after_space(p, end);
		if (is_id)
			return id_at(p, end);
		if (p >= end || *p != '"' || !(p = after_string(p, end)))
			return NULL;
		p = after_space(p, end);
		if (p >= end || *p++ != ',')
			return NULL;
	}
}

int jsonrpc_number(const struct request *r)
{
	return r->fault == FAULT_OWN ? r->own_fault : numbers[r->fault];
}

static void wrap_fault(struct request *r)
{
	text_format(&r->head, "\"error\":{\"code\":%d,\"message\":", jsonrpc_number(r));
	text_quote(&r->head, r->reason);
	if (r->data) {
		text_put(&r->head, ",\"data\":");
		text_json(&r->head, r->data);
	}
	text_put(&r->head, "}}");
}

void jsonrpc_wrap(struct request *r, const struct buf *members)
{
	text_put(&r->head, "{\"jsonrpc\":\"2.0\",");
	if (r->id)
		text_format(&r->head, "\"id\":%s,", r->id);
	else if (r->null_id)
		text_put(&r->head, "\"id\":null,");
	if (r->fault) {
		buf_eat(&r->reply, buf_len(&r->reply));
		r->ended = true;
		wrap_fault(r);
		return;
	}
	text_put(&r->head, "\"result\":{");
	text_add(&r->head, buf_data(members), buf_len(members));
	buf_eat(&r->reply, 1); /* its own brace: the members came first */
	if (buf_len(members) && buf_len(&r->reply) && *buf_data(&r->reply) != '}')
		text_put(&r->head, ",");
	r->tail = "}";
}

void jsonrpc_notification(struct buf *out, const char *method, const char *params)
{
	text_format(out, "{\"jsonrpc\":\"2.0\",\"method\":\"%s\"", method);
	if (params) {
		text_put(out, ",\"params\":");
		text_put(out, params);
	}
	text_put(out, "}");
}
