/* parley.c - what a bridge and the gateway say to each other: MCP 2026-07-28, a message a
 * line.  Our own questions have words as ids, calls the number of their request.
 *
 *   connected -> server/discover -> subscriptions/listen, tools/list and the other lists -> hash, offers
 *   tools/call, or a method        <- result | error | a question to the client
 *   notifications/cancelled        <- notifications/progress, message, .../list_changed
 *
 * A result is cut out of its line, not decoded; what the gateway added to it is left out. */
#include "back/gateway_impl.h"
#include "mcp/census.h"
#include "log.h"
#include "mcp/envelope.h"
#include "mcp/era.h"
#include "mcp/jsonrpc.h"
#include "mcp/result.h"
#include "mcp/text.h"
#include "os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PEEK = 4096, OFFERS_MAX = 1000 }; /* bytes of a line over the limit that are looked at; entries of a list that are taken */

#define META "\"_meta\":{\"%s\":\"2026-07-28\",\"%s\":{\"name\":"
#define AFTER_NAME ",\"version\":\"" EFRIT_MCP_VERSION "\"},\"%s\":"

/* The beginning of the object that every request brings along; it is left open. */
static void put_meta(struct buf *out, const char *client, const char *capabilities)
{
	text_format(out, META, era_key_version, era_key_client);
	text_quote(out, client);
	text_format(out, AFTER_NAME, era_key_capabilities);
	text_put(out, capabilities);
}

/* A question of our own; MORE: members of its params, each with a comma behind it. */
static void ask(struct gateway *g, const char *id, const char *method, const char *more)
{
	struct buf *out = &g->plug.out;
	if (g->plug.fd < 0)
		return;
	text_format(out, "{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"method\":\"%s\",\"params\":{%s", id, method, more);
	put_meta(out, "efrit-bridge", "{}");
	text_put(out, "}}}\n");
	plug_wake(&g->plug);
}

void parley_begin(struct gateway *g)
{
	ask(g, "discover", "server/discover", "");
}

void parley_end(struct gateway *g)
{
	json_decref(g->told);
	g->told = NULL;
	buf_finish(&g->offers);
	g->scanned = 0;
	g->skipping = g->listing = g->stale = g->pinged = false;
}

void parley_ping(struct gateway *g)
{
	if (!g->pinged)
		ask(g, "ping", "server/discover", "");
	g->pinged = true;
}

void parley_ask(struct gateway *g, uint64_t number, const char *params)
{
	struct buf more = {0};
	char id[32];
	snprintf(id, sizeof id, "ask %llu", (unsigned long long)number);
	text_add(&more, params + 1, strlen(params) - 2);
	text_put(&more, ",");
	ask(g, id, "tools/call", text_string(&more));
	buf_finish(&more);
}

static void take_asked(struct gateway *g, uint64_t number, const struct envelope *e)
{
	struct ask *a;
	TAILQ_FOREACH(a, &g->asks, of_worker)
		if (a->number == number)
			break;
	if (!a) /* it was too late */
		return;
	json_t *result = e->result.at ? envelope_load(e->result) : NULL;
	const char *text = json_string_value(json_object_get(json_array_get(json_object_get(result, "content"), 0), "text"));
	g->worker.ops->drop(&g->worker, a);
	a->on_answer(a, text, text ? strlen(text) : 0);
	json_decref(result);
}

/* --- what it offers --- */

static const struct {
	const char *key, *method; /* of its list; the key is the question's id too */
} lists[] = {
	{"tools", "tools/list"},
	{"resources", "resources/list"},
	{"resourceTemplates", "resources/templates/list"},
	{"prompts", "prompts/list"},
};
enum { LISTS = sizeof lists / sizeof lists[0] };

void parley_list(struct gateway *g)
{
	g->stale = g->listing;
	if (g->listing)
		return;
	g->listing = true;
	g->list = 0;
	json_decref(g->told);
	g->told = json_object();
	for (size_t i = 0; i < LISTS; i++)
		json_object_set_new(g->told, lists[i].key, json_array());
	ask(g, lists[0].key, lists[0].method, "");
}

static void tell(struct gateway *g)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a */
	char word[WORKER_HASH_MAX + 1];
	buf_eat(&g->offers, buf_len(&g->offers));
	text_json(&g->offers, g->told);
	for (size_t i = 0; i < buf_len(&g->offers); i++)
		hash = (hash ^ (unsigned char)buf_data(&g->offers)[i]) * 1099511628211u;
	snprintf(word, sizeof word, "gateway %016llx", (unsigned long long)hash);
	g->listing = false;
	ev_timer_stop(g->loop, &g->hello);
	if (strcmp(g->worker.hash, word) != 0) {
		snprintf(g->worker.hash, sizeof g->worker.hash, "%s", word);
		g->worker.on_hash(&g->worker);
	}
	if (g->stale)
		parley_list(g);
}

