/* self.c - see self.h */
#include "core/self.h"
#include "mcp/census.h"
#include "core/annals.h"
#include "core/bulk.h"
#include "core/fleet.h"
#include "core/question.h"
#include "core/relay.h"
#include "log.h"
#include "mcp/result.h"
#include "mcp/text.h"
#include "os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void self_drop(struct request *r)
{
	if (r->task)
		r->task->drop(r->task);
}

void self_destroy(struct task *t)
{
	if (t)
		t->destroy(t);
}

/* Members of THEIRS, what the gateway says of an instance, that only who keeps it knows. */
static void tell_kept(const json_t *theirs, struct buf *out)
{
	static const char *const keys[] = {"kept", "starts", "pool", "declared", "kept_why", "misses", "next", "next_ms"};
	for (size_t i = 0; json_object_get(theirs, "kept") && i < sizeof keys / sizeof keys[0]; i++) {
		json_t *value = json_object_get(theirs, keys[i]);
		if (!value)
			continue;
		text_format(out, ",\"%s\":", keys[i]);
		text_json(out, value);
	}
}

/* --- efrit_list_instances --- */

static json_t *named(const json_t *all, const char *id)
{
	size_t i;
	json_t *one;
	json_array_foreach((json_t *)(size_t)all, i, one) {
		const char *name = json_string_value(json_object_get(one, "id"));
		if (name && strcmp(name, id) == 0)
			return one;
	}
	return NULL;
}

/* What has come and gone since they were asked is told of once. */
static bool is_told(const void *data, const char *name)
{
	const struct questions *t = data;
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->items[i].name, name) == 0)
			return true;
	return false;
}

/* Those that the gateway keeps and nobody can see, as they do not run or are in another folder. */
static size_t tell_others(const struct questions *t, const json_t *all, struct buf *out)
{
	size_t i, count = 0;
	json_t *one;
	json_array_foreach((json_t *)(size_t)all, i, one) {
		const char *id = json_string_value(json_object_get(one, "id"));
		if (!id || is_told(t, id) || !json_object_get(one, "kept"))
			continue;
		text_put(out, t->count || count ? "," : "");
		text_json(out, one);
		count++;
	}
	return count;
}

static void finish_list(struct questions *t)
{
	struct buf text = {0}, absence = {0};
	const struct service *s = t->request->pipeline->service;
	const struct fleet *fleet = t->request->pipeline->fleet;
	json_t *said = questions_gateway_said(t), *all = json_object_get(said, "instances");
	text_put(&text, "{\"instances\":[");
	for (size_t i = 0; i < t->count; i++) {
		struct item *item = &t->items[i];
		if (i)
			text_put(&text, ",");
		text_format(&text, "{\"id\":\"%s\",", item->name);
		text_add(&text, buf_data(&item->answer) + 1, buf_len(&item->answer) - 2);
		const struct keeper *k = fleet_keeper_of(fleet, service_find(s, item->name));
		if (k)
			fleet_tell(k, &text);
		tell_kept(named(all, item->name), &text);
		text_put(&text, "}");
	}
	size_t absent = fleet_absent(fleet, is_told, t, &text, t->count > 0) + tell_others(t, all, &text);
	json_decref(said);
	text_put(&text, "]");
	if (relay_worker(t->request->pipeline)) {
		text_put(&text, ",\"gateway\":");
		relay_describe(t->request->pipeline, &text);
	}
	if (!t->count && !absent) {
		registry_absence(s, &absence);
		text_put(&text, ",\"why\":");
		text_quote(&text, text_string(&absence));
	} else if (*service_trouble(s)) {
		text_put(&text, ",\"why\":");
		text_quote(&text, service_trouble(s));
	}
	text_put(&text, "}");
	result_text(t->request, buf_data(&text), buf_len(&text), false);
	buf_finish(&text);
	buf_finish(&absence);
}

static enum verdict list(struct request *r, const json_t *arguments, const char *instance)
{
	const struct service *s = r->pipeline->service;
	size_t count = 0, i = 0;
	(void)arguments;
	(void)instance;
	for (struct worker *w = service_first(s); w; w = service_next(w))
		count += w->listed;
	struct questions *t = questions_create(r, count, finish_list);
	for (struct worker *w = service_first(s); w; w = service_next(w))
		if (w->listed)
			questions_ask(t, i++, w, ASK_STATUS, NULL, (double)r->pipeline->config->status_timeout / 1000);
	questions_ask_gateway(t, "efrit_list_instances", NULL);
	return questions_begin(t);
}

/* --- efrit_status --- */

static void finish_status(struct questions *t)
{
	const struct item *item = &t->items[0];
	const struct pipeline *p = t->request->pipeline;
	const struct keeper *k = fleet_keeper_of(p->fleet, service_find(p->service, item->name));
	json_t *said = questions_gateway_said(t);
	struct buf text = {0};
	text_add(&text, buf_data(&item->answer), buf_len(&item->answer) - 1);
	if (k)
		fleet_tell(k, &text);
	tell_kept(said, &text);
	text_put(&text, "}");
	result_text(t->request, buf_data(&text), buf_len(&text), false);
	buf_finish(&text);
	json_decref(said);
}

