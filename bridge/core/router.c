/* router.c - the last stage inward: what a method means, and for tools/call which tool,
 * with which arguments, on which Emacs. */
#include "core/lobby.h"
#include "core/calls.h"
#include "core/fleet.h"
#include "core/profile.h"
#include "core/relay.h"
#include "core/self.h"
#include "core/session.h"
#include "core/tasks.h"
#include "core/visit.h"
#include "mcp/census.h"
#include "mcp/era.h"
#include "mcp/headers.h"
#include "mcp/result.h"
#include "mcp/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MAX = 3600 }; /* seconds */

static enum verdict answer(struct request *r, const char *text, size_t len)
{
	text_add(&r->reply, text, len);
	r->ended = true;
	return DONE;
}

static bool one_page(struct request *r)
{
	json_t *cursor = json_object_get(r->params, "cursor");
	return !cursor || (json_is_string(cursor) && !json_string_length(cursor))
	       || request_fail(r, FAULT_PARAMS, NULL, "this cursor was not given out here: the list has one page");
}

static enum verdict list_tools(struct request *r)
{
	if (!one_page(r))
		return DONE;
	if (lobby_keeps(r))
		return WAIT;
	const struct buf *list = catalogue_list(r->pipeline->catalogue, profile_of_request(r), r->version);
	r->session->knows[OFFER_TOOLS] = offers_hash(r->pipeline, OFFER_TOOLS);
	return answer(r, buf_data(list), buf_len(list));
}

static enum verdict list_offers(struct request *r, enum offer kind)
{
	if (!one_page(r))
		return DONE;
	if (lobby_keeps(r))
		return WAIT;
	offers_list(r->pipeline, kind, r->version, &r->reply);
	if (r->era == ERA_LEGACY)
		r->session->knows[kind] = offers_hash(r->pipeline, kind);
	r->ended = true;
	return DONE;
}

/* --- resources/read, prompts/get, completion/complete --- */

/* Emacs answers the method as it answers a tool; ARGUMENTS is taken. */
static enum verdict submit_method(struct request *r, struct worker *w, json_t *arguments)
{
	snprintf(r->tool, sizeof r->tool, "%s", r->method->name);
	r->exact = true;
	r->looks = profile_only_looks(profile_of_request(r));
	r->relayed = w == relay_worker(r->pipeline);
	text_json(&r->arguments, arguments);
	json_decref(arguments);
	return calls_submit(r, &(struct place){.worker = w});
}

static const char *text_in(struct request *r, const json_t *object, const char *key, const char *where)
{
	json_t *value = json_object_get(object, key);
	const char *text = json_string_value(value);
	if (text && strlen(text) == json_string_length(value) && census_is_short(strlen(text)))
		return text;
	request_fail(r, FAULT_PARAMS, NULL, "%s%s must be a string of at most %ld bytes", where, key, census_id_max());
	return NULL;
}

static enum verdict read_resource(struct request *r)
{
	const char *uri = text_in(r, r->params, "uri", "params.");
	char *plain;
	if (uri && r->pipeline->handles && large_is_uri(uri))
		return large_read(r, uri);
	if (uri && large_is_uri(uri) && lobby_keeps_for_gateway(r))
		return WAIT;
	struct worker *gateway = uri && large_is_uri(uri) ? relay_usable(r->pipeline) : NULL;
	if (gateway) { /* what it has kept */
		r->relayed = true;
		return submit_method(r, gateway, json_pack("{s:s}", "uri", uri));
	}
	if (uri && lobby_keeps(r))
		return WAIT;
	struct worker *w = uri ? offers_resource(r, uri, &plain) : NULL;
	if (!w)
		return DONE;
	json_t *arguments = json_pack("{s:s}", "uri", plain);
	if (strcmp(uri, plain) != 0)
		json_object_set_new(arguments, "as", json_string(uri));
	free(plain);
	return submit_method(r, w, arguments);
}

static enum verdict get_prompt(struct request *r)
{
	const char *name = text_in(r, r->params, "name", "params.");
	json_t *arguments = json_object_get(r->params, "arguments");
	if (name && lobby_keeps(r))
		return WAIT;
	if (name && arguments && !json_is_object(arguments))
		request_fail(r, FAULT_PARAMS, NULL, "params.arguments must be an object");
	struct worker *w = r->fault || !name ? NULL : offers_prompt(r, name, json_string_value(json_object_get(arguments, "instance_id")));
	if (!w)
		return DONE;
	json_t *call = json_pack("{s:s}", "name", name);
	if (arguments)
		json_object_set(call, "arguments", arguments);
	return submit_method(r, w, call);
}

