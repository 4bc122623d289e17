/* bulk.c - see bulk.h: what clients say of batches, and what they are told. */
#include "core/bulk_impl.h"
#include "core/calls.h"
#include "core/pipeline.h"
#include "core/session.h"
#include "log.h"
#include "mcp/result.h"
#include "mcp/text.h"
#include "os.h"
#include "share.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct bulk *bulk_find(struct bulks *all, const char *id)
{
	struct bulk *b;
	TAILQ_FOREACH(b, &all->all, link)
		if (strcmp(b->id, id) == 0)
			return b;
	return NULL;
}

void bulk_forget(struct bulk *b)
{
	struct bulks *all = b->all;
	for (size_t i = 0; i < b->count; i++)
		bulk_drop_call(&b->list[i], "the batch is not wanted any more");
	TAILQ_REMOVE(&all->all, b, link);
	all->kept -= b->kept;
	bulk_record_destroy(b);
}

static void show(struct request *r, const struct bulk *b, bool answers)
{
	struct buf text = {0};
	bulk_record_show(b, answers, &text);
	result_text(r, buf_data(&text), buf_len(&text), !bulk_record_good(b));
	buf_finish(&text);
}

static void answer_wait(struct bulk_wait *w, const struct bulk *b)
{
	struct request *r = w->request;
	w->request = NULL;
	ev_timer_stop(w->all->pipeline->loop, &w->timer);
	show(r, b, true);
	pipeline_resume(r);
}

void bulk_finish(struct bulk *b)
{
	struct bulks *all = b->all;
	struct request *r = b->creator;
	struct bulk_wait *w;
	b->creator = NULL;
	if (r && !b->kept) {
		((struct bulk_wait *)(void *)r->task)->request = NULL;
		show(r, b, true);
		pipeline_resume(r);
	}
	if (!b->kept) {
		bulk_forget(b);
		return;
	}
	for (w = TAILQ_FIRST(&all->waits); w;) {
		bool wants = w->request && strcmp(w->id, b->id) == 0;
		if (wants)
			answer_wait(w, b);
		w = wants ? TAILQ_FIRST(&all->waits) : TAILQ_NEXT(w, link);
	}
}

/* --- the client's side --- */

static enum verdict refuse(struct request *r, const char *code, const char *sentence)
{
	result_error(r, code, json_pack("{s:b}", "may_have_run", 0), "%s", sentence);
	return DONE;
}

static void on_wait_gone(struct task *task)
{
	struct bulk_wait *w = (struct bulk_wait *)(void *)task;
	struct bulk *b = bulk_find(w->all, w->id);
	if (b && b->creator == w->request) {
		b->creator = NULL;
		if (w->request) { /* it waited for all of it, or did not know yet that it is kept */
			w->request = NULL;
			if (b->kept)
				bulk_remove_kept(b);
			bulk_forget(b);
		}
	}
	w->request = NULL;
	ev_timer_stop(w->all->pipeline->loop, &w->timer);
}

static void on_wait_end(struct task *task)
{
	struct bulk_wait *w = (struct bulk_wait *)(void *)task;
	TAILQ_REMOVE(&w->all->waits, w, link);
	free(w);
}

static void on_wait_late(EV_P_ ev_timer *timer, int revents)
{
	struct bulk_wait *w = timer->data;
	struct bulk *b = bulk_find(w->all, w->id);
	(void)loop;
	(void)revents;
	if (w->request && b)
		answer_wait(w, b);
}

static struct bulk_wait *wait_for(struct request *r, const struct bulk *b)
{
	struct bulk_wait *w = calloc(1, sizeof *w);
	if (!w)
		log_no_memory();
	w->task = (struct task){on_wait_gone, on_wait_end};
	w->all = b->all;
	w->request = r;
	memcpy(w->id, b->id, sizeof w->id);
	ev_timer_init(&w->timer, on_wait_late, 0., 0.);
	w->timer.data = w;
	TAILQ_INSERT_TAIL(&b->all->waits, w, link);
	r->task = &w->task;
	return w;
}

