/* http_stream.c - event streams: how they look, and those of sessions, whose events are
 * kept so that a client that lost the connection gets what it missed. */
#include "front/http_impl.h"
#include "log.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct event {
	TAILQ_ENTRY(event) of_stream;
	unsigned long seq;
	size_t len;
	char line[];
};

struct stream {
	TAILQ_ENTRY(stream) of_legacy;
	struct legacy *legacy;    /* borrowed */
	struct exchange *viewer;  /* borrowed; whose client looks at it now, or NULL */
	unsigned number;
	unsigned long seq, shown; /* of the last event, of the last that a client was sent */
	TAILQ_HEAD(, event) events; /* owned; the oldest first */
	bool done;
};

static void add(struct buf *b, const char *data, size_t len)
{
	if (!buf_add(b, data, len))
		log_no_memory();
}

/* --- how it looks --- */

void stream_begin(struct exchange *e)
{
	static const char lines[] = "Cache-Control: no-cache, no-transform\r\nX-Accel-Buffering: no\r\n";
	char more[640], room[1024];
	snprintf(more, sizeof more, "%s", lines);
	if (e->tells_session)
		snprintf(more, sizeof more, "%sMcp-Session-Id: %s\r\n", lines, e->legacy->id);
	e->streaming = true;
	e->http->streams++;
	conn_begin(e->conn, 200, "text/event-stream", -1, http_more(e, more, room, sizeof room));
}

void stream_check(struct exchange *e)
{
	if (e->conn && conn_unsent(e->conn) > (size_t)e->http->config->stream_high + e->again) {
		log_info("a client does not read its event stream; it is closed");
		conn_drop(e->conn);
	}
}

void stream_event(struct exchange *e, const char *id, const char *line, size_t len)
{
	struct buf text = {0};
	if (!buf_printf(&text, "event: message\n%s%s%sdata: ", id ? "id: " : "", id ? id : "", id ? "\n" : ""))
		log_no_memory();
	add(&text, line, len);
	add(&text, "\n\n", 2);
	conn_piece(e->conn, buf_data(&text), buf_len(&text));
	buf_finish(&text);
	stream_check(e);
}

/* --- what is kept --- */

static void forget(struct stream *s, struct event *event)
{
	TAILQ_REMOVE(&s->events, event, of_stream);
	s->legacy->bytes -= sizeof *event + event->len;
	free(event);
}

struct stream *stream_create(struct legacy *l)
{
	struct stream *s = calloc(1, sizeof *s);
	if (!s)
		log_no_memory();
	s->legacy = l;
	s->number = l->streams_made++;
	TAILQ_INIT(&s->events);
	l->bytes += sizeof *s;
	TAILQ_INSERT_TAIL(&l->streams, s, of_legacy);
	return s;
}

void stream_destroy(struct stream *s)
{
	struct event *event;
	while ((event = TAILQ_FIRST(&s->events)))
		forget(s, event);
	if (s->viewer)
		stream_hide(s);
	s->legacy->bytes -= sizeof *s;
	TAILQ_REMOVE(&s->legacy->streams, s, of_legacy);
	free(s);
}

/* The oldest of the session go first. */
static void bound(struct legacy *l)
{
	struct stream *s = TAILQ_FIRST(&l->streams), *next;
	for (; s && l->bytes > (size_t)l->http->config->events_bytes; s = next) {
		next = TAILQ_NEXT(s, of_legacy);
		struct event *event;
		while (l->bytes > (size_t)l->http->config->events_bytes && (event = TAILQ_FIRST(&s->events)))
			forget(s, event);
		if (s->done && !s->viewer && TAILQ_EMPTY(&s->events))
			stream_destroy(s);
	}
}

static void show(struct stream *s, unsigned long seq, const char *line, size_t len)
{
	char id[48];
	snprintf(id, sizeof id, "%u-%lu", s->number, seq);
	s->shown = seq;
	stream_event(s->viewer, s->legacy->old ? NULL : id, line, len);
}

void stream_put(struct stream *s, const char *line, size_t len)
{
	struct event *event = malloc(sizeof *event + len);
	if (!event)
		log_no_memory();
	event->seq = ++s->seq;
	event->len = len;
	memcpy(event->line, line, len);
	TAILQ_INSERT_TAIL(&s->events, event, of_stream);
	s->legacy->bytes += sizeof *event + len;
	if (s->viewer && s->viewer->conn) /* one that does not read is dropped meanwhile */
		show(s, event->seq, line, len);
	bound(s->legacy);
}

/* --- who looks at it --- */

void stream_leave(struct stream *s)
{
	struct exchange *e = s->viewer;
	s->viewer = NULL;
	if (e)
		e->views = NULL;
}

void stream_hide(struct stream *s)
{
	struct exchange *e = s->viewer;
	struct conn *c = e ? e->conn : NULL;
	if (!e)
		return;
	exchange_forget(e);
	if (c)
		conn_end(c);
	if (e->waits)
		answer_lost(e);
	else
		exchange_end(e);
}

void stream_finish(struct stream *s)
{
	s->done = true;
	if (s->viewer)
		stream_hide(s);
	bound(s->legacy);
}

static void prime_client(struct stream *s)
{
	char text[160];
	int n = snprintf(text, sizeof text, "id: %u-%lu\nretry: %ld\ndata: \n\n", s->number, s->seq, s->legacy->http->config->stream_retry);
	conn_piece(s->viewer->conn, text, (size_t)n);
}

void stream_show(struct stream *s, struct exchange *e, unsigned long after, bool prime)
{
	static const char lost[] = ": events were lost: more came than are kept\n\n";
	struct event *event;
	s->viewer = e;
	e->views = s;
	stream_begin(e);
	event = TAILQ_FIRST(&s->events);
	if ((event ? event->seq : s->seq + 1) > after + 1) /* what it was sent may not have reached it */
		conn_piece(e->conn, lost, sizeof lost - 1);
	if (prime && s->seq <= after)
		prime_client(s);
	e->again = SIZE_MAX / 2; /* it is not to blame for what comes now, which is bounded by events_bytes */
	TAILQ_FOREACH(event, &s->events, of_stream)
		if (event->seq > after && s->viewer && e->conn)
			show(s, event->seq, event->line, event->len);
	e->again = e->conn ? conn_unsent(e->conn) : 0;
	if (s->done)
		stream_hide(s);
}

unsigned long stream_shown(const struct stream *s)
{
	return s->shown;
}

bool stream_is_shown(const struct stream *s)
{
	return s->viewer != NULL;
}

bool stream_is_left(const struct stream *s)
{
	return s->viewer && s->viewer->conn && conn_is_half(s->viewer->conn);
}

struct stream *stream_find(struct legacy *l, const char *event, unsigned long *seq)
{
	unsigned number;
	struct stream *s;
	int end = 0;
	if (sscanf(event, "%u-%lu%n", &number, seq, &end) != 2 || event[end])
		return NULL;
	TAILQ_FOREACH(s, &l->streams, of_legacy)
		if (s->number == number)
			return s;
	return NULL;
}
