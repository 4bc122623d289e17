/* peer.c - one bridge at the other end of a socket: its bytes, its results with
 * their credit, its end.  The loop's. */
#include "json.h"
#include "wire/socket.h"
#include "server_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	READ_SIZE = 64 * 1024,
	OUT_MAX = 4 * 1024 * 1024,
	OUT_ENOUGH = 128 * 1024, /* bytes unsent: no further block of a result is made, so that they stay in the processor's cache */
};

static void want(struct peer *p)
{
	int events = (buf_len(&p->out) ? EV_WRITE : 0);
	if (!p->closing && buf_len(&p->out) < SERVER_OUT_HIGH)
		events |= EV_READ;
	if (events == (p->io.events & (EV_READ | EV_WRITE)) && ev_is_active(&p->io))
		return;
	ev_io_stop(p->server->loop, &p->io);
	ev_io_set(&p->io, p->fd, events);
	if (events)
		ev_io_start(p->server->loop, &p->io);
}

static void end_sending(struct peer *p, struct sending *s)
{
	TAILQ_REMOVE(&p->sendings, s, link);
	p->unread -= reply_length(s->reply);
	reply_destroy(s->reply);
	free(s);
}

/* Its jobs wait while it does not read what it was answered. */
static void hold(struct peer *p)
{
	bool held = p->held ? p->unread > WIRE_UNREAD_MAX / 2 : p->unread > WIRE_UNREAD_MAX;
	if (held == p->held)
		return;
	p->held = held;
	queue_hold(p->server->queue, p->serial, held || p->reading);
	server_event(p->server, "bridge %llu %s", (unsigned long long)p->serial,
		     held ? "does not read its answers; its jobs wait" : "reads again");
	if (!held && queue_pending(p->server->queue))
		server_ring(p->server);
}

static struct sending *ready(struct peer *p)
{
	struct sending *s;
	TAILQ_FOREACH(s, &p->sendings, link)
		if (s->allowed || !reply_length(s->reply))
			return s;
	return NULL;
}

/* What is made while it is sent, straight into OUT.  False: no memory. */
static bool put_rest(struct peer *p, struct reply *r, size_t most, size_t *n)
{
	size_t at = buf_len(&p->out);
	if (!wire_put(&p->out, WIRE_RESULT, 0, r->id, NULL, 0) || !body_fill(r->rest, &p->out, most))
		return false;
	wire_grown(&p->out, at, (uint8_t)((reply_length(r) ? WIRE_MORE : 0) | job_wire_flag(r->outcome)));
	*n = buf_len(&p->out) - at - WIRE_HEADER;
	return true;
}

static void put_text(struct peer *p, struct reply *r, size_t *n)
{
	size_t left = reply_length(r);
	if (*n > buf_len(&r->text))
		*n = buf_len(&r->text);
	peer_send(p, WIRE_RESULT, (uint8_t)((*n < left ? WIRE_MORE : 0) | job_wire_flag(r->outcome)), r->id, buf_data(&r->text), *n);
	buf_eat(&r->text, *n);
}

static void send_block(struct peer *p, struct sending *s)
{
	struct reply *r = s->reply;
	size_t left = reply_length(r), n = left < WIRE_BLOCK ? left : WIRE_BLOCK;
	bool ok = true;
	if (n > s->allowed)
		n = s->allowed;
	if (!buf_len(&r->text) && n >= BODY_LEAST) {
		ok = put_rest(p, r, n, &n);
	} else {
		if (!buf_len(&r->text) && r->rest) /* its credit is too small for whole characters */
			ok = body_fill(r->rest, &r->text, BODY_LEAST);
		put_text(p, r, &n);
	}
	if (!ok) {
		peer_drop(p, "no memory for an answer");
		return;
	}
	s->allowed -= n;
	p->unread -= n;
	if (n == left) {
		end_sending(p, s);
		return;
	}
	TAILQ_REMOVE(&p->sendings, s, link); /* the others come first now */
	TAILQ_INSERT_TAIL(&p->sendings, s, link);
}

/* A block of each result in turn while credit lasts and the socket is not far behind. */
static void push_results(struct peer *p)
{
	struct sending *s;
	while (!p->dead && !p->closing && buf_len(&p->out) < OUT_ENOUGH && (s = ready(p)))
		send_block(p, s);
	if (!p->dead)
		hold(p);
}

