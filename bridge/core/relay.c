/* relay.c - see relay.h */
#include "core/relay.h"
#include "mcp/census.h"
#include "core/calls.h"
#include "core/lobby.h"
#include "core/self.h"
#include "log.h"
#include "mcp/text.h"

#include <stdlib.h>
#include <string.h>

struct worker *relay_worker(const struct pipeline *p)
{
	return p->outer ? service_first(p->outer) : NULL;
}

struct worker *relay_usable(const struct pipeline *p)
{
	struct worker *w = relay_worker(p);
	return w && w->linked && w->state == WORKER_READY ? w : NULL;
}

enum verdict relay_submit(struct request *r, struct worker *gateway)
{
	r->relayed = true;
	return calls_submit(r, &(struct place){.worker = gateway});
}

/* --- what only the gateway should do, as it looks after what it started --- */

static bool is_supervised(const char *tool)
{
	static const char *const tools[] = {"efrit_start_instance", "efrit_stop_instance", "efrit_execute_batch"};
	for (size_t i = 0; i < sizeof tools / sizeof tools[0]; i++)
		if (strcmp(tool, tools[i]) == 0)
			return true;
	return false;
}

static bool gateway_does_not_know_it(const struct request *r)
{
	json_t *result = r->failed ? census_load(buf_data(&r->reply), buf_len(&r->reply), JSON_ALLOW_NUL, NULL) : NULL;
	const char *text = json_string_value(json_object_get(json_array_get(json_object_get(result, "content"), 0), "text"));
	json_t *said = text ? census_load(text, strlen(text), JSON_ALLOW_NUL, NULL) : NULL;
	const char *code = json_string_value(json_object_get(said, "error_code"));
	bool unknown = code && (strcmp(code, "unknown_instance") == 0 || strcmp(code, "no_instance") == 0);
	json_decref(said);
	json_decref(result);
	return unknown;
}

/* It may look in other folders than we do: what we alone see we stop ourselves. */
static void on_stopped(struct request *r)
{
	json_t *arguments = census_load(buf_data(&r->arguments), buf_len(&r->arguments), JSON_ALLOW_NUL, NULL);
	const char *instance = json_string_value(json_object_get(arguments, "instance_id"));
	if (!r->fault && !r->settled && instance && service_find(r->pipeline->service, instance) && gateway_does_not_know_it(r)) {
		buf_eat(&r->reply, buf_len(&r->reply));
		r->relayed = r->failed = r->ended = false;
		r->resume = pipeline_resume;
		if (stopper_stop(r, arguments, instance) != WAIT)
			pipeline_resume(r);
	} else {
		calls_answered(r);
	}
	json_decref(arguments);
}

/* The gateway has settings of its own: which Emacs is meant is decided here. */
static enum verdict stop(struct request *r, struct worker *gateway, const json_t *arguments, const char *instance)
{
	struct worker *w = instance ? NULL : registry_choose(r, NULL, NULL);
	if (!instance && !w)
		return DONE;
	json_t *whole = json_copy((json_t *)(void *)(size_t)arguments);
	if (!whole)
		log_no_memory();
	if (!instance)
		json_object_set_new(whole, "instance_id", json_string(w->name));
	text_json(&r->arguments, whole);
	json_decref(whole);
	r->again = true; /* its arguments are wanted once more */
	enum verdict verdict = relay_submit(r, gateway);
	r->resume = on_stopped;
	return verdict;
}

bool relay_call(struct request *r, const struct tool *tool, const json_t *arguments, const char *instance, enum verdict *verdict)
{
	struct pipeline *p = r->pipeline;
	bool supervised = is_supervised(tool->name);
	if (!p->outer || (!tool->outer && !supervised))
		return false;
	if (lobby_keeps_for_gateway(r)) {
		*verdict = WAIT;
		return true;
	}
	struct worker *w = tool->outer ? relay_worker(p) : relay_usable(p);
	if (!w || (supervised && !tool->outer && !catalogue_lists(p->catalogue, w, tool->name)))
		return false;
	if (strcmp(tool->name, "efrit_stop_instance") == 0) {
		*verdict = stop(r, w, arguments, instance);
		return true;
	}
	text_json(&r->arguments, arguments);
	*verdict = relay_submit(r, w);
	return true;
}

void relay_describe(const struct pipeline *p, struct buf *out)
{
	struct worker *w = relay_worker(p);
	text_format(out, "{\"state\":\"%s\"", service_state_word(w->state));
	if (w->listed && w->pid)
		text_format(out, ",\"pid\":%ld", (long)w->pid);
	text_put(out, ",\"socket\":");
	text_quote(out, service_places(p->outer));
	if (*w->why) {
		text_put(out, ",\"why\":");
		text_quote(out, w->why);
	}
	text_put(out, "}");
}
