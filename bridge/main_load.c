/* main_load.c - load-test: many connections of this machine send the gateway a mix of requests,
 * each its next one when the last is answered, or all together so many a second; the report says
 * what came back, how fast, and how that is distributed.  Bounded. */
#include "core/guard.h"
#include "load_report.h"
#include "log.h"
#include "main_gateway.h"
#include "main_state.h"
#include "os.h"
#include "wire/buf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 10000, REQUESTS_MAX = 1000000, SECONDS_MAX = 3600, RATE_MAX = 100000, PIECE = 65536 };
static const double most_seconds = 120, last_answers = 30, tick = 0.001;

struct load;

struct user {
	LIST_ENTRY(user) of_load; /* load::idle */
	struct load *load; /* borrowed */
	int fd;            /* owned; -1: closed */
	ev_io readable, writable;
	bool asked;        /* its request is not answered */
	size_t kind;
	double since;      /* when it was due, so that waiting for a connection counts */
	size_t sent;       /* bytes of the request */
	struct buf in;     /* owned */
};

struct load {
	struct ev_loop *loop;
	struct sockaddr_in to;
	struct load_mix mix;
	struct load_report report;
	struct user *users;       /* owned */
	LIST_HEAD(, user) idle;
	long users_count, open, flying;
	long wanted, begun, refused; /* requests; refused: connections */
	double begun_at, until;   /* no request is begun after it */
	double rate;              /* a second; 0: whoever has an answer asks again */
	bool random;              /* arrivals are exponential, not even */
	double next_due;
	double *due;              /* owned; requests that wait for a connection: when they were due */
	long due_first, due_count;
	ev_timer limit, arrivals;
};

static bool may_begin(const struct load *l)
{
	return l->begun < l->wanted && os_now() < l->until;
}

/* Nothing flies, and nothing will. */
static void check_end(struct load *l)
{
	bool more = l->rate > 0 ? l->due_count > 0 || may_begin(l) : false;
	if (!l->open || (!l->flying && !more))
		ev_break(l->loop, EVBREAK_ALL);
}

static void done_with(struct user *u)
{
	struct load *l = u->load;
	if (u->fd < 0)
		return;
	ev_io_stop(l->loop, &u->readable);
	ev_io_stop(l->loop, &u->writable);
	close(u->fd);
	u->fd = -1;
	if (u->asked) {
		load_report_add(&l->report, u->kind, LOAD_LOST, 0);
		l->flying--;
	} else
		LIST_REMOVE(u, of_load);
	u->asked = false;
	buf_finish(&u->in);
	l->open--;
	check_end(l);
}

static void send_rest(struct user *u)
{
	struct load *l = u->load;
	const struct load_kind *k = &l->mix.kinds[u->kind];
	ssize_t n = send(u->fd, k->request + u->sent, k->len - u->sent, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN) {
		done_with(u);
		return;
	}
	u->sent += n > 0 ? (size_t)n : 0;
	if (u->sent < k->len)
		ev_io_start(l->loop, &u->writable);
	else
		ev_io_stop(l->loop, &u->writable);
}

static void ask(struct user *u, double due)
{
	struct load *l = u->load;
	LIST_REMOVE(u, of_load);
	l->flying++;
	u->kind = load_mix_next(&l->mix);
	u->asked = true;
	u->since = due;
	u->sent = 0;
	send_rest(u);
}

/* What is due and has a connection is sent. */
static void dispatch(struct load *l)
{
	struct user *u;
	if (l->rate > 0)
		while (l->due_count && (u = LIST_FIRST(&l->idle))) {
			l->due_count--;
			ask(u, l->due[l->due_first++]);
		}
	else
		while (may_begin(l) && (u = LIST_FIRST(&l->idle))) {
			l->begun++;
			ask(u, os_now());
		}
	check_end(l);
}

static void on_arrivals(EV_P_ ev_timer *timer, int revents)
{
	struct load *l = timer->data;
	double now = os_now();
	(void)revents;
	while (l->begun < l->wanted && l->next_due <= now && l->next_due < l->until) {
		l->due[l->due_first + l->due_count++] = l->next_due;
		l->begun++;
		l->next_due += l->random ? -log(1 - load_mix_chance(&l->mix)) / l->rate : 1 / l->rate;
	}
	if (l->begun >= l->wanted || l->next_due >= l->until) {
		l->until = l->until < now ? l->until : now;
		ev_timer_stop(EV_A_ timer);
	} else {
		double wait = l->next_due - now;
		timer->repeat = wait > tick ? wait : tick;
		ev_timer_again(EV_A_ timer);
	}
	dispatch(l);
}

static void on_writable(EV_P_ ev_io *io, int revents)
{
	(void)loop;
	(void)revents;
	send_rest(io->data);
}

static enum load_outcome judge(const char *head, const char *body, size_t len)
{
	bool good = strncmp(head, "HTTP/1.1 200 ", 13) == 0 && memmem(body, len, "\"result\":", 9);
	if (good && !memmem(body, len, "\"isError\":true", 14))
		return LOAD_GOOD;
	return strncmp(head, "HTTP/1.1 429 ", 13) == 0 || strncmp(head, "HTTP/1.1 503 ", 13) == 0 || memmem(body, len, "queue_full", 10) ? LOAD_REFUSED
																	 : LOAD_ERROR;
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
	load_report_add(&u->load->report, u->kind, judge(text, text + head, body), os_now() - u->since);
	u->asked = false;
	u->load->flying--;
	LIST_INSERT_HEAD(&u->load->idle, u, of_load);
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
		dispatch(u->load);
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
	LIST_INSERT_HEAD(&l->idle, u, of_load);
	l->open++;
	return true;
}

