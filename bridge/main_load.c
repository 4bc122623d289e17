/* main_load.c - load-test: many connections of this machine ask the gateway at once for what
 * it answers by itself; the report says how many were answered, and how fast.  Bounded. */
#include "core/guard.h"
#include "log.h"
#include "main_gateway.h"
#include "main_state.h"
#include "os.h"
#include "wire/buf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 10000, REQUESTS_MAX = 1000000, PIECE = 65536 };
static const double most_seconds = 120;

struct load;

struct user {
	struct load *load; /* borrowed */
	int fd;            /* owned; -1: closed */
	ev_io readable, writable;
	bool asked;        /* its request is not answered */
	double since;
	size_t sent;       /* bytes of the request */
	struct buf in;     /* owned */
};

struct load {
	struct ev_loop *loop;
	struct sockaddr_in to;
	char *request;            /* owned */
	size_t request_len;
	struct user *users;       /* owned */
	long users_count, open;
	long wanted, begun, answered, failed, refused; /* requests; refused: connections */
	double *times;            /* owned; seconds of each answered request */
};

static void done_with(struct user *u)
{
	struct load *l = u->load;
	if (u->fd < 0)
		return;
	ev_io_stop(l->loop, &u->readable);
	ev_io_stop(l->loop, &u->writable);
	close(u->fd);
	u->fd = -1;
	if (u->asked)
		l->failed++;
	u->asked = false;
	buf_finish(&u->in);
	if (--l->open == 0)
		ev_break(l->loop, EVBREAK_ALL);
}

static void send_rest(struct user *u)
{
	struct load *l = u->load;
	ssize_t n = send(u->fd, l->request + u->sent, l->request_len - u->sent, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN) {
		done_with(u);
		return;
	}
	u->sent += n > 0 ? (size_t)n : 0;
	if (u->sent < l->request_len)
		ev_io_start(l->loop, &u->writable);
	else
		ev_io_stop(l->loop, &u->writable);
}

static void ask(struct user *u)
{
	struct load *l = u->load;
	if (l->begun >= l->wanted) {
		done_with(u);
		return;
	}
	l->begun++;
	u->asked = true;
	u->since = os_now();
	u->sent = 0;
	send_rest(u);
}

static void on_writable(EV_P_ ev_io *io, int revents)
{
	(void)loop;
	(void)revents;
	send_rest(io->data);
}

/* True: an answer was whole, and is taken out. */
static bool take_answer(struct user *u)
{
	size_t len = buf_len(&u->in);
	const char *text = buf_data(&u->in), *end = memmem(text, len, "\r\n\r\n", 4);
	const char *length = end ? memmem(text, (size_t)(end - text), "Content-Length: ", 16) : NULL;
	if (!length)
		return false;
	size_t head = (size_t)(end - text) + 4, body = strtoul(length + 16, NULL, 10);
	if (len < head + body)
		return false;
	bool good = strncmp(text, "HTTP/1.1 200 ", 13) == 0 && memmem(text + head, body, "\"result\":", 9);
	if (good)
		u->load->times[u->load->answered++] = os_now() - u->since;
	else
		u->load->failed++;
	u->asked = false;
	buf_eat(&u->in, head + body);
	return true;
}

static void on_readable(EV_P_ ev_io *io, int revents)
{
	struct user *u = io->data;
	(void)loop;
	(void)revents;
	if (!buf_reserve(&u->in, PIECE))
		log_no_memory();
	ssize_t n = recv(u->fd, buf_room(&u->in), PIECE, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		done_with(u);
		return;
	}
	buf_filled(&u->in, (size_t)n);
	if (u->asked && take_answer(u))
		ask(u);
}

