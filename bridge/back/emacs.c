/* emacs.c - see emacs.h */
#include "back/emacs.h"
#include "back/plug.h"
#include "log.h"
#include "mcp/result.h"
#include "mcp/text.h"
#include "os.h"
#include "wire/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert((int)PRIORITY_BATCH == (int)WIRE_BATCH && (int)PRIORITIES == (int)WIRE_PRIORITIES, "one order of priorities");
_Static_assert((int)REQUEST_TOOL_MAX == (int)WIRE_TOOL_MAX && (int)REQUEST_CLIENT_MAX == (int)WIRE_CLIENT_MAX, "one length of names");
_Static_assert((int)WORKER_NAME_MAX == (int)RUNTIME_NAME_MAX, "one length of instance names");

enum {
	UNSENT_MAX = 4 * 1024 * 1024,  /* bytes Emacs has not read yet at which no more calls are sent */
	ANSWER_MAX = 8 * 1024 * 1024,  /* bytes of an answer that is no RESULT */
};

struct emacs {
	struct worker worker;
	struct ev_loop *loop;          /* borrowed */
	const struct config *config;   /* borrowed */
	char (*folders)[RUNTIME_PATH_MAX]; /* borrowed */
	unsigned seen;                 /* folders that hold its socket */
	int folder;                    /* the one it is connected in */
	bool better;                   /* its name has appeared in a folder that comes first */
	struct plug plug;
	TAILQ_HEAD(, ask) asks;        /* ask::of_worker; borrowed */
	uint64_t numbers;              /* of asks: odd; calls have even ones */
	ev_timer hello;                /* it must have answered the greeting by then */
	ev_timer tick;                 /* runs while calls fly */
	ev_timer retry;
	double pause;                  /* seconds until the next try */
	double heard;                  /* os_now of its last byte */
	double ticked;                 /* and of our last look */
	bool refused_us;               /* it said GOODBYE with a reason that will not pass by itself */
	bool news;                     /* the folder changed since we connected: somebody else may listen now */
	bool ending;                   /* frames that are still in the buffer mean nothing */
	char parting[WORKER_WHY_MAX];  /* what GOODBYE, or our distrust, said */
	char logged[WORKER_WHY_MAX];   /* the last complaint: a retry does not repeat it */
};

static void connect_now(struct emacs *e);

static struct emacs *of(struct worker *w)
{
	return (struct emacs *)(void *)w; /* worker is the first member */
}

/* Calls and questions share the wire's ids. */
static uint64_t wire_id(const struct request *r)
{
	return r->number * 2;
}

static void send_frame(struct emacs *e, enum wire_type type, uint64_t id, const char *data, size_t len)
{
	if (e->plug.fd < 0)
		return;
	if (!wire_put(&e->plug.out, (uint8_t)type, 0, id, data, len))
		log_no_memory();
	plug_wake(&e->plug);
}

/* --- coming and going --- */

static void complain(struct emacs *e, const char *why)
{
	if (strcmp(e->logged, why) != 0)
		log_warning("%s: %s", e->worker.name, why);
	snprintf(e->logged, sizeof e->logged, "%s", why);
}

static void retry_after(struct emacs *e, double seconds)
{
	ev_timer_stop(e->loop, &e->retry);
	ev_timer_set(&e->retry, seconds, 0.);
	ev_timer_start(e->loop, &e->retry);
}

static void retry_later(struct emacs *e)
{
	retry_after(e, e->pause);
	e->pause = e->pause * 2 < (double)e->config->retry_max ? e->pause * 2 : (double)e->config->retry_max;
}

static void hide(struct emacs *e, const char *why)
{
	ev_timer_stop(e->loop, &e->retry);
	e->pause = 1;
	e->worker.listed = false;
	service_set_state(&e->worker, WORKER_GONE, why);
}

static void drop_asks(struct emacs *e)
{
	struct ask *ask;
	while ((ask = TAILQ_FIRST(&e->asks))) {
		e->worker.ops->drop(&e->worker, ask);
		ask->on_answer(ask, NULL, 0);
	}
}

/* The connection is closed: says so to everybody who waits, and looks whether it comes back. */
static void lose(struct emacs *e, const char *why)
{
	char reason[WORKER_WHY_MAX], sentence[WORKER_WHY_MAX + WORKER_NAME_MAX + 64];
	bool was_linked = e->worker.linked;
	ev_timer_stop(e->loop, &e->hello);
	ev_timer_stop(e->loop, &e->tick);
	e->worker.linked = e->worker.clogged = false;
	snprintf(reason, sizeof reason, "%s", *e->parting ? e->parting : why);
	service_set_state(&e->worker, WORKER_GONE, reason);
	snprintf(sentence, sizeof sentence, "the Emacs \"%s\" went away: %s", e->worker.name, reason);
	drop_asks(e);
	e->worker.on_lost(&e->worker, sentence);
	if (e->news || (was_linked && !e->refused_us && !e->ending))
		retry_after(e, 0.);
	else
		retry_later(e);
}

