/* serving.h - a server thread as in Emacs, and both of its sides played by the test: the
 * bridges, over real sockets, and Lisp, which is the thread of the test.  Every wait ends
 * after PATIENCE with a failure.  Included once by each test of the server. */
#ifndef SERVING_H
#define SERVING_H

#include "test.h"

#include "server.h"
#include "wire/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PLAIN __attribute__((unused)) static

#define PATIENCE ((int)(20 * 1000 * test_stretch()))

enum { QUEUE_TOTAL = 300, QUEUE_PEER = 200 };

static char base[64];
static struct queue *queue;
static struct server *server;
static int bell = -1;    /* where Lisp hears the doorbell */
static double look_every; /* 0: as seldom as in Emacs */
static bool lisp_awake; /* it hears it while a bridge waits for a frame */

struct client {
	int fd;
	struct buf in;
};

/* ---- coming and going ---- */

PLAIN int make_base(void)
{
	snprintf(base, sizeof base, "/tmp/efrit-unit-XXXXXX");
	return mkdtemp(base) && setenv("XDG_RUNTIME_DIR", base, 1) == 0 ? 0 : -1;
}

PLAIN int remove_base(void)
{
	char command[256];
	snprintf(command, sizeof command, "chmod -R u+rwx '%s'; rm -rf '%s'", base, base);
	return system(command);
}

/* A new pipe, whose reading end becomes the bell.  Returns the writing end. */
PLAIN int hang_up_bell(void)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	if (bell >= 0)
		close(bell);
	bell = ends[0];
	return ends[1];
}

PLAIN struct server *start_named(const char *name, char error[512])
{
	struct server_settings settings = {
		.instance = name, .version = "0.1", .emacs_version = "28.2", .heartbeat = 3600, .look = look_every, .doorbell = hang_up_bell()};
	return server_start(&settings, queue, error);
}

PLAIN void start_server(void)
{
	char error[512] = "";
	server = start_named("work", error);
	if (!server)
		fail_msg("%s", error);
}

PLAIN int set_up(void **state)
{
	(void)state;
	queue = queue_create(&(struct queue_limits){QUEUE_TOTAL, QUEUE_PEER});
	if (!queue || make_base() != 0)
		return -1;
	start_server();
	return 0;
}

