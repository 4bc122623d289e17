/* http_results.c - GET /api/v1/results/ID: a long result that was kept, whole or a range of
 * it.  Read in pieces as fast as the client takes them. */
#include "front/http_impl.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { PIECE = 256 * 1024, AHEAD = 1024 * 1024 }; /* bytes read at a time; of output that the client has not taken */

/* A number at *AT, which moves behind it; false: there is none, or it is beyond any file. */
static bool take_number(const char **at, size_t *n)
{
	char *end;
	if (**at < '0' || **at > '9')
		return false;
	errno = 0;
	unsigned long long value = strtoull(*at, &end, 10);
	*at = end;
	*n = errno || value > SIZE_MAX / 2 ? SIZE_MAX / 2 : (size_t)value;
	return true;
}

enum range { RANGE_WHOLE, RANGE_PART, RANGE_NONE };

/* "bytes=A-B", "bytes=A-", "bytes=-N" of SIZE bytes.  What is no such range, and several of
 * them, are not heeded, as HTTP allows; one that lies behind the end is NONE. */
static enum range read_range(const char *text, size_t size, size_t *from, size_t *to)
{
	size_t a, b = size - 1;
	if (!text || strncasecmp(text, "bytes=", 6) != 0)
		return RANGE_WHOLE;
	const char *at = text + 6;
	if (*at == '-') { /* the last bytes */
		at++;
		if (!take_number(&at, &b) || *at)
			return RANGE_WHOLE;
		*from = b < size ? size - b : 0;
		*to = size - 1;
		return b ? RANGE_PART : RANGE_NONE;
	}
	if (!take_number(&at, &a) || *at++ != '-' || (*at && (!take_number(&at, &b) || *at || b < a)))
		return RANGE_WHOLE;
	*from = a;
	*to = b < size - 1 ? b : size - 1;
	return a < size ? RANGE_PART : RANGE_NONE;
}

static void end(struct exchange *e)
{
	struct conn *c = e->conn;
	exchange_forget(e);
	conn_end(c);
	exchange_end(e);
}

static void on_read(void *data, int error, const char *bytes, size_t len)
{
	struct exchange *e = data;
	e->reading = false;
	if (error || !len) { /* what was promised cannot be kept: the client sees that it is cut off */
		log_warning("a kept result cannot be read: %s", error ? strerror(error) : "it ends early");
		conn_drop(e->conn);
		return;
	}
	e->result_at += len;
	conn_piece(e->conn, bytes, len);
	if (e->result_at == e->result_end)
		end(e);
	else if (conn_unsent(e->conn) < AHEAD)
		results_on_room(e);
}

/* As far as the file is in memory it goes to the client by itself; a part that is not is read. */
static bool send_file(struct exchange *e)
{
	int fd = e->filed ? -1 : pipeline_result_file(e->result);
	e->filed = true;
	if (conn_file(e->conn, &fd, e->result_at, e->result_end - e->result_at)) {
		e->filing = true;
		return true;
	}
	if (fd >= 0)
		close(fd);
	return false;
}

void results_on_room(struct exchange *e)
{
	if (e->reading)
		return;
	if (e->filing)
		e->result_at = e->result_end - conn_file_left(e->conn);
	e->filing = false;
	size_t left = e->result_end - e->result_at;
	if (!left) {
		end(e);
	} else if (!send_file(e)) {
		e->reading = true;
		pipeline_result_read(e->result, e->result_at, left < PIECE ? left : PIECE, on_read, e);
	}
}

void results_forget(struct exchange *e)
{
	pipeline_release(e->result, e);
	e->result = NULL;
}

static void begin(struct exchange *e, const char *digest, enum range range, size_t size)
{
	char more[512], room[1024], part[80] = "";
	const struct head *head = conn_head(e->conn);
	bool none = head->method == HTTP_HEAD;
	if (range == RANGE_PART)
		snprintf(part, sizeof part, "Content-Range: bytes %zu-%zu/%zu\r\n", e->result_at, e->result_end - 1, size);
	snprintf(more, sizeof more, "ETag: \"%s\"\r\nAccept-Ranges: bytes\r\nCache-Control: private, no-store\r\nX-Content-Type-Options: nosniff\r\n%s",
		 digest, part);
	conn_begin(e->conn, range == RANGE_PART ? 206 : 200, "text/plain; charset=utf-8", (long)(e->result_end - e->result_at),
		   http_more(e, more, room, sizeof room));
	conn_forget(e->conn);
	if (none)
		end(e);
	else
		results_on_room(e);
}

/* Does the header name this result? */
static bool matches(const char *header, const char *digest)
{
	return header && (strcmp(header, "*") == 0 || strstr(header, digest) != NULL);
}

void results_get(struct exchange *e, const char *id)
{
	const struct head *head = conn_head(e->conn);
	const char *digest;
	char more[256];
	size_t size, from = 0, to;
	e->result = pipeline_result(e->http->pipeline, id, e->principal, &size, &digest);
	if (!e->result) {
		http_refuse(e, 404, 0, "", "there is no such result for you, or not any more: make the call again that had it");
		return;
	}
	to = size - 1; /* a kept result is never empty */
	enum range range = head->if_range && !matches(head->if_range, digest) ? RANGE_WHOLE : read_range(head->range, size, &from, &to);
	if (matches(head->if_none_match, digest)) {
		snprintf(more, sizeof more, "ETag: \"%s\"\r\n", digest);
		http_answer(e, 304, "", "", 0, more);
	} else if (range == RANGE_NONE) {
		snprintf(more, sizeof more, "Content-Range: bytes */%zu\r\nAccept-Ranges: bytes\r\n", size);
		http_refuse(e, 416, 0, more, "the result has %zu bytes, and that range is none of them", size);
	} else {
		e->result_at = from;
		e->result_end = to + 1;
		begin(e, digest, range, size);
	}
}