/* It is safe: now the client is told, and it begins. */
static void on_kept(struct bulk *b, bool ok)
{
	struct request *r = b->creator;
	b->creator = NULL;
	if (!ok) {
		if (r) {
			refuse(r, "not_kept", "the batch cannot be kept, so it was not begun: look at the gateway's log");
			pipeline_resume(r);
		}
		bulk_forget(b);
		return;
	}
	if (r) {
		((struct bulk_wait *)(void *)r->task)->request = NULL;
		show(r, b, false);
		pipeline_resume(r);
	}
	bulk_run(b);
}

static double seconds_in(const json_t *arguments, const char *key, double otherwise)
{
	const json_t *value = json_object_get(arguments, key);
	return json_is_number(value) ? json_number_value(value) : json_is_string(value) ? strtod(json_string_value(value), NULL) : otherwise;
}

static void cancel(struct bulk *b, const char *why)
{
	bulk_skip_rest(b);
	for (size_t i = 0; i < b->count; i++) {
		struct form *f = &b->list[i];
		if (f->status != FORM_STARTED)
			continue;
		bool ran = f->call && f->call->flying;
		bulk_drop_call(f, why);
		bulk_record_error(f, "cancelled", ran ? "it was stopped while it ran" : "it was cancelled and did not run", ran);
		bulk_end_form(f, ran ? FORM_LOST : FORM_SKIPPED);
	}
	bulk_finish(b);
}

/* A result that is not kept belongs to a request, which is told and cancels it. */
void bulks_revoke(struct bulks *all, pipeline_gone *gone, void *data, const char *why)
{
	struct bulk *b;
	TAILQ_FOREACH(b, &all->all, link)
		if (b->kept && !b->creator && !bulk_record_ended(b) && gone(data, b->principal))
			cancel(b, why);
}

static enum verdict about_job(struct request *r, const char *id, const json_t *arguments)
{
	struct bulks *all = r->pipeline->bulks;
	struct bulk *b = bulk_find(all, id);
	double seconds = seconds_in(arguments, "wait", 0);
	if (!b || !b->kept || !session_owns(r->session, b->principal))
		return refuse(r, "unknown_job", !all->store ? "batches are kept by the gateway only: call it through efrit-bridge serve"
					      : all->resumed ? "there is no such job, or it ended long ago"
							     : "kept batches are not read yet: the gateway has just begun; ask again in a second");
	if (json_is_true(json_object_get(arguments, "cancel")))
		cancel(b, "the client cancelled the batch");
	if (bulk_record_ended(b) || seconds <= 0) {
		show(r, b, true);
		return DONE;
	}
	struct bulk_wait *w = wait_for(r, b);
	ev_timer_set(&w->timer, seconds < 3600 ? seconds : 3600, 0.);
	ev_timer_start(r->pipeline->loop, &w->timer);
	return WAIT;
}

static void make_id(char id[BULK_ID])
{
	unsigned char b[16];
	if (getrandom(b, sizeof b, 0) != (ssize_t)sizeof b)
		log_no_memory(); /* no source of chance */
	for (size_t i = 0; i < sizeof b; i++)
		snprintf(id + 2 * i, 3, "%02x", b[i]);
}

static struct bulk *make(struct request *r, const json_t *arguments, json_t *forms, const struct place *at)
{
	struct bulks *all = r->pipeline->bulks;
	struct bulk *b = bulk_record_create(forms);
	const char *order = json_string_value(json_object_get(arguments, "order"));
	const char *policy = json_string_value(json_object_get(arguments, "on_failure"));
	json_t *max = json_object_get(arguments, "max_chars");
	b->all = all;
	make_id(b->id);
	snprintf(b->principal, sizeof b->principal, "%s", r->session->principal);
	snprintf(b->client, sizeof b->client, "%s", r->client);
	snprintf(b->place, sizeof b->place, "%s", registry_name(at));
	b->sequential = order && strcmp(order, "sequential") == 0;
	b->stop = policy && strcmp(policy, "stop") == 0;
	b->idempotent = json_is_true(json_object_get(arguments, "idempotent"));
	b->kept = json_is_true(json_object_get(arguments, "keep"));
	b->timeout_ms = r->timeout_ms;
	b->max_chars = json_is_integer(max) ? (long)json_integer_value(max) : 4000;
	b->priority = r->priority;
	b->created = os_clock();
	b->client_key = calls_client_key(r);
	b->creator = r;
	TAILQ_INSERT_TAIL(&all->all, b, link);
	all->kept += b->kept;
	return b;
}

