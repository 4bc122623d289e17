/* visit.c - see visit.h */
#include "core/visit.h"
#include "copy.h"
#include "core/deadline.h"
#include "core/keeper.h"
#include "core/lobby.h"
#include "core/self.h"
#include "log.h"
#include "mcp/headers.h"
#include "mcp/result.h"
#include "mcp/text.h"
#include "turn.h"

#include <stdlib.h>
#include <string.h>

struct visit {
	struct task task;
	struct keeper_wait wait;
	struct request *request;  /* borrowed */
	bool start;               /* the wish that it starts, no call */
	double begun;
	char name[WORKER_NAME_MAX + 1], log[LAUNCH_LOG];
	pid_t pid;
	char *code, *why;         /* owned; NULL: it serves */
	struct turn turn;         /* the worker is whole when the turn of its welcome is over */
	struct http_said *http;   /* owned; NULL: it did not come by HTTP */
	json_t *message, *params; /* owned, borrowed from it */
};

static void drop(struct task *task)
{
	struct visit *v = (struct visit *)(void *)task;
	keeper_unwait(&v->wait);
	turn_stop(&v->turn);
}

static void destroy(struct task *task)
{
	struct visit *v = (struct visit *)(void *)task;
	json_decref(v->message);
	headers_forget(v->http);
	free(v->code);
	free(v->why);
	free(v);
}

static void answer(struct visit *v)
{
	struct request *r = v->request;
	struct buf text = {0};
	if (v->code)
		result_error(r, v->code, json_pack("{s:s,s:s,s:b}", "instance_id", v->name, "log", v->log, "may_have_run", 0), "%s%s", v->why,
			     v->start ? "" : "; the call was not sent and did not run");
	else {
		text_format(&text, "{\"status\":\"success\",\"instance_id\":\"%s\",\"pid\":%ld,\"took_ms\":%.0f,\"log\":", v->name, (long)v->pid,
			    (os_now() - v->begun) * 1000);
		text_quote(&text, v->log);
		text_put(&text, "}");
		result_text(r, buf_data(&text), buf_len(&text), false);
	}
	buf_finish(&text);
	r->ended = true;
	r->resume(r);
}

static void on_turn(void *data)
{
	struct visit *v = data;
	struct request *r = v->request;
	if (v->start || v->code) {
		answer(v);
		return;
	}
	json_t *message = v->message, *params = v->params;
	struct http_said *http = v->http;
	v->message = NULL;
	v->http = NULL;
	deadline_stop(r);
	self_destroy(r->task);
	r->task = NULL;
	lobby_send_in(r, message, params, http);
}

static void on_done(struct keeper_wait *wait, const char *code, const char *why)
{
	struct visit *v = (struct visit *)(void *)((char *)wait - offsetof(struct visit, wait));
	const struct worker *w = service_find(v->request->pipeline->service, v->name);
	if (code) {
		v->code = copy_text(code);
		v->why = copy_text(why);
	}
	v->pid = w ? w->pid : 0;
	turn_want(&v->turn);
}

void visit_expire(struct request *r)
{
	struct visit *v = (struct visit *)(void *)r->task;
	char why[WORKER_NAME_MAX + 80];
	drop(r->task);
	snprintf(why, sizeof why, "the Emacs \"%s\" is being started and does not serve after %.1f s", v->name, os_now() - v->begun);
	v->code = copy_text("not_responding");
	v->why = copy_text(why);
	answer(v);
}

static struct visit *create(struct request *r, struct keeper *k, bool start)
{
	struct visit *v = calloc(1, sizeof *v);
	if (!v)
		log_no_memory();
	v->task = (struct task){drop, destroy};
	v->wait.on_done = on_done;
	v->request = r;
	v->start = start;
	v->begun = os_now();
	snprintf(v->name, sizeof v->name, "%s", k->name);
	turn_init(&v->turn, r->pipeline->loop, on_turn, v);
	r->task = &v->task;
	return v;
}

static void wait_for(struct visit *v, struct keeper *k)
{
	keeper_wait(k, &v->wait);
	snprintf(v->log, sizeof v->log, "%s", k->log);
}

static bool is_coming(const struct keeper *k)
{
	return k->state == KEEPER_OFF || k->state == KEEPER_STARTING || k->state == KEEPER_PAUSING || k->state == KEEPER_CRASH_LOOP
	       || k->state == KEEPER_ENDING;
}

bool visit_keeps(struct request *r, struct keeper *k)
{
	const struct worker *w = keeper_worker(k);
	if (!is_coming(k) || (w && w->listed && w->linked && k->state != KEEPER_ENDING))
		return false;
	struct visit *v = create(r, k, false);
	v->message = json_incref(r->message);
	v->params = r->params;
	v->http = headers_keep(r->http);
	if (k->state == KEEPER_CRASH_LOOP)
		on_done(&v->wait, "crash_loop", k->why); /* it is not started for each call that comes */
	else
		wait_for(v, k);
	deadline_start(r);
	return true;
}

enum verdict visit_start(struct request *r, struct keeper *k)
{
	if (k->state == KEEPER_UP || k->state == KEEPER_FOREIGN) {
		result_error(r, "not_responding", json_pack("{s:s,s:i}", "instance_id", k->name, "pid", (int)k->pid),
			     "the Emacs \"%s\" runs (process %ld) and does not serve agents now: efrit-mcp-mode is off there, or it is loading; it is not started "
			     "twice", k->name, (long)k->pid);
		return DONE;
	}
	wait_for(create(r, k, true), k);
	return WAIT;
}