static bool open_user(struct load *l, struct user *u)
{
	int one = 1;
	u->load = l;
	u->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (u->fd < 0 || connect(u->fd, (struct sockaddr *)&l->to, sizeof l->to) != 0) {
		if (u->fd >= 0)
			close(u->fd);
		u->fd = -1;
		return false;
	}
	fcntl(u->fd, F_SETFL, O_NONBLOCK);
	setsockopt(u->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	ev_io_init(&u->readable, on_readable, u->fd, EV_READ);
	ev_io_init(&u->writable, on_writable, u->fd, EV_WRITE);
	u->readable.data = u->writable.data = u;
	ev_io_start(l->loop, &u->readable);
	l->open++;
	return true;
}

static void on_time(EV_P_ ev_timer *timer, int revents)
{
	(void)timer;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double share(const struct load *l, double part)
{
	return l->answered ? l->times[(long)((double)(l->answered - 1) * part)] * 1000 : 0;
}

static int report(struct load *l, double seconds)
{
	qsort(l->times, (size_t)l->answered, sizeof *l->times, by_size);
	printf("{\"connections\": %ld, \"refused\": %ld, \"requests\": %ld, \"answered\": %ld, \"failed\": %ld, \"seconds\": %.3f, "
	       "\"per_second\": %.0f, \"p50_ms\": %.3f, \"p95_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f}\n",
	       l->users_count - l->refused, l->refused, l->wanted, l->answered, l->wanted - l->answered, seconds,
	       seconds > 0 ? (double)l->answered / seconds : 0, share(l, 0.5), share(l, 0.95), share(l, 0.99), share(l, 1));
	return fflush(stdout) == 0 && l->answered == l->wanted && !l->refused ? EXIT_GOOD : EXIT_FAILED;
}

static int run(struct load *l)
{
	ev_timer limit;
	for (long i = 0; i < l->users_count; i++)
		l->refused += !open_user(l, &l->users[i]);
	if (!l->open) {
		fprintf(stderr, "efrit-bridge: nobody answers there; efrit-bridge serve starts the gateway\n");
		return EXIT_FAILED;
	}
	double begun = os_now();
	for (long i = 0; i < l->users_count; i++)
		if (l->users[i].fd >= 0)
			ask(&l->users[i]);
	ev_timer_init(&limit, on_time, most_seconds, 0.);
	ev_timer_start(l->loop, &limit);
	if (l->open)
		ev_run(l->loop, 0);
	double seconds = os_now() - begun;
	ev_timer_stop(l->loop, &limit);
	for (long i = 0; i < l->users_count; i++)
		done_with(&l->users[i]);
	return report(l, seconds);
}

static void compose(struct load *l, const char *token)
{
	static const char body[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"efrit_list_instances\",\"arguments\":{},"
				   "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/clientCapabilities\":{}}}}";
	int n = asprintf(&l->request, "POST /mcp HTTP/1.1\r\nHost: localhost\r\n%s%s%sContent-Type: application/json\r\nAccept: application/json\r\n"
			 "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: efrit_list_instances\r\nContent-Length: %zu\r\n\r\n%s",
			 *token ? "Authorization: Bearer " : "", token, *token ? "\r\n" : "", sizeof body - 1, body);
	if (n < 0)
		log_no_memory();
	l->request_len = (size_t)n;
}

/* The first address of the setting listen, if it is one of this machine. */
static bool find(const struct config *config, struct sockaddr_in *to)
{
	char host[64];
	size_t n = strcspn(config->listen, ", ");
	const char *colon = memrchr(config->listen, ':', n);
	if (!colon || (size_t)(colon - config->listen) >= sizeof host)
		return false;
	snprintf(host, sizeof host, "%.*s", (int)(colon - config->listen), config->listen);
	*to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)strtol(colon + 1, NULL, 10))};
	if (strcmp(host, "localhost") == 0)
		snprintf(host, sizeof host, "127.0.0.1");
	return to->sin_port && guard_is_loopback(host) && inet_pton(AF_INET, host, &to->sin_addr) == 1;
}

static bool number(const char *word, long fallback, long most, long *n)
{
	char *end;
	*n = word ? strtol(word, &end, 10) : fallback;
	return !word || (*word && !*end && *n >= 1 && *n <= most);
}

static void raise_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int gateway_load_test(const struct config *config, const struct cli *cli)
{
	struct load l = {0};
	char token[GUARD_TOKEN_MAX] = "", *error = NULL;
	if (!number(cli->words[0], 64, CONNECTIONS_MAX, &l.users_count) || !number(cli->words[1], 10000, REQUESTS_MAX, &l.wanted)) {
		fprintf(stderr, "efrit-bridge: up to %d connections and %d requests\n", CONNECTIONS_MAX, REQUESTS_MAX);
		return EXIT_USAGE;
	}
	if (!find(config, &l.to) || *config->tls_cert) {
		fprintf(stderr, "efrit-bridge: it is for plain HTTP on this machine: give --listen 127.0.0.1:PORT, the address that serve has told\n");
		return EXIT_USAGE;
	}
	if (strcmp(config->auth, "none") != 0 && !state_token(config, token, &error)) {
		fprintf(stderr, "efrit-bridge: %s\n", error);
		free(error);
		return EXIT_FAILED;
	}
	raise_limit();
	compose(&l, token);
	explicit_bzero(token, sizeof token);
	l.loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	l.users = calloc((size_t)l.users_count, sizeof *l.users);
	l.times = calloc((size_t)l.wanted, sizeof *l.times);
	if (!l.loop || !l.users || !l.times)
		log_no_memory();
	int status = run(&l);
	ev_loop_destroy(l.loop);
	free(l.users);
	free(l.times);
	free(l.request);
	return status;
}