static void on_plug_end(struct plug *plug, const char *why)
{
	struct emacs *e = (struct emacs *)(void *)((char *)plug - offsetof(struct emacs, plug));
	lose(e, why);
}

static void distrust(struct worker *w, const char *why)
{
	struct emacs *e = of(w);
	if (e->ending)
		return;
	snprintf(e->parting, sizeof e->parting, "it broke the contract of the wire (%s)", why);
	complain(e, e->parting);
	e->ending = true;
	if (e->plug.fd >= 0)
		plug_end(&e->plug, e->parting);
}

static void on_hello_late(EV_P_ ev_timer *timer, int revents)
{
	struct emacs *e = timer->data;
	char why[WORKER_WHY_MAX];
	(void)loop;
	(void)revents;
	service_explain(&e->worker, why);
	service_set_state(&e->worker, WORKER_BLOCKED, why);
	if (!e->news)
		return;
	plug_close(&e->plug); /* somebody else may have taken its place in the folder */
	connect_now(e);
}

static void on_retry(EV_P_ ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	connect_now(timer->data);
}

/* The socket is there and somebody listens; is it us, and does it speak? */
static void greet(struct emacs *e)
{
	uid_t uid;
	if (!runtime_peer(e->plug.fd, &uid, &e->worker.pid) || uid != geteuid()) {
		char why[WORKER_WHY_MAX];
		snprintf(why, sizeof why, "its socket is served by another user (%ld) and not by you: it is not used", (long)uid);
		complain(e, why);
		plug_close(&e->plug);
		service_set_state(&e->worker, WORKER_GONE, why);
		retry_later(e);
		return;
	}
	struct buf hello = {0};
	text_format(&hello, "{\"version\":\"" EFRIT_MCP_VERSION "\",\"pid\":%ld,\"client\":\"efrit-bridge\"}", (long)getpid());
	send_frame(e, WIRE_HELLO, 0, buf_data(&hello), buf_len(&hello));
	buf_finish(&hello);
	ev_timer_set(&e->hello, (double)e->config->hello_timeout / 1000, 0.);
	ev_timer_start(e->loop, &e->hello);
	service_set_state(&e->worker, WORKER_STARTING, "it was greeted and has not answered yet");
}

static enum plug_result try_folders(struct emacs *e, char error[RUNTIME_ERROR])
{
	char path[RUNTIME_PATH_MAX];
	for (int i = 0; i < RUNTIME_FOLDERS; i++) {
		if (!(e->seen & 1u << i) || !runtime_socket_path(e->folders[i], e->worker.name, path, error))
			continue;
		enum plug_result result = plug_open(&e->plug, path);
		snprintf(error, RUNTIME_ERROR, "%s cannot be connected to: %s", path, strerror(errno));
		e->folder = i;
		if (result != PLUG_REFUSED)
			return result;
	}
	return PLUG_REFUSED;
}

static void connect_now(struct emacs *e)
{
	char error[RUNTIME_ERROR] = "no socket of its name is there any more";
	ev_timer_stop(e->loop, &e->retry);
	e->refused_us = e->ending = e->news = e->better = false;
	e->parting[0] = 0;
	switch (try_folders(e, error)) {
	case PLUG_OPEN:
		e->worker.listed = true;
		greet(e);
		return;
	case PLUG_REFUSED: /* a file left behind by an Emacs that died is no instance */
		hide(e, error);
		return;
	case PLUG_BUSY:
		e->worker.listed = true;
		service_set_state(&e->worker, WORKER_BLOCKED, "it takes no more connections; its process may be stopped");
		break;
	case PLUG_ERROR:
		e->worker.listed = true;
		service_set_state(&e->worker, WORKER_GONE, error);
		complain(e, error);
		break;
	}
	retry_later(e);
}

/* The first folder wins, also when its Emacs started later; but not in the middle of a call. */
static void move(struct emacs *e)
{
	if (!e->better || e->worker.flying_count || !TAILQ_EMPTY(&e->asks))
		return;
	ev_timer_stop(e->loop, &e->hello);
	ev_timer_stop(e->loop, &e->tick);
	e->worker.linked = e->worker.clogged = false;
	plug_close(&e->plug);
	connect_now(e);
}

