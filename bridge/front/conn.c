/* conn.c - see conn.h.  The life of a connection:
 *
 *   idle --bytes--> head --empty line--> body --whole--> wait --answer sent--> idle
 *                     \___ refused: an answer, then linger until the client has it ___/
 *
 * Output is written at the end of a turn of the loop, all of it at once. */
#include "front/conn_impl.h"
#include "copy.h"
#include "front/tls.h"
#include "log.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	READS = 8,                /* pieces read from one client before others have their turn */
	EARLY_MAX = 64 * 1024,    /* bytes of requests to come that are kept while one is answered */
	LINGER_BYTES = 16 << 20,  /* discarded while a client takes a refusal */
	OVERHEAD_MAX = 64 * 1024, /* bytes of chunk heads and trailers */
	BLANK_LINES = 8,          /* before a request */
};
static const double linger_time = 1;
/* Seconds before who is answered soon is in doubt, and between the first two doubts; each pause is twice the one before, up to keep_alive. */
static const double first_doubt = 0.5, next_doubt = 0.1;

static void add(struct buf *b, const char *data, size_t len)
{
	if (!buf_add(b, data, len))
		log_no_memory();
}

/* --- time --- */

void conn_set_timer(struct conn *c, double seconds)
{
	c->timer.repeat = seconds;
	ev_timer_again(c->conns->loop, &c->timer); /* 0: stops it */
	c->armed_write = false;
}

/* A state has its own time; while the client takes nothing of what is ready, that counts. */
void conn_enter(struct conn *c, enum state state)
{
	const struct config *config = c->conns->config;
	c->state = state;
	c->since = ev_now(c->conns->loop);
	switch (state) {
	case FRESH: /* who speaks lines may take its time */
		conn_set_timer(c, c->kind == CONN_UNIX ? 0 : (double)config->head_timeout / 1000);
		break;
	case HEAD:
		conn_set_timer(c, (double)config->head_timeout / 1000);
		break;
	case IDLE:
		conn_set_timer(c, c->conns->draining ? linger_time : (double)config->idle_timeout / 1000);
		break;
	case BODY:
		conn_set_timer(c, (double)config->body_timeout / 1000);
		break;
	case LINGER:
		conn_set_timer(c, linger_time);
		break;
	case WAIT:
	case DEAD:
		conn_set_timer(c, 0);
		break;
	}
}

/* --- the end --- */