static void on_time(EV_P_ ev_timer *timer, int revents)
{
	(void)timer;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static int report(struct load *l, const char *arrivals, double seconds)
{
	json_t *said = json_pack("{s:I,s:I,s:s,s:f,s:f}", "connections", (json_int_t)(l->users_count - l->refused), "refused", (json_int_t)l->refused,
				 "arrivals", arrivals, "rate", l->rate, "seconds", round(seconds * 1000) / 1000);
	json_t *what = load_report_write(&l->report, &l->mix, seconds);
	json_int_t answered = load_report_count(&l->report, LOAD_GOOD);
	json_object_set_new(said, "requests", json_integer(l->begun));
	json_object_set_new(said, "failed", json_integer(l->begun - answered));
	json_object_update(said, what);
	json_dumpf(said, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
	putchar('\n');
	json_decref(what);
	json_decref(said);
	return fflush(stdout) == 0 && answered == l->begun && l->begun && !l->refused ? EXIT_GOOD : EXIT_FAILED;
}

static int run(struct load *l, const char *arrivals, double duration)
{
	for (long i = 0; i < l->users_count; i++)
		l->refused += !open_user(l, &l->users[i]);
	if (!l->open) {
		fprintf(stderr, "efrit-bridge: nobody answers there; efrit-bridge serve starts the gateway\n");
		return EXIT_FAILED;
	}
	l->begun_at = l->next_due = os_now();
	l->until = l->begun_at + duration;
	ev_timer_init(&l->limit, on_time, duration + last_answers, 0.);
	ev_timer_init(&l->arrivals, on_arrivals, 0., tick);
	l->arrivals.data = l;
	ev_timer_start(l->loop, &l->limit);
	if (l->rate > 0)
		ev_timer_start(l->loop, &l->arrivals);
	else
		dispatch(l);
	if (l->open && (l->flying || l->rate > 0))
		ev_run(l->loop, 0);
	double seconds = os_now() - l->begun_at;
	ev_timer_stop(l->loop, &l->limit);
	ev_timer_stop(l->loop, &l->arrivals);
	while (l->due_count) { /* they never had a connection */
		l->due_count--;
		load_report_add(&l->report, load_mix_next(&l->mix), LOAD_LOST, 0);
	}
	for (long i = 0; i < l->users_count; i++)
		done_with(&l->users[i]);
	return report(l, arrivals, seconds);
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

static int usage(const char *why)
{
	fprintf(stderr, "efrit-bridge: %s\n", why);
	return EXIT_USAGE;
}

/* What the command line asks for.  A status. */
static int understand(struct load *l, const struct cli *cli, const char **arrivals, double *duration)
{
	long seconds, rate;
	if (!number(cli->words[0], 64, CONNECTIONS_MAX, &l->users_count)
	    || !number(cli->words[1], cli->load.duration ? REQUESTS_MAX : 10000, REQUESTS_MAX, &l->wanted))
		return usage("up to 10000 connections and 1000000 requests");
	if (!number(cli->load.duration, (long)most_seconds, SECONDS_MAX, &seconds))
		return usage("--duration is a number of seconds, from 1 to 3600");
	if (!number(cli->load.rate, 1, RATE_MAX, &rate))
		return usage("--rate is a number of requests a second, from 1 to 100000");
	*arrivals = cli->load.arrivals ? cli->load.arrivals : cli->load.rate ? "even" : "closed";
	if (strcmp(*arrivals, "closed") != 0 && strcmp(*arrivals, "even") != 0 && strcmp(*arrivals, "random") != 0)
		return usage("--arrivals is closed (each connection sends its next request when the last is answered), even or random (--rate a second)");
	if ((strcmp(*arrivals, "closed") == 0) == (cli->load.rate != NULL))
		return usage("--rate goes with --arrivals even and random, and they with it");
	l->rate = cli->load.rate ? (double)rate : 0;
	l->random = strcmp(*arrivals, "random") == 0;
	*duration = (double)seconds;
	return EXIT_GOOD;
}

int gateway_load_test(const struct config *config, const struct cli *cli)
{
	struct load l = {0};
	char token[GUARD_TOKEN_MAX] = "", *error = NULL;
	const char *arrivals;
	double duration;
	int status = understand(&l, cli, &arrivals, &duration);
	if (status != EXIT_GOOD)
		return status;
	if (!find(config, &l.to) || *config->tls_cert)
		return usage("it is for plain HTTP on this machine: give --listen 127.0.0.1:PORT, the address that serve has told");
	if ((strcmp(config->auth, "none") != 0 && !state_token(config, NULL, token, &error))
	    || !load_mix_init(&l.mix, cli->load.mix, *config->instance ? config->instance : NULL, token, &error)) {
		status = *token || strcmp(config->auth, "none") == 0 ? EXIT_USAGE : EXIT_FAILED;
		fprintf(stderr, "efrit-bridge: %s\n", error);
		free(error);
		load_mix_finish(&l.mix);
		return status;
	}
	explicit_bzero(token, sizeof token);
	raise_limit();
	l.loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	l.users = calloc((size_t)l.users_count, sizeof *l.users);
	l.due = calloc(l.rate > 0 ? (size_t)l.wanted : 1, sizeof *l.due);
	if (!l.loop || !l.users || !l.due)
		log_no_memory();
	status = run(&l, arrivals, duration);
	ev_loop_destroy(l.loop);
	load_report_finish(&l.report);
	load_mix_finish(&l.mix);
	free(l.users);
	free(l.due);
	return status;
}
