/* http_lines.c - clients of the gateway's Unix socket that speak lines of MCP, as an agent
 * does on standard input and output. */
#include "front/http_impl.h"
#include "front/lines.h"
#include "log.h"
#include "os.h"

#include <fcntl.h>
#include <string.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FOLDER_MAX = 1024 };

struct lines_client {
	LIST_ENTRY(lines_client) of_http;
	struct http *http;   /* borrowed */
	struct lines *lines; /* owned */
	int fd;              /* owned */
	ev_timer gone;       /* it is destroyed when the loop turns */
};

static void destroy(struct lines_client *c)
{
	LIST_REMOVE(c, of_http);
	c->http->lines_count--;
	ev_timer_stop(c->http->loop, &c->gone);
	lines_destroy(c->lines);
	close(c->fd);
	free(c);
}

static void on_gone(EV_P_ ev_timer *timer, int revents)
{
	struct lines_client *c = timer->data;
	struct http *h = c->http;
	(void)loop;
	(void)revents;
	destroy(c);
	conns_wake(h->conns);
}

static void on_end(void *data)
{
	struct lines_client *c = data;
	ev_timer_start(c->http->loop, &c->gone);
}

static long lines_of(const struct http *h, const char *principal)
{
	const struct lines_client *c;
	long n = 0;
	LIST_FOREACH(c, &h->lines, of_http) {
		const char *whose = lines_principal(c->lines);
		n += whose && strcmp(whose, principal) == 0;
	}
	return n;
}

static const char full[] = "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32000,\"message\":\"too many clients of this socket are there already; "
			   "try again in a moment\",\"data\":{\"retry_after\":1}}}\n";

void lines_take(void *data, int fd, long uid)
{
	struct http *h = data;
	char folder[FOLDER_MAX], principal[GUARD_PRINCIPAL_MAX];
	guard_principal_of(uid, principal); /* the same as by HTTP on this socket: who got a link here may fetch it there */
	if (h->lines_count >= h->config->conns_max || lines_of(h, principal) >= share_of(h->config, h->config->conns_max)) {
		http_refused(h, HTTP_REFUSED_FULL, "%ld clients of the Unix socket are there already; one was turned away", h->lines_count);
		ssize_t n = send(fd, full, sizeof full - 1, MSG_NOSIGNAL);
		(void)n;
		close(fd);
		return;
	}
	h->lines_count++;
	struct lines_client *c = calloc(1, sizeof *c);
	if (!c)
		log_no_memory();
	c->http = h;
	c->fd = fd;
	ev_timer_init(&c->gone, on_gone, 0., 0.);
	c->gone.data = c;
	LIST_INSERT_HEAD(&h->lines, c, of_http);
	c->lines = lines_create(h->loop, h->config, h->pipeline, fd, fd, on_end, c);
	lines_identify(c->lines, principal);
	if (os_peer_folder(fd, folder, sizeof folder))
		lines_place(c->lines, folder);
}

void lines_drain_all(struct http *h)
{
	struct lines_client *c;
	LIST_FOREACH(c, &h->lines, of_http)
		lines_drain(c->lines);
}

void lines_stop_all(struct http *h, const char *why)
{
	struct lines_client *c;
	LIST_FOREACH(c, &h->lines, of_http) {
		lines_refuse(c->lines, why);
		lines_stop(c->lines);
	}
}

void lines_revoke_all(struct http *h, pipeline_gone *gone, void *data, const char *why)
{
	struct lines_client *c;
	LIST_FOREACH(c, &h->lines, of_http) {
		const char *principal = lines_principal(c->lines);
		if (!principal || !gone(data, principal))
			continue;
		lines_refuse(c->lines, why);
		lines_stop(c->lines);
	}
}

void lines_end_all(struct http *h)
{
	struct lines_client *c;
	while ((c = LIST_FIRST(&h->lines)))
		destroy(c);
}