static enum verdict complete(struct request *r)
{
	json_t *ref = json_object_get(r->params, "ref"), *argument = json_object_get(r->params, "argument");
	const char *type = text_in(r, ref, "type", "params.ref.");
	struct worker *w = NULL;
	const char *what;
	char *plain = NULL;
	if (type && lobby_keeps(r))
		return WAIT;
	if (!type || !text_in(r, argument, "name", "params.argument.") || !text_in(r, argument, "value", "params.argument."))
		return DONE;
	if (strcmp(type, "ref/prompt") == 0 && (what = text_in(r, ref, "name", "params.ref.")))
		w = offers_prompt(r, what, json_string_value(json_object_get(
						   json_object_get(json_object_get(r->params, "context"), "arguments"), "instance_id")));
	else if (strcmp(type, "ref/resource") == 0 && (what = text_in(r, ref, "uri", "params.ref.")))
		w = offers_template(r, what, &plain);
	else
		request_fail(r, FAULT_PARAMS, NULL, "params.ref.type must be ref/prompt or ref/resource");
	if (!w)
		return DONE;
	json_t *call = json_pack("{s:o,s:O}", "ref", json_copy(ref), "argument", argument);
	if (plain)
		json_object_set_new(json_object_get(call, "ref"), "uri", json_string(plain));
	json_t *context = json_object_get(r->params, "context");
	if (context)
		json_object_set(call, "context", context);
	free(plain);
	return submit_method(r, w, call);
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

/* What the tool says: for these arguments (its member "patient"), or in its schema; NULL: nothing. */
static json_t *default_timeout(const struct tool *tool, const json_t *arguments)
{
	json_t *patient = json_object_get(tool->definition, "patient");
	const char *name = json_string_value(json_object_get(patient, "argument"));
	if (name && json_equal(json_object_get(arguments, name), json_object_get(patient, "value")))
		return json_object_get(patient, "timeout");
	json_t *schema = json_object_get(json_object_get(tool->definition, "inputSchema"), "properties");
	return json_object_get(json_object_get(schema, "timeout"), "default");
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
		if (!*instance || strlen(*instance) != json_string_length(id) || json_string_length(id) > WORKER_NAME_MAX)
			return bad_argument(r, "/instance_id", "it must be the name of an Emacs instance");
		if (!**instance)
			*instance = NULL;
	}
	if (!timeout || json_is_null(timeout))
		timeout = default_timeout(tool, arguments);
	if (tool->takes_timeout && timeout && !read_timeout(r, timeout))
		return false;
	return !tool->takes_priority || !priority || json_is_null(priority) || read_priority(r, priority);
}

/* What every Emacs has is known; what one may have, and how many, when all have told. */
static enum verdict find_tool(struct request *r, struct tool **tool)
{
	json_t *name = json_object_get(r->params, "name");
	if (!json_is_string(name)) {
		request_fail(r, FAULT_PARAMS, NULL, "params.name must be the name of a tool, a string");
		return DONE;
	}
	const char *word = json_string_value(name);
	*tool = strlen(word) == json_string_length(name) ? catalogue_find(r->pipeline->catalogue, word) : NULL;
	if ((!*tool || !(*tool)->builtin) && lobby_keeps(r))
		return WAIT;
	if (!*tool) {
		const char *near = catalogue_nearest(r->pipeline->catalogue, word);
		request_fail(r, FAULT_PARAMS, NULL, "Unknown tool: %.100s%s%s%s", word, near ? " (did you mean " : "",
			     near ? near : "", near ? "?)" : "; tools/list names them");
		return DONE;
	}
	snprintf(r->tool, sizeof r->tool, "%s", (*tool)->name);
	unsigned wanted = profile_of_request(r);
	if (wanted & ~(*tool)->profiles) {
		profile_refuse(r, (*tool)->profiles);
		return DONE;
	}
	r->looks = profile_only_looks(wanted);
	return NEXT;
}

static enum verdict submit(struct request *r, const struct tool *tool, const json_t *arguments, const char *instance)
{
	struct fleet *fleet = r->pipeline->fleet;
	struct keeper *k = fleet_keeper(fleet, instance ? instance : r->pipeline->config->instance);
	struct place at;
	if (k && visit_keeps(r, k))
		return WAIT;
	if (!registry_place(r, instance, tool, &at))
		return DONE;
	long timeout = tool->takes_timeout && !json_object_get(arguments, "timeout") ? fleet_timeout(fleet, &at) : 0;
	if (timeout)
		r->timeout_ms = (uint32_t)timeout * 1000;
	text_json(&r->arguments, arguments);
	r->idempotent = tool->idempotent || json_is_true(json_object_get(json_object_get(r->params, "_meta"), "efrit-mcp/idempotent"));
	if (tasks_wanted(r, tool)) {
		r->may_become_task = tool->task_later;
		return tasks_submit(r, &at);
	}
	return r->fault || r->ended ? DONE : calls_submit(r, &at);
}

static enum verdict call_tool(struct request *r)
{
	const char *instance = NULL;
	struct tool *tool;
	enum verdict verdict = find_tool(r, &tool);
	if (verdict != NEXT)
		return verdict;
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
	else if (!relay_call(r, tool, arguments, instance, &verdict)
		 && !self_call(r, tool, arguments, instance = registry_serves(r->pipeline, instance), &verdict))
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
		era_modern_discover(&r->reply, r->pipeline->tasks != NULL);
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
	case METHOD_RESOURCES_LIST:
		return list_offers(r, OFFER_RESOURCES);
	case METHOD_TEMPLATES_LIST:
		return list_offers(r, OFFER_TEMPLATES);
	case METHOD_PROMPTS_LIST:
		return list_offers(r, OFFER_PROMPTS);
	case METHOD_RESOURCES_READ:
		return read_resource(r);
	case METHOD_PROMPTS_GET:
		return get_prompt(r);
	case METHOD_COMPLETE:
		return complete(r);
	case METHOD_SUBSCRIBE:
		if (lobby_keeps(r))
			return WAIT;
		return changes_subscribe(r, true);
	case METHOD_UNSUBSCRIBE:
		return changes_subscribe(r, false);
	case METHOD_SET_LEVEL:
		return session_set_level(r);
	case METHOD_LISTEN:
		return changes_listen(r);
	case METHOD_TASKS_GET:
	case METHOD_TASKS_UPDATE:
	case METHOD_TASKS_CANCEL:
		if (r->pipeline->tasks)
			return tasks_enter(r);
		break;
	case METHOD_INITIALIZED:
	case METHOD_CANCELLED:
	case METHOD_ROOTS_CHANGED:
		break;
	}
	request_fail(r, FAULT_METHOD, NULL, "there is no method %.100s", r->method->name);
	return DONE;
}
