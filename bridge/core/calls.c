/* calls.c - a request on its way to Emacs and back: what Emacs is told besides the
 * arguments, and what becomes of an answer that is no plain result: a fault, or a question
 * to the client. */
#include "core/calls.h"
#include "mcp/census.h"
#include "back/service.h"
#include "copy.h"
#include "core/deadline.h"
#include "core/folder.h"
#include "core/relay.h"
#include "core/session.h"
#include "core/tasks.h"
#include "log.h"
#include "mcp/era.h"
#include "mcp/result.h"
#include "mcp/seal.h"
#include "mcp/text.h"
#include "os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALL_MAX = 4 * 1024 * 1024 - 1024, STATE_MAX = 256 * 1024 }; /* bytes of arguments and context; of a requestState */

static const char *const version_words[] = {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"};

/* --- what Emacs is told --- */

const json_t *calls_capabilities(const struct request *r)
{
	if (r->capabilities)
		return r->capabilities;
	return r->era == ERA_LEGACY ? r->session->capabilities : NULL;
}

/* The beginning of a member of an object that is being written. */
static void key(struct buf *b, const char *name)
{
	text_put(b, buf_len(b) ? ",\"" : "{\"");
	text_put(b, name);
	text_put(b, "\":");
}

/* Those that a call may make use of. */
static void put_capabilities(struct buf *context, const json_t *capabilities)
{
	static const char *const names[] = {"elicitation", "sampling", "roots"};
	struct buf useful = {0};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		json_t *one = json_object_get(capabilities, names[i]);
		if (!json_is_object(one))
			continue;
		key(&useful, names[i]);
		text_json(&useful, one);
	}
	if (buf_len(&useful)) {
		key(context, "capabilities");
		text_add(context, buf_data(&useful), buf_len(&useful));
		text_put(context, "}");
	}
	buf_finish(&useful);
}

bool calls_tell_messages(const struct request *r)
{
	return r->log_level <= LOG_LEVEL_INFO && (r->era == ERA_MODERN || r->session->log_set);
}

static void put_wants(struct buf *context, const struct request *r)
{
	bool log = r->log_level != LOG_NOTHING;
	const char *comma = "";
	const struct {
		bool wanted;
		const char *word;
	} all[] = {{r->token != NULL, "\"progress\""}, {log, "\"log\""}, {r->token || calls_tell_messages(r), "\"said\""}, {r->may_become_task, "\"task\""}};
	if (!r->token && !log && !r->may_become_task)
		return;
	key(context, "wants");
	text_put(context, "[");
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		if (!all[i].wanted)
			continue;
		text_put(context, comma);
		text_put(context, all[i].word);
		comma = ",";
	}
	text_put(context, "]");
}

static void put_folder(struct buf *context, const struct request *r)
{
	const char *members = r->folder ? r->folder : r->session->folder_members;
	if (!members || !*members)
		return;
	text_put(context, buf_len(context) ? "," : "{");
	text_put(context, members);
}

/* Emacs keeps from those who only look what is ours, whatever name leads there. */
static void put_looks(struct buf *context, const struct request *r)
{
	const struct config *config = r->pipeline->config;
	const char *const ours[] = {config->state, config->state_key, config->tls_key};
	const char *comma = "";
	if (!r->looks)
		return;
	key(context, "looks");
	text_put(context, "[");
	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
		if (*ours[i] != '/')
			continue;
		text_put(context, comma);
		text_quote(context, ours[i]);
		comma = ",";
	}
	text_put(context, "]");
}

/* Written as text: a tree made for each call would cost more than the rest of its way through here. */
static void write_context(struct request *r, const json_t *responses, const json_t *state)
{
	struct buf *context = &r->context;
	buf_finish(context);
	put_capabilities(context, calls_capabilities(r));
	if (r->version < VERSION_2025_06_18) {
		key(context, "version");
		text_quote(context, version_words[r->version]);
	}
	put_wants(context, r);
	put_folder(context, r);
	put_looks(context, r);
	if (json_is_object(responses)) {
		key(context, "inputResponses");
		text_json(context, responses);
	}
	if (state) {
		key(context, "state");
		text_json(context, state);
	}
	if (buf_len(context))
		text_put(context, "}");
}

/* --- requestState --- */