void emacs_seen(struct worker *w, unsigned folders)
{
	struct emacs *e = of(w);
	unsigned earlier = folders & ~e->seen & ((1u << e->folder) - 1);
	e->seen = folders;
	e->news = folders != 0;
	if (e->plug.fd >= 0) {
		e->better |= earlier != 0;
		move(e);
		return;
	}
	if (folders)
		connect_now(e);
	else if (w->listed)
		hide(e, *w->why ? w->why : "its socket was removed");
}

bool emacs_evictable(const struct worker *w)
{
	const struct emacs *e = (const struct emacs *)(const void *)w;
	return !w->listed && e->plug.fd < 0 && !w->flying_count && !w->waiting_count && TAILQ_EMPTY(&e->asks);
}

/* --- what Emacs says --- */

static void put_question(struct emacs *e, const struct ask *ask)
{
	static const enum wire_type types[] = {
		[ASK_STATUS] = WIRE_STATUS, [ASK_INTERRUPT] = WIRE_INTERRUPT, [ASK_CATALOGUE] = WIRE_CATALOGUE};
	send_frame(e, types[ask->kind], ask->number, buf_data(&ask->question), buf_len(&ask->question));
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
		complain(e, why);
	}
	ev_timer_stop(e->loop, &e->hello);
	e->pause = 1;
	e->worker.linked = true;
	service_set_state(&e->worker, WORKER_READY, "");
	struct ask *ask;
	TAILQ_FOREACH(ask, &e->asks, of_worker)
		put_question(e, ask);
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
		complain(e, e->parting);
}

static struct request *call_of(struct emacs *e, uint64_t id)
{
	struct request *r;
	TAILQ_FOREACH(r, &e->worker.flying, of_worker)
		if (wire_id(r) == id)
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
	r->received += f->len;
	if (r->received > WIRE_RESULT_MAX)
		return "a result over the limit";
	if (!r->settled)
		text_add(&r->reply, f->data, f->len);
	e->worker.on_reply(&e->worker, r, last);
	return NULL;
}

static const char *take_refusal(struct emacs *e, const struct wire_frame *f)
{
	struct request *r = call_of(e, f->id);
	if (!r)
		return "a refusal of what nobody asked";
	json_t *m = json_loadb(f->data, f->len, JSON_REJECT_DUPLICATES, NULL);
	const char *code = json_string_value(json_object_get(m, "code"));
	const char *text = json_string_value(json_object_get(m, "message"));
	json_t *retry = json_object_get(m, "retry_ms");
	json_t *about = json_pack("{s:s,s:b}", "instance_id", e->worker.name, "may_have_run", 0);
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
	json_t *m = json_loadb(f->data, f->len, JSON_REJECT_DUPLICATES, NULL);
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
	case WIRE_STATE:
	case WIRE_INTERRUPTED:
	case WIRE_TOOLS:
		return take_answer(e, f);
	default:
		return "a frame of an unknown type";
	}
}

static void on_plug_bytes(struct plug *plug)
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
			move(e); /* nothing of plug->in may be touched after it */
			return;
		case WIRE_TAKE_BAD:
			distrust(&e->worker, why);
			return;
		case WIRE_TAKE_FRAME:
			why = take_frame(e, &frame);
			wire_eat(&plug->in, &frame);
			if (why)
				distrust(&e->worker, why);
		}
	}
}

static void on_plug_sent(struct plug *plug)
{
	struct emacs *e = (struct emacs *)(void *)((char *)plug - offsetof(struct emacs, plug));
	if (!e->worker.clogged)
		return;
	e->worker.clogged = false;
	e->worker.on_room(&e->worker);
}

/* --- what is asked of it --- */

/* While calls fly: is it still there?  A call whose own time is long over on an Emacs
 * that says nothing is answered for it; an Emacs that is heard always answers itself. */
static void on_tick(EV_P_ ev_timer *timer, int revents)
{
	struct emacs *e = timer->data;
	double now = os_now(), interval = (double)e->config->ping_interval / 1000;
	char why[WORKER_WHY_MAX], sentence[WORKER_WHY_MAX + WORKER_NAME_MAX + 64];
	(void)revents;
	if (!e->worker.flying_count) {
		ev_timer_stop(loop, timer);
		return;
	}
	if (now - e->ticked > 2 * interval) /* it was us who slept */
		e->heard = now;
	e->ticked = now;
	if (buf_len(&e->plug.out) < WIRE_BLOCK)
		send_frame(e, WIRE_PING, ++e->numbers * 2 + 1, NULL, 0);
	if (now - e->heard < (double)e->config->silence / 1000)
		return;
	service_explain(&e->worker, why);
	service_set_state(&e->worker, WORKER_BLOCKED, why);
	snprintf(sentence, sizeof sentence, "the Emacs \"%s\" has not answered for %.0f s: %s", e->worker.name, now - e->heard, why);
	struct request *r, *next;
	for (r = TAILQ_FIRST(&e->worker.flying); r; r = next) {
		double own = (r->timeout_ms ? r->timeout_ms : WIRE_TIMEOUT_DEFAULT) + (double)e->config->call_margin;
		next = TAILQ_NEXT(r, of_worker);
		if ((now - r->sent) * 1000 >= own)
			service_give_up(&e->worker, r, "not_responding", sentence);
	}
}

