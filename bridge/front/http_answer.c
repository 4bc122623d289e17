/* http_answer.c - what the road says to one request over HTTP: JSON while that is enough,
 * an event stream as soon as something else comes before the answer. */
#include "front/http_impl.h"
#include "log.h"

#include <stdio.h>
#include <string.h>

enum { COLLECT_MAX = 16 * 1024 * 1024 }; /* bytes of a result for clients of 2024-11-05 */

static struct exchange *exchange_of(struct outlet *outlet)
{
	return (struct exchange *)(void *)outlet;
}

static void add(struct buf *b, const char *data, size_t len)
{
	if (!buf_add(b, data, len))
		log_no_memory();
}

/* The only place where a fault becomes an HTTP status.  A session of the older dialects says
 * what went wrong in the body alone. */
static int status_of(const struct exchange *e, const struct request *r)
{
	switch (r->fault) {
	case FAULT_PARSE:
	case FAULT_INVALID:
	case FAULT_ENVELOPE:
	case FAULT_HEADER:
	case FAULT_VERSION:
	case FAULT_CAPABILITY:
		return 400;
	case FAULT_METHOD:
		return e->modern ? 404 : 200;
	case FAULT_DENIED:
		return e->modern ? 429 : 200;
	case FAULT_NONE:
	case FAULT_PARAMS:
	case FAULT_INTERNAL:
	case FAULT_OWN:
		return 200;
	}
	return 200;
}

/* --- event streams --- */

static bool resumes(const struct exchange *e)
{
	return pipeline_version(e->legacy->session) >= VERSION_2025_11_25;
}

bool answer_open_stream(struct exchange *e)
{
	double poll = (double)e->http->config->stream_poll / 1000;
	if (e->streaming)
		return true;
	if (!e->conn || !e->takes_stream || e->shape != SHAPE_MCP || e->open)
		return false;
	ev_timer_stop(e->http->loop, &e->later); /* for which it would become one */
	if (e->legacy) {
		e->stream = stream_create(e->legacy);
		stream_show(e->stream, e, 0, resumes(e));
	} else {
		stream_begin(e);
	}
	if (e->legacy && poll > 0 && resumes(e)) {
		ev_timer_set(&e->later, poll, 0.);
		ev_timer_start(e->http->loop, &e->later);
	}
	return true;
}

void answer_close(struct exchange *e)
{
	struct conn *c = e->conn;
	exchange_forget(e);
	if (c)
		conn_end(c);
	exchange_end(e);
}

static void emit(struct exchange *e, const char *line, size_t len)
{
	if (e->stream)
		stream_put(e->stream, line, len);
	else if (e->conn)
		stream_event(e, NULL, line, len);
}

/* --- results that come in pieces --- */

static void finish(struct exchange *e)
{
	struct request *r = e->open;
	struct conn *c = e->conn;
	e->open = NULL;
	if (buf_len(&e->pieces))
		emit(e, buf_data(&e->pieces), buf_len(&e->pieces));
	else if (e->streaming && c)
		conn_piece(c, "\n\n", 2);
	pipeline_settle(r);
	if (c) {
		exchange_forget(e);
		conn_end(c);
	}
	exchange_end(e);
}

/* A plain result has neither the envelope's end nor its beginning. */
static void trim(struct exchange *e, struct buf *piece, enum pipeline_passed passed)
{
	if (e->shape != SHAPE_MCP && passed == PIPELINE_END && buf_len(piece))
		piece->tail--;
}

static void pump_whole(struct exchange *e)
{
	enum pipeline_passed passed;
	while ((passed = pipeline_pass(e->open, &e->pieces, CONN_LOW)) == PIPELINE_SOME)
		;
	if (passed == PIPELINE_WAIT && buf_len(&e->pieces) > COLLECT_MAX) {
		pipeline_cut(e->open, "the result is too long for this transport", &e->pieces);
		passed = PIPELINE_END;
	}
	if (passed == PIPELINE_END)
		finish(e);
}

static void pump(struct exchange *e)
{
	struct buf *piece = &e->http->scratch;
	enum pipeline_passed passed = PIPELINE_SOME;
	if (!e->conn) {
		pump_whole(e);
		return;
	}
	while (passed == PIPELINE_SOME && conn_unsent(e->conn) < CONN_LOW) {
		passed = pipeline_pass(e->open, piece, CONN_LOW);
		trim(e, piece, passed);
		conn_piece(e->conn, buf_data(piece), buf_len(piece));
		buf_eat(piece, buf_len(piece));
	}
	if (passed == PIPELINE_END)
		finish(e);
}

void answer_on_room(struct exchange *e)
{
	if (e->open)
		pump(e);
	else if (e->result && !e->over)
		results_on_room(e);
}

/* What cannot be kept for a client that has gone is said so, if it comes back. */
static void refuse_lost(struct exchange *e, struct request *r)
{
	struct buf line = {0};
	if (e->stream && buf_printf(&line, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":-32603,\"message\":"
				    "\"the result was too long to be kept while nobody listened; the request has run\"}}", r->id))
		stream_put(e->stream, buf_data(&line), buf_len(&line));
	buf_finish(&line);
	e->open = NULL;
	pipeline_settle(r);
	exchange_end(e);
}

void answer_lost(struct exchange *e)
{
	if (e->open && !e->legacy->old)
		refuse_lost(e, e->open);
}

/* --- the outlet --- */

static void begin(struct exchange *e, int status, long length)
{
	char more[512] = "", room[512];
	if (e->tells_session)
		snprintf(more, sizeof more, "Mcp-Session-Id: %s\r\n", e->legacy->id);
	if (status == 429)
		snprintf(more, sizeof more, "Retry-After: 1\r\n");
	conn_begin(e->conn, status, "application/json", length, http_more(e, more, room, sizeof room));
}