/* Who asked for what: a state is good for nothing else. */
void calls_bind(struct request *r)
{
	struct buf *about = &r->about;
	json_t *params = json_copy(r->params);
	json_object_del(params, "_meta");
	json_object_del(params, "inputResponses");
	json_object_del(params, "requestState");
	char *text = json_dumps(params, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	if (!text)
		log_no_memory();
	text_format(about, "%s\n%s\n", r->session->principal, r->method->name);
	text_put(about, text);
	free(text);
	json_decref(params);
}

bool calls_open_state(struct request *r, json_t **state)
{
	json_t *sealed = json_object_get(r->params, "requestState");
	const char *text = json_string_value(sealed);
	*state = NULL;
	if (!sealed)
		return true;
	char *opened = text && strlen(text) == json_string_length(sealed)
			       ? seal_open(r->pipeline->seal, text, buf_data(&r->about), buf_len(&r->about))
			       : NULL;
	json_t *whole = opened ? census_load(opened, strlen(opened), 0, NULL) : NULL;
	*state = json_incref(json_object_get(whole, "state"));
	free(opened);
	json_decref(whole);
	return opened
	       || request_fail(r, FAULT_PARAMS, NULL,
			       "the requestState was not made here for this request, was changed, or is too old: call again without it");
}

static bool may_ask(const struct request *r)
{
	return r->method->id == METHOD_TOOLS_CALL || r->method->id == METHOD_PROMPTS_GET || r->method->id == METHOD_RESOURCES_READ;
}

static bool prepare(struct request *r)
{
	json_t *state = NULL;
	bool ok = true;
	if (r->era == ERA_MODERN && may_ask(r)) {
		calls_bind(r);
		ok = calls_open_state(r, &state);
	}
	/* Emacs may want to begin again without asking the client anything. */
	r->again = r->again || r->era == ERA_LEGACY;
	folder_learn(r);
	if (ok)
		write_context(r, r->era == ERA_MODERN ? json_object_get(r->params, "inputResponses") : NULL,
			      state);
	json_decref(state);
	return ok;
}

/* --- what Emacs answers --- */

static void take_fault(struct request *r)
{
	json_t *fault = census_load(buf_data(&r->reply), buf_len(&r->reply), 0, NULL);
	json_t *code = json_object_get(fault, "code");
	const char *word = json_string_value(code), *message = json_string_value(json_object_get(fault, "message"));
	json_t *data = json_incref(json_object_get(fault, "data"));
	message = message ? message : "Emacs refused the call";
	buf_eat(&r->reply, buf_len(&r->reply));
	if (word && strcmp(word, "capability") == 0 && r->era == ERA_LEGACY && !r->exact) {
		result_error(r, "client_cannot", data, "%s, and this client did not say at its start that it can", message);
		r->faulted = false;
	} else if (json_is_integer(code)) {
		r->own_fault = (int)json_integer_value(code);
		request_fail(r, FAULT_OWN, data, "%s", message);
	} else {
		bool modern = r->era == ERA_MODERN; /* the old dialects have no number for what a client cannot */
		enum fault kind = !word ? FAULT_INTERNAL : strcmp(word, "params") == 0 ? FAULT_PARAMS
				 : strcmp(word, "capability") == 0 && modern ? FAULT_CAPABILITY : FAULT_INTERNAL;
		request_fail(r, kind, data, "%s", message);
	}
	json_decref(fault);
}

/* The text of a failed result, in Efrit's shape, as an error of the protocol. */
static void take_failure(struct request *r)
{
	json_t *result = census_load(buf_data(&r->reply), buf_len(&r->reply), 0, NULL);
	json_t *block = json_array_get(json_object_get(result, "content"), 0);
	const char *text = json_string_value(json_object_get(block, "text"));
	json_t *told = text ? census_load(text, strlen(text), 0, NULL) : NULL;
	const char *error = json_string_value(json_object_get(told, "error"));
	char *sentence = copy_text(error ? error : "Emacs could not answer");
	json_object_del(told, "error");
	json_object_del(told, "status");
	request_fail(r, FAULT_INTERNAL, json_incref(told), "%s", sentence);
	free(sentence);
	json_decref(told);
	json_decref(result);
}

/* {"inputRequests":{...},"requestState":"..."}: the client asks its user and calls again. */
void calls_question(struct request *r, const json_t *questions, const json_t *state)
{
	struct buf plain = {0};
	r->result_type = "input_required";
	text_put(&r->reply, "{");
	if (json_object_size(questions)) {
		text_put(&r->reply, "\"inputRequests\":");
		text_json(&r->reply, questions);
	}
	if (state) {
		json_t *whole = json_pack("{s:O}", "state", state);
		text_json(&plain, whole);
		char *sealed = seal_close(r->pipeline->seal, buf_data(&plain), buf_len(&plain), buf_data(&r->about), buf_len(&r->about),
					  r->pipeline->config->state_ttl);
		text_format(&r->reply, "%s\"requestState\":\"%s\"", json_object_size(questions) ? "," : "", sealed);
		free(sealed);
		json_decref(whole);
	}
	text_put(&r->reply, "}");
	buf_finish(&plain);
	r->ended = true;
}

/* True: r waits for its client now. */
static bool take_question(struct request *r)
{
	json_t *asked = census_load(buf_data(&r->reply), buf_len(&r->reply), 0, NULL);
	json_t *questions = json_object_get(asked, "inputRequests"), *state = json_object_get(asked, "state");
	char *size = state ? text_dump(state) : NULL;
	bool waits = false;
	buf_eat(&r->reply, buf_len(&r->reply));
	if (!json_is_object(questions) || (!json_object_size(questions) && !state)) {
		result_error(r, "bad_answer", NULL, "what Emacs asks cannot be read");
	} else if (size && strlen(size) > STATE_MAX) {
		result_error(r, "state_too_large", NULL, "the answers so far are over 256 KiB, which is too much to carry");
	} else if (r->asker) {
		r->asker(r, questions, state);
		waits = true;
	} else if (r->era == ERA_MODERN) {
		calls_question(r, questions, state);
	} else {
		asking_begin(r, json_incref(questions), json_incref(state));
		waits = true;
	}
	free(size);
	json_decref(asked);
	return waits;
}

void calls_answered(struct request *r)
{
	bool asks = r->asks && !r->fault, failed = r->failed;
	deadline_stop(r);
	r->asks = false;
	if (asks && take_question(r))
		return;
	if (r->faulted && !r->fault)
		take_fault(r);
	else if (failed && r->exact && !r->streaming && !r->fault)
		take_failure(r);
	pipeline_resume(r);
}

/* --- there --- */

static bool too_long(struct request *r)
{
	if (buf_len(&r->arguments) + buf_len(&r->context) <= CALL_MAX)
		return false;
	result_error(r, "invalid_arguments", json_pack("{s:b}", "may_have_run", 0), "the arguments of %s are over the limit of 4 MiB", r->tool);
	return true;
}

static const uint64_t basis = 14695981039346656037u;

static uint64_t mix(uint64_t key, const char *words) /* FNV-1a */
{
	for (const char *c = words; *c; c++)
		key = (key ^ (unsigned char)*c) * 1099511628211u;
	return key;
}

/* Whose turn it is in a line: a session's; over HTTP, where each request of 2026-07-28 stands
 * alone, that of who it is and calls itself. */
uint64_t calls_client_key(const struct request *r)
{
	if (!*r->principal || r->era == ERA_LEGACY)
		return (uint64_t)(uintptr_t)r->session;
	return mix(mix(basis, r->principal) * 1099511628211u, r->client);
}

uint64_t calls_owner_key(const char *principal)
{
	return strcmp(principal, "local") == 0 ? 0 : mix(basis, principal);
}

static bool give(struct request *r, struct worker *w, struct pool *p)
{
	if (!r->client_key)
		r->client_key = calls_client_key(r);
	if (!r->owner_key)
		r->owner_key = calls_owner_key(r->session->principal);
	deadline_start(r);
	return w ? service_submit(w, r) : pool_submit(p, r);
}

enum verdict calls_submit(struct request *r, const struct place *at)
{
	if (!prepare(r))
		return DONE;
	request_forget_message(r);
	if (too_long(r))
		return DONE;
	snprintf(r->instance, sizeof r->instance, "%s", registry_name(at));
	r->resume = calls_answered;
	return give(r, at->worker, at->pool) ? WAIT : DONE;
}

bool calls_again(struct request *r, const json_t *responses, const json_t *state)
{
	struct worker *w = r->relayed ? relay_worker(r->pipeline) : service_find(r->pipeline->service, r->instance);
	struct pool *p = w || r->relayed ? NULL : pool_find(r->pipeline->service, r->instance);
	r->received = r->consumed = r->allowed = 0;
	r->ended = r->failed = r->faulted = r->asks = r->streaming = false;
	r->clock = os_now();
	buf_eat(&r->reply, buf_len(&r->reply));
	write_context(r, responses, state);
	if (too_long(r))
		return false;
	if (w || p)
		return give(r, w, p);
	result_error(r, "emacs_gone", json_pack("{s:s,s:b}", "instance_id", r->instance, "may_have_run", 1),
		     "the Emacs \"%s\" went away while the client was asked", r->instance);
	return false;
}
