/* top_source.c - see top_source.h */
#include "top_source.h"
#include "log.h"
#include "main_house.h"
#include "main_state.h"
#include "os.h"
#include "wire/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PIECE = 65536, ANSWER_MAX = 16 * 1024 * 1024 };
static const double patience = 3; /* seconds for the gateway to answer */

struct top_source {
	struct ev_loop *loop;  /* borrowed */
	struct config *config; /* borrowed */
	char socket[RUNTIME_PATH_MAX];
	struct house house;
	bool has_house;
};

/* --- the gateway: one connection for one exchange --- */

struct exchange {
	struct top_source *source; /* borrowed */
	int fd;
	ev_io io;
	ev_timer limit;
	struct buf out, in;
	size_t wanted; /* lines; 0: until the end */
	bool over, failed;
};

static void end(struct exchange *e, bool failed)
{
	e->over = true;
	e->failed = failed;
	ev_break(e->source->loop, EVBREAK_ALL);
}

static bool has_all(const struct exchange *e)
{
	size_t lines = 0, len = buf_len(&e->in);
	const char *text = buf_data(&e->in);
	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	return e->wanted && lines >= e->wanted;
}

static void on_io(EV_P_ ev_io *io, int revents)
{
	struct exchange *e = io->data;
	ssize_t n;
	if ((revents & EV_WRITE) && buf_len(&e->out)) {
		n = send(e->fd, buf_data(&e->out), buf_len(&e->out), MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			end(e, true);
			return;
		}
		buf_eat(&e->out, n > 0 ? (size_t)n : 0);
		if (!buf_len(&e->out)) {
			ev_io_stop(EV_A_ io);
			ev_io_set(io, e->fd, EV_READ);
			ev_io_start(EV_A_ io);
		}
	}
	if (!(revents & EV_READ))
		return;
	if (!buf_reserve(&e->in, PIECE))
		log_no_memory();
	n = recv(e->fd, buf_room(&e->in), PIECE, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end(e, e->wanted || n < 0);
		return;
	}
	buf_filled(&e->in, (size_t)n);
	if (has_all(e) || buf_len(&e->in) > ANSWER_MAX)
		end(e, !has_all(e));
}

static void on_limit(EV_P_ ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	end(timer->data, true);
}

