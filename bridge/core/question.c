/* question.c - see question.h */
#include "core/question.h"
#include "mcp/census.h"
#include "back/service.h"
#include "core/relay.h"
#include "log.h"
#include "mcp/text.h"
#include "os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* With that of the gateway. */
static size_t asked(const struct questions *t)
{
	return t->count + (t->gateway ? 1 : 0);
}

static void drop(struct task *task)
{
	struct questions *t = (struct questions *)(void *)task;
	for (size_t i = 0; i < asked(t); i++) {
		struct ask *ask = &t->items[i].ask;
		if (ask->worker)
			ask->worker->ops->drop(ask->worker, ask);
	}
}

static void destroy(struct task *task)
{
	struct questions *t = (struct questions *)(void *)task;
	for (size_t i = 0; i < asked(t); i++) {
		buf_finish(&t->items[i].ask.question);
		buf_finish(&t->items[i].ask.answer);
		buf_finish(&t->items[i].answer);
	}
	free(t);
}

struct questions *questions_create(struct request *r, size_t count, void (*finish)(struct questions *))
{
	struct questions *t = calloc(1, sizeof *t + (count + 1) * sizeof t->items[0]);
	if (!t)
		log_no_memory();
	t->task = (struct task){drop, destroy};
	t->request = r;
	t->finish = finish;
	t->count = count;
	r->task = &t->task;
	return t;
}

void questions_describe(const struct worker *w, struct buf *out)
{
	char why[WORKER_WHY_MAX];
	enum worker_state state = w->listed ? w->state : WORKER_GONE;
	snprintf(why, sizeof why, "%s", w->why);
	bool stopped = state == WORKER_STARTING && os_process_state(w->pid) == OS_PROCESS_STOPPED;
	if (state == WORKER_READY || stopped) { /* connected, and yet silent */
		state = WORKER_BLOCKED;
		service_explain(w, why);
	}
	text_format(out, "{\"instance\":\"%s\",\"state\":\"%s\",\"pid\":", w->name, service_state_word(state));
	if (w->pid)
		text_format(out, "%ld", (long)w->pid);
	else
		text_put(out, "null");
	text_put(out, ",\"why\":");
	text_quote(out, why);
	text_put(out, "}");
}

static void on_answer(struct ask *ask, const char *json, size_t len)
{
	struct item *item = ask->owner;
	struct questions *t = item->task;
	if (len > 2 && json[0] == '{' && json[1] == '"' && json[len - 1] == '}')
		item->told = true;
	if (item->told)
		text_add(&item->answer, json, len);
	else if (item != t->gateway)
		questions_describe(item->worker, &item->answer);
	if (--t->pending == 0) {
		t->finish(t);
		t->request->ended = true;
		t->request->resume(t->request);
	}
}

void questions_ask(struct questions *t, size_t i, struct worker *w, enum ask_kind kind, const char *question, double timeout)
{
	struct item *item = &t->items[i];
	item->task = t;
	item->worker = w;
	snprintf(item->name, sizeof item->name, "%s", w->name);
	if (!w->linked && w->state != WORKER_STARTING) {
		questions_describe(w, &item->answer);
		return;
	}
	item->ask.kind = kind;
	item->ask.owner = item;
	item->ask.on_answer = on_answer;
	t->pending++;
	w->ops->ask(w, &item->ask, question, timeout);
}

void questions_ask_gateway(struct questions *t, const char *tool, const char *instance)
{
	struct worker *w = relay_usable(t->request->pipeline);
	json_t *params = json_pack("{s:s,s:{s:s*}}", "name", tool, "arguments", "instance_id", instance);
	struct buf question = {0};
	if (w) {
		text_json(&question, params);
		t->gateway = &t->items[t->count];
		questions_ask(t, t->count, w, ASK_STATUS, text_string(&question), (double)t->request->pipeline->config->status_timeout / 1000);
	}
	buf_finish(&question);
	json_decref(params);
}

json_t *questions_gateway_said(const struct questions *t)
{
	const struct item *item = t->gateway;
	return item && item->told ? census_load(buf_data(&item->answer), buf_len(&item->answer), JSON_ALLOW_NUL, NULL) : NULL;
}

enum verdict questions_begin(struct questions *t)
{
	if (t->pending)
		return WAIT;
	t->finish(t);
	t->request->ended = true;
	return DONE;
}