void conn_drop(struct conn *c)
{
	struct conns *all = c->conns;
	if (c->state == DEAD)
		return;
	bool told = c->user_data != NULL;
	conn_enter(c, DEAD);
	ev_io_stop(all->loop, &c->readable);
	ev_io_stop(all->loop, &c->writable);
	ev_timer_stop(all->loop, &c->doubt);
	if (c->dirty)
		TAILQ_REMOVE(&all->dirty, c, of_dirty);
	c->dirty = true; /* never again */
	TAILQ_REMOVE(&all->all, c, of_all);
	TAILQ_INSERT_TAIL(&all->dead, c, of_all);
	all->count--;
	turn_want(&all->turn);
	if (told)
		all->user->on_gone(c);
	conn_file_end(c);
	tls_close(c->tls);
	c->tls = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void conn_close(struct conn *c)
{
	c->closing = true;
}

/* --- input --- */

static void too_long(struct conn *c)
{
	char why[HEAD_WHY_MAX];
	snprintf(why, sizeof why, "the body is over the limit of %ld bytes", c->conns->config->request_max);
	conn_refuse(c, 413, why);
}

static void complete(struct conn *c, const char *rest, size_t len)
{
	conn_enter(c, WAIT);
	add(&c->in, rest, len);
	c->scan = (struct head_scan){0};
	if (!c->begun)
		c->conns->user->on_message(c);
}

static enum chunks_verdict take_body(struct conn *c, const char *data, size_t len, size_t *used)
{
	size_t most = (size_t)c->conns->config->request_max;
	if (c->head->chunked)
		return chunks_feed(&c->chunks, data, len, &c->body, most, used);
	size_t left = (size_t)c->head->length - buf_len(&c->body);
	*used = len < left ? len : left;
	add(&c->body, data, *used);
	return *used == left ? CHUNKS_DONE : CHUNKS_MORE;
}

/* Takes what belongs to the body; the rest is kept for the next request. */
static void feed_body(struct conn *c, const char *data, size_t len)
{
	size_t used = 0;
	enum chunks_verdict verdict = take_body(c, data, len, &used);
	c->raw += used;
	if (verdict == CHUNKS_NO_MEMORY)
		log_no_memory();
	if (verdict == CHUNKS_DONE)
		complete(c, data + used, len - used);
	else if (verdict == CHUNKS_BAD)
		conn_refuse(c, 400, "the body cannot be read: it is not in chunks as HTTP/1.1 has them");
	else if (verdict == CHUNKS_LONG || c->raw > buf_len(&c->body) * 2 + OVERHEAD_MAX)
		too_long(c);
}

static void begin_body(struct conn *c, const char *rest, size_t rest_len)
{
	conn_enter(c, BODY);
	c->raw = 0;
	c->chunks = (struct chunks){0};
	c->old = c->head->http10;
	c->keep = c->head->keep_alive;
	c->is_head = c->head->method == HTTP_HEAD;
	c->no_body = !c->head->chunked && !c->head->length;
	c->conns->user->on_head(c);
	if (c->state == DEAD || (c->begun && !c->no_body))
		return;
	if (c->head->has_length && c->head->length > (uint64_t)c->conns->config->request_max) {
		too_long(c);
		return;
	}
	if (c->head->expects_continue && !rest_len)
		conn_interim(c);
	if (c->no_body)
		complete(c, rest, rest_len);
	else
		feed_body(c, rest, rest_len);
}

/* Some clients send one behind a body.  False: what is there is none, or there were too many. */
static bool skip_blank_lines(struct conn *c)
{
	while (!c->scan.at && buf_len(&c->in) && *buf_data(&c->in) == '\r') {
		if (buf_len(&c->in) == 1)
			break;
		if (buf_data(&c->in)[1] != '\n' || ++c->blank_lines > BLANK_LINES)
			return false;
		buf_eat(&c->in, 2);
	}
	return true;
}

/* A head may be there. */
static void feed_head(struct conn *c)
{
	char why[HEAD_WHY_MAX];
	if (!skip_blank_lines(c)) {
		conn_enter(c, HEAD);
		conn_refuse(c, 400, "something else than a few empty lines before the request");
		return;
	}
	if (!buf_len(&c->in))
		return;
	if (c->state != HEAD)
		conn_enter(c, HEAD);
	long n = head_measure(buf_data(&c->in), buf_len(&c->in), &c->scan, why);
	size_t most = (size_t)c->conns->config->head_max;
	if (n < 0) {
		conn_refuse(c, 400, why);
		return;
	}
	if (n > (long)most || (!n && buf_len(&c->in) > most)) {
		conn_refuse(c, 431, "request line and headers are too long");
		return;
	}
	if (!n)
		return;
	char *text = copy_part(buf_data(&c->in), (size_t)n);
	head_destroy(c->head);
	c->keep = c->no_body = c->is_head = c->old = false;
	c->blank_lines = 0;
	c->head = head_read(text, (size_t)n, c->conns->config);
	if (c->head->status) {
		conn_refuse(c, c->head->status, c->head->why);
		return;
	}
	struct buf rest = c->in;
	c->in = (struct buf){0};
	buf_eat(&rest, (size_t)n);
	begin_body(c, buf_data(&rest), buf_len(&rest));
	buf_finish(&rest);
}

static void feed(struct conn *c, const char *data, size_t len)
{
	switch (c->state) {
	case FRESH:
	case IDLE:
	case HEAD:
		if (c->begun) /* it is refused already */
			return;
		add(&c->in, data, len);
		feed_head(c);
		return;
	case BODY:
		if (!c->begun)
			feed_body(c, data, len);
		return;
	case WAIT:
		add(&c->in, data, len);
		return;
	case LINGER:
		c->raw += len;
		if (c->raw > LINGER_BYTES)
			conn_drop(c);
		return;
	case DEAD:
		return;
	}
}

/* A peer that ends its half of the connection and one that closes it look alike, to TCP, until something is sent: then the
 * latter answers with a reset.  Who left is to be known, for what runs for it alone is cancelled. */
static void doubt(struct conn *c, double seconds)
{
	c->doubt.repeat = seconds;
	ev_timer_again(c->conns->loop, &c->doubt);
}

static bool is_reset(const struct conn *c)
{
	struct pollfd fd = {.fd = c->fd};
	return poll(&fd, 1, 0) == 1 && (fd.revents & (POLLHUP | POLLERR));
}

/* False: it is gone. */
static bool test_peer(struct conn *c)
{
	if (is_reset(c)) {
		conn_drop(c);
		return false;
	}
	if (c->kind == CONN_TCP && !c->conns->user->on_doubt(c))
		conn_interim(c);
	return true;
}

void conn_on_doubt(EV_P_ ev_timer *timer, int revents)
{
	struct conn *c = timer->data;
	double most = (double)c->conns->config->keep_alive / 1000, next = c->doubted ? timer->repeat * 2 : next_doubt;
	c->doubted = true;
	(void)revents;
	if (c->state != WAIT || c->ended)
		ev_timer_stop(loop, timer);
	else if (test_peer(c))
		doubt(c, next < most ? next : most);
}

/* A request that was read whole is answered. */
static void end_input(struct conn *c)
{
	if (c->state == LINGER || c->state == IDLE || c->state == FRESH)
		conn_drop(c);
	else if (c->state == WAIT && !c->ended && is_reset(c))
		conn_drop(c);
	else if (c->state == WAIT && !c->ended) {
		c->doubted = c->begun && c->kind == CONN_TCP && c->conns->user->on_doubt(c);
		doubt(c, c->begun ? next_doubt : first_doubt);
	} else if (c->state != WAIT && !c->begun)
		conn_refuse(c, 400, "the request ended in the middle");
}

static void on_end(struct conn *c)
{
	c->eof = true;
	ev_io_stop(c->conns->loop, &c->readable);
	end_input(c);
}

void conn_balance(struct conn *c)
{
	bool pause = c->eof || (c->state == WAIT && buf_len(&c->in) >= EARLY_MAX);
	if (c->state == DEAD)
		return;
	if (pause)
		ev_io_stop(c->conns->loop, &c->readable);
	else
		ev_io_start(c->conns->loop, &c->readable);
	c->paused = pause;
}

static ssize_t receive(struct conn *c)
{
	bool wants_write = false;
	ssize_t n = c->tls ? tls_read(c->tls, c->conns->piece, CONN_PIECE, &wants_write) : recv(c->fd, c->conns->piece, CONN_PIECE, 0);
	if (n < 0 && wants_write)
		ev_io_start(c->conns->loop, &c->writable);
	return n;
}

/* What speaks there?  False: not known yet, or it is none of ours. */
static bool sniff(struct conn *c)
{
	unsigned char first;
	ssize_t n = recv(c->fd, &first, 1, MSG_PEEK);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		conn_drop(c);
		return false;
	}
	if (c->kind == CONN_UNIX && !(first >= 'A' && first <= 'Z')) {
		int fd = c->fd;
		c->fd = -1;
		ev_io_stop(c->conns->loop, &c->readable);
		conn_drop(c);
		c->conns->user->on_lines(c->conns->data, fd, c->uid);
		return false;
	}
	if (c->kind == CONN_TCP && c->conns->tls && first != 0x16) {
		conn_enter(c, HEAD);
		conn_refuse(c, 400, "this port speaks HTTPS");
		return false;
	}
	if (c->kind == CONN_TCP && c->conns->tls)
		c->tls = tls_open(c->conns->tls, c->fd);
	conn_enter(c, HEAD);
	return true;
}

