/* http_mcp.c - /mcp: Streamable HTTP.  Each message says itself which era it is of:
 * 2026-07-28 needs nothing but itself, the older ones a session. */
#include "front/http_impl.h"

#include <string.h>

static bool version_is_known(const char *version)
{
	static const char *const known[] = {"2024-10-07", "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"};
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strcmp(known[i], version) == 0)
			return true;
	return false;
}

static void read_said(struct exchange *e, const struct head *head)
{
	e->said = (struct http_said){head->version, head->mcp_method, head->mcp_name, head->params, head->params_count, e->principal};
	e->takes_json = head_accepts(head->accept, "application/json");
	e->takes_stream = head_accepts(head->accept, "text/event-stream");
	e->asked_stream = head->accept && e->takes_stream && strstr(head->accept, "text/event-stream");
}

static void enter(struct exchange *e, struct session *s, struct request *r)
{
	pipeline_enter(s, &e->outlet, &e->said, r);
	answer_wait(e);
}

static void enter_alone(struct exchange *e, struct request *r)
{
	e->session = pipeline_open(e->http->pipeline, &e->outlet);
	enter(e, e->session, r);
}

static void enter_session(struct exchange *e, struct legacy *l, struct request *r)
{
	e->legacy = l;
	e->waits = true;
	l->exchanges++;
	legacy_touch(l);
	enter(e, l->session, r);
}

static struct legacy *find(struct exchange *e, const struct head *head)
{
	struct legacy *l;
	if (!head->session || !*head->session) {
		http_refuse(e, 400, 0, "", "Bad Request: the header Mcp-Session-Id is missing; initialize opens a session, and 2026-07-28 needs none");
		return NULL;
	}
	if ((l = legacy_find(e->http, head->session, e->principal)) && !l->old)
		return l;
	http_refuse(e, 404, -32001, "", "Session not found");
	return NULL;
}

static void initialize(struct exchange *e, struct request *r)
{
	struct legacy *l = legacy_create(e, false);
	if (!l) {
		request_destroy(r);
		return;
	}
	e->tells_session = true;
	enter_session(e, l, r);
	if (!e->tells_session) /* it was refused */
		legacy_expire(l);
}

static void post_legacy(struct exchange *e, struct request *r, struct manner m)
{
	const struct head *head = conn_head(e->conn);
	if (head->version && !version_is_known(head->version)) {
		request_destroy(r);
		http_refuse(e, 400, 0, "", "Bad Request: Unsupported protocol version: %.40s (supported versions: 2025-11-25, 2025-06-18, 2025-03-26, "
			    "2024-11-05; 2026-07-28 without a session)", head->version);
		return;
	}
	if (m.initialize && m.request && json_is_object(r->message)) { /* without an id nobody would be told of the session */
		initialize(e, r);
		return;
	}
	struct legacy *l = find(e, head);
	if (l)
		enter_session(e, l, r);
	else
		request_destroy(r);
}

static bool is_response(const json_t *message)
{
	return json_is_object(message) && !json_object_get(message, "method")
	       && (json_object_get(message, "result") || json_object_get(message, "error"));
}

void mcp_post(struct exchange *e)
{
	const struct head *head = conn_head(e->conn);
	const struct buf *body = conn_body(e->conn);
	read_said(e, head);
	if (!e->takes_json && !e->takes_stream) {
		http_refuse(e, 406, 0, "", "Not Acceptable: Accept must name application/json or text/event-stream, best both");
		return;
	}
	struct request *r = pipeline_read(buf_data(body), buf_len(body));
	struct manner m = pipeline_manner(r, &e->said);
	e->modern = m.modern || (r->fault && !head->session);
	if (m.modern && is_response(r->message)) {
		request_destroy(r);
		http_refuse(e, 400, -32600, "", "protocol version 2026-07-28 asks clients nothing, so there is nothing to be answered");
	} else if (e->modern || r->fault)
		enter_alone(e, r);
	else
		post_legacy(e, r, m);
}

void mcp_get(struct exchange *e)
{
	const struct head *head = conn_head(e->conn);
	unsigned long after = 0;
	if (e->modern && !head->session) {
		http_refuse(e, 405, 0, "Allow: POST\r\n", "protocol version 2026-07-28 has no GET: use subscriptions/listen");
		return;
	}
	if (!head_accepts(head->accept, "text/event-stream")) {
		http_refuse(e, 406, 0, "", "Not Acceptable: Accept must name text/event-stream");
		return;
	}
	struct legacy *l = find(e, head);
	if (!l)
		return;
	struct stream *s = head->last_event ? stream_find(l, head->last_event, &after) : l->own;
	if (!s) {
		http_refuse(e, 400, 0, "", "the event %.60s is of no stream that is kept for this session", head->last_event);
		return;
	}
	if (!head->last_event && stream_is_shown(s) && !stream_is_left(s)) {
		http_refuse(e, 409, 0, "", "Conflict: this session has an event stream open already");
		return;
	}
	if (stream_is_shown(s)) { /* to a client that has not noticed that it was cut off */
		stream_hide(s);
		s = head->last_event ? stream_find(l, head->last_event, &after) : l->own;
	}
	if (!s) {
		http_refuse(e, 400, 0, "", "the events of the stream of %.60s are not kept any more", head->last_event);
		return;
	}
	e->legacy = l;
	legacy_touch(l);
	stream_show(s, e, head->last_event ? after : stream_shown(s), pipeline_version(l->session) >= VERSION_2025_11_25);
	answer_wait(e);
}

void mcp_delete(struct exchange *e)
{
	const struct head *head = conn_head(e->conn);
	if (e->modern && !head->session) {
		http_refuse(e, 405, 0, "Allow: POST\r\n", "protocol version 2026-07-28 has no sessions");
		return;
	}
	struct legacy *l = find(e, head);
	if (!l)
		return;
	legacy_destroy(l);
	http_answer(e, 204, "", "", 0, "");
}
