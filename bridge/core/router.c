/* router.c - the last stage inward: what a method means, and for tools/call which tool,
 * with which arguments, on which Emacs. */
#include "core/self.h"
#include "core/session.h"
#include "mcp/era.h"
#include "mcp/headers.h"
#include "mcp/result.h"
#include "mcp/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARGUMENTS_MAX = 4 * 1024 * 1024 - 1024, TIMEOUT_MAX = 3600 }; /* bytes beside the head of a CALL; seconds */

static enum verdict answer(struct request *r, const char *text, size_t len)
{
	text_add(&r->reply, text, len);
	r->ended = true;
	return DONE;
}

static enum verdict list_tools(struct request *r)
{
	json_t *cursor = json_object_get(r->params, "cursor");
	if (cursor && (!json_is_string(cursor) || json_string_length(cursor))) {
		request_fail(r, FAULT_PARAMS, NULL, "this cursor was not given out here: the list has one page");
		return DONE;
	}
	const struct buf *list = catalogue_list(r->pipeline->catalogue, r->version);
	return answer(r, buf_data(list), buf_len(list));
}

/* --- tools/call --- */

static bool bad_argument(struct request *r, const char *pointer, const char *reason)
{
	result_error(r, "invalid_arguments", json_pack("{s:s,s:b}", "pointer", pointer, "may_have_run", 0),
		     "the arguments of %s do not fit, at %s: %s", r->tool, *pointer ? pointer : "the top", reason);
	return false;
}

static bool read_timeout(struct request *r, const json_t *value)
{
	double seconds = json_number_value(value);
	const char *text = json_string_value(value);
	if (text) {
		char *end;
		seconds = strtod(text, &end);
		if (end == text || *end || strspn(text, "0123456789.eE+-") != strlen(text))
			seconds = 0;
	}
	if (!(seconds > 0 && seconds <= TIMEOUT_MAX))
		return bad_argument(r, "/timeout", "it must be a number of seconds, more than 0 and at most 3600");
	r->timeout_ms = seconds < 0.001 ? 1 : (uint32_t)(seconds * 1000);
	return true;
}

static bool read_priority(struct request *r, const json_t *value)
{
	static const char *const words[] = {"interactive", "normal", "batch"};
	const char *text = json_string_value(value);
	for (int p = 0; text && p < PRIORITIES; p++)
		if (strcmp(words[p], text) == 0) {
			r->priority = (enum priority)p;
			return true;
		}
	return bad_argument(r, "/priority", "it must be interactive, normal or batch");
}

/* What the bridge itself reads of the arguments, where the tool has such ones at all. */
static bool read_arguments(struct request *r, struct tool *tool, const json_t *arguments, const char **instance)
{
	json_t *timeout = json_object_get(arguments, "timeout"), *priority = json_object_get(arguments, "priority");
	json_t *id = json_object_get(arguments, "instance_id");
	char *pointer, *reason;
	if (!catalogue_check(tool, arguments, &pointer, &reason)) {
		bad_argument(r, pointer, reason);
		free(pointer);
		free(reason);
		return false;
	}
	if (tool->takes_instance && id && !json_is_null(id)) {
		*instance = json_string_value(id);
		if (!*instance)
			return bad_argument(r, "/instance_id", "it must be the name of an Emacs instance");
		if (!**instance)
			*instance = NULL;
	}
	if (tool->takes_timeout && timeout && !json_is_null(timeout) && !read_timeout(r, timeout))
		return false;
	return !tool->takes_priority || !priority || json_is_null(priority) || read_priority(r, priority);
}

static struct tool *find_tool(struct request *r)
{
	json_t *name = json_object_get(r->params, "name");
	if (!json_is_string(name)) {
		request_fail(r, FAULT_PARAMS, NULL, "params.name must be the name of a tool, a string");
		return NULL;
	}
	const char *word = json_string_value(name);
	struct tool *tool = strlen(word) == json_string_length(name) ? catalogue_find(r->pipeline->catalogue, word) : NULL;
	if (!tool) {
		const char *near = catalogue_nearest(r->pipeline->catalogue, word);
		request_fail(r, FAULT_PARAMS, NULL, "Unknown tool: %.100s%s%s%s", word, near ? " (did you mean " : "",
			     near ? near : "", near ? "?)" : "; tools/list names them");
		return NULL;
	}
	snprintf(r->tool, sizeof r->tool, "%s", tool->name);
	return tool;
}

static enum verdict submit(struct request *r, const struct tool *tool, const json_t *arguments, const char *instance)
{
	struct worker *w = registry_choose(r, instance, tool);
	if (!w)
		return DONE;
	text_json(&r->arguments, arguments);
	request_forget_message(r);
	if (buf_len(&r->arguments) > ARGUMENTS_MAX) {
		bad_argument(r, "", "they are over the limit of 4 MiB");
		return DONE;
	}
	return service_submit(w, r) ? WAIT : DONE;
}

static enum verdict call_tool(struct request *r)
{
	const char *instance = NULL;
	enum verdict verdict;
	struct tool *tool = find_tool(r);
	if (!tool)
		return DONE;
	json_t *given = json_object_get(r->params, "arguments");
	if (given && !json_is_object(given)) {
		request_fail(r, FAULT_PARAMS, NULL, "params.arguments must be an object");
		return DONE;
	}
	if (!headers_params(r, json_object_get(tool->definition, "inputSchema"), given))
		return DONE;
	json_t *arguments = given ? json_incref(given) : json_object();
	if (!read_arguments(r, tool, arguments, &instance))
		verdict = DONE;
	else if (!self_call(r, tool, arguments, instance, &verdict))
		verdict = submit(r, tool, arguments, instance);
	json_decref(arguments);
	if (verdict == WAIT)
		request_forget_message(r);
	return verdict;
}

enum verdict router_enter(struct request *r)
{
	switch (r->method->id) {
	case METHOD_DISCOVER:
		era_modern_discover(&r->reply);
		r->ended = true;
		return DONE;
	case METHOD_INITIALIZE:
		return session_initialize(r);
	case METHOD_PING:
		return answer(r, "{}", 2);
	case METHOD_TOOLS_LIST:
		return list_tools(r);
	case METHOD_TOOLS_CALL:
		return call_tool(r);
	case METHOD_LISTEN:
		return session_listen(r);
	case METHOD_INITIALIZED:
	case METHOD_CANCELLED:
		break;
	}
	request_fail(r, FAULT_METHOD, NULL, "there is no method %.100s", r->method->name);
	return DONE;
}
