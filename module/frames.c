/* frames.c - what a bridge may say, and what the thread answers by itself.  One
 * table; a frame that breaks the contract ends that peer alone. */
#include "json.h"
#include "server_priv.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void welcome(struct peer *p)
{
	struct server *s = p->server;
	struct buf text = {0};
	pthread_mutex_lock(&s->lock);
	bool ok = buf_printf(&text, "{\"version\":\"%s\",\"instance\":\"%s\",\"pid\":%ld,\"emacs_version\":\"%s\",\"catalogue\":\"%s\",\"peer\":%llu,\"noninteractive\":%s}",
			     s->version, s->listening.name, (long)s->pid, s->emacs_version, s->hash, (unsigned long long)p->serial,
			     s->noninteractive ? "true" : "false");
	pthread_mutex_unlock(&s->lock);
	if (!ok)
		buf_finish(&text);
	peer_send_text(p, WIRE_WELCOME, 0, &text);
	peer_introduce(p);
}

static void on_hello(struct peer *p, const struct wire_frame *f)
{
	json_t *hello = json_loadb(f->data, f->len, 0, NULL);
	const char *client = json_string_value(json_object_get(hello, "client"));
	if (!json_is_object(hello)) {
		peer_goodbye(p, "protocol", "the payload of HELLO is not a JSON object");
	} else {
		if (client)
			snprintf(p->name, sizeof p->name, "%.*s", (int)json_cut(client, strlen(client), WIRE_CLIENT_MAX), client);
		p->welcome = true;
		ev_timer_stop(p->server->loop, &p->limit);
		server_event(p->server, "bridge %llu (%s, pid %ld) is connected", (unsigned long long)p->serial, p->name, (long)p->pid);
		welcome(p);
		express_open(&p->server->express, p->serial, p->fd);
	}
	json_decref(hello);
}

static void on_ping(struct peer *p, const struct wire_frame *f)
{
	peer_send(p, WIRE_PONG, 0, f->id, NULL, 0);
}

static void on_status(struct peer *p, const struct wire_frame *f)
{
	json_t *ask = f->len ? json_loadb(f->data, f->len, 0, NULL) : NULL;
	const char *until = json_string_value(json_object_get(ask, "until"));
	double seconds = json_number_value(json_object_get(ask, "timeout_ms")) / 1000;
	struct waiter w = {.kind = WAIT_STATUS, .peer = p->serial, .id = f->id, .deadline = queue_now() + 0.1};
	if (until && strcmp(until, WIRE_IDLE) == 0) {
		w.kind = WAIT_IDLE;
		w.deadline = queue_now() + (seconds > 0 && seconds <= WIRE_TIMEOUT_MAX / 1000 ? seconds : WIRE_TIMEOUT_DEFAULT / 1000);
	}
	bool stats = json_is_true(json_object_get(ask, "stats"));
	json_decref(ask);
	if (stats) {
		struct buf text = {0};
		if (!status_stats(p->server, &text))
			buf_finish(&text);
		peer_send_text(p, WIRE_STATE, f->id, &text);
		return;
	}
	waiters_add(p->server, p, &w);
}

static bool is_text(const char *text, size_t len)
{
	return json_is_utf8(text, len) && !memchr(text, 0, len);
}

static void submit(struct peer *p, uint64_t id, const char *data, size_t len)
{
	struct server *s = p->server;
	struct wire_call call;
	const char *why;
	uint64_t number;
	if (!wire_parse_call(data, len, &call, &why)) {
		peer_refuse(p, id, "bad_call", why, 0);
		return;
	}
	if (!is_text(call.tool, call.tool_len) || !is_text(call.client, call.client_len)) {
		peer_refuse(p, id, "bad_call", "a call whose names are not text in UTF-8", 0);
		return;
	}
	switch (peer_is_sending(p, id) ? QUEUE_DUPLICATE : queue_submit(s->queue, p->serial, id, &call, &number)) {
	case QUEUE_OK:
		answers_deadline(s, queue_now() + (call.timeout_ms ? call.timeout_ms : WIRE_TIMEOUT_DEFAULT) / 1000.0);
		server_ring(s);
		break;
	case QUEUE_FULL:
		peer_refuse(p, id, "queue_full", "the queue of this Emacs is full; try again later", 1000);
		break;
	case QUEUE_CLIENT_FULL:
		peer_refuse(p, id, "client_queue_full", "too many calls of this client wait already; wait for some of them", 1000);
		break;
	case QUEUE_DUPLICATE:
		peer_goodbye(p, "protocol", "a CALL whose id is in use");
		break;
	case QUEUE_STOPPING:
		peer_refuse(p, id, "stopping", "this Emacs is ending", 0);
		break;
	case QUEUE_PAUSED:
		peer_refuse(p, id, "stopped_by_person",
			    "the person at this Emacs stopped all agents; only they let you go on (M-x efrit-mcp-resume)", 0);
		break;
	case QUEUE_NO_MEMORY:
		peer_drop(p, "no memory for a call");
		break;
	}
}

static void on_call(struct peer *p, const struct wire_frame *f)
{
	if (p->call_open && f->id != p->call_id) {
		peer_goodbye(p, "protocol", "a CALL inside another one");
		return;
	}
	if (!p->call_open && !(f->flags & WIRE_MORE)) { /* nearly always: one frame, not copied */
		submit(p, f->id, f->data, f->len);
		return;
	}
	p->call_open = f->flags & WIRE_MORE;
	p->call_id = f->id;
	if (f->len > WIRE_REQUEST_MAX - buf_len(&p->call)) {
		peer_goodbye(p, "protocol", "a CALL over the limit of 4 MiB");
	} else if (!buf_add(&p->call, f->data, f->len)) {
		peer_drop(p, "no memory for a call");
	} else if (!p->call_open) {
		submit(p, f->id, buf_data(&p->call), buf_len(&p->call));
		buf_finish(&p->call);
	}
}

