/* bulk_run.c - see bulk_impl.h: how the forms of a batch run.  Each is a call of
 * efrit_execute of our own, in the client's turn.  Only some of them wait for a worker at a
 * time: a batch does not fill the line, and of a kept one few are lost with the gateway.  A
 * kept form is marked in the store before it is sent: so nothing is run twice. */
#include "core/bulk_impl.h"
#include "mcp/census.h"
#include "core/calls.h"
#include "core/pipeline.h"
#include "core/session.h"
#include "log.h"
#include "mcp/era.h"
#include "mcp/result.h"
#include "mcp/text.h"
#include "os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW_LEAST = 4, WINDOW_MOST = 256 };
static const double again = 0.5; /* seconds until a form that there was no room for is tried again */

void bulk_drop_call(struct form *f, const char *why)
{
	struct request *call = f->call;
	f->call = NULL;
	if (!call)
		return;
	call->owner = NULL;
	pipeline_cancel(call, why);
}

void bulk_skip_rest(struct bulk *b)
{
	b->stopped = true;
	for (size_t i = 0; i < b->count; i++)
		if (b->list[i].status == FORM_WAITING) {
			bulk_record_set(&b->list[i], FORM_SKIPPED);
			if (b->kept)
				bulk_keep_form(&b->list[i], NULL);
		}
}

void bulk_end_form(struct form *f, enum form_status status)
{
	struct bulk *b = f->bulk;
	bulk_record_set(f, status);
	if (b->kept)
		bulk_keep_form(f, NULL);
	if (status != FORM_SUCCESS && b->stop && !b->stopped)
		bulk_skip_rest(b);
	if (b->creator && b->creator->token && !b->kept) {
		struct buf note = {0};
		size_t over = 0;
		for (int s = FORM_SUCCESS; s <= FORM_SKIPPED; s++)
			over += b->ended[s];
		text_format(&note, "{\"progress\":%zu,\"total\":%zu}", over, b->count);
		progress_note(b->creator, buf_data(&note), buf_len(&note));
		buf_finish(&note);
	}
}

void bulk_on_deliver(struct outlet *outlet, struct request *call)
{
	struct form *f = call->owner;
	(void)outlet;
	if (!f) {
		pipeline_settle(call);
		return;
	}
	struct bulk *b = f->bulk;
	enum form_status status = FORM_FAILED;
	f->call = NULL;
	call->owner = NULL;
	f->queued = call->waited;
	f->ran = call->tries ? os_now() - call->sent : 0;
	if (call->tries)
		snprintf(f->instance, sizeof f->instance, "%s", call->instance);
	if (call->fault)
		bulk_record_error(f, "refused", call->reason, false);
	else
		status = bulk_record_take(f, buf_data(&call->reply), buf_len(&call->reply));
	pipeline_settle(call);
	bulk_end_form(f, status);
	bulk_run(b);
}

/* A form in a batch has nobody to ask. */
static void on_asks(struct request *call, json_t *questions, json_t *state)
{
	(void)questions;
	(void)state;
	result_error(call, "needs_answer", json_pack("{s:b}", "may_have_run", 1), "the form asks the client something, and in a batch nobody answers");
	pipeline_resume(call);
}

/* --- beginning --- */

static struct request *make_call(struct form *f)
{
	struct bulk *b = f->bulk;
	struct request *call = pipeline_new(b->all->session);
	call->method = era_method("tools/call");
	call->era = ERA_MODERN;
	call->version = VERSION_2026_07_28;
	call->timeout_ms = (uint32_t)b->timeout_ms;
	call->patient = true;
	call->priority = b->priority;
	call->whole = true;
	call->idempotent = b->idempotent;
	call->client_key = b->client_key;
	call->owner_key = calls_owner_key(b->principal);
	call->asker = on_asks;
	call->resume = calls_answered;
	call->owner = f;
	snprintf(call->tool, sizeof call->tool, "efrit_execute");
	memcpy(call->client, b->client, sizeof call->client);
	memcpy(call->instance, b->place, sizeof call->instance);
	json_t *arguments = json_pack("{s:O,s:I}", "content", json_array_get(b->forms, (size_t)(f - b->list)), "max_chars",
				      (json_int_t)b->max_chars);
	text_json(&call->arguments, arguments);
	json_decref(arguments);
	return call;
}

