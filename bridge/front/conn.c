/* conn.c - see conn.h.  The life of a connection:
 *
 *   idle --bytes--> head --empty line--> body --whole--> wait --answer sent--> idle
 *                     \___ refused: an answer, then linger until the client has it ___/
 *
 * Output is written at the end of a turn of the loop, all of it at once. */
#include "front/conn.h"
#include "front/tls.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	READ_PIECE = 64 * 1024,
	READS = 8,                /* pieces read from one client before others have their turn */
	EARLY_MAX = 64 * 1024,    /* bytes of requests to come that are kept while one is answered */
	LINGER_BYTES = 1 << 20,   /* discarded while a client takes a refusal */
	OVERHEAD_MAX = 64 * 1024, /* bytes of chunk heads and trailers */
};
static const double linger_time = 1;

enum state { FRESH, IDLE, HEAD, BODY, WAIT, LINGER, DEAD };

struct conn {
	TAILQ_ENTRY(conn) of_all;   /* conns::all or conns::dead */
	TAILQ_ENTRY(conn) of_dirty; /* conns::dirty */
	struct conns *conns;        /* borrowed */
	void *user_data;
	struct tls_pipe *tls;       /* owned, or NULL */
	int fd;
	long uid;
	enum conn_kind kind;
	enum state state;
	bool dirty, paused;
	bool begun, ended, chunked, closing, eof; /* of the answer */
	bool armed_write;           /* the timer is about output */
	bool old, no_body, is_head, keep; /* of the request: HTTP/1.0, HEAD, keep-alive */
	ev_io readable, writable;
	ev_timer timer;
	llhttp_t parser;
	size_t scanned, raw;        /* of the head in in; bytes of the body as they came */
	struct head *head;          /* owned; of the request under way */
	struct buf in, body, out;
};

TAILQ_HEAD(conn_list, conn);

struct conns {
	struct ev_loop *loop;        /* borrowed */
	const struct config *config; /* borrowed */
	const struct conn_user *user;
	void *data;
	struct tls *tls;             /* owned, or NULL */
	struct conn_list all, dead;
	TAILQ_HEAD(, conn) dirty;
	long count;
	bool draining;
	ev_prepare turn;             /* active while dirty or dead hold something */
	ev_idle nudge;               /* what was done at the end of a turn may want another turn */
	time_t stamp;
	char date[64];
	char piece[READ_PIECE];
};

static void add(struct buf *b, const char *data, size_t len)
{
	if (!buf_add(b, data, len))
		log_no_memory();
}

static void mark(struct conn *c)
{
	if (c->dirty || c->state == DEAD)
		return;
	c->dirty = true;
	TAILQ_INSERT_TAIL(&c->conns->dirty, c, of_dirty);
	ev_prepare_start(c->conns->loop, &c->conns->turn);
}

/* --- time --- */

static void set_timer(struct conn *c, double seconds)
{
	c->timer.repeat = seconds;
	ev_timer_again(c->conns->loop, &c->timer); /* 0: stops it */
	c->armed_write = false;
}

/* A state has its own time; while the client takes nothing of what is ready, that counts. */
static void enter(struct conn *c, enum state state)
{
	const struct config *config = c->conns->config;
	c->state = state;
	switch (state) {
	case FRESH:
	case HEAD:
		set_timer(c, (double)config->head_timeout / 1000);
		break;
	case IDLE:
		set_timer(c, c->conns->draining ? linger_time : (double)config->idle_timeout / 1000);
		break;
	case BODY:
		set_timer(c, (double)config->body_timeout / 1000);
		break;
	case LINGER:
		set_timer(c, linger_time);
		break;
	case WAIT:
	case DEAD:
		set_timer(c, 0);
		break;
	}
}

static void watch_output(struct conn *c, bool progress)
{
	bool waits = buf_len(&c->out) > 0;
	if (c->state == LINGER && !waits)
		return;
	if (waits && (progress || !c->armed_write)) {
		set_timer(c, (double)c->conns->config->write_timeout / 1000);
		c->armed_write = true;
	} else if (!waits && c->armed_write) {
		enter(c, c->state);
	}
}

/* --- the end --- */

