/* dialogue.c - what an Emacs says: its frames, one after the other, and what they mean.
 * See emacs_impl.h. */
#include "back/emacs_impl.h"
#include "mcp/census.h"
#include "mcp/result.h"
#include "mcp/text.h"
#include "os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MAX = 8 * 1024 * 1024 }; /* bytes of an answer that is no RESULT */

void dialogue_put_question(struct emacs *e, const struct ask *ask)
{
	static const enum wire_type types[] = {
		[ASK_STATUS] = WIRE_STATUS, [ASK_INTERRUPT] = WIRE_INTERRUPT, [ASK_CATALOGUE] = WIRE_CATALOGUE};
	emacs_send_frame(e, types[ask->kind], ask->number, buf_data(&ask->question), buf_len(&ask->question));
}

static void keep_hash(struct emacs *e, const json_t *message)
{
	const char *hash = json_string_value(json_object_get(message, "catalogue"));
	snprintf(e->worker.hash, sizeof e->worker.hash, "%s", hash ? hash : "");
	if (*e->worker.hash)
		e->worker.on_hash(&e->worker);
}

static void on_welcome(struct emacs *e, const json_t *message)
{
	json_t *pid = json_object_get(message, "pid");
	const char *version = json_string_value(json_object_get(message, "version"));
	if (e->worker.linked)
		return;
	if (json_is_integer(pid) && !e->worker.pid)
		e->worker.pid = (pid_t)json_integer_value(pid);
	if (version && strcmp(version, EFRIT_MCP_VERSION) != 0) {
		char why[WORKER_WHY_MAX];
		snprintf(why, sizeof why, "it runs efrit-mcp %.32s and this bridge is " EFRIT_MCP_VERSION ": restart Emacs after an upgrade", version);
		emacs_complain(e, why);
	}
	json_t *peer = json_object_get(message, "peer");
	if (e->plug.passed >= 0 && json_is_integer(peer)) {
		e->ledger = ledger_open(e->plug.passed);
		e->peer = (uint64_t)json_integer_value(peer);
		e->plug.passed = -1;
	}
	plug_drop_passed(&e->plug);
	e->worker.unattended = json_is_true(json_object_get(message, "noninteractive"));
	ev_timer_stop(e->loop, &e->hello);
	e->pause = 1;
	e->worker.linked = true;
	service_set_state(&e->worker, WORKER_READY, "");
	struct ask *ask;
	TAILQ_FOREACH(ask, &e->asks, of_worker)
		dialogue_put_question(e, ask);
	if (buf_len(&e->watches))
		emacs_send_frame(e, WIRE_WATCH, 0, buf_data(&e->watches), buf_len(&e->watches));
	keep_hash(e, message);
	e->worker.on_room(&e->worker);
}

static void on_goodbye(struct emacs *e, const json_t *message)
{
	const char *code = json_string_value(json_object_get(message, "code"));
	const char *text = json_string_value(json_object_get(message, "message"));
	snprintf(e->parting, sizeof e->parting, "%s", text ? text : code ? code : "it said goodbye");
	e->refused_us = code && strcmp(code, "exit") != 0;
	if (e->refused_us)
		emacs_complain(e, e->parting);
}

static struct request *call_of(struct emacs *e, uint64_t id)
{
	struct request *r;
	TAILQ_FOREACH(r, &e->worker.flying, of_worker)
		if (emacs_wire_id(r) == id)
			return r;
	return NULL;
}

static const char *take_result(struct emacs *e, const struct wire_frame *f)
{
	struct request *r = call_of(e, f->id);
	bool last = !(f->flags & WIRE_MORE);
	if (!r)
		return "a result nobody asked for";
	if (f->len && memchr(f->data, '\n', f->len))
		return "a result that is not on one line";
	if (!r->received && (f->len < 3 || f->data[0] != '{' || f->data[1] != '"'))
		return "a result that is no JSON object";
	r->failed = f->flags & WIRE_FAILED;
	r->faulted = f->flags & WIRE_FAULT;
	r->asks = f->flags & WIRE_ASKS;
	r->received += f->len;
	if ((r->faulted || r->asks) && r->received > WIRE_SPECIAL_MAX)
		return "a fault or a question over the limit";
	if (r->received > WIRE_RESULT_MAX)
		return "a result over the limit";
	if (!r->settled)
		text_add(&r->reply, f->data, f->len);
	e->worker.on_reply(&e->worker, r, last);
	return NULL;
}

static const char *take_note(struct emacs *e, const struct wire_frame *f)
{
	struct request *r = f->id ? call_of(e, f->id) : NULL;
	if (f->len > WIRE_NOTE_MAX || f->flags & WIRE_MORE)
		return "a note over the limit";
	if (r || !f->id)
		e->worker.on_note(&e->worker, r, f->data, f->len);
	return NULL;
}

