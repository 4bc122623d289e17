/* asking.c - what a call asks the client of an old dialect.  There the bridge sends requests
 * of its own on the session and the client answers them; with the answers the call is given
 * to Emacs again.  In the modern dialect calls.c puts the questions into the result. */
#include "copy.h"
#include "core/calls.h"
#include "core/session.h"
#include "log.h"
#include "mcp/result.h"
#include "mcp/text.h"

#include <stdlib.h>
#include <string.h>

struct question {
	TAILQ_ENTRY(question) of_session; /* session::questions */
	char *id;                         /* owned; its JSON text */
	char *key;                        /* owned */
	bool of_roots;                    /* a client that refuses to name its folders has none */
	struct request *request;          /* borrowed */
};

struct asking {
	ev_timer deadline;
	json_t *answers, *state; /* owned */
	long rounds, open;
};

static void forget(struct session *s, struct question *q)
{
	TAILQ_REMOVE(&s->questions, q, of_session);
	q->request->asking->open--;
	free(q->id);
	free(q->key);
	free(q);
}

/* The client need not answer any more what it was asked for R. */
static void withdraw(struct request *r, const char *reason)
{
	struct session *s = r->session;
	struct question *q, *next;
	ev_timer_stop(r->pipeline->loop, &r->asking->deadline);
	for (q = TAILQ_FIRST(&s->questions); q; q = next) {
		struct buf params = {0};
		next = TAILQ_NEXT(q, of_session);
		if (q->request != r)
			continue;
		text_format(&params, "{\"requestId\":%s,\"reason\":", q->id);
		text_quote(&params, reason);
		text_put(&params, "}");
		if (!s->closing)
			changes_notify(s, r, "notifications/cancelled", text_string(&params));
		buf_finish(&params);
		forget(s, q);
	}
}

void asking_drop(struct request *r)
{
	if (r->asking)
		withdraw(r, "the call was cancelled");
}

void asking_destroy(struct request *r)
{
	if (!r->asking)
		return;
	json_decref(r->asking->answers);
	json_decref(r->asking->state);
	free(r->asking);
	r->asking = NULL;
}

bool asking_waits(const struct request *r)
{
	return r->asking && r->asking->open;
}

static void give_up(struct request *r, const char *code, const char *why)
{
	withdraw(r, why);
	result_error(r, code, json_pack("{s:s}", "instance_id", r->instance), "%s", why);
	r->ended = true;
	r->resume(r);
}

static void on_deadline(EV_P_ ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	give_up(timer->data, "client_silent", "the client did not answer in time what the call asked it");
}

static void go_on(struct request *r)
{
	ev_timer_stop(r->pipeline->loop, &r->asking->deadline);
	if (!calls_again(r, r->asking->answers, r->asking->state))
		r->resume(r);
}

/* The old dialects know one way to fill in a form and do not name it. */
static json_t *for_version(json_t *params, enum version version)
{
	json_t *made = params ? json_copy(params) : json_object();
	const char *mode = json_string_value(json_object_get(made, "mode"));
	if (version < VERSION_2025_11_25 && mode && strcmp(mode, "form") == 0)
		json_object_del(made, "mode");
	return made;
}

static void send(struct request *r, const char *key, const json_t *asked)
{
	struct session *s = r->session;
	struct question *q = calloc(1, sizeof *q);
	struct buf line = {0}, id = {0};
	struct request *about = r->parent ? r->parent : r;
	const char *method = json_string_value(json_object_get(asked, "method"));
	json_t *params = for_version(json_object_get(asked, "params"), r->version);
	text_format(&id, "\"efrit-%llu\"", (unsigned long long)++r->pipeline->numbers);
	if (!q)
		log_no_memory();
	q->id = copy_text(text_string(&id));
	q->key = copy_text(key);
	q->of_roots = method && strcmp(method, "roots/list") == 0;
	q->request = r;
	TAILQ_INSERT_TAIL(&s->questions, q, of_session);
	r->asking->open++;
	text_format(&line, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":", q->id);
	text_quote(&line, method ? method : "");
	text_put(&line, ",\"params\":");
	text_json(&line, params);
	text_put(&line, "}");
	s->outlet->notify(s->outlet, about, buf_data(&line), buf_len(&line));
	json_decref(params);
	buf_finish(&line);
	buf_finish(&id);
}

static struct asking *create(struct request *r)
{
	struct asking *a = calloc(1, sizeof *a);
	if (!a)
		log_no_memory();
	ev_timer_init(&a->deadline, on_deadline, 0., 0.);
	a->deadline.data = r;
	a->answers = json_object();
	return a;
}

void asking_begin(struct request *r, json_t *questions, json_t *state)
{
	const char *key;
	json_t *asked;
	if (!r->asking)
		r->asking = create(r);
	json_decref(r->asking->state);
	r->asking->state = state;
	json_object_clear(r->asking->answers);
	if (++r->asking->rounds > r->pipeline->config->ask_rounds) {
		give_up(r, "too_many_questions", "the call asked the client again and again and was ended");
	} else if (!json_object_size(questions)) {
		go_on(r);
	} else {
		ev_timer_set(&r->asking->deadline, (double)r->pipeline->config->ask_timeout, 0.);
		ev_timer_start(r->pipeline->loop, &r->asking->deadline);
		json_object_foreach(questions, key, asked)
			send(r, key, asked);
	}
	json_decref(questions);
}

static struct question *find(const struct session *s, const json_t *id)
{
	struct question *q;
	char *text = json_is_string(id) || json_is_integer(id) ? text_dump(id) : NULL;
	TAILQ_FOREACH(q, &s->questions, of_session)
		if (text && strcmp(q->id, text) == 0)
			break;
	free(text);
	return q;
}

void asking_take(struct session *s, const json_t *response)
{
	struct question *q = find(s, json_object_get(response, "id"));
	json_t *result = json_object_get(response, "result");
	if (!q) {
		log_debug("a client answered what nobody asked");
		return;
	}
	struct request *r = q->request;
	if (!result && q->of_roots) {
		json_object_set_new(r->asking->answers, q->key, json_pack("{s:[]}", "roots"));
	} else if (!result) {
		const char *why = json_string_value(json_object_get(json_object_get(response, "error"), "message"));
		struct buf sentence = {0};
		text_format(&sentence, "the client refused to answer what the call asked (%s): %.500s", q->key, why ? why : "no reason given");
		forget(s, q);
		give_up(r, "client_refused", text_string(&sentence));
		buf_finish(&sentence);
		return;
	}
	if (result)
		json_object_set(r->asking->answers, q->key, result);
	forget(s, q);
	if (!r->asking->open)
		go_on(r);
}
