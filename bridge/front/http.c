/* http.c - see http.h.  Which request goes where, who may ask, and refusals. */
#include "front/http_impl.h"
#include "front/tls.h"
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- exchanges --- */

static void on_later(EV_P_ ev_timer *timer, int revents)
{
	struct exchange *e = timer->data;
	(void)revents;
	ev_timer_stop(loop, timer);
	if (e->over)
		return;
	if (!e->streaming)
		answer_open_stream(e);
	else if (e->views) /* the client comes back for the rest */
		stream_hide(e->views);
}

struct exchange *exchange_create(struct http *h, struct conn *c)
{
	struct exchange *e = calloc(1, sizeof *e);
	if (!e)
		log_no_memory();
	e->http = h;
	e->conn = c;
	answer_init(e);
	ev_init(&e->later, on_later);
	e->later.data = e;
	conn_set_user_data(c, e);
	TAILQ_INSERT_TAIL(&h->open, e, of_http);
	h->exchanges++;
	return e;
}

void exchange_forget(struct exchange *e)
{
	if (e->views)
		stream_leave(e->views);
	if (!e->conn)
		return;
	conn_set_user_data(e->conn, NULL);
	if (e->streaming)
		e->http->streams--;
	e->conn = NULL;
}

void exchange_end(struct exchange *e)
{
	if (e->over)
		return;
	e->over = true;
	if (e->held)
		guard_let_go(pipeline_guard(e->http->pipeline), e->principal);
	exchange_forget(e);
	ev_timer_stop(e->http->loop, &e->later);
	if (e->open)
		pipeline_settle(e->open);
	e->open = NULL;
	results_forget(e);
	if (e->waits)
		e->legacy->exchanges--;
	if (e->stream && !e->legacy->old)
		stream_finish(e->stream);
	if (e->waits)
		legacy_touch(e->legacy);
	buf_finish(&e->pieces);
	TAILQ_REMOVE(&e->http->open, e, of_http);
	TAILQ_INSERT_TAIL(&e->http->dead, e, of_http);
	e->http->exchanges--;
	conns_wake(e->http->conns);
}

static void reap(struct http *h)
{
	struct exchange *e;
	while ((e = TAILQ_FIRST(&h->dead))) {
		TAILQ_REMOVE(&h->dead, e, of_http);
		pipeline_close(e->session);
		free(e);
	}
}

static void check_empty(struct http *h)
{
	if (h->draining && h->on_empty && !h->exchanges && !conns_count(h->conns) && LIST_EMPTY(&h->lines)) {
		void (*on_empty)(void *) = h->on_empty;
		h->on_empty = NULL;
		on_empty(h->on_empty_data);
	}
}

static void on_turn(void *data)
{
	struct http *h = data;
	reap(h);
	check_empty(h);
}

/* --- answers --- */

const char *http_more(struct exchange *e, const char *lines, char *room, size_t size)
{
	if (!*e->origin)
		return lines;
	snprintf(room, size, "%sAccess-Control-Allow-Origin: %s\r\nVary: Origin\r\nAccess-Control-Expose-Headers: Mcp-Session-Id, "
		 "ETag, Content-Range\r\n", lines,
		 e->origin);
	return room;
}

void http_answer(struct exchange *e, int status, const char *type, const char *body, size_t len, const char *more)
{
	char room[512];
	struct conn *c = e->conn;
	more = http_more(e, more, room, sizeof room);
	exchange_forget(e);
	conn_answer(c, status, type, body, len, more);
	exchange_end(e);
}

