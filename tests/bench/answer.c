/* answer.c - see answer.h */
#include "answer.h"
#include "samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void answer_begin(struct answer *a)
{
	a->at = ANSWER_AT_HEAD;
	a->status = 0;
	a->stream = a->close = false;
	a->left = a->bytes = a->head_len = a->tail_len = 0;
	a->head[0] = a->tail[0] = a->session[0] = 0;
}

/* A line without its end, which is then eaten; NULL: it is not there yet. */
static const char *line(struct buf *from, char *into, size_t room)
{
	const char *data = buf_data(from), *end = memchr(data, '\n', buf_len(from));
	if (!end)
		return NULL;
	size_t len = (size_t)(end - data), kept = len && data[len - 1] == '\r' ? len - 1 : len;
	if (kept >= room)
		kept = room - 1;
	memcpy(into, data, kept);
	into[kept] = 0;
	buf_eat(from, len + 1);
	return into;
}

static const char *value(const char *text, const char *name)
{
	size_t len = strlen(name);
	if (strncasecmp(text, name, len) != 0 || text[len] != ':')
		return NULL;
	text += len + 1;
	return text + strspn(text, " ");
}

static void read_header(struct answer *a, const char *text, bool *chunked)
{
	const char *v;
	if ((v = value(text, "content-length")))
		a->left = strtoull(v, NULL, 10);
	else if ((v = value(text, "transfer-encoding")))
		*chunked = strcasecmp(v, "chunked") == 0;
	else if ((v = value(text, "content-type")))
		a->stream = strncasecmp(v, "text/event-stream", 17) == 0;
	else if ((v = value(text, "connection")))
		a->close = strcasecmp(v, "close") == 0;
	else if ((v = value(text, "mcp-session-id")))
		snprintf(a->session, sizeof a->session, "%s", v);
}

/* The whole head or nothing. */
static bool read_head(struct answer *a, struct buf *from)
{
	char text[1024];
	bool chunked = false;
	if (!memmem(buf_data(from), buf_len(from), "\r\n\r\n", 4))
		return false;
	line(from, text, sizeof text);
	if (sscanf(text, "HTTP/1.1 %d", &a->status) != 1)
		die("no HTTP: %s", text);
	while (line(from, text, sizeof text) && *text)
		read_header(a, text, &chunked);
	a->at = chunked ? ANSWER_AT_SIZE : a->left ? ANSWER_AT_BODY : ANSWER_DONE;
	if (!chunked && !a->left && a->status == 200)
		die("an answer without a length");
	return true;
}

static void keep(struct answer *a, const char *data, size_t len)
{
	size_t room = ANSWER_HEAD - a->head_len, n = len < room ? len : room;
	memcpy(a->head + a->head_len, data, n);
	a->head_len += n;
	a->head[a->head_len] = 0;
	a->bytes += len;
	if (len >= ANSWER_TAIL) {
		memcpy(a->tail, data + len - ANSWER_TAIL, ANSWER_TAIL);
		a->tail_len = ANSWER_TAIL;
	} else {
		size_t old = a->tail_len + len > ANSWER_TAIL ? ANSWER_TAIL - len : a->tail_len;
		memmove(a->tail, a->tail + a->tail_len - old, old);
		memcpy(a->tail + old, data, len);
		a->tail_len = old + len;
	}
	a->tail[a->tail_len] = 0;
}

static bool read_body(struct answer *a, struct buf *from)
{
	size_t n = buf_len(from) < a->left ? buf_len(from) : a->left;
	keep(a, buf_data(from), n);
	buf_eat(from, n);
	a->left -= n;
	if (a->left)
		return false;
	a->at = a->at == ANSWER_AT_BODY ? ANSWER_DONE : ANSWER_AT_CHUNK_END;
	return true;
}

bool answer_feed(struct answer *a, struct buf *from)
{
	char text[64];
	for (bool more = true; more && a->at != ANSWER_DONE;) {
		switch (a->at) {
		case ANSWER_AT_HEAD:
			more = read_head(a, from);
			break;
		case ANSWER_AT_BODY:
		case ANSWER_AT_CHUNK:
			more = read_body(a, from);
			break;
		case ANSWER_AT_SIZE:
			if ((more = line(from, text, sizeof text) != NULL)) {
				a->left = strtoull(text, NULL, 16);
				a->at = a->left ? ANSWER_AT_CHUNK : ANSWER_AT_TRAILER;
			}
			break;
		case ANSWER_AT_CHUNK_END:
			if ((more = line(from, text, sizeof text) != NULL))
				a->at = ANSWER_AT_SIZE;
			break;
		case ANSWER_AT_TRAILER:
			if ((more = line(from, text, sizeof text) != NULL) && !*text)
				a->at = ANSWER_DONE;
			break;
		case ANSWER_DONE:
			break;
		}
	}
	return a->at == ANSWER_DONE;
}

void answer_check(const struct answer *a, unsigned long long id)
{
	char want[40];
	int len = snprintf(want, sizeof want, "\"id\":%llu", id);
	const char *at = strstr(a->head, want);
	if (!at)
		at = strstr(a->tail, want);
	bool good = a->status == 200 && at && (at[len] == ',' || at[len] == '}') && strstr(a->head, "\"result\":");
	if (!good || strstr(a->head, "\"isError\":true") || strstr(a->tail, "\"isError\":true"))
		die("question %llu failed: status %d: %.300s ... %s", id, a->status, a->head, a->tail);
}