static int dial(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Sends OUT (taken) and takes what comes.  False: nobody there, or no answer. */
static bool converse(struct top_source *s, struct buf *out, size_t lines, struct buf *in)
{
	struct exchange e = {.source = s, .fd = dial(s->socket), .out = *out, .wanted = lines};
	*out = (struct buf){0};
	if (e.fd < 0) {
		buf_finish(&e.out);
		return false;
	}
	ev_io_init(&e.io, on_io, e.fd, EV_READ | EV_WRITE);
	ev_timer_init(&e.limit, on_limit, patience, 0.);
	e.io.data = e.limit.data = &e;
	ev_io_start(s->loop, &e.io);
	ev_timer_start(s->loop, &e.limit);
	while (!e.over) /* the keyboard may break the loop, too */
		ev_run(s->loop, 0);
	ev_io_stop(s->loop, &e.io);
	ev_timer_stop(s->loop, &e.limit);
	close(e.fd);
	buf_finish(&e.out);
	*in = e.in;
	return !e.failed;
}

static void put(struct buf *b, const char *text)
{
	if (!buf_add(b, text, strlen(text)))
		log_no_memory();
}

static void put_call(struct buf *out, size_t id, const char *tool, json_t *arguments)
{
	json_t *message = json_pack("{s:s,s:i,s:s,s:{s:s,s:o,s:{s:s,s:{},s:{s:s,s:s}}}}", "jsonrpc", "2.0", "id", (int)id, "method", "tools/call",
				    "params", "name", tool, "arguments", arguments, "_meta", "io.modelcontextprotocol/protocolVersion",
				    "2026-07-28", "io.modelcontextprotocol/clientCapabilities", "io.modelcontextprotocol/clientInfo", "name",
				    "efrit-bridge top", "version", EFRIT_MCP_VERSION);
	char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
	if (!text)
		log_no_memory();
	put(out, text);
	put(out, "\n");
	free(text);
	json_decref(message);
}

/* The text of the answer with that id, as JSON; NULL: none. */
static json_t *answer_of(const struct buf *in, size_t id)
{
	const char *text = buf_data(in), *stop = text + buf_len(in), *newline;
	for (; (newline = memchr(text, '\n', (size_t)(stop - text))); text = newline + 1) {
		json_t *said = NULL, *response = json_loadb(text, (size_t)(newline - text), JSON_ALLOW_NUL, NULL);
		bool is = json_integer_value(json_object_get(response, "id")) == (json_int_t)id;
		if (is)
			house_status_of(response, &said);
		json_decref(response);
		if (is)
			return said;
	}
	return NULL;
}

static json_t *ask_gateway(struct top_source *s, const char *tool, json_t *all)
{
	struct buf out = {0}, in = {0};
	size_t i, n = all ? json_array_size(all) : 1;
	json_t *arguments, *answers = json_array();
	for (i = 0; i < n; i++) {
		arguments = all ? json_array_get(all, i) : NULL;
		put_call(&out, i + 1, tool, arguments ? json_incref(arguments) : json_object());
	}
	bool good = n == 0 || converse(s, &out, n, &in);
	for (i = 0; good && i < n; i++) {
		json_t *said = answer_of(&in, i + 1);
		json_array_append_new(answers, said ? said : json_null());
	}
	buf_finish(&in);
	if (good)
		return answers;
	json_decref(answers);
	return NULL;
}

static json_t *health(struct top_source *s)
{
	struct buf out = {0}, in = {0};
	json_t *said = NULL;
	put(&out, "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
	if (converse(s, &out, 0, &in)) {
		const char *body = memmem(buf_data(&in), buf_len(&in), "\r\n\r\n", 4);
		if (body)
			said = json_loadb(body + 4, buf_len(&in) - (size_t)(body + 4 - buf_data(&in)), 0, NULL);
	}
	buf_finish(&in);
	return said;
}

/* --- the instances themselves --- */

static json_t *ask_house(struct top_source *s, const char *tool, json_t *all)
{
	size_t n = all ? json_array_size(all) : 1;
	json_t *answers = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *said = NULL, *one = all ? json_array_get(all, i) : NULL;
		json_t *response = house_call(&s->house, tool, one ? json_incref(one) : json_object());
		house_status_of(response, &said);
		json_array_append_new(answers, said ? said : json_null());
		json_decref(response);
	}
	return answers;
}

/* --- both --- */

struct top_source *top_source_create(struct ev_loop *loop, struct config *config)
{
	struct top_source *s = calloc(1, sizeof *s);
	char *error = NULL;
	if (!s)
		log_no_memory();
	s->loop = loop;
	s->config = config;
	if (!state_socket(config, s->socket, &error)) {
		log_debug("%s", error); /* then there is no gateway either */
		free(error);
		*s->socket = 0;
	}
	return s;
}

void top_source_destroy(struct top_source *s)
{
	if (!s)
		return;
	if (s->has_house)
		house_finish(&s->house);
	free(s);
}

/* The figures of the last hour, put beside what an instance says of now. */
static void add_figures(json_t *instances, json_t *figures)
{
	size_t i;
	json_t *one;
	json_array_foreach(instances, i, one)
		json_object_set(one, "hour", json_object_get(json_array_get(figures, i), "completed_last_hour") ? json_array_get(figures, i) : json_null());
}

static json_t *ids(const json_t *instances)
{
	size_t i;
	json_t *one, *all = json_array();
	json_array_foreach(instances, i, one)
		json_array_append_new(all, json_pack("{s:O}", "instance_id", json_object_get(one, "id")));
	return all;
}

/* Without a gateway the instances are asked from now on, until there is one. */
static bool enter_house(struct top_source *s)
{
	if (s->has_house)
		return true;
	return s->has_house = house_init_on(&s->house, s->config, s->loop);
}

static void leave_house(struct top_source *s)
{
	if (s->has_house)
		house_finish(&s->house);
	s->has_house = false;
}

json_t *top_source_look(struct top_source *s)
{
	json_t *gateway = *s->socket ? health(s) : NULL, *list = NULL, *figures;
	json_t *(*ask)(struct top_source *, const char *, json_t *) = gateway ? ask_gateway : ask_house;
	if (gateway)
		leave_house(s);
	else if (!enter_house(s))
		return NULL;
	json_t *answers = ask(s, "efrit_list_instances", NULL), *said = json_array_get(answers, 0);
	list = json_object_get(said, "instances");
	json_t *wanted = ids(list);
	figures = ask(s, "efrit_get_queue_stats", wanted);
	add_figures(list, figures);
	json_t *look = json_pack("{s:f,s:o?,s:O?,s:O?,s:O?}", "at", os_now(), "gateway", gateway, "instances", list, "pools",
				 json_object_get(gateway, "pools") ? json_object_get(gateway, "pools") : json_object_get(said, "pools"), "why",
				 json_object_get(said, "why"));
	json_decref(wanted);
	json_decref(figures);
	json_decref(answers);
	return look;
}