void peer_send(struct peer *p, uint8_t type, uint8_t flags, uint64_t id, const void *data, size_t len)
{
	if (p->dead || p->closing)
		return;
	if (!wire_put(&p->out, type, flags, id, data, len))
		peer_drop(p, "no memory for an answer");
	else if (buf_len(&p->out) > OUT_MAX)
		peer_drop(p, "it asks and does not read the answers");
}

void peer_send_text(struct peer *p, uint8_t type, uint64_t id, struct buf *text)
{
	if (!buf_len(text))
		peer_drop(p, "no memory for an answer");
	while (buf_len(text) > WIRE_FRAME_MAX) {
		peer_send(p, type, WIRE_MORE, id, buf_data(text), WIRE_FRAME_MAX);
		buf_eat(text, WIRE_FRAME_MAX);
	}
	peer_send(p, type, 0, id, buf_data(text), buf_len(text));
	buf_finish(text);
}

void peer_introduce(struct peer *p)
{
	ssize_t n = 0;
	if (!p->dead && p->server->ledger)
		n = socket_send_with(p->fd, buf_data(&p->out), buf_len(&p->out), ledger_descriptor(p->server->ledger));
	if (n > 0) /* else it goes as all the rest, and the ledger does not */
		buf_eat(&p->out, (size_t)n);
}

void peer_refuse(struct peer *p, uint64_t id, const char *code, const char *message, int retry_ms)
{
	struct buf text = {0};
	bool ok = buf_printf(&text, "{\"code\":\"%s\",\"message\":", code) && json_put_string(&text, message, strlen(message), NULL)
		  && (!retry_ms || buf_printf(&text, ",\"retry_ms\":%d", retry_ms)) && buf_printf(&text, "}");
	if (!ok)
		buf_finish(&text);
	peer_send_text(p, WIRE_REFUSED, id, &text);
}

void peer_send_reply(struct peer *p, struct reply **reply)
{
	struct sending *s = p->dead || p->closing || !buf_len(&(*reply)->text) ? NULL : calloc(1, sizeof *s);
	if (!s) {
		reply_destroy(*reply);
		*reply = NULL;
		if (!p->closing)
			peer_drop(p, "no memory for an answer");
		return;
	}
	s->reply = *reply;
	*reply = NULL;
	s->allowed = WIRE_WINDOW;
	p->unread += reply_length(s->reply);
	TAILQ_INSERT_TAIL(&p->sendings, s, link);
	push_results(p);
}

bool peer_is_sending(const struct peer *p, uint64_t id)
{
	const struct sending *s;
	TAILQ_FOREACH(s, &p->sendings, link)
		if (s->reply->id == id)
			return true;
	return false;
}

/* As much as the socket takes.  False: it is gone. */
static bool send_out(struct peer *p)
{
	for (;;) {
		ssize_t n = express_write(&p->server->express, p->serial, p->fd, &p->out);
		if (!n)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0) {
			peer_drop(p, strerror(errno));
			return false;
		}
		push_results(p);
	}
	return !p->dead;
}

void peer_flush(struct peer *p)
{
	if (p->dead)
		return;
	push_results(p);
	while (send_out(p) && p->stalled && buf_len(&p->out) < SERVER_OUT_HIGH)
		frames_take(p);
	if (p->dead)
		return;
	if (p->closing && !buf_len(&p->out))
		peer_drop(p, NULL);
	else
		want(p);
}

static bool several(const struct buf *in)
{
	struct wire_frame frame;
	const char *why;
	return wire_take(in, &frame, &why) == WIRE_TAKE_FRAME && buf_len(in) > WIRE_HEADER + (size_t)frame.len;
}

/* After a pause of the process a call and its cancellation may both be here: Lisp takes none of
 * its calls before all that it has said is read. */
static void take_all(struct peer *p, bool full)
{
	struct queue *q = p->server->queue;
	char next;
	p->reading = p->reading || full || several(&p->in);
	if (p->reading)
		queue_hold(q, p->serial, true);
	frames_take(p);
	if (!p->reading || p->dead || (full && !p->stalled && recv(p->fd, &next, 1, MSG_PEEK | MSG_DONTWAIT) > 0))
		return;
	p->reading = false;
	queue_hold(q, p->serial, p->held);
	if (!p->held && queue_pending(q))
		server_ring(p->server);
}