void parley_no_offers(struct gateway *g)
{
	log_warning("the gateway does not tell all that it offers");
	if (g->listing)
		tell(g);
}

/* A page of the list that is being asked for; one that it does not have is empty. */
static void take_list(struct gateway *g, const char *key, const struct envelope *e)
{
	if (!g->listing || strcmp(key, lists[g->list].key) != 0)
		return;
	json_t *result = e->result.at ? envelope_load(e->result) : NULL, *cursor = json_object_get(result, "nextCursor");
	json_t *all = json_object_get(g->told, key), *page = json_object_get(result, key);
	json_array_extend(all, page);
	if (json_is_string(cursor) && json_array_size(all) < OFFERS_MAX && json_array_size(page)) {
		struct buf more = {0};
		text_put(&more, "\"cursor\":");
		text_json(&more, cursor);
		text_put(&more, ",");
		ask(g, key, lists[g->list].method, text_string(&more));
		buf_finish(&more);
	} else if (++g->list < LISTS) {
		ask(g, lists[g->list].key, lists[g->list].method, "");
	} else {
		tell(g);
	}
	json_decref(result);
}

static bool is_list(const char *key)
{
	for (size_t i = 0; i < LISTS; i++)
		if (strcmp(lists[i].key, key) == 0)
			return true;
	return false;
}

/* --- calls --- */

static void put_member(struct buf *out, const char *key, const json_t *value)
{
	if (!value)
		return;
	text_format(out, "\"%s\":", key);
	text_json(out, value);
	text_put(out, ",");
}

/* Does the gateway see by itself where we were started? */
static bool system_tells_folder(void)
{
	static enum { UNASKED, TOLD, HIDDEN } answer;
	char folder[WORKER_FOLDER_MAX];
	if (answer == UNASKED)
		answer = os_process_folder(getpid(), folder, sizeof folder) ? TOLD : HIDDEN;
	return answer == TOLD;
}

static void put_folders(struct buf *out, const json_t *context)
{
	json_t *said = json_object_get(context, "folder"), *started = json_object_get(context, "cwd");
	if (said) {
		text_format(out, ",\"%s\":", era_key_folder);
		text_json(out, said);
	}
	if (started && !system_tells_folder()) {
		text_format(out, ",\"%s\":", era_key_started);
		text_json(out, started);
	}
}

void parley_call(struct gateway *g, struct request *r)
{
	static const char *const levels[] = {"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"};
	struct buf *out = &g->plug.out;
	json_t *context = buf_len(&r->context) ? census_load(buf_data(&r->context), buf_len(&r->context), 0, NULL) : NULL;
	json_t *can = json_object_get(context, "capabilities");
	char *capabilities = can ? text_dump(can) : NULL;
	text_format(out, "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"%s\",\"params\":{", (unsigned long long)r->number,
		    r->exact ? r->tool : "tools/call");
	if (r->exact) { /* its arguments are the params */
		text_add(out, buf_data(&r->arguments) + 1, buf_len(&r->arguments) - 2);
		text_put(out, buf_len(&r->arguments) > 2 ? "," : "");
	} else {
		text_put(out, "\"name\":");
		text_quote(out, r->tool);
		text_put(out, ",\"arguments\":");
		text_add(out, buf_data(&r->arguments), buf_len(&r->arguments));
		text_put(out, ",");
	}
	put_member(out, "inputResponses", json_object_get(context, "inputResponses"));
	put_member(out, "requestState", json_object_get(context, "state"));
	put_meta(out, r->client, capabilities ? capabilities : "{}");
	if (r->token)
		text_format(out, ",\"progressToken\":%llu", (unsigned long long)r->number);
	if (r->log_level >= 0 && r->log_level < LOG_NOTHING)
		text_format(out, ",\"io.modelcontextprotocol/logLevel\":\"%s\"", levels[r->log_level]);
	put_folders(out, context);
	text_put(out, "}}}\n");
	plug_wake(&g->plug);
	free(capabilities);
	json_decref(context);
}

void parley_cancel(struct gateway *g, const struct request *r, const char *reason)
{
	struct buf *out = &g->plug.out;
	if (g->plug.fd < 0)
		return;
	text_format(out, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":%llu,\"reason\":",
		    (unsigned long long)r->number);
	text_quote(out, reason);
	text_put(out, "}}\n");
	plug_wake(&g->plug);
}

/* --- what it answers --- */