PLAIN int tear_down(void **state)
{
	(void)state;
	server_stop(&server, "the test is over");
	queue_destroy(queue);
	queue = NULL;
	lisp_awake = false;
	if (bell >= 0)
		close(bell);
	bell = -1;
	return remove_base();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

/* ---- waiting ---- */

/* Readable or writable within MS; meanwhile Lisp hears the doorbell if it is awake. */
PLAIN bool wait_for(int fd, short events, int ms)
{
	double until = queue_now() + ms / 1000.0;
	for (;;) {
		struct pollfd p[2] = {{.fd = fd, .events = events}, {.fd = lisp_awake ? bell : -1, .events = POLLIN}};
		int left = (int)((until - queue_now()) * 1000) + 1;
		int n = poll(p, 2, left > 0 ? left : 0);
		if (n > 0 && p[0].revents)
			return true;
		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		char bytes[64];
		while (n > 0 && read(bell, bytes, sizeof bytes) > 0)
			queue_heard(queue);
	}
}

/* ---- a bridge ---- */

PLAIN int socket_of_ours(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	return fd;
}

PLAIN void connect_to(int fd, const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	assert_true(strlen(path) < sizeof a.sun_path);
	memcpy(a.sun_path, path, strlen(path));
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
}

/* Connected, and nothing said. */
PLAIN struct client call_in(void)
{
	struct client c = {.fd = socket_of_ours()};
	connect_to(c.fd, server_path(server));
	return c;
}

PLAIN void send_bytes(const struct client *c, const void *bytes, size_t len)
{
	const char *p = bytes;
	while (len) {
		assert_true(wait_for(c->fd, POLLOUT, PATIENCE));
		ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		assert_true(n > 0);
		p += n;
		len -= (size_t)n;
	}
}

PLAIN void say_bytes(const struct client *c, uint8_t type, uint8_t flags, uint64_t id, const void *data, size_t len)
{
	struct buf b = {0};
	assert_true(wire_put(&b, type, flags, id, data, len));
	send_bytes(c, buf_data(&b), buf_len(&b));
	buf_finish(&b);
}

PLAIN void say(const struct client *c, uint8_t type, uint64_t id, const char *text)
{
	say_bytes(c, type, 0, id, text, strlen(text));
}

PLAIN void hang_up(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	buf_finish(&c->in);
}

/* The next frame, to be wire_eaten.  False: the server closed the connection. */
PLAIN bool next_frame(struct client *c, struct wire_frame *f)
{
	const char *why;
	for (;;) {
		enum wire_take t = wire_take(&c->in, f, &why);
		if (t == WIRE_TAKE_FRAME)
			return true;
		assert_int_equal(t, WIRE_TAKE_NONE);
		if (!wait_for(c->fd, POLLIN, PATIENCE))
			fail_msg("no frame came");
		assert_true(buf_reserve(&c->in, 256 * 1024));
		ssize_t n = recv(c->fd, buf_room(&c->in), 256 * 1024, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		buf_filled(&c->in, (size_t)n);
	}
}

/* The text of the next frame, which must be TYPE for ID; valid until the next call. */
PLAIN const char *hear(struct client *c, uint8_t type, uint64_t id)
{
	static char text[64 * 1024 + 1];
	struct wire_frame f;
	if (!next_frame(c, &f))
		fail_msg("closed; a frame of type %#x was expected", type);
	snprintf(text, sizeof text, "%.*s", (int)f.len, f.data);
	if (f.type != type || f.id != id)
		fail_msg("frame %#x for %llu came, %#x for %llu was expected: %.300s", f.type, (unsigned long long)f.id, type,
			 (unsigned long long)id, text);
	wire_eat(&c->in, &f);
	return text;
}

PLAIN void expect_end(struct client *c)
{
	struct wire_frame f;
	if (next_frame(c, &f))
		fail_msg("frame %#x came: %.*s", f.type, (int)f.len, f.data);
	hang_up(c);
}

/* Sent away with CODE; the last thing that is said. */
PLAIN void expect_goodbye(struct client *c, const char *code, const char *part)
{
	char want[64];
	const char *text = hear(c, WIRE_GOODBYE, 0);
	snprintf(want, sizeof want, "\"code\":\"%s\"", code);
	assert_says(text, want);
	assert_says(text, part);
	json_t *json = json_loads(text, 0, NULL);
	assert_true(json_is_object(json));
	json_decref(json);
	expect_end(c);
}

PLAIN struct client join(void)
{
	struct client c = call_in();
	say(&c, WIRE_HELLO, 0, "{\"version\":\"0.1\",\"pid\":1,\"client\":\"tester\"}");
	hear(&c, WIRE_WELCOME, 0);
	return c;
}

/* The server has seen all that was said before, and nothing else was answered. */
PLAIN void ping(struct client *c)
{
	static uint64_t id = 1000 * 1000;
	say(c, WIRE_PING, ++id, "");
	assert_string_equal(hear(c, WIRE_PONG, id), "");
}

PLAIN void call_as(const struct client *c, uint64_t id, const char *tool, uint32_t timeout_ms, bool patient, const char *arguments, size_t len)
{
	struct buf b = {0};
	struct wire_call call = {.timeout_ms = timeout_ms, .patient = patient, .priority = WIRE_NORMAL, .tool = tool, .tool_len = strlen(tool),
				 .client = "agent", .client_len = 5, .arguments = arguments, .arguments_len = len};
	assert_true(wire_put_call(&b, id, &call));
	send_bytes(c, buf_data(&b), buf_len(&b));
	buf_finish(&b);
}

PLAIN void call_with(const struct client *c, uint64_t id, const char *tool, uint32_t timeout_ms, const char *arguments, size_t len)
{
	call_as(c, id, tool, timeout_ms, false, arguments, len);
}

PLAIN void call(const struct client *c, uint64_t id, const char *tool)
{
	call_with(c, id, tool, 0, "{}", 2);
}

PLAIN void credit(const struct client *c, uint64_t id, uint32_t bytes)
{
	char text[4];
	wire_store_u32(text, bytes);
	say_bytes(c, WIRE_CREDIT, 0, id, text, sizeof text);
}

/* ---- Lisp ---- */

PLAIN bool rings_within(int ms)
{
	char bytes[64];
	if (!wait_for(bell, POLLIN, ms))
		return false;
	while (read(bell, bytes, sizeof bytes) > 0)
		;
	queue_heard(queue);
	return true;
}

PLAIN void await_ring(void)
{
	if (!rings_within(PATIENCE))
		fail_msg("the doorbell was not rung");
}

/* The number of the next job, once the doorbell rang for it. */
PLAIN uint64_t take(bool nested)
{
	const struct job *job;
	while (!(job = queue_take(queue, nested)))
		await_ring();
	return job->number;
}

PLAIN uint64_t begin(void)
{
	uint64_t number = take(false);
	assert_true(queue_begin(queue, number, false));
	return number;
}

PLAIN bool reply_bytes(uint64_t number, char filler, size_t len, enum job_outcome outcome)
{
	struct buf text = {0};
	assert_true(buf_reserve(&text, len + 1));
	memset(buf_room(&text), filler, len);
	buf_filled(&text, len);
	queue_end(queue, number);
	return queue_reply(queue, number, &text, outcome);
}

PLAIN bool reply(uint64_t number, const char *text, enum job_outcome outcome)
{
	struct buf b = {0};
	assert_true(buf_add(&b, text, strlen(text)));
	queue_end(queue, number);
	return queue_reply(queue, number, &b, outcome);
}

/* The job that runs sees that it is to stop. */
PLAIN void await_stop(uint64_t number)
{
	while (queue_stop_wanted(queue) != number)
		await_ring();
	queue_stop_seen(queue, number, NULL, false);
}

PLAIN struct queue_view look(void)
{
	struct queue_view view;
	queue_look(queue, &view);
	return view;
}

/* Until CONDITION holds; each look is after another turn of the server's loop. */
#define eventually(c, condition)                                         \
	do {                                                             \
		double begun_ = queue_now();                             \
		while (!(condition)) {                                   \
			if (queue_now() > begun_ + PATIENCE / 1000.0)    \
				fail_msg("it never was: " #condition);   \
			ping(c);                                         \
		}                                                        \
	} while (0)

#endif