void http_refuse(struct exchange *e, int status, int code, const char *more, const char *format, ...)
{
	char words[512];
	struct buf text = {0};
	va_list ap;
	va_start(ap, format);
	vsnprintf(words, sizeof words, format, ap);
	va_end(ap);
	json_t *quoted = json_string(words);
	if (!quoted) { /* a client's bytes are in it, or half a character */
		for (char *p = words; *p; p++)
			*p = (unsigned char)*p < 0x80 ? *p : '?';
		quoted = json_string(words);
	}
	char *json = quoted ? json_dumps(quoted, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;
	if (!json)
		log_no_memory();
	bool good = e->rpc ? buf_printf(&text, "{\"jsonrpc\":\"2.0\",%s\"error\":{\"code\":%d,\"message\":%s}}", e->modern ? "" : "\"id\":null,",
					code ? code : -32000, json)
			   : buf_printf(&text, "{\"error\":%s}", json);
	if (!good)
		log_no_memory();
	log_debug("HTTP %d: %s", status, words);
	http_answer(e, status, "application/json", buf_data(&text), buf_len(&text), more);
	json_decref(quoted);
	free(json);
	buf_finish(&text);
}

/* --- routes --- */

static bool path_is(const char *path, const char *wanted)
{
	return strcmp(path, wanted) == 0;
}

static const char *after(const char *path, const char *prefix)
{
	size_t n = strlen(prefix);
	return strncmp(path, prefix, n) == 0 ? path + n : NULL;
}

static bool is_mcp(const char *path)
{
	return path_is(path, "/mcp") || path_is(path, "/mcp/") || path_is(path, "/sse") || path_is(path, "/mcp/sse")
	       || path_is(path, "/message") || after(path, "/mcp/messages/");
}

static bool is_open_door(const char *path)
{
	return path_is(path, "/livez") || path_is(path, "/readyz");
}

static void answer_health(struct exchange *e, const char *path)
{
	struct http *h = e->http;
	struct buf services = {0}, text = {0};
	if (path_is(path, "/livez")) {
		http_answer(e, 200, "text/plain", "ok\n", 3, "");
		return;
	}
	if (path_is(path, "/readyz")) {
		http_answer(e, h->draining ? 503 : 200, "text/plain", h->draining ? "ending\n" : "ready\n", h->draining ? 7 : 6, "");
		return;
	}
	pipeline_services(h->pipeline, NULL, &services);
	bool none = memmem(buf_data(&services), buf_len(&services), "\"ready\":0,", 10) != NULL;
	if (!buf_printf(&text, "{\"status\":\"%s\",\"version\":\"" EFRIT_MCP_VERSION "\",\"connections\":%ld,\"sessions\":%ld,"
		     "\"requests\":%ld,\"streams\":%ld,%.*s", h->draining ? "ending" : none ? "degraded" : "healthy", conns_count(h->conns),
		     h->legacies, h->exchanges - 1, h->streams, (int)buf_len(&services) - 1, buf_data(&services) + 1))
		log_no_memory();
	buf_finish(&services);
	http_answer(e, 200, "application/json", buf_data(&text), buf_len(&text), "");
	buf_finish(&text);
}

static void preflight(struct exchange *e)
{
	char more[512];
	snprintf(more, sizeof more, "Access-Control-Allow-Methods: GET, POST, DELETE\r\nAccess-Control-Allow-Headers: Content-Type, Authorization, "
		 "Accept, Mcp-Session-Id, Last-Event-ID, MCP-Protocol-Version, Mcp-Method, Mcp-Name\r\nAccess-Control-Max-Age: 600\r\n"
		 "Allow: GET, POST, DELETE\r\n");
	http_answer(e, 204, "", "", 0, more);
}

static void only(struct exchange *e, const char *methods)
{
	char more[64];
	snprintf(more, sizeof more, "Allow: %s\r\n", methods);
	http_refuse(e, 405, 0, more, "the method %.20s is not for this path; %s", llhttp_method_name(conn_head(e->conn)->method), methods);
}

static void route(struct exchange *e)
{
	const struct head *head = conn_head(e->conn);
	const char *path = head->path, *rest = after(path, "/mcp/messages/");
	bool get = head->method == HTTP_GET || head->method == HTTP_HEAD, post = head->method == HTTP_POST;
	char id[LEGACY_ID + 2];
	if (head->method == HTTP_OPTIONS)
		preflight(e);
	else if ((path_is(path, "/mcp") || path_is(path, "/mcp/")) && post)
		mcp_post(e);
	else if (path_is(path, "/mcp") && head->method == HTTP_GET)
		mcp_get(e);
	else if (path_is(path, "/mcp") && head->method == HTTP_DELETE)
		mcp_delete(e);
	else if (path_is(path, "/mcp") || path_is(path, "/mcp/"))
		only(e, "POST, GET, DELETE");
	else if ((path_is(path, "/mcp/sse") || path_is(path, "/sse")) && head->method == HTTP_GET)
		old_get(e);
	else if (path_is(path, "/mcp/sse") || path_is(path, "/sse"))
		only(e, "GET");
	else if (rest && post)
		old_post(e, rest);
	else if (path_is(path, "/message") && post)
		old_post(e, head_query(head, "sessionId", id, sizeof id) ? id : "");
	else if (rest || path_is(path, "/message"))
		only(e, "POST");
	else if (api_is(path))
		api_request(e);
	else if ((is_open_door(path) || path_is(path, "/health") || path_is(path, "/healthz")) && get)
		answer_health(e, path);
	else if (is_open_door(path) || path_is(path, "/health"))
		only(e, "GET");
	else
		http_refuse(e, 404, 0, "", "there is nothing at this path; MCP is at /mcp, the plain interface at /api/v1/openapi.json");
}

static bool admit(struct exchange *e, const struct head *head)
{
	const struct guard *guard = pipeline_guard(e->http->pipeline);
	char peer[CONN_PEER];
	struct guard_visit v = {
		.local_socket = conn_kind(e->conn) == CONN_UNIX, .uid = conn_uid(e->conn),
		.host = head->host, .origin = head->origin, .authorization = head->authorization,
		.open_door = is_open_door(head->path) || head->method == HTTP_OPTIONS,
	};
	switch (guard_admit(guard, &v)) {
	case GUARD_WELCOME:
		memcpy(e->principal, v.principal, sizeof e->principal);
		if (head->origin && strlen(head->origin) < sizeof e->origin)
			memcpy(e->origin, head->origin, strlen(head->origin) + 1);
		if (!v.open_door && !(e->held = guard_hold(pipeline_guard(e->http->pipeline), e->principal))) {
			http_refuse(e, 429, 0, "Retry-After: 1\r\n", "as many requests and streams of this client are under way as may be (the settings conns_max and share)");
			return false;
		}
		return true;
	case GUARD_HOST:
		http_refused(e->http, HTTP_REFUSED_HOST, "a request from %s is refused: %s", conn_peer(e->conn, peer), v.why);
		http_refuse(e, 421, 0, "", "%s", v.why);
		return false;
	case GUARD_ORIGIN:
		http_refused(e->http, HTTP_REFUSED_HOST, "a request from %s is refused: %s", conn_peer(e->conn, peer), v.why);
		http_refuse(e, 403, 0, "", "%s", v.why);
		return false;
	case GUARD_TOKEN:
		http_refused(e->http, HTTP_REFUSED_TOKEN, "a request from %s is refused: %s", conn_peer(e->conn, peer), v.why);
		http_refuse(e, 401, 0, "WWW-Authenticate: Bearer realm=\"efrit-mcp\"\r\n", "%s", v.why);
		return false;
	}
	return false;
}

/* What can be refused without the body is. */
static void on_head(struct conn *c)
{
	const struct head *head = conn_head(c);
	struct exchange *e = exchange_create(conn_data(c), c);
	e->rpc = is_mcp(head->path);
	e->modern = head->version && strcmp(head->version, "2026-07-28") >= 0;
	if (!admit(e, head))
		return;
	if (head->content_encoding && strcasecmp(head->content_encoding, "identity") != 0)
		http_refuse(e, 415, 0, "", "a body in the content encoding %.40s is not read here", head->content_encoding);
	else if (head->method == HTTP_POST && head->content_type && !head_is_type(head->content_type, "application/json"))
		http_refuse(e, 415, 0, "", "the content type is %.80s; it must be application/json", head->content_type);
	else if (head->method == HTTP_POST && !head->content_type && e->rpc)
		http_refuse(e, 415, 0, "", "the header Content-Type is missing; it must be application/json");
}

static void on_message(struct conn *c)
{
	route(conn_user_data(c));
}

static void on_room(struct conn *c)
{
	if (conn_user_data(c))
		answer_on_room(conn_user_data(c));
}

/* Older clients may come back for the answer; who speaks 2026-07-28 has cancelled by leaving. */
static void on_gone(struct conn *c)
{
	struct exchange *e = conn_user_data(c);
	bool old = e->views && e->legacy && e->legacy->old && !e->waits;
	exchange_forget(e);
	if (old)
		legacy_expire(e->legacy);
	if (e->waits)
		answer_lost(e);
	else
		exchange_end(e);
}

/* --- comments that keep streams open --- */

static void say_comment(struct conn *c)
{
	struct exchange *e = conn_user_data(c);
	if (e && e->streaming && !e->open && !conn_unsent(c))
		conn_piece(c, ":\n\n", 3);
}

static bool on_doubt(struct conn *c)
{
	struct exchange *e = conn_user_data(c);
	if (!e || e->over || conn_unsent(c))
		return true;
	if (e->streaming)
		say_comment(c);
	return e->streaming || (e->asked_stream && answer_open_stream(e));
}

static void on_keep_alive(EV_P_ ev_timer *timer, int revents)
{
	struct http *h = timer->data;
	(void)revents;
	conns_each(h->conns, say_comment);
	timer->repeat = (double)h->config->keep_alive / 1000;
	ev_timer_again(loop, timer);
}

/* --- coming and going --- */

struct http *http_create(struct ev_loop *loop, const struct config *config, struct pipeline *pipeline)
{
	static const struct conn_user user = {on_head, on_message, on_room, on_gone, lines_take, on_turn, on_doubt};
	struct http *h = calloc(1, sizeof *h);
	if (!h)
		log_no_memory();
	h->loop = loop;
	h->config = config;
	h->pipeline = pipeline;
	TAILQ_INIT(&h->open);
	TAILQ_INIT(&h->dead);
	LIST_INIT(&h->lines);
	for (int i = 0; i < LEGACY_TABLE; i++)
		TAILQ_INIT(&h->table[i]);
	refused_init(h);
	h->conns = conns_create(loop, config, &user, h);
	ev_timer_init(&h->keep_alive, on_keep_alive, (double)config->keep_alive / 1000, (double)config->keep_alive / 1000);
	h->keep_alive.data = h;
	ev_timer_start(loop, &h->keep_alive);
	return h;
}

void http_destroy(struct http *h)
{
	struct exchange *e;
	struct legacy *l;
	if (!h)
		return;
	h->on_empty = NULL;
	while ((e = TAILQ_FIRST(&h->open)))
		exchange_end(e);
	for (int i = 0; i < LEGACY_TABLE; i++)
		while ((l = TAILQ_FIRST(&h->table[i])))
			legacy_destroy(l);
	lines_end_all(h);
	reap(h);
	conns_destroy(h->conns);
	ev_timer_stop(h->loop, &h->keep_alive);
	refused_finish(h);
	buf_finish(&h->scratch);
	free(h);
}

void http_set_tls(struct http *h, struct tls **tls)
{
	conns_set_tls(h->conns, tls);
}

void http_take(struct http *h, int fd, bool unix_socket, long uid)
{
	conns_take(h->conns, fd, unix_socket ? CONN_UNIX : CONN_TCP, uid);
}

/* Subscriptions end with their answer, other streams by closing. */
static void end_streams(struct http *h)
{
	struct exchange *e, *next;
	for (e = TAILQ_FIRST(&h->open); e; e = next) {
		next = TAILQ_NEXT(e, of_http);
		if (e->session)
			pipeline_end_listens(e->session);
		else if (e->views && (!e->stream || e->legacy->own == e->views))
			answer_close(e);
	}
}

void http_drain(struct http *h, double linger, void (*on_empty)(void *), void *data)
{
	h->draining = true;
	h->on_empty = on_empty;
	h->on_empty_data = data;
	conns_drain(h->conns, linger);
	end_streams(h);
	lines_drain_all(h);
	conns_wake(h->conns);
}

void http_pass(struct http *h, bool (*pass)(void *, int, bool), void *data)
{
	conns_pass(h->conns, pass, data);
	conns_wake(h->conns);
}

void http_stop(struct http *h, const char *why)
{
	struct exchange *e;
	while ((e = TAILQ_FIRST(&h->open))) /* one may take others of its session along */
		answer_stop(e, why);
	lines_stop_all(h, why);
	conns_wake(h->conns);
}