/* Nobody sees it: the gateway may keep it, and else it is refused. */
static void finish_absent(struct questions *t)
{
	json_t *said = questions_gateway_said(t);
	const char *asked_for = t->items[0].name;
	struct worker *w;
	struct buf text = {0};
	if (json_object_get(said, "kept"))
		result_text(t->request, buf_data(&t->gateway->answer), buf_len(&t->gateway->answer), false);
	else if ((w = registry_choose(t->request, asked_for, NULL))) { /* it has come meanwhile */
		questions_describe(w, &text);
		result_text(t->request, buf_data(&text), buf_len(&text), false);
	}
	buf_finish(&text);
	json_decref(said);
}

/* One that is declared, and that no worker stands for.  False: it is none. */
static bool status_of_absent(struct request *r, const char *instance, enum verdict *verdict)
{
	const struct pipeline *p = r->pipeline;
	const struct worker *w = instance ? service_find(p->service, instance) : NULL;
	const struct keeper *k = fleet_keeper(p->fleet, instance);
	if (!instance || strlen(instance) > WORKER_NAME_MAX || (w && w->listed))
		return false;
	if (k) {
		struct buf text = {0};
		fleet_tell_absent(k, &text);
		result_text(r, buf_data(&text), buf_len(&text), false);
		buf_finish(&text);
		*verdict = DONE;
		return true;
	}
	if (!relay_usable(p))
		return false;
	struct questions *t = questions_create(r, 0, finish_absent);
	questions_ask_gateway(t, "efrit_status", instance);
	snprintf(t->items[0].name, sizeof t->items[0].name, "%s", instance); /* of whom it was asked */
	*verdict = questions_begin(t);
	return true;
}

static enum verdict status_of_none(struct request *r)
{
	struct buf text = {0}, absence = {0};
	registry_absence(r->pipeline->service, &absence);
	text_put(&text, "{\"state\":\"gone\",\"why\":");
	text_quote(&text, text_string(&absence));
	text_put(&text, ",\"instances\":[]}");
	result_text(r, buf_data(&text), buf_len(&text), false);
	buf_finish(&text);
	buf_finish(&absence);
	return DONE;
}

/* Also as its state: it is asked like one Emacs. */
static enum verdict pool_stats(struct request *r, const struct pool *p)
{
	struct pool_load load;
	struct buf text = {0};
	pool_load(p, &load);
	text_format(&text, "{\"pool\":\"%s\",\"state\":\"%s\",\"workers\":%ld,\"idle\":%ld,\"running\":%ld,\"pending\":%ld,\"waiting\":{\"interactive\":%ld,"
			   "\"normal\":%ld,\"batch\":%ld},\"oldest_seconds\":%.3f,\"average_seconds\":", pool_name(p), load.flying ? "running" : "idle", load.workers, load.idle,
		    load.flying, load.waiting[PRIORITY_INTERACTIVE] + load.waiting[PRIORITY_NORMAL] + load.waiting[PRIORITY_BATCH],
		    load.waiting[PRIORITY_INTERACTIVE], load.waiting[PRIORITY_NORMAL], load.waiting[PRIORITY_BATCH], load.oldest);
	if (load.took > 0)
		text_format(&text, "%.6f", load.took);
	else
		text_put(&text, "null");
	annals_tell(r->pipeline->annals, pool_name(p), &text);
	text_put(&text, "}");
	result_text(r, buf_data(&text), buf_len(&text), false);
	buf_finish(&text);
	return DONE;
}

static enum verdict status(struct request *r, const json_t *arguments, const char *instance)
{
	enum verdict verdict;
	(void)arguments;
	if (!instance && !*r->pipeline->config->instance && registry_empty(r->pipeline->service))
		return status_of_none(r);
	const struct pool *p = registry_pool(r, instance);
	if (p)
		return pool_stats(r, p);
	if (status_of_absent(r, instance ? instance : *r->pipeline->config->instance ? registry_serves(r->pipeline, r->pipeline->config->instance) : NULL, &verdict))
		return verdict;
	struct worker *w = registry_choose(r, instance, NULL);
	if (!w)
		return DONE;
	struct questions *t = questions_create(r, 1, finish_status);
	questions_ask(t, 0, w, ASK_STATUS, NULL, (double)r->pipeline->config->status_timeout / 1000);
	questions_ask_gateway(t, "efrit_status", w->name);
	return questions_begin(t);
}

/* --- efrit_interrupt, efrit_wait for idle --- */

static void no_answer(struct questions *t, const char *what)
{
	struct worker *w = t->items[0].worker;
	char why[WORKER_WHY_MAX];
	bool gone = w->state == WORKER_GONE;
	snprintf(why, sizeof why, "%s", w->why);
	if (w->state == WORKER_READY)
		service_explain(w, why);
	result_error(t->request, gone ? "emacs_gone" : "not_responding", json_pack("{s:s}", "instance_id", w->name),
		     "the Emacs \"%s\" did not say %s: %s", w->name, what, why);
}