void conn_drop(struct conn *c)
{
	struct conns *all = c->conns;
	if (c->state == DEAD)
		return;
	bool told = c->user_data != NULL;
	enter(c, DEAD);
	ev_io_stop(all->loop, &c->readable);
	ev_io_stop(all->loop, &c->writable);
	if (c->dirty)
		TAILQ_REMOVE(&all->dirty, c, of_dirty);
	c->dirty = true; /* never again */
	TAILQ_REMOVE(&all->all, c, of_all);
	TAILQ_INSERT_TAIL(&all->dead, c, of_all);
	all->count--;
	ev_prepare_start(all->loop, &all->turn);
	if (told)
		all->user->on_gone(c);
	tls_close(c->tls);
	c->tls = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static void bury(struct conns *all)
{
	struct conn *c;
	while ((c = TAILQ_FIRST(&all->dead))) {
		TAILQ_REMOVE(&all->dead, c, of_all);
		head_destroy(c->head);
		buf_finish(&c->in);
		buf_finish(&c->body);
		buf_finish(&c->out);
		free(c);
	}
}

void conn_close(struct conn *c)
{
	c->closing = true;
}

/* --- the answer --- */

static const char *reason(int status)
{
	static const struct { int status; const char *words; } all[] = {
		{200, "OK"}, {202, "Accepted"}, {204, "No Content"}, {206, "Partial Content"}, {400, "Bad Request"},
		{401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"},
		{406, "Not Acceptable"}, {408, "Request Timeout"}, {409, "Conflict"}, {413, "Content Too Large"},
		{415, "Unsupported Media Type"}, {417, "Expectation Failed"}, {421, "Misdirected Request"},
		{422, "Unprocessable Content"}, {429, "Too Many Requests"}, {431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"},
		{503, "Service Unavailable"}, {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"},
	};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (all[i].status == status)
			return all[i].words;
	return "Status";
}

static const char *date(struct conns *all)
{
	time_t now = (time_t)ev_now(all->loop);
	struct tm tm;
	if (now != all->stamp) {
		all->stamp = now;
		strftime(all->date, sizeof all->date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	}
	return all->date;
}

static bool bodyless(int status)
{
	return status == 204 || status == 304;
}

void conn_begin(struct conn *c, int status, const char *type, long length, const char *more)
{
	if (c->begun || c->state == DEAD)
		return;
	c->begun = true;
	if (c->conns->draining || !c->keep || (c->old && length < 0) || (c->state != WAIT && !c->no_body))
		c->closing = true;
	c->chunked = length < 0 && !c->old;
	char lines[1024];
	int n = snprintf(lines, sizeof lines, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, reason(status), date(c->conns));
	if (*type)
		n += snprintf(lines + n, sizeof lines - (size_t)n, "Content-Type: %s\r\n", type);
	if (length >= 0 && !bodyless(status))
		n += snprintf(lines + n, sizeof lines - (size_t)n, "Content-Length: %ld\r\n", length);
	else if (c->chunked)
		n += snprintf(lines + n, sizeof lines - (size_t)n, "Transfer-Encoding: chunked\r\n");
	if (c->closing)
		n += snprintf(lines + n, sizeof lines - (size_t)n, "Connection: close\r\n");
	else if (c->old)
		n += snprintf(lines + n, sizeof lines - (size_t)n, "Connection: keep-alive\r\n");
	add(&c->out, lines, (size_t)n);
	add(&c->out, more, strlen(more));
	add(&c->out, "\r\n", 2);
	mark(c);
}

void conn_piece(struct conn *c, const char *data, size_t len)
{
	char size[24];
	if (!len || c->state == DEAD || c->is_head)
		return;
	if (c->chunked)
		add(&c->out, size, (size_t)snprintf(size, sizeof size, "%zx\r\n", len));
	add(&c->out, data, len);
	if (c->chunked)
		add(&c->out, "\r\n", 2);
	mark(c);
}

void conn_end(struct conn *c)
{
	if (c->ended || c->state == DEAD)
		return;
	if (c->chunked && !c->is_head)
		add(&c->out, "0\r\n\r\n", 5);
	c->ended = true;
	c->user_data = NULL;
	mark(c);
}

void conn_answer(struct conn *c, int status, const char *type, const char *body, size_t len, const char *more)
{
	conn_begin(c, status, type, (long)len, more);
	conn_piece(c, body, len);
	conn_end(c);
}

static void refuse(struct conn *c, int status, const char *why)
{
	char text[HEAD_WHY_MAX + 32];
	int n = snprintf(text, sizeof text, "%s\n", why);
	log_debug("HTTP %d: %s", status, why);
	conn_close(c);
	conn_answer(c, status, "text/plain; charset=utf-8", text, (size_t)n, "");
}

/* --- input --- */

static int on_body(llhttp_t *p, const char *at, size_t len)
{
	struct conn *c = p->data;
	add(&c->body, at, len);
	return buf_len(&c->body) > (size_t)c->conns->config->request_max ? HPE_USER : 0;
}

static int on_complete(llhttp_t *p)
{
	(void)p;
	return HPE_PAUSED;
}

static const llhttp_settings_t *body_settings(void)
{
	static llhttp_settings_t s;
	if (!s.on_body) {
		llhttp_settings_init(&s);
		s.on_body = on_body;
		s.on_message_complete = on_complete;
	}
	return &s;
}

static void too_long(struct conn *c)
{
	char why[HEAD_WHY_MAX];
	snprintf(why, sizeof why, "the body is over the limit of %ld bytes", c->conns->config->request_max);
	refuse(c, 413, why);
}

static void complete(struct conn *c, const char *rest, size_t len)
{
	enter(c, WAIT);
	add(&c->in, rest, len);
	c->scanned = 0;
	if (!c->begun)
		c->conns->user->on_message(c);
}

/* Takes what belongs to the body; the rest is kept for the next request. */
static void feed_body(struct conn *c, const char *data, size_t len)
{
	enum llhttp_errno e = llhttp_execute(&c->parser, data, len);
	const char *after = e == HPE_OK ? data + len : llhttp_get_error_pos(&c->parser);
	c->raw += (size_t)(after - data);
	if (e == HPE_PAUSED) {
		complete(c, after, (size_t)(data + len - after));
	} else if (e == HPE_USER || c->raw > buf_len(&c->body) * 2 + OVERHEAD_MAX) {
		too_long(c);
	} else if (e != HPE_OK) {
		char why[HEAD_WHY_MAX];
		snprintf(why, sizeof why, "the body cannot be read: %.100s", llhttp_get_error_reason(&c->parser));
		refuse(c, 400, why);
	}
}

static void begin_body(struct conn *c, const char *rest, size_t rest_len)
{
	enter(c, BODY);
	c->raw = 0;
	c->parser.data = c;
	c->parser.settings = (void *)(size_t)body_settings();
	llhttp_resume(&c->parser);
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
	if (c->head->expects_continue && !rest_len && !c->head->http10) {
		add(&c->out, "HTTP/1.1 100 Continue\r\n\r\n", 25);
		mark(c);
	}
	if (c->no_body)
		complete(c, rest, rest_len);
	else
		feed_body(c, rest, rest_len);
}

/* A head may be there.  False: not yet, or it was bad. */
static void feed_head(struct conn *c)
{
	char why[HEAD_WHY_MAX];
	while (c->state == IDLE && buf_len(&c->in) && strchr("\r\n", *buf_data(&c->in)))
		buf_eat(&c->in, 1); /* empty lines before a request */
	if (!buf_len(&c->in))
		return;
	if (c->state != HEAD)
		enter(c, HEAD);
	long n = head_measure(buf_data(&c->in), buf_len(&c->in), &c->scanned, why);
	size_t most = (size_t)c->conns->config->head_max;
	if (n < 0) {
		refuse(c, 400, why);
		return;
	}
	if (n > (long)most || (!n && buf_len(&c->in) > most)) {
		refuse(c, 431, "request line and headers are too long");
		return;
	}
	if (!n)
		return;
	char *text = malloc((size_t)n + 1);
	if (!text)
		log_no_memory();
	memcpy(text, buf_data(&c->in), (size_t)n);
	text[n] = 0;
	head_destroy(c->head);
	c->keep = c->no_body = c->is_head = c->old = false;
	c->head = head_read(text, (size_t)n, &c->parser, c->conns->config);
	if (c->head->status) {
		refuse(c, c->head->status, c->head->why);
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

/* The client has said all it will say. */
static void on_end(struct conn *c)
{
	c->eof = true;
	ev_io_stop(c->conns->loop, &c->readable);
	if (c->state == LINGER || c->state == IDLE || c->state == FRESH || (c->state == WAIT && !c->ended))
		conn_drop(c);
	else if (!c->begun)
		refuse(c, 400, "the request ended in the middle");
}

static void balance(struct conn *c)
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
	ssize_t n = c->tls ? tls_read(c->tls, c->conns->piece, READ_PIECE, &wants_write) : recv(c->fd, c->conns->piece, READ_PIECE, 0);
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
		c->conns->user->on_lines(c->conns->data, fd);
		return false;
	}
	if (c->kind == CONN_TCP && c->conns->tls && first != 0x16) {
		enter(c, HEAD);
		refuse(c, 400, "this port speaks HTTPS");
		return false;
	}
	if (c->kind == CONN_TCP && c->conns->tls)
		c->tls = tls_open(c->conns->tls, c->fd);
	enter(c, HEAD);
	return true;
}

static void on_readable(EV_P_ ev_io *io, int revents)
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
		if (n < READ_PIECE && !c->tls)
			break;
		balance(c);
	}
	balance(c);
}

/* --- output --- */

/* False: the client is gone. */
static bool flush(struct conn *c)
{
	size_t before = buf_len(&c->out);
	bool wants_read = false;
	while (buf_len(&c->out)) {
		ssize_t n = c->tls ? tls_write(c->tls, buf_data(&c->out), buf_len(&c->out), &wants_read)
				   : send(c->fd, buf_data(&c->out), buf_len(&c->out), MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0)
			return false;
		buf_eat(&c->out, (size_t)n);
	}
	if (buf_len(&c->out) && !wants_read)
		ev_io_start(c->conns->loop, &c->writable);
	else
		ev_io_stop(c->conns->loop, &c->writable);
	watch_output(c, buf_len(&c->out) < before);
	return true;
}

/* The answer is out: the next request, or goodbye. */
static void turn_over(struct conn *c)
{
	if (c->closing) {
		conn_forget(c);
		tls_close(c->tls);
		c->tls = NULL;
		if (c->eof || (c->state == WAIT && !buf_len(&c->in))) {
			conn_drop(c);
			return;
		}
		shutdown(c->fd, SHUT_WR); /* what it still sends must not reset the answer away */
		c->raw = 0;
		enter(c, LINGER);
		return;
	}
	conn_forget(c);
	c->begun = c->ended = c->chunked = false;
	c->scanned = 0;
	enter(c, IDLE);
	if (!buf_len(&c->in))
		buf_finish(&c->in);
	feed_head(c);
	if (c->eof && c->state != DEAD && !c->begun)
		conn_drop(c);
}

/* True: a request was taken, or an answer went on. */
static bool settle(struct conn *c)
{
	bool full = buf_len(&c->out) >= CONN_LOW, worked = true;
	if (!flush(c)) {
		conn_drop(c);
		return true;
	}
	if (!buf_len(&c->out) && (c->out.cap > 4096 || !c->ended))
		buf_finish(&c->out);
	if (c->ended && !buf_len(&c->out) && c->state != LINGER)
		turn_over(c);
	else if (full && c->begun && !c->ended && buf_len(&c->out) < CONN_LOW)
		c->conns->user->on_room(c);
	else
		worked = false;
	balance(c);
	return worked;
}

static void on_turn(EV_P_ ev_prepare *prepare, int revents)
{
	struct conns *all = prepare->data;
	struct conn *c;
	(void)revents;
	bool worked = false;
	do {
		while ((c = TAILQ_FIRST(&all->dirty))) {
			TAILQ_REMOVE(&all->dirty, c, of_dirty);
			c->dirty = false;
			worked |= settle(c);
		}
		worked |= all->user->on_turn(all->data);
	} while (!TAILQ_EMPTY(&all->dirty));
	bury(all);
	ev_prepare_stop(loop, prepare);
	if (worked)
		ev_idle_start(loop, &all->nudge);
}

static void on_nudge(EV_P_ ev_idle *nudge, int revents)
{
	(void)revents;
	ev_idle_stop(loop, nudge);
}

static void on_writable(EV_P_ ev_io *io, int revents)
{
	struct conn *c = io->data;
	(void)revents;
	if (c->tls && !buf_len(&c->out)) { /* a handshake waited */
		ev_io_stop(loop, io);
		on_readable(loop, &c->readable, EV_READ);
		return;
	}
	mark(c);
}

static void on_timer(EV_P_ ev_timer *timer, int revents)
{
	struct conn *c = timer->data;
	(void)loop;
	(void)revents;
	ev_timer_stop(loop, timer);
	if (c->state == IDLE || c->state == FRESH || c->state == LINGER || c->armed_write || c->begun)
		conn_drop(c);
	else if (c->state == HEAD)
		refuse(c, 408, "the head of the request did not come in time");
	else
		refuse(c, 408, "the body of the request did not come in time");
}

/* --- all of them --- */

struct conns *conns_create(struct ev_loop *loop, const struct config *config, const struct conn_user *user, void *data)
{
	struct conns *all = calloc(1, sizeof *all);
	if (!all)
		log_no_memory();
	all->loop = loop;
	all->config = config;
	all->user = user;
	all->data = data;
	TAILQ_INIT(&all->all);
	TAILQ_INIT(&all->dead);
	TAILQ_INIT(&all->dirty);
	ev_prepare_init(&all->turn, on_turn);
	all->turn.data = all;
	ev_idle_init(&all->nudge, on_nudge);
	return all;
}

void conns_destroy(struct conns *all)
{
	struct conn *c;
	if (!all)
		return;
	while ((c = TAILQ_FIRST(&all->all))) {
		flush(c);
		conn_drop(c);
	}
	bury(all);
	ev_prepare_stop(all->loop, &all->turn);
	ev_idle_stop(all->loop, &all->nudge);
	tls_destroy(all->tls);
	free(all);
}

void conns_set_tls(struct conns *all, struct tls **tls)
{
	tls_destroy(all->tls);
	all->tls = *tls;
	*tls = NULL;
}

/* One too many is told so; it may not understand, but it does not wait. */
static void turn_away(struct conns *all, int fd)
{
	static const char full[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 44\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
				   "too many connections are open; try again in a moment\n";
	ssize_t n = send(fd, full, sizeof full - 1, MSG_NOSIGNAL);
	(void)n;
	log_debug("more than %ld connections; one was turned away", all->config->conns_max);
	close(fd);
}

void conns_take(struct conns *all, int fd, enum conn_kind kind, long uid)
{
	if (all->count >= all->config->conns_max) {
		turn_away(all, fd);
		return;
	}
	struct conn *c = calloc(1, sizeof *c);
	if (!c)
		log_no_memory();
	c->conns = all;
	c->fd = fd;
	c->kind = kind;
	c->uid = uid;
	ev_io_init(&c->readable, on_readable, fd, EV_READ);
	ev_io_init(&c->writable, on_writable, fd, EV_WRITE);
	ev_init(&c->timer, on_timer);
	c->readable.data = c->writable.data = c->timer.data = c;
	TAILQ_INSERT_TAIL(&all->all, c, of_all);
	all->count++;
	ev_io_start(all->loop, &c->readable);
	enter(c, FRESH);
	on_readable(all->loop, &c->readable, EV_READ);
}

void conns_wake(struct conns *all)
{
	ev_prepare_start(all->loop, &all->turn);
}

long conns_count(const struct conns *all)
{
	return all->count;
}

void conns_drain(struct conns *all, double linger)
{
	struct conn *c, *next;
	all->draining = true;
	for (c = TAILQ_FIRST(&all->all); c; c = next) {
		next = TAILQ_NEXT(c, of_all);
		if (c->state == IDLE && linger > 0)
			set_timer(c, linger);
		else if (c->state == IDLE || c->state == FRESH)
			conn_drop(c);
	}
}

void conns_each(struct conns *all, void (*visit)(struct conn *))
{
	struct conn *c, *next;
	for (c = TAILQ_FIRST(&all->all); c; c = next) {
		next = TAILQ_NEXT(c, of_all);
		visit(c);
	}
}

const struct head *conn_head(const struct conn *c) { return c->head; }
const struct buf *conn_body(const struct conn *c) { return &c->body; }
enum conn_kind conn_kind(const struct conn *c) { return c->kind; }
long conn_uid(const struct conn *c) { return c->uid; }
void *conn_data(const struct conn *c) { return c->conns->data; }
void *conn_user_data(const struct conn *c) { return c->user_data; }
void conn_set_user_data(struct conn *c, void *data) { c->user_data = data; }
bool conn_begun(const struct conn *c) { return c->begun; }
size_t conn_unsent(const struct conn *c) { return buf_len(&c->out); }

void conn_forget(struct conn *c)
{
	buf_finish(&c->body);
	head_destroy(c->head);
	c->head = NULL;
}