static struct request *call_of(struct gateway *g, const json_t *number)
{
	struct request *r;
	TAILQ_FOREACH(r, &g->worker.flying, of_worker)
		if (json_is_integer(number) && r->number == (uint64_t)json_integer_value(number))
			return r;
	return NULL;
}

/* The members of a result that are the client's. */
struct parts {
	struct buf *out;
	struct span type, questions, state, error;
};

static void sort_out(void *data, struct span key, struct span value)
{
	struct parts *p = data;
	static const char *const of_era[] = {"_meta", "ttlMs", "cacheScope"}; /* our own stand in the answer */
	if (envelope_is(key, "resultType")) {
		p->type = value;
		return;
	}
	for (size_t i = 0; i < sizeof of_era / sizeof of_era[0]; i++)
		if (envelope_is(key, of_era[i]))
			return;
	if (envelope_is(key, "inputRequests"))
		p->questions = value;
	else if (envelope_is(key, "requestState"))
		p->state = value;
	else if (envelope_is(key, "isError"))
		p->error = value;
	text_put(p->out, buf_len(p->out) ? ",\"" : "{\"");
	text_add(p->out, key.at, key.len);
	text_put(p->out, "\":");
	text_add(p->out, value.at, value.len);
}

/* In the shape that an Emacs asks in. */
static void keep_question(struct request *r, const struct parts *p)
{
	struct buf asked = {0};
	text_put(&asked, "{\"inputRequests\":");
	text_add(&asked, p->questions.at ? p->questions.at : "{}", p->questions.at ? p->questions.len : 2);
	if (p->state.at) {
		text_put(&asked, ",\"state\":");
		text_add(&asked, p->state.at, p->state.len);
	}
	text_put(&asked, "}");
	buf_finish(&r->reply);
	r->reply = asked;
	r->asks = true;
}

static void take_result(struct gateway *g, struct request *r, const struct envelope *e)
{
	struct parts parts = {.out = &r->reply};
	bool good = envelope_each(e->result, sort_out, &parts);
	if (!good || (parts.type.at && !envelope_is(parts.type, "\"complete\"") && !envelope_is(parts.type, "\"input_required\""))) {
		result_error(r, "bad_answer", json_pack("{s:s,s:b}", "service", "gateway", "may_have_run", 1),
			     "the gateway sent a result that is not understood here; the call has run");
		g->worker.on_refused(&g->worker, r);
		return;
	}
	text_put(&r->reply, buf_len(&r->reply) ? "}" : "{}");
	if (envelope_is(parts.type, "\"input_required\""))
		keep_question(r, &parts);
	r->failed = envelope_is(parts.error, "true");
	r->received += buf_len(&r->reply);
	g->worker.on_reply(&g->worker, r, true);
}

static void take_error(struct gateway *g, struct request *r, const struct envelope *e)
{
	if (*e->error.at != '{')
		text_put(&r->reply, "{}");
	else
		text_add(&r->reply, e->error.at, e->error.len);
	r->faulted = true;
	r->received += buf_len(&r->reply);
	g->worker.on_reply(&g->worker, r, true);
}

static void take_welcome(struct gateway *g, const struct envelope *e)
{
	json_t *result = envelope_load(e->result), *each, *meta = json_object_get(result, "_meta");
	const char *version = json_string_value(json_object_get(json_object_get(meta, "io.modelcontextprotocol/serverInfo"), "version"));
	bool spoken = false;
	size_t i;
	json_array_foreach(json_object_get(result, "supportedVersions"), i, each)
		spoken |= json_is_string(each) && strcmp(json_string_value(each), "2026-07-28") == 0;
	if (!spoken) {
		gateway_refuse(g, "it does not speak protocol version 2026-07-28");
	} else {
		ask(g, "listen", "subscriptions/listen", "\"notifications\":{\"toolsListChanged\":true,\"resourcesListChanged\":true,\"promptsListChanged\":true},");
		gateway_welcome(g, version ? version : "");
	}
	json_decref(result);
}

/* An answer to a question of ours. */
static void take_own(struct gateway *g, const char *id, const struct envelope *e)
{
	if (strcmp(id, "discover") == 0 && !g->worker.linked)
		take_welcome(g, e);
	else if (is_list(id))
		take_list(g, id, e);
	else if (strcmp(id, "ping") == 0)
		g->pinged = false;
	else if (strncmp(id, "ask ", 4) == 0)
		take_asked(g, strtoull(id + 4, NULL, 10), e);
}

/* --- what it tells --- */