void conn_on_readable(EV_P_ ev_io *io, int revents)
{
	struct conn *c = io->data;
	(void)loop;
	(void)revents;
	if (c->state == FRESH && !sniff(c))
		return;
	for (int i = 0; i < READS && !c->paused && !c->eof && c->state != DEAD; i++) {
		ssize_t n = receive(c);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			conn_drop(c);
		else if (n == 0)
			on_end(c);
		else
			feed(c, c->conns->piece, (size_t)n);
		if (n < CONN_PIECE && !c->tls)
			break;
		conn_balance(c);
	}
	conn_balance(c);
}

/* The answer is out: the next request, or goodbye. */
void conn_turn_over(struct conn *c)
{
	if (c->closing) {
		conn_forget(c);
		tls_close(c->tls);
		c->tls = NULL;
		bool more = buf_len(&c->in) || c->conns->draining; /* what comes yet would reset the answer away */
		if (c->eof || (c->state == WAIT && !more)) {
			conn_drop(c);
			return;
		}
		shutdown(c->fd, SHUT_WR); /* what it still sends must not reset the answer away */
		c->raw = 0;
		conn_enter(c, LINGER);
		return;
	}
	conn_forget(c);
	c->begun = c->ended = c->chunked = false;
	c->scan = (struct head_scan){0};
	conn_enter(c, IDLE);
	if (!buf_len(&c->in))
		buf_finish(&c->in);
	feed_head(c);
	if (c->eof && c->state != DEAD)
		end_input(c);
}

