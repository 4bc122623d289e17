/* http.c - see http.h */
#include "http.h"
#include "answer.h"
#include "samples.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 4096, EVENTS = 256, PIECE = 256 * 1024, OPEN_AT_A_TIME = 64 };

struct conn {
	int fd;
	bool waits_to_write;
	int step;      /* of opening a stream */
	double sent;
	uint64_t id;   /* of the question that is open */
	struct buf to, from;
	struct answer answer;
	char session[ANSWER_SESSION]; /* of a stream */
};

static struct {
	struct sockaddr_in to;
	char host[64], path[128];
	const char *token; /* borrowed */
	char session[ANSWER_SESSION];
	int epoll;
	struct conn *conns; /* owned */
	long n;
	uint64_t next;
} all;

static const char hello[] = "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\","
			    "\"capabilities\":{},\"clientInfo\":{\"name\":\"bench\",\"version\":\"1\"}}}";
static const char ready[] = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}";
static const char meta[] = "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
			   "\"io.modelcontextprotocol/clientInfo\":{\"name\":\"bench\",\"version\":\"1\"},"
			   "\"io.modelcontextprotocol/clientCapabilities\":{}}";

/* ---- connections ---- */

static void read_address(const char *url)
{
	char address[48];
	unsigned port;
	if (sscanf(url, "%47[0-9.]:%u%127s", address, &port, all.path) != 3 || inet_pton(AF_INET, address, &all.to.sin_addr) != 1)
		die("%s is no ADDRESS:PORT/PATH", url);
	snprintf(all.host, sizeof all.host, "%s:%u", address, port);
	all.to.sin_family = AF_INET;
	all.to.sin_port = htons((uint16_t)port);
}

