/* jsonrpc.c - lines of a client: each becomes a request, a notification or a fault, and
 * what is said to it is one line of JSON with its id. */
#include "fuzz.h"

#include "mcp/era.h"
#include "mcp/jsonrpc.h"
#include "mcp/text.h"

static json_t *line_of(struct request *r)
{
	json_error_t error;
	struct buf line = {0};
	text_add(&line, buf_data(&r->head), buf_len(&r->head));
	text_add(&line, buf_data(&r->reply), buf_len(&r->reply));
	text_put(&line, r->tail);
	must(!memchr(buf_data(&line), '\n', buf_len(&line)));
	json_t *v = json_loadb(buf_data(&line), buf_len(&line), JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
	if (!v)
		fprintf(stderr, "%s: %.*s\n", error.text, (int)buf_len(&line), buf_data(&line));
	must(v);
	buf_finish(&line);
	return v;
}

static void answer(struct request *r)
{
	struct buf members = {0};
	if (!r->fault) {
		text_put(&r->reply, r->text_len & 1 ? "{}" : "{\"content\":[]}");
		era_members(r, 1000, "", &members);
	}
	r->null_id = r->version == VERSION_2024_11_05;
	jsonrpc_wrap(r, &members);
	json_t *v = line_of(r), *id = json_object_get(v, "id");
	must(strcmp(json_string_value(json_object_get(v, "jsonrpc")), "2.0") == 0);
	must((json_object_get(v, "result") != NULL) == !r->fault);
	must((json_object_get(v, "error") != NULL) == !!r->fault);
	must(!r->fault || json_is_string(json_object_get(json_object_get(v, "error"), "message")));
	must(r->id ? json_is_string(id) || json_is_integer(id) : !id || json_is_null(id));
	json_decref(v);
	buf_finish(&members);
}

/* What era_enter finds must fit what it says. */
static void judge(struct request *r)
{
	bool ok = era_enter(r);
	must(ok == (r->fault == FAULT_NONE));
	must(!ok || r->method);
	must(strlen(r->client) <= REQUEST_CLIENT_MAX);
	must(!r->token || fuzz_is_json(r->token, strlen(r->token), NULL));
}

static void element(json_t *message, size_t n)
{
	struct request *r = request_create();
	r->message = json_incref(message);
	r->text_len = n;
	switch (jsonrpc_read(r)) {
	case JSONRPC_REQUEST:
		must(r->id && r->name && !r->fault);
		judge(r);
		answer(r);
		break;
	case JSONRPC_NOTIFICATION:
		must(!r->id && r->name);
		must(!r->fault || r->reason);
		break;
	case JSONRPC_RESPONSE:
		must(!r->fault);
		break;
	case JSONRPC_BAD:
		must(r->fault && r->reason);
		answer(r);
		break;
	}
	request_destroy(r);
}

/* The id that is seen without parsing is the id that is there. */
static void peek(const char *text, size_t len, const json_t *message)
{
	char *seen = jsonrpc_peek_id(text, len);
	json_t *id = json_object_get(message, "id");
	must(!seen || fuzz_is_json(seen, strlen(seen), NULL));
	if (seen && message) {
		json_t *v = json_loads(seen, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		must(json_equal(v, id));
		json_decref(v);
	}
	free(seen);
}

static void line(const char *text, size_t len)
{
	struct request *r = request_create();
	char *copy = input_copy(text, len);
	r->text = copy;
	r->text_len = len;
	bool ok = jsonrpc_parse(r);
	must(ok == (r->message != NULL && !r->fault));
	must(ok == (r->reason == NULL));
	peek(copy, len, ok ? r->message : NULL);
	if (!ok)
		answer(r);
	else if (json_is_array(r->message))
		for (size_t i = 0; i < json_array_size(r->message); i++)
			element(json_array_get(r->message, i), i);
	else
		element(r->message, len);
	request_destroy(r);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data, *end = at + size, *newline;
	for (; at < end && (newline = memchr(at, '\n', (size_t)(end - at))); at = newline + 1)
		line(at, (size_t)(newline - at));
	line(at, (size_t)(end - at));
	return 0;
}