static void on_cancel(struct peer *p, const struct wire_frame *f)
{
	uint64_t number = queue_find(p->server->queue, p->serial, f->id);
	if (number)
		answers_stop(p->server, number, STOP_CANCELLED, p->name);
}

/* A request that is no number must not end in stopping what happens to run. */
static void on_interrupt(struct peer *p, const struct wire_frame *f)
{
	struct server *s = p->server;
	json_t *ask = f->len ? json_loadb(f->data, f->len, 0, NULL) : NULL;
	json_t *request = json_object_get(ask, "request");
	const char *by = json_string_value(json_object_get(ask, "client"));
	if ((f->len && !json_is_object(ask)) || (request && json_integer_value(request) <= 0)) {
		peer_goodbye(p, "protocol", "an INTERRUPT that does not say what to stop");
	} else {
		struct waiter w = {.kind = WAIT_STOP, .peer = p->serial, .id = f->id, .deadline = queue_now() + SERVER_STOP_MS / 1000.0};
		w.number = request ? (uint64_t)json_integer_value(request) : queue_running(s->queue);
		waiters_add(s, p, &w);
		answers_stop(s, w.number, STOP_INTERRUPTED, by ? by : p->name);
	}
	json_decref(ask);
}

static void on_credit(struct peer *p, const struct wire_frame *f)
{
	struct sending *s;
	if (f->len != 4) {
		peer_goodbye(p, "protocol", "a CREDIT that is not 4 bytes long");
		return;
	}
	TAILQ_FOREACH(s, &p->sendings, link) {
		if (s->reply->id == f->id) {
			size_t more = wire_load_u32(f->data);
			s->allowed = more > WIRE_RESULT_MAX - s->allowed ? WIRE_RESULT_MAX : s->allowed + more;
			break;
		}
	}
}

static void on_catalogue(struct peer *p, const struct wire_frame *f)
{
	struct server *s = p->server;
	struct buf text = {0};
	pthread_mutex_lock(&s->lock);
	bool none = !buf_len(&s->catalogue);
	bool ok = buf_add(&text, none ? "[]" : buf_data(&s->catalogue), none ? 2 : buf_len(&s->catalogue));
	pthread_mutex_unlock(&s->lock);
	if (!ok)
		buf_finish(&text);
	peer_send_text(p, WIRE_TOOLS, f->id, &text);
}

static void on_watch(struct peer *p, const struct wire_frame *f)
{
	json_t *uris = f->len <= WIRE_WATCH_MAX && !(f->flags & WIRE_MORE) ? json_loadb(f->data, f->len, 0, NULL) : NULL;
	bool right = json_is_array(uris), any = json_array_size(uris) > 0;
	json_decref(uris);
	if (!right) {
		peer_goodbye(p, "protocol", "a WATCH that is no array, or over the limit of 256 KiB");
		return;
	}
	buf_finish(&p->watches);
	if (any && !buf_add(&p->watches, f->data, f->len))
		peer_drop(p, "no memory for what it watches");
	else
		server_watches(p->server);
}

static void (*const handlers[])(struct peer *, const struct wire_frame *) = {
	[WIRE_HELLO] = on_hello,   [WIRE_PING] = on_ping,           [WIRE_STATUS] = on_status, [WIRE_CALL] = on_call,
	[WIRE_CANCEL] = on_cancel, [WIRE_INTERRUPT] = on_interrupt, [WIRE_CREDIT] = on_credit, [WIRE_CATALOGUE] = on_catalogue,
	[WIRE_WATCH] = on_watch,
};

static void take(struct peer *p, const struct wire_frame *f)
{
	if (f->type >= sizeof handlers / sizeof *handlers || !handlers[f->type])
		peer_goodbye(p, "protocol", "a frame of an unknown type");
	else if (p->welcome == (f->type == WIRE_HELLO))
		peer_goodbye(p, "protocol", p->welcome ? "a second HELLO" : "the first frame is not HELLO");
	else
		handlers[f->type](p, f);
}

static void bad(struct peer *p, const char *why)
{
	struct server *s = p->server;
	char message[300];
	if (strncmp(why, "another version", 15) == 0) {
		snprintf(message, sizeof message,
			 "Emacs instance %s runs efrit-mcp %s (wire version %d) and the bridge speaks another wire version: "
			 "bring both to the same version and restart Emacs, a module cannot be unloaded",
			 s->listening.name, s->version, WIRE_VERSION);
		peer_goodbye(p, "version", message);
	} else {
		peer_goodbye(p, "protocol", why);
	}
}

void frames_take(struct peer *p)
{
	struct wire_frame f;
	const char *why;
	p->stalled = false;
	while (!p->dead && !p->closing) {
		if (buf_len(&p->out) >= SERVER_OUT_HIGH) { /* peer_flush comes back */
			p->stalled = true;
			return;
		}
		switch (wire_take(&p->in, &f, &why)) {
		case WIRE_TAKE_NONE:
			return;
		case WIRE_TAKE_BAD:
			bad(p, why);
			return;
		case WIRE_TAKE_FRAME:
			take(p, &f);
			if (!p->dead)
				wire_eat(&p->in, &f);
		}
	}
}