static bool place_is_there(const struct bulk *b)
{
	const struct service *s = b->all->pipeline->service;
	return service_find(s, b->place) || pool_find(s, b->place);
}

/* There was no room for it, or, in the first moments of a kept one, nobody there yet. */
static bool may_come(const struct bulk *b, const char *code)
{
	bool absent = strcmp(code, "emacs_gone") == 0 || strcmp(code, "not_responding") == 0 || strcmp(code, "unknown_instance") == 0;
	return strcmp(code, "queue_full") == 0
	       || (b->kept && absent && os_now() - b->begun < (double)b->all->pipeline->config->start_timeout);
}

bool bulk_submit(struct form *f)
{
	struct bulk *b = f->bulk;
	struct bulks *all = b->all;
	json_t *said = NULL;
	if (!place_is_there(b)) {
		bulk_record_error(f, "unknown_instance", "the Emacs, or the pool, that the batch was for is not there; the form did not run", false);
	} else {
		f->call = make_call(f);
		if (calls_again(f->call, NULL, NULL))
			return true;
		bulk_record_take(f, buf_data(&f->call->reply), buf_len(&f->call->reply));
		f->call->owner = NULL;
		pipeline_settle(f->call);
		f->call = NULL;
	}
	said = census_load(buf_data(&f->answer), buf_len(&f->answer), 0, NULL);
	const char *code = json_string_value(json_object_get(said, "error_code"));
	bool wait = may_come(b, code ? code : "");
	json_decref(said);
	if (!wait) {
		bulk_end_form(f, FORM_FAILED);
		return true;
	}
	buf_eat(&f->answer, buf_len(&f->answer));
	bulk_record_set(f, FORM_WAITING);
	b->next = (size_t)(f - b->list) < b->next ? (size_t)(f - b->list) : b->next;
	if (!ev_is_active(&all->kick)) {
		ev_timer_set(&all->kick, again, 0.);
		ev_timer_start(all->pipeline->loop, &all->kick);
	}
	return false;
}

static void on_marked(struct form *f, bool ok)
{
	if (f->status != FORM_STARTED || f->call)
		return;
	if (ok && !bulk_submit(f)) { /* not now; the kick tries it again */
		bulk_keep_form(f, NULL);
		if (f->bulk->all->resting)
			bulk_look_rested(f->bulk->all);
		return;
	}
	if (!ok) {
		bulk_record_error(f, "not_kept", "the store cannot be written, so the form was not begun: look at the gateway's log", false);
		bulk_end_form(f, FORM_FAILED);
	}
	bulk_run(f->bulk);
}

static size_t window(const struct bulk *b)
{
	const struct pool *p = pool_find(b->all->pipeline->service, b->place);
	struct pool_load load = {0};
	if (b->sequential)
		return 1;
	if (p)
		pool_load(p, &load);
	size_t most = (size_t)load.workers * 2 + WINDOW_LEAST;
	return most < WINDOW_MOST ? most : WINDOW_MOST;
}

void bulk_run(struct bulk *b)
{
	size_t most = window(b);
	while (!b->stopped && !b->all->resting && b->next < b->count && b->running < most) {
		struct form *f = &b->list[b->next++];
		if (f->status != FORM_WAITING)
			continue;
		bulk_record_set(f, FORM_STARTED);
		if (b->kept)
			bulk_keep_form(f, on_marked);
		else if (!bulk_submit(f))
			break;
	}
	struct bulks *all = b->all;
	if (bulk_record_ended(b))
		bulk_finish(b);
	if (all->resting)
		bulk_look_rested(all);
}

/* What is told may end others, so each look begins again. */
void bulk_run_all(struct bulks *all)
{
	struct bulk *b;
	unsigned round = ++all->rounds;
	for (b = TAILQ_FIRST(&all->all); b;) {
		if (b->round == round || bulk_record_ended(b)) {
			b = TAILQ_NEXT(b, link);
			continue;
		}
		b->round = round;
		bulk_run(b);
		b = TAILQ_FIRST(&all->all);
	}
}