static void take_progress(struct gateway *g, const json_t *params)
{
	struct request *r = call_of(g, json_object_get(params, "progressToken"));
	json_t *note = json_object();
	struct buf text = {0};
	static const char *const keys[] = {"progress", "total", "message"};
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (json_object_get(params, keys[i]))
			json_object_set(note, keys[i], json_object_get(params, keys[i]));
	text_json(&text, note);
	if (r)
		g->worker.on_note(&g->worker, r, buf_data(&text), buf_len(&text));
	buf_finish(&text);
	json_decref(note);
}

/* It does not say of which call it is.  Neither would we: all calls are of one client, and
 * what one of them asked to be told may be told of the one that asked for most. */
static void take_log(struct gateway *g, const json_t *params)
{
	struct request *r, *loudest = NULL;
	json_t *level = json_object_get(params, "level"), *data = json_object_get(params, "data"), *logger = json_object_get(params, "logger");
	struct buf text = {0};
	TAILQ_FOREACH(r, &g->worker.flying, of_worker)
		if (!loudest || r->log_level < loudest->log_level)
			loudest = r;
	if (!loudest || !json_is_string(level) || !data)
		return;
	json_t *note = json_pack("{s:O,s:O}", "level", level, "data", data);
	if (json_is_string(logger))
		json_object_set(note, "logger", logger);
	text_json(&text, note);
	g->worker.on_note(&g->worker, loudest, buf_data(&text), buf_len(&text));
	buf_finish(&text);
	json_decref(note);
}

static void take_notification(struct gateway *g, const struct envelope *e)
{
	json_t *params = envelope_load(e->params);
	if (envelope_is(e->method, "\"notifications/progress\""))
		take_progress(g, params);
	else if (envelope_is(e->method, "\"notifications/message\""))
		take_log(g, params);
	else if (g->worker.linked && (envelope_is(e->method, "\"notifications/tools/list_changed\"")
				      || envelope_is(e->method, "\"notifications/resources/list_changed\"")
				      || envelope_is(e->method, "\"notifications/prompts/list_changed\"")))
		parley_list(g);
	json_decref(params);
}

/* --- lines --- */

static void take_line(struct gateway *g, const char *line, size_t len)
{
	struct envelope e;
	if (!envelope_read(line, len, &e)) {
		gateway_distrust(&g->worker, "a line that is no message");
		return;
	}
	if (e.method.at) {
		take_notification(g, &e);
		return;
	}
	json_t *id = envelope_load(e.id);
	struct request *r = call_of(g, id);
	if (!e.result.at && !e.error.at)
		gateway_distrust(&g->worker, "an answer without a result");
	else if (json_is_string(id))
		take_own(g, json_string_value(id), &e);
	else if (r && e.result.at)
		take_result(g, r, &e);
	else if (r)
		take_error(g, r, &e);
	json_decref(id); /* of nobody: it was cancelled meanwhile */
}

/* The rest of the line is not kept: whoever waits for it is told so. */
static void refuse_line(struct gateway *g)
{
	size_t len = buf_len(&g->plug.in);
	char *text = jsonrpc_peek_id(buf_data(&g->plug.in), len < PEEK ? len : PEEK);
	json_t *id = text ? census_load(text, strlen(text), JSON_DECODE_ANY, NULL) : NULL;
	struct request *r = call_of(g, id);
	if (r) {
		result_error(r, "result_too_large", json_pack("{s:s,s:b}", "service", "gateway", "may_have_run", 1),
			     "the answer of the gateway is over %ld bytes (the setting gateway_line_max); the call has run: ask for less",
			     g->config->gateway_line_max);
		g->worker.on_refused(&g->worker, r);
	} else if (!id) {
		gateway_distrust(&g->worker, "a message over gateway_line_max");
	}
	json_decref(id);
	free(text);
}

void parley_on_bytes(struct plug *plug)
{
	struct gateway *g = (struct gateway *)(void *)((char *)plug - offsetof(struct gateway, plug));
	const char *newline;
	g->heard = os_now();
	if (g->worker.linked && g->worker.state == WORKER_BLOCKED)
		service_set_state(&g->worker, WORKER_READY, "");
	while (!g->ending && (newline = memchr(buf_data(&plug->in) + g->scanned, '\n', buf_len(&plug->in) - g->scanned))) {
		size_t len = (size_t)(newline - buf_data(&plug->in));
		if (!g->skipping)
			take_line(g, buf_data(&plug->in), len);
		g->skipping = false;
		buf_eat(&plug->in, len + 1);
		g->scanned = 0;
	}
	g->scanned = buf_len(&plug->in);
	if (g->ending || (g->scanned <= (size_t)g->config->gateway_line_max && !g->skipping))
		return;
	if (!g->skipping)
		refuse_line(g);
	g->skipping = true;
	buf_eat(&plug->in, g->scanned);
	g->scanned = 0;
}