static void deliver_open(struct exchange *e, struct request *r)
{
	static const char event[] = "event: message\ndata: ";
	e->open = r;
	if (e->legacy && (e->legacy->old || !e->conn)) {
		if (e->legacy->old)
			add(&e->pieces, buf_data(&r->head), buf_len(&r->head));
		else {
			refuse_lost(e, r);
			return;
		}
	} else if (e->streaming) {
		conn_piece(e->conn, event, sizeof event - 1);
		conn_piece(e->conn, buf_data(&r->head), buf_len(&r->head));
	} else {
		begin(e, 200, -1);
		conn_piece(e->conn, e->shape == SHAPE_MCP ? buf_data(&r->head) : "{", e->shape == SHAPE_MCP ? buf_len(&r->head) : 1);
	}
	pump(e);
}

static void deliver_event(struct exchange *e, struct request *r)
{
	struct buf line = {0};
	add(&line, buf_data(&r->head), buf_len(&r->head));
	add(&line, buf_data(&r->reply), buf_len(&r->reply));
	add(&line, r->tail, strlen(r->tail));
	emit(e, buf_data(&line), buf_len(&line));
	buf_finish(&line);
	pipeline_settle(r);
	answer_close(e);
}

static void deliver_plain(struct exchange *e, struct request *r)
{
	struct buf text = {0};
	int status = api_status(e, r, &text);
	begin(e, status, (long)buf_len(&text));
	conn_piece(e->conn, buf_data(&text), buf_len(&text));
	buf_finish(&text);
	pipeline_settle(r);
	answer_close(e);
}

static void deliver_json(struct exchange *e, struct request *r)
{
	size_t tail = strlen(r->tail);
	if (e->tells_session && r->fault)
		e->tells_session = false;
	if (e->conn) {
		struct buf *line = &e->http->scratch;
		begin(e, status_of(e, r), (long)(buf_len(&r->head) + buf_len(&r->reply) + tail));
		add(line, buf_data(&r->head), buf_len(&r->head));
		add(line, buf_data(&r->reply), buf_len(&r->reply));
		add(line, r->tail, tail);
		conn_piece(e->conn, buf_data(line), buf_len(line));
		buf_eat(line, buf_len(line));
	}
	pipeline_settle(r);
	answer_close(e);
}

static void on_deliver(struct outlet *outlet, struct request *r)
{
	struct exchange *e = exchange_of(outlet);
	if (e->over) {
		pipeline_settle(r);
		return;
	}
	ev_timer_stop(e->http->loop, &e->later);
	if (!e->streaming && !e->takes_json && !r->fault)
		answer_open_stream(e);
	if (r->streaming && !r->ended)
		deliver_open(e, r);
	else if (e->streaming)
		deliver_event(e, r);
	else if (e->shape != SHAPE_MCP)
		deliver_plain(e, r);
	else
		deliver_json(e, r);
}

static void on_more(struct outlet *outlet, struct request *r)
{
	struct exchange *e = exchange_of(outlet);
	struct buf *piece = &e->http->scratch;
	if (e->over || e->open != r)
		return;
	if (!r->silent) {
		pump(e);
		return;
	}
	pipeline_cut(r, r->broken, piece);
	trim(e, piece, PIPELINE_END);
	if (e->conn)
		conn_piece(e->conn, buf_data(piece), buf_len(piece));
	else
		add(&e->pieces, buf_data(piece), buf_len(piece));
	buf_eat(piece, buf_len(piece));
	finish(e);
}

static void on_notify(struct outlet *outlet, struct request *about, const char *line, size_t len)
{
	struct exchange *e = exchange_of(outlet);
	if (e->over || !about || e->open)
		return;
	if (answer_open_stream(e))
		emit(e, line, len);
	else if (about->listens)
		http_refuse(e, 406, 0, "", "Not Acceptable: a subscription is an event stream; Accept must name text/event-stream");
	else if (e->legacy) /* its client is gone or takes no stream: the session's own is left */
		stream_put(e->legacy->own, line, len);
}

static void on_dropped(struct outlet *outlet, struct request *r)
{
	struct exchange *e = exchange_of(outlet);
	(void)r;
	if (e->over)
		return;
	if (e->streaming || !e->conn)
		answer_close(e);
	else
		http_answer(e, 202, "", "", 0, "");
}

void answer_init(struct exchange *e)
{
	e->outlet = (struct outlet){on_deliver, on_more, on_notify, on_dropped};
}

void answer_wait(struct exchange *e)
{
	double after = (double)e->http->config->stream_after / 1000;
	if (e->over || !e->conn)
		return;
	conn_forget(e->conn); /* nothing on the road looks at the request any more */
	if (after > 0 && !e->streaming && e->asked_stream && e->shape == SHAPE_MCP) {
		ev_timer_set(&e->later, after, 0.);
		ev_timer_start(e->http->loop, &e->later);
	}
}

void answer_stop(struct exchange *e, const char *why)
{
	struct session *s = e->session ? e->session : e->legacy ? e->legacy->session : NULL;
	if (e->over)
		return;
	if (e->open) {
		struct buf *piece = &e->http->scratch;
		pipeline_cut(e->open, why, piece);
		trim(e, piece, PIPELINE_END);
		if (e->conn)
			conn_piece(e->conn, buf_data(piece), buf_len(piece));
		buf_eat(piece, buf_len(piece));
		finish(e);
	} else if (s) {
		pipeline_stop(s, why);
	}
	if (!e->over)
		answer_close(e);
}
