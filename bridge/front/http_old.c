/* http_old.c - the transport of 2024-11-05: one event stream carries everything that the
 * server says, and names the path to which the client posts. */
#include "front/http_impl.h"

#include <stdio.h>
#include <string.h>

void old_get(struct exchange *e)
{
	const struct head *head = conn_head(e->conn);
	bool under_mcp = strncmp(head->path, "/mcp/", 5) == 0;
	char text[128];
	if (!head_accepts(head->accept, "text/event-stream")) {
		http_refuse(e, 406, 0, "", "Not Acceptable: Accept must name text/event-stream");
		return;
	}
	struct legacy *l = legacy_create(e, true);
	if (!l)
		return;
	e->legacy = l;
	stream_show(l->own, e, 0, false);
	int n = snprintf(text, sizeof text, "event: endpoint\ndata: %s%s\n\n", under_mcp ? "/mcp/messages/" : "/message?sessionId=", l->id);
	conn_piece(e->conn, text, (size_t)n);
	answer_wait(e);
}

/* Accepted at once; the answer comes on the stream. */
void old_post(struct exchange *e, const char *id)
{
	const struct buf *body = conn_body(e->conn);
	struct legacy *l = legacy_find(e->http, id, e->principal);
	if (!l || !l->old) {
		http_refuse(e, 404, -32001, "", "Session not found");
		return;
	}
	struct request *r = pipeline_read(buf_data(body), buf_len(body));
	struct manner m = pipeline_manner(r, NULL);
	if (r->fault || m.modern) {
		http_refuse(e, 400, r->fault ? -32700 : -32600, "", "%s", r->fault ? r->reason : "this session speaks 2024-11-05; send the message to /mcp");
		request_destroy(r);
		return;
	}
	struct conn *c = e->conn;
	e->legacy = l;
	e->waits = true;
	e->stream = l->own;
	e->said = (struct http_said){.principal = e->principal};
	l->exchanges++;
	exchange_forget(e);
	e->streaming = true;
	conn_answer(c, 202, "text/plain", "Accepted", 8, "");
	pipeline_enter(l->session, &e->outlet, &e->said, r);
}