static void call(struct worker *w, struct request *r)
{
	struct emacs *e = of(w);
	struct wire_call c = {
		.timeout_ms = r->timeout_ms,
		.priority = (uint8_t)r->priority,
		.tool = r->tool,
		.tool_len = strlen(r->tool),
		.client = r->client,
		.client_len = strlen(r->client),
		.arguments = buf_data(&r->arguments),
		.arguments_len = buf_len(&r->arguments),
	};
	if (!wire_put_call(&e->plug.out, wire_id(r), &c))
		log_no_memory(); /* its size was checked when it was taken in */
	plug_wake(&e->plug);
	r->sent = os_now();
	w->clogged = buf_len(&e->plug.out) > UNSENT_MAX;
	if (!ev_is_active(&e->tick)) {
		e->heard = e->ticked = r->sent;
		ev_timer_again(e->loop, &e->tick);
	}
}

static void cancel(struct worker *w, struct request *r, const char *reason)
{
	send_frame(of(w), WIRE_CANCEL, wire_id(r), reason, strlen(reason));
}

static void credit(struct worker *w, struct request *r, size_t bytes)
{
	char amount[4];
	wire_store_u32(amount, (uint32_t)bytes);
	send_frame(of(w), WIRE_CREDIT, wire_id(r), amount, sizeof amount);
}

static void on_ask_late(EV_P_ ev_timer *timer, int revents)
{
	struct ask *ask = timer->data;
	(void)loop;
	(void)revents;
	ask->worker->ops->drop(ask->worker, ask);
	ask->on_answer(ask, NULL, 0);
}

static void ask_it(struct worker *w, struct ask *ask, const char *payload, double timeout)
{
	struct emacs *e = of(w);
	ask->worker = w;
	ask->number = ++e->numbers * 2 + 1;
	TAILQ_INSERT_TAIL(&e->asks, ask, of_worker);
	ev_timer_init(&ask->timer, on_ask_late, timeout, 0.);
	ask->timer.data = ask;
	ev_timer_start(e->loop, &ask->timer);
	if (payload)
		text_put(&ask->question, payload);
	if (w->linked)
		put_question(e, ask);
}

static void drop(struct worker *w, struct ask *ask)
{
	struct emacs *e = of(w);
	ev_timer_stop(e->loop, &ask->timer);
	TAILQ_REMOVE(&e->asks, ask, of_worker);
	ask->worker = NULL;
}

static void destroy(struct worker *w)
{
	struct emacs *e = of(w);
	drop_asks(e);
	w->on_lost(w, "the bridge ends");
	plug_flush(&e->plug); /* cancellations, as far as they go without waiting */
	plug_close(&e->plug);
	ev_timer_stop(e->loop, &e->hello);
	ev_timer_stop(e->loop, &e->tick);
	ev_timer_stop(e->loop, &e->retry);
	free(e);
}

static const struct worker_ops ops = {
	.call = call, .cancel = cancel, .credit = credit, .ask = ask_it, .drop = drop, .distrust = distrust, .destroy = destroy};

struct worker *emacs_create(struct ev_loop *loop, const struct config *config, struct service *service, const char *name,
			    char (*folders)[RUNTIME_PATH_MAX])
{
	struct emacs *e = calloc(1, sizeof *e);
	if (!e)
		log_no_memory();
	e->loop = loop;
	e->config = config;
	e->folders = folders;
	e->pause = 1;
	e->worker.ops = &ops;
	e->worker.state = WORKER_GONE;
	snprintf(e->worker.name, sizeof e->worker.name, "%s", name);
	TAILQ_INIT(&e->asks);
	plug_init(&e->plug, loop);
	e->plug.on_bytes = on_plug_bytes;
	e->plug.on_end = on_plug_end;
	e->plug.on_sent = on_plug_sent;
	ev_timer_init(&e->hello, on_hello_late, 0., 0.);
	ev_timer_init(&e->tick, on_tick, 0., (double)config->ping_interval / 1000);
	ev_timer_init(&e->retry, on_retry, 0., 0.);
	e->hello.data = e->tick.data = e->retry.data = e;
	service_add(service, &e->worker);
	return &e->worker;
}
