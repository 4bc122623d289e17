/* http_api.c - the plain interface, for programs that do not speak MCP: a tool is a path,
 * its arguments the body, its result the answer. */
#include "front/http_impl.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

static const char root[] = "/api/v1/";

bool api_is(const char *path)
{
	return strncmp(path, root, sizeof root - 1) == 0;
}

static const char *rest_of(const char *path)
{
	return path + sizeof root - 1;
}

static bool is_method(struct exchange *e, bool post)
{
	uint8_t method = conn_head(e->conn)->method;
	if (post ? method == HTTP_POST : method == HTTP_GET || method == HTTP_HEAD)
		return true;
	http_refuse(e, 405, 0, post ? "Allow: POST\r\n" : "Allow: GET\r\n", "the method is %s for this path", post ? "POST" : "GET");
	return false;
}

static void say(struct exchange *e, void (*write)(struct pipeline *, const char *principal, struct buf *))
{
	struct buf text = {0};
	if (!is_method(e, false))
		return;
	write(e->http->pipeline, e->principal, &text);
	http_answer(e, 200, "application/json", buf_data(&text), buf_len(&text), "");
	buf_finish(&text);
}

/* As if it had come by MCP, from here on. */
static void call(struct exchange *e, const char *tool, json_t *arguments, enum shape shape)
{
	json_t *message = json_pack("{s:s,s:i,s:s,s:{s:s,s:o,s:{s:s,s:{},s:{s:s,s:s}}}}", "jsonrpc", "2.0", "id", 1, "method", "tools/call",
				    "params", "name", tool, "arguments", arguments, "_meta", "io.modelcontextprotocol/protocolVersion",
				    "2026-07-28", "io.modelcontextprotocol/clientCapabilities", "io.modelcontextprotocol/clientInfo", "name",
				    "http", "version", "1");
	if (!message) {
		http_refuse(e, 400, 0, "", "that is no name of a tool");
		return;
	}
	struct request *r = request_create();
	r->message = message;
	e->shape = shape;
	e->modern = e->takes_json = true;
	e->said = (struct http_said){"2026-07-28", "tools/call", tool, NULL, 0, e->principal};
	e->session = pipeline_open(e->http->pipeline, &e->outlet);
	pipeline_enter(e->session, &e->outlet, &e->said, r);
	answer_wait(e);
}

static void call_tool(struct exchange *e, const char *tool)
{
	const struct buf *body = conn_body(e->conn);
	const char *nul = buf_len(body) ? memchr(buf_data(body), 0, buf_len(body)) : NULL; /* jansson would end there, content */
	json_error_t error;
	char why[PIPELINE_WHY_MAX];
	if (!is_method(e, true))
		return;
	if (nul) {
		http_refuse(e, 400, 0, "", "the arguments are no JSON: a NUL, at byte %zu", (size_t)(nul - buf_data(body)));
		return;
	}
	if (pipeline_too_much(buf_data(body), buf_len(body), why)) {
		http_refuse(e, 413, 0, "", "the arguments were not read: %s", why);
		return;
	}
	json_t *arguments = buf_len(body) ? pipeline_load(buf_data(body), buf_len(body), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &error)
					  : json_object();
	if (arguments && !json_is_object(arguments)) {
		json_decref(arguments);
		http_refuse(e, 400, 0, "", "the arguments must be an object of JSON, for example {\"content\": \"(+ 1 2)\"}");
	} else if (!arguments) {
		http_refuse(e, 400, 0, "", "the arguments are no JSON: %s, at byte %d", error.text, error.position);
	} else {
		call(e, tool, arguments, SHAPE_RESULT);
	}
}

void api_request(struct exchange *e)
{
	const char *path = rest_of(conn_head(e->conn)->path);
	if (strncmp(path, "tools/", 6) == 0 && path[6] && !strchr(path + 6, '/'))
		call_tool(e, path + 6);
	else if (strncmp(path, "results/", 8) == 0 && is_method(e, false))
		results_get(e, path + 8);
	else if (strncmp(path, "results/", 8) == 0)
		return; /* it was refused */
	else if (strcmp(path, "tools") == 0)
		say(e, pipeline_tools);
	else if (strcmp(path, "services") == 0)
		say(e, pipeline_services);
	else if (strcmp(path, "openapi.json") == 0)
		say(e, pipeline_openapi);
	else if (strcmp(path, "instances") != 0)
		http_refuse(e, 404, 0, "", "there is nothing at this path; /api/v1/openapi.json says what there is");
	else if (is_method(e, false))
		call(e, "efrit_list_instances", json_object(), SHAPE_TEXT);
}

/* --- the answer --- */

static int status_of_code(const char *code)
{
	static const struct { const char *code; int status; } all[] = {
		{"invalid_arguments", 400}, {"unknown_instance", 404}, {"unknown_tool", 404}, {"ambiguous_instance", 409},
		{"name_in_use", 409}, {"no_instance", 503}, {"emacs_gone", 503}, {"not_responding", 503}, {"stopping", 503},
		{"queue_full", 429}, {"client_queue_full", 429}, {"timeout", 504}, {"start_timeout", 504}, {"bad_answer", 502},
		{"no_room", 507},
	};
	for (size_t i = 0; code && i < sizeof all / sizeof all[0]; i++)
		if (strcmp(all[i].code, code) == 0)
			return all[i].status;
	return 422;
}

static int status_of_fault(const struct request *r)
{
	if (r->fault == FAULT_DENIED)
		return 429;
	return r->fault == FAULT_PARAMS ? 404 : r->fault == FAULT_INTERNAL ? 503 : 400;
}

static void add(struct buf *b, const char *data, size_t len)
{
	if (!buf_add(b, data, len))
		log_no_memory();
}

static const char *first_text(const json_t *result)
{
	return json_string_value(json_object_get(json_array_get(json_object_get(result, "content"), 0), "text"));
}

static int status_of_result(const json_t *result)
{
	const char *text = first_text(result);
	json_t *said = text ? pipeline_load(text, strlen(text), JSON_ALLOW_NUL, NULL) : NULL;
	int status = status_of_code(json_string_value(json_object_get(said, "error_code")));
	json_decref(said);
	return status;
}

int api_status(struct exchange *e, struct request *r, struct buf *text)
{
	int status = 200;
	if (r->fault) {
		json_t *error = json_pack("{s:s}", "error", r->reason);
		char *json = error ? json_dumps(error, JSON_COMPACT) : NULL;
		add(text, json ? json : "{}", json ? strlen(json) : 2);
		free(json);
		json_decref(error);
		return status_of_fault(r);
	}
	add(text, "{", 1);
	add(text, buf_data(&r->reply), buf_len(&r->reply));
	if (e->shape != SHAPE_TEXT && !memmem(buf_data(text), buf_len(text), "\"isError\"", 9))
		return status;
	json_t *result = pipeline_load(buf_data(text), buf_len(text), JSON_ALLOW_NUL, NULL);
	const char *words = first_text(result);
	if (json_is_true(json_object_get(result, "isError")))
		status = status_of_result(result);
	if (e->shape == SHAPE_TEXT && words) {
		buf_eat(text, buf_len(text));
		add(text, words, strlen(words));
	}
	json_decref(result);
	return status;
}