static void finish_interrupt(struct questions *t)
{
	struct buf *answer = &t->items[0].answer;
	if (!t->items[0].told) {
		no_answer(t, "what became of the interrupt");
		return;
	}
	json_t *outcome = census_load(buf_data(answer), buf_len(answer), 0, NULL);
	const char *word = json_string_value(json_object_get(outcome, "outcome"));
	result_text(t->request, buf_data(answer), buf_len(answer), !word || strcmp(word, "not_stopped") == 0);
	json_decref(outcome);
}

static enum verdict interrupt(struct request *r, const json_t *arguments, const char *instance)
{
	json_t *number = json_object_get(arguments, "request");
	struct worker *w = registry_choose(r, instance, NULL);
	struct buf question = {0};
	if (!w)
		return DONE;
	text_put(&question, "{");
	if (json_is_integer(number))
		text_format(&question, "\"request\":%" JSON_INTEGER_FORMAT ",", json_integer_value(number));
	else if (json_is_string(number))
		text_format(&question, "\"request\":%lld,", strtoll(json_string_value(number), NULL, 10));
	text_put(&question, "\"client\":");
	text_quote(&question, r->client);
	text_put(&question, "}");
	struct questions *t = questions_create(r, 1, finish_interrupt);
	questions_ask(t, 0, w, ASK_INTERRUPT, text_string(&question), (double)r->pipeline->config->interrupt_timeout / 1000);
	buf_finish(&question);
	return questions_begin(t);
}

static void finish_wait(struct questions *t)
{
	struct buf *answer = &t->items[0].answer;
	if (t->items[0].told)
		result_text(t->request, buf_data(answer), buf_len(answer), false);
	else
		no_answer(t, "whether it is idle");
}

/* --- efrit_get_queue_stats --- */

static void finish_stats(struct questions *t)
{
	struct item *item = &t->items[0];
	if (item->told) {
		struct buf text = {0};
		text_add(&text, buf_data(&item->answer), buf_len(&item->answer) - 1);
		json_t *said = questions_gateway_said(t), *history = json_object_get(said, "history");
		annals_tell(t->request->pipeline->annals, item->name, &text);
		if (history) {
			text_put(&text, ",\"history\":");
			text_json(&text, history);
		}
		json_decref(said);
		text_put(&text, "}");
		result_text(t->request, buf_data(&text), buf_len(&text), false);
		buf_finish(&text);
	} else
		no_answer(t, "its figures");
}

static enum verdict queue_stats(struct request *r, const json_t *arguments, const char *instance)
{
	const struct pool *p = registry_pool(r, instance);
	(void)arguments;
	if (p)
		return pool_stats(r, p);
	struct worker *w = registry_choose(r, instance, NULL);
	if (!w)
		return DONE;
	struct questions *t = questions_create(r, 1, finish_stats);
	questions_ask(t, 0, w, ASK_STATUS, "{\"stats\":true}", (double)r->pipeline->config->status_timeout / 1000);
	questions_ask_gateway(t, "efrit_get_queue_stats", w->name);
	return questions_begin(t);
}

static enum verdict wait_idle(struct request *r, const json_t *arguments, const char *instance)
{
	uint32_t timeout = r->timeout_ms ? r->timeout_ms : 30000;
	struct worker *w = registry_choose(r, instance, NULL);
	char question[80];
	(void)arguments;
	if (!w)
		return DONE;
	snprintf(question, sizeof question, "{\"until\":\"idle\",\"timeout_ms\":%lu}", (unsigned long)timeout);
	struct questions *t = questions_create(r, 1, finish_wait);
	questions_ask(t, 0, w, ASK_STATUS, question, (double)(timeout + r->pipeline->config->call_margin) / 1000);
	return questions_begin(t);
}

bool self_call(struct request *r, const struct tool *tool, const json_t *arguments, const char *instance, enum verdict *verdict)
{
	static const struct {
		const char *name;
		const char *only_for; /* with this value of "for" */
		enum verdict (*work)(struct request *, const json_t *, const char *);
	} tools[] = {
		{"efrit_list_instances", NULL, list},
		{"efrit_status", NULL, status},
		{"efrit_interrupt", NULL, interrupt},
		{"efrit_wait", "idle", wait_idle},
		{"efrit_get_queue_stats", NULL, queue_stats},
		{"efrit_execute_batch", NULL, bulk_call},
		{"efrit_start_instance", NULL, starter_start},
		{"efrit_stop_instance", NULL, stopper_stop},
	};
	const char *wanted = json_string_value(json_object_get(arguments, "for"));
	for (size_t i = 0; tool->builtin && i < sizeof tools / sizeof tools[0]; i++) {
		if (strcmp(tools[i].name, tool->name) != 0)
			continue;
		if (tools[i].only_for && (!wanted || strcmp(wanted, tools[i].only_for) != 0))
			continue;
		*verdict = tools[i].work(r, arguments, instance);
		return true;
	}
	return false;
}