static long kept_of(const struct bulks *all, const struct session *s)
{
	const struct bulk *b;
	long n = 0;
	TAILQ_FOREACH(b, &all->all, link)
		n += b->kept && session_owns(s, b->principal);
	return n;
}

enum verdict bulk_call(struct request *r, const json_t *arguments, const char *instance)
{
	struct bulks *all = r->pipeline->bulks;
	const struct config *c = r->pipeline->config;
	json_t *forms = json_object_get(arguments, "forms");
	const char *job = json_string_value(json_object_get(arguments, "job"));
	struct place at;
	if (job && *job)
		return about_job(r, job, arguments);
	if (!json_array_size(forms))
		return refuse(r, "invalid_arguments", "forms is missing: say what to run, or which job is meant");
	if ((long)json_array_size(forms) > c->batch_forms) {
		result_error(r, "invalid_arguments", json_pack("{s:b}", "may_have_run", 0), "a batch has at most %ld forms, and these are %zu",
			     c->batch_forms, json_array_size(forms));
		return DONE;
	}
	bool kept = json_is_true(json_object_get(arguments, "keep"));
	if (kept && !all->store)
		return refuse(r, "needs_gateway", "batches are kept by the gateway only: call it through efrit-bridge serve, or without keep");
	if (kept && kept_of(all, r->session) >= share_of(c, c->batches_max))
		return refuse(r, "too_many_jobs", "as many batches of this client are kept as may be; wait until some have ended, or cancel them");
	if (kept && all->kept >= c->batches_max)
		return refuse(r, "too_many_jobs", "too many batches are kept already; wait until some have ended, or cancel them");
	if (!json_is_string(json_object_get(arguments, "priority")))
		r->batch_unasked = true;
	if (r->batch_unasked)
		r->priority = PRIORITY_BATCH;
	if (!registry_place(r, instance, NULL, &at))
		return DONE;
	struct bulk *b = make(r, arguments, forms, &at);
	wait_for(r, b);
	if (kept) {
		bulk_watch_sweep(all);
		bulk_keep(b, on_kept);
	} else {
		bulk_run(b);
	}
	return WAIT;
}

/* --- coming and going --- */

static void on_kick(EV_P_ ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	bulk_run_all(timer->data);
}

struct bulks *bulks_create(struct pipeline *p)
{
	struct bulks *all = calloc(1, sizeof *all);
	if (!all)
		log_no_memory();
	all->pipeline = p;
	all->outlet.deliver = bulk_on_deliver;
	all->session = session_create(p, &all->outlet);
	TAILQ_INIT(&all->all);
	TAILQ_INIT(&all->waits);
	ev_timer_init(&all->kick, on_kick, 0., 0.);
	ev_timer_init(&all->sweep, bulk_on_sweep, 0., 0.);
	all->kick.data = all->sweep.data = all;
	return all;
}

void bulks_use_store(struct bulks *all, struct store *store)
{
	all->store = store;
}

/* What is not kept belongs to a client, who is waited for anyway. */
void bulk_look_rested(struct bulks *all)
{
	struct bulk *b;
	void (*on_rested)(void *data) = all->on_rested;
	if (!on_rested)
		return;
	TAILQ_FOREACH(b, &all->all, link)
		if (b->kept && b->running)
			return;
	all->on_rested = NULL;
	on_rested(all->data);
}

void bulks_rest(struct bulks *all, void (*on_rested)(void *data), void *data)
{
	all->resting = true;
	all->on_rested = on_rested;
	all->data = data;
	bulk_look_rested(all);
}

void bulks_destroy(struct bulks *all)
{
	struct bulk *b;
	if (!all)
		return;
	ev_timer_stop(all->pipeline->loop, &all->kick);
	ev_timer_stop(all->pipeline->loop, &all->sweep);
	while ((b = TAILQ_FIRST(&all->all)))
		bulk_forget(b);
	session_destroy(all->session);
	free(all);
}
