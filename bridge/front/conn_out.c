/* conn_out.c - what a connection says: answers, in one piece or in chunks, and how they
 * leave.  See conn.h. */
#include "front/conn_impl.h"
#include "front/tls.h"
#include "log.h"
#include "os.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void add(struct buf *b, const char *data, size_t len)
{
	if (!buf_add(b, data, len))
		log_no_memory();
}

void conn_mark(struct conn *c)
{
	if (c->dirty || c->state == DEAD)
		return;
	c->dirty = true;
	TAILQ_INSERT_TAIL(&c->conns->dirty, c, of_dirty);
	turn_want(&c->conns->turn);
}

/* --- the answer --- */

static const char *reason(int status)
{
	static const struct { int status; const char *words; } all[] = {
		{200, "OK"}, {202, "Accepted"}, {204, "No Content"}, {206, "Partial Content"}, {304, "Not Modified"}, {400, "Bad Request"},
		{401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"},
		{406, "Not Acceptable"}, {408, "Request Timeout"}, {409, "Conflict"}, {413, "Content Too Large"},
		{415, "Unsupported Media Type"}, {416, "Range Not Satisfiable"}, {417, "Expectation Failed"}, {421, "Misdirected Request"},
		{422, "Unprocessable Content"}, {429, "Too Many Requests"}, {431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"},
		{503, "Service Unavailable"}, {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"},
		{507, "Insufficient Storage"},
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
	if (c->conns->draining || !c->keep || (c->old && length < 0) || (c->state != WAIT && !c->no_body) || (c->eof && !buf_len(&c->in)))
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
	conn_mark(c);
}

void conn_interim(struct conn *c)
{
	static const char words[] = "HTTP/1.1 100 Continue\r\n\r\n";
	if (c->old || c->begun || c->state == DEAD)
		return;
	add(&c->out, words, sizeof words - 1);
	conn_mark(c);
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
	conn_mark(c);
}

bool conn_file(struct conn *c, int *fd, size_t at, size_t len)
{
	if (*fd < 0 || c->tls || c->chunked || c->is_head || c->filing || c->ended || c->state == DEAD)
		return false;
	c->file = *fd;
	*fd = -1;
	c->file_at = at;
	c->file_left = len;
	c->filing = true;
	c->file_stuck = false;
	conn_mark(c);
	return true;
}

size_t conn_file_left(const struct conn *c)
{
	return c->file_left;
}

void conn_file_end(struct conn *c)
{
	if (c->filing)
		close(c->file);
	c->filing = false;
}

void conn_end(struct conn *c)
{
	if (c->ended || c->state == DEAD)
		return;
	if (c->chunked && !c->is_head)
		add(&c->out, "0\r\n\r\n", 5);
	if (c->filing && c->file_left) /* what was promised does not come: nothing else may take its place */
		c->closing = true;
	conn_file_end(c);
	c->ended = true;
	c->user_data = NULL;
	conn_mark(c);
}

void conn_answer(struct conn *c, int status, const char *type, const char *body, size_t len, const char *more)
{
	conn_begin(c, status, type, (long)len, more);
	conn_piece(c, body, len);
	conn_end(c);
}

void conn_refuse(struct conn *c, int status, const char *why)
{
	char text[HEAD_WHY_MAX + 32];
	int n = snprintf(text, sizeof text, "%s\n", why);
	log_debug("HTTP %d: %s", status, why);
	if (c->user_data) /* it had begun with what cannot go on */
		c->conns->user->on_gone(c);
	conn_close(c);
	conn_answer(c, status, "text/plain; charset=utf-8", text, (size_t)n, "");
}

/* --- how it leaves --- */

static void watch_output(struct conn *c, bool progress)
{
	bool waits = buf_len(&c->out) > 0 || (c->filing && c->file_left && !c->file_stuck);
	if (c->state == LINGER && !waits)
		return;
	if (waits && (progress || !c->armed_write)) {
		conn_set_timer(c, (double)c->conns->config->write_timeout / 1000);
		c->armed_write = true;
	} else if (!waits && c->armed_write) {
		conn_enter(c, c->state);
	}
}

/* Some of the file, if all before it is gone; others want their turn too.  False: the client is gone. */
static bool flush_file(struct conn *c)
{
	enum { TURN = 2 * 1024 * 1024 };
	size_t most = TURN;
	while (c->filing && !c->file_stuck && c->file_left && !buf_len(&c->out) && most) {
		ssize_t n = os_send_file(c->fd, c->file, c->file_at, c->file_left < most ? c->file_left : most);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		c->file_stuck = n < 0 && errno == ENOTSUP;
		if (n < 0)
			return c->file_stuck;
		c->file_at += (size_t)n;
		c->file_left -= (size_t)n;
		most -= (size_t)n;
	}
	return true;
}

/* False: the client is gone. */
bool conn_flush(struct conn *c)
{
	size_t before = buf_len(&c->out) + c->file_left;
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
	if (!flush_file(c))
		return false;
	bool waits = buf_len(&c->out) || (c->filing && c->file_left && !c->file_stuck);
	if (waits && !wants_read)
		ev_io_start(c->conns->loop, &c->writable);
	else
		ev_io_stop(c->conns->loop, &c->writable);
	watch_output(c, buf_len(&c->out) + c->file_left < before);
	return true;
}