void conn_on_writable(EV_P_ ev_io *io, int revents)
{
	struct conn *c = io->data;
	(void)revents;
	if (c->tls && !buf_len(&c->out)) { /* a handshake waited */
		ev_io_stop(loop, io);
		conn_on_readable(loop, &c->readable, EV_READ);
		return;
	}
	conn_mark(c);
}

void conn_on_timer(EV_P_ ev_timer *timer, int revents)
{
	struct conn *c = timer->data;
	(void)loop;
	(void)revents;
	ev_timer_stop(loop, timer);
	if (c->state == IDLE && c->conns->draining && !c->eof) { /* what is on its way must not be answered by a reset */
		tls_close(c->tls);
		c->tls = NULL;
		shutdown(c->fd, SHUT_WR);
		c->raw = 0;
		conn_enter(c, LINGER);
	} else if (c->state == IDLE || c->state == FRESH || c->state == LINGER || c->armed_write || c->begun
	    || (c->tls && !buf_len(&c->in))) /* nobody there to be told */
		conn_drop(c);
	else if (c->state == HEAD)
		conn_refuse(c, 408, "the head of the request did not come in time");
	else
		conn_refuse(c, 408, "the body of the request did not come in time");
}

const char *conn_peer(const struct conn *c, char room[CONN_PEER])
{
	struct sockaddr_storage address;
	socklen_t len = sizeof address;
	char host[56] = "", port[8] = "";
	snprintf(room, CONN_PEER, "user %ld", c->uid);
	if (c->kind == CONN_TCP && (getpeername(c->fd, (struct sockaddr *)&address, &len) != 0
				    || getnameinfo((struct sockaddr *)&address, len, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0))
		snprintf(room, CONN_PEER, "a client that is gone");
	else if (c->kind == CONN_TCP)
		snprintf(room, CONN_PEER, address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
	return room;
}

const struct head *conn_head(const struct conn *c) { return c->head; }
const struct buf *conn_body(const struct conn *c) { return &c->body; }
enum conn_kind conn_kind(const struct conn *c) { return c->kind; }
long conn_uid(const struct conn *c) { return c->uid; }
void *conn_data(const struct conn *c) { return c->conns->data; }
void *conn_user_data(const struct conn *c) { return c->user_data; }
void conn_set_user_data(struct conn *c, void *data) { c->user_data = data; }
bool conn_begun(const struct conn *c) { return c->begun; }
bool conn_is_half(const struct conn *c) { return c->eof; }
size_t conn_unsent(const struct conn *c) { return buf_len(&c->out); }

void conn_forget(struct conn *c)
{
	buf_finish(&c->body);
	head_destroy(c->head);
	c->head = NULL;
}