static void open_conn(struct conn *c)
{
	int one = 1;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&all.to, sizeof all.to) != 0)
		die("cannot connect to %s: %s", all.host, strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	if (epoll_ctl(all.epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
		die("epoll: %s", strerror(errno));
	answer_begin(&c->answer);
}

static void open_all(const char *url, const char *token, long n)
{
	struct rlimit limit = {0};
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (n < 1 || n > CONNECTIONS_MAX)
		die("1 to %d connections", CONNECTIONS_MAX);
	read_address(url);
	all.token = token;
	all.n = n;
	all.next = 1;
	all.epoll = epoll_create1(EPOLL_CLOEXEC);
	all.conns = calloc((size_t)n, sizeof *all.conns);
	if (all.epoll < 0 || !all.conns)
		die("no memory");
}

static void close_all(void)
{
	for (long i = 0; i < all.n; i++) {
		close(all.conns[i].fd);
		buf_finish(&all.conns[i].to);
		buf_finish(&all.conns[i].from);
	}
	free(all.conns);
	close(all.epoll);
}

static void send_more(struct conn *c)
{
	while (buf_len(&c->to)) {
		ssize_t n = send(c->fd, buf_data(&c->to), buf_len(&c->to), MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			die("the server takes no question: %s", strerror(errno));
		if (n < 0 && errno == EAGAIN)
			break;
		if (n > 0)
			buf_eat(&c->to, (size_t)n);
	}
	if (c->waits_to_write != (buf_len(&c->to) > 0)) {
		c->waits_to_write = !c->waits_to_write;
		struct epoll_event event = {.events = EPOLLIN | (c->waits_to_write ? EPOLLOUT : 0), .data.ptr = c};
		epoll_ctl(all.epoll, EPOLL_CTL_MOD, c->fd, &event);
	}
}

/* BODY NULL: a GET.  MORE: headers, each with its end. */
static void put(struct conn *c, const char *session, const char *more, const char *body, size_t len)
{
	bool good = buf_printf(&c->to, "%s %s HTTP/1.1\r\nHost: %s\r\nAccept: %stext/event-stream\r\n%s", body ? "POST" : "GET", all.path, all.host,
			       body ? "application/json, " : "", more);
	if (good && *all.token)
		good = buf_printf(&c->to, "Authorization: Bearer %s\r\n", all.token);
	if (good && *session)
		good = buf_printf(&c->to, "Mcp-Session-Id: %s\r\nMCP-Protocol-Version: 2025-11-25\r\n", session);
	if (good && body)
		good = buf_printf(&c->to, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", len) && buf_add(&c->to, body, len);
	else if (good)
		good = buf_add(&c->to, "\r\n", 2);
	if (!good)
		die("no memory");
	answer_begin(&c->answer);
	send_more(c);
}

/* Waits once, and tells of each answer that is whole and each stream that has begun. */
static void turn(int patience, void (*on_answer)(struct conn *c, void *data), void *data)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(all.epoll, events, EVENTS, patience);
	for (int i = 0; i < n; i++) {
		struct conn *c = events[i].data.ptr;
		if (events[i].events & EPOLLOUT)
			send_more(c);
		if (!(events[i].events & ~(unsigned)EPOLLOUT))
			continue;
		if (!buf_reserve(&c->from, PIECE))
			die("no memory");
		ssize_t got = recv(c->fd, buf_room(&c->from), PIECE, MSG_DONTWAIT);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (got <= 0)
			die("the server does not answer any more: %s", got ? strerror(errno) : "it closed");
		buf_filled(&c->from, (size_t)got);
		answer_feed(&c->answer, &c->from);
		on_answer(c, data);
	}
}

/* ---- a session ---- */

static void on_one(struct conn *c, void *data)
{
	*(bool *)data = c->answer.at == ANSWER_DONE;
}

static void wait_one(struct conn *c)
{
	bool done = false;
	while (!done)
		turn(-1, on_one, &done);
	if (c->answer.close)
		die("the server keeps no connection");
}

static void begin_session(struct conn *c)
{
	put(c, "", "", hello, strlen(hello));
	wait_one(c);
	answer_check(&c->answer, 0);
	memcpy(all.session, c->answer.session, sizeof all.session);
	put(c, all.session, "", ready, strlen(ready));
	wait_one(c);
	if (c->answer.status != 202)
		die("initialized: status %d: %s", c->answer.status, c->answer.head);
}

/* ---- ask ---- */

struct asking {
	struct buf before, after; /* of the id, in the body */
	char more[256];
	double from, until; /* what was asked meanwhile counts */
	long left, open;
	size_t bytes;
	struct samples samples;
};

static void ask(struct conn *c, struct asking *a)
{
	struct buf body = {0};
	c->id = all.next++;
	if (!buf_add(&body, buf_data(&a->before), buf_len(&a->before)) || !buf_printf(&body, "%llu", (unsigned long long)c->id)
	    || !buf_add(&body, buf_data(&a->after), buf_len(&a->after)))
		die("no memory");
	c->sent = now();
	a->open++;
	a->left--;
	put(c, all.session, a->more, buf_data(&body), buf_len(&body));
	buf_finish(&body);
}

static void on_answer(struct conn *c, void *data)
{
	struct asking *a = data;
	if (c->answer.at != ANSWER_DONE)
		return;
	double at = now();
	answer_check(&c->answer, c->id);
	a->bytes = c->answer.bytes;
	a->open--;
	if (c->sent >= a->from) {
		samples_add(&a->samples, (at - c->sent) * 1e6);
		a->samples.ended = at;
	}
	if (at < a->until && a->left > 0) {
		if (c->answer.close)
			die("the server keeps no connection");
		ask(c, a);
	}
}

int http_ask(const struct http_plan *plan, int argc, char **argv)
{
	struct asking a = {.left = plan->count};
	if (argc != 5)
		die("http URL stateless|session TOKEN TOOL ARGUMENTS");
	bool stateless = strcmp(argv[1], "stateless") == 0;
	open_all(argv[0], argv[2], plan->connections);
	for (long i = 0; i < all.n; i++)
		open_conn(&all.conns[i]);
	if (!stateless)
		begin_session(&all.conns[0]);
	else
		snprintf(a.more, sizeof a.more, "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: %s\r\n", argv[3]);
	if (!buf_printf(&a.before, "{\"jsonrpc\":\"2.0\",\"id\":")
	    || !buf_printf(&a.after, ",\"method\":\"tools/call\",\"params\":{\"name\":\"%s\",\"arguments\":", argv[3])
	    || !buf_add(&a.after, argv[4], strlen(argv[4])) || !buf_printf(&a.after, "%s%s}}", stateless ? "," : "", stateless ? meta : ""))
		die("no memory");
	a.from = a.samples.begun = now() + plan->warm;
	a.until = a.from + plan->seconds;
	for (long i = 0; i < all.n && a.left > 0; i++)
		ask(&all.conns[i], &a);
	while (a.open)
		turn(-1, on_answer, &a);
	printf("{");
	samples_print(&a.samples, "");
	printf(",\"bytes\":%zu}\n", a.bytes);
	samples_finish(&a.samples);
	buf_finish(&a.before);
	buf_finish(&a.after);
	close_all();
	return 0;
}

/* ---- streams ---- */

struct opening {
	enum { LISTEN, SESSION, GET } kind;
	long begun, open;
};

static void begin_stream(struct opening *o)
{
	struct conn *c = &all.conns[o->begun++];
	static const char listen_more[] = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: subscriptions/listen\r\n";
	char body[512];
	open_conn(c);
	if (o->kind == LISTEN) {
		int len = snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":%ld,\"method\":\"subscriptions/listen\",\"params\":{\"notifications\":"
				   "{\"toolsListChanged\":true},%s}}", o->begun, meta);
		put(c, "", listen_more, body, (size_t)len);
	} else if (o->kind == SESSION) {
		put(c, "", "", hello, strlen(hello));
	} else {
		put(c, "", "", NULL, 0);
	}
	c->step = o->kind == SESSION ? 0 : 2;
}

static void on_step(struct conn *c, void *data)
{
	struct opening *o = data;
	bool done = c->answer.at == ANSWER_DONE;
	if (c->step == 2 && c->answer.at != ANSWER_AT_HEAD && !done && c->answer.status == 200 && c->answer.stream) {
		c->step = 3;
		o->open++;
		if (o->begun < all.n)
			begin_stream(o);
	} else if (c->step == 0 && done) {
		answer_check(&c->answer, 0);
		memcpy(c->session, c->answer.session, sizeof c->session);
		put(c, c->session, "", ready, strlen(ready));
		c->step = 1;
	} else if (c->step == 1 && done && c->answer.status == 202) {
		put(c, c->session, "", NULL, 0);
		c->step = 2;
	} else if (done) {
		die("%s: status %d: %.800s", c->step == 3 ? "a stream ended" : "no stream", c->answer.status, c->answer.head);
	}
}

int http_streams(const struct http_plan *plan, int argc, char **argv)
{
	static const char *kinds[] = {"listen", "session", "get"};
	struct opening o = {0};
	if (argc != 3)
		die("streams URL listen|session|get TOKEN");
	for (int i = 0; i < 3; i++)
		if (strcmp(kinds[i], argv[1]) == 0)
			o.kind = i;
	open_all(argv[0], argv[2], plan->connections);
	for (long i = 0; i < OPEN_AT_A_TIME && i < all.n; i++)
		begin_stream(&o);
	while (o.open < all.n)
		turn(-1, on_step, &o);
	printf("{\"open\":%ld}\n", o.open);
	fflush(stdout);
	struct pollfd both[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = all.epoll, .events = POLLIN}};
	char byte;
	for (;;) {
		poll(both, 2, -1);
		if (both[1].revents)
			turn(0, on_step, &o);
		if (both[0].revents && read(STDIN_FILENO, &byte, 1) <= 0)
			break;
	}
	close_all();
	return 0;
}