static const char *take_refusal(struct emacs *e, const struct wire_frame *f)
{
	struct request *r = call_of(e, f->id);
	if (!r)
		return "a refusal of what nobody asked";
	json_t *m = census_load(f->data, f->len, JSON_REJECT_DUPLICATES, NULL);
	const char *code = json_string_value(json_object_get(m, "code"));
	const char *text = json_string_value(json_object_get(m, "message"));
	json_t *retry = json_object_get(m, "retry_ms");
	json_t *about = json_pack("{s:s,s:b}", "instance_id", e->worker.name, "may_have_run", 0);
	/* no other worker takes it, or its time is over */
	r->hopeless = code && (strcmp(code, "bad_call") == 0 || strcmp(code, "queue_timeout") == 0 || strcmp(code, "not_responding") == 0);
	if (json_is_number(retry))
		json_object_set_new(about, "retry_after", json_real(json_number_value(retry) / 1000));
	if (!r->settled)
		result_error(r, code ? code : "refused", about, "%s", text ? text : "Emacs refused the call");
	else
		json_decref(about);
	json_decref(m);
	e->worker.on_refused(&e->worker, r);
	return NULL;
}

static const char *take_answer(struct emacs *e, const struct wire_frame *f)
{
	struct ask *ask;
	TAILQ_FOREACH(ask, &e->asks, of_worker)
		if (ask->number == f->id)
			break;
	if (!ask)
		return NULL; /* asked long ago and given up */
	text_add(&ask->answer, f->data, f->len);
	if (buf_len(&ask->answer) > ANSWER_MAX)
		return "an answer over the limit";
	if (f->flags & WIRE_MORE)
		return NULL;
	e->worker.ops->drop(&e->worker, ask);
	ask->on_answer(ask, buf_data(&ask->answer), buf_len(&ask->answer));
	return NULL;
}

static const char *take_message(struct emacs *e, const struct wire_frame *f)
{
	json_t *m = census_load(f->data, f->len, JSON_REJECT_DUPLICATES, NULL);
	if (f->type == WIRE_WELCOME)
		on_welcome(e, m);
	else if (f->type == WIRE_CHANGED)
		keep_hash(e, m);
	else
		on_goodbye(e, m);
	json_decref(m);
	return NULL;
}

/* NULL, or what is wrong with the frame. */
static const char *take_frame(struct emacs *e, const struct wire_frame *f)
{
	if (!e->worker.linked && f->type != WIRE_WELCOME && f->type != WIRE_GOODBYE)
		return "its first frame is no welcome";
	switch (f->type) {
	case WIRE_WELCOME:
	case WIRE_CHANGED:
	case WIRE_GOODBYE:
		return take_message(e, f);
	case WIRE_PONG:
		return NULL;
	case WIRE_RESULT:
		return take_result(e, f);
	case WIRE_REFUSED:
		return take_refusal(e, f);
	case WIRE_NOTE:
		return take_note(e, f);
	case WIRE_STATE:
	case WIRE_INTERRUPTED:
	case WIRE_TOOLS:
		return take_answer(e, f);
	default:
		return "a frame of an unknown type";
	}
}

void dialogue_on_bytes(struct plug *plug)
{
	struct emacs *e = (struct emacs *)(void *)((char *)plug - offsetof(struct emacs, plug));
	struct wire_frame frame;
	const char *why;
	e->heard = os_now();
	if (e->worker.linked && e->worker.state == WORKER_BLOCKED)
		service_set_state(&e->worker, WORKER_READY, "");
	while (!e->ending) {
		switch (wire_take(&plug->in, &frame, &why)) {
		case WIRE_TAKE_NONE:
			emacs_move(e); /* nothing of plug->in may be touched after it */
			return;
		case WIRE_TAKE_BAD:
			emacs_distrust(&e->worker, why);
			return;
		case WIRE_TAKE_FRAME:
			why = take_frame(e, &frame);
			wire_eat(&plug->in, &frame);
			if (why)
				emacs_distrust(&e->worker, why);
		}
	}
}

void dialogue_on_sent(struct plug *plug)
{
	struct emacs *e = (struct emacs *)(void *)((char *)plug - offsetof(struct emacs, plug));
	if (e->watches_due && e->worker.linked)
		emacs_send_frame(e, WIRE_WATCH, 0, buf_data(&e->watches), buf_len(&e->watches));
	e->watches_due = false;
	if (!e->worker.clogged)
		return;
	e->worker.clogged = false;
	e->worker.on_room(&e->worker);
}