static void on_io(struct ev_loop *loop, ev_io *w, int revents)
{
	struct peer *p = owner(w, struct peer, io);
	(void)loop;
	if (revents & EV_ERROR) {
		peer_drop(p, "the system does not watch its socket");
		return;
	}
	if (p->dead || !(revents & EV_READ) || p->closing)
		return; /* writing is done before the loop sleeps */
	if (!buf_reserve(&p->in, READ_SIZE)) {
		peer_drop(p, "no memory for its frames");
		return;
	}
	ssize_t n = recv(p->fd, buf_room(&p->in), READ_SIZE, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == EWOULDBLOCK))
		return;
	if (n <= 0) {
		peer_drop(p, n ? strerror(errno) : "it closed the connection");
		return;
	}
	buf_filled(&p->in, (size_t)n);
	take_all(p, n == READ_SIZE);
}

static void on_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct peer *p = owner(w, struct peer, limit);
	(void)loop;
	(void)revents;
	if (p->closing)
		peer_drop(p, "it does not read its goodbye");
	else if (!p->welcome)
		peer_goodbye(p, "protocol", "no HELLO came in time");
}

static void set_limit(struct peer *p, int ms)
{
	ev_timer_stop(p->server->loop, &p->limit);
	ev_timer_set(&p->limit, ms / 1000.0, 0);
	ev_timer_start(p->server->loop, &p->limit);
}

bool peer_accept(struct server *s, int fd, uint64_t serial)
{
	struct peer *p = calloc(1, sizeof *p);
	if (!p)
		return false;
	p->server = s;
	p->fd = fd;
	p->serial = serial;
	snprintf(p->name, sizeof p->name, "bridge");
	TAILQ_INIT(&p->sendings);
	TAILQ_INSERT_TAIL(&s->peers, p, link);
	s->n_peers++;
	ev_io_init(&p->io, on_io, fd, EV_READ);
	ev_io_start(s->loop, &p->io);
	ev_timer_init(&p->limit, on_limit, 0, 0);
	set_limit(p, SERVER_HELLO_MS);
	if (!socket_peer(fd, &p->uid, &p->pid) || p->uid != geteuid())
		peer_goodbye(p, "forbidden", "this Emacs belongs to another user");
	else if (s->n_peers > WIRE_PEERS_MAX)
		peer_goodbye(p, "too_many_peers", "this Emacs has all the bridges it can take (64); end one of them");
	return true;
}

void peer_goodbye(struct peer *p, const char *code, const char *message)
{
	struct buf text = {0};
	if (p->dead || p->closing)
		return;
	server_event(p->server, "bridge %llu is sent away: %s", (unsigned long long)p->serial, message);
	bool ok = buf_printf(&text, "{\"code\":\"%s\",\"message\":", code) && json_put_string(&text, message, strlen(message), NULL)
		  && buf_printf(&text, "}");
	if (!ok)
		buf_finish(&text);
	peer_send_text(p, WIRE_GOODBYE, 0, &text);
	if (p->dead)
		return;
	express_close(&p->server->express, p->serial, &p->out);
	p->closing = true;
	p->server->n_peers--;
	set_limit(p, SERVER_GOODBYE_MS);
}

void peer_drop(struct peer *p, const char *why)
{
	struct server *s = p->server;
	if (p->dead)
		return;
	p->dead = true;
	express_close(&s->express, p->serial, NULL);
	if (!p->closing)
		s->n_peers--;
	if (why)
		server_event(s, "bridge %llu is gone: %s", (unsigned long long)p->serial, why);
	if (s->broken)
		return;
	ev_io_stop(s->loop, &p->io);
	ev_timer_stop(s->loop, &p->limit);
	if (buf_len(&p->watches)) {
		buf_finish(&p->watches);
		server_watches(s);
	}
}

void peer_free(struct peer *p)
{
	struct sending *s;
	while ((s = TAILQ_FIRST(&p->sendings)))
		end_sending(p, s);
	buf_finish(&p->in);
	buf_finish(&p->out);
	buf_finish(&p->call);
	buf_finish(&p->watches);
	close(p->fd);
	free(p);
}
