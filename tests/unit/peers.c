/* peers.c - bridges that break the contract, vanish, flood, do not read, or are too many:
 * only they are touched, and the server forgets nothing and keeps nothing. */
#include "serving.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- the contract broken ---- */

static void send_text(const struct client *c, const char *text)
{
	send_bytes(c, text, strlen(text));
}

static void test_garbage(void **state)
{
	struct client other = join(), c = call_in();
	(void)state;
	send_text(&c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
	expect_goodbye(&c, "protocol", "not a frame");
	c = join();
	send_bytes(&c, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	expect_goodbye(&c, "protocol", "not a frame");
	ping(&other);
	hang_up(&other);
}

static void test_noise(void **state)
{
	struct client other = join();
	unsigned seed = 4711;
	(void)state;
	for (int i = 0; i < 200; i++) {
		char bytes[64];
		struct client c = i % 2 ? join() : call_in();
		size_t n = 1 + (size_t)(rand_r(&seed) % (int)sizeof bytes);
		for (size_t k = 0; k < n; k++)
			bytes[k] = (char)rand_r(&seed);
		if (i % 3 && n > 8) { /* the head is right, at least */
			memcpy(bytes, "\0\0\0\x20\xEF\1", 6);
			bytes[6] = (char)(rand_r(&seed) % 10);
		}
		send_bytes(&c, bytes, n);
		hang_up(&c);
	}
	ping(&other);
	eventually(&other, look().waiting == 0);
	hang_up(&other);
}

static void test_half_a_frame(void **state)
{
	static const char whole[] = "\0\0\0\0\xEF\3\2\0\0\0\0\0\0\0\0\7"; /* a PING */
	struct client c = join(), d = join();
	(void)state;
	for (size_t i = 0; i < 16; i++) {
		send_bytes(&c, whole + i, 1);
		ping(&d); /* nobody waits for the rest of it */
	}
	assert_string_equal(hear(&c, WIRE_PONG, 7), "");
	send_bytes(&c, whole, 9);
	hang_up(&c);
	ping(&d);
	hang_up(&d);
}

static void test_huge_frames(void **state)
{
	struct client c = join();
	(void)state;
	send_bytes(&c, "\0\x10\0\1\xEF\3\4\0\0\0\0\0\0\0\0\1", 16);
	expect_goodbye(&c, "protocol", "limit of 1 MiB");
	c = join();
	send_bytes(&c, "\xFF\xFF\xFF\xFF\xEF\3\4\0\0\0\0\0\0\0\0\1", 16);
	expect_goodbye(&c, "protocol", "limit of 1 MiB");
}

static void test_another_version(void **state)
{
	struct client c = call_in();
	(void)state;
	send_bytes(&c, "\0\0\0\0\xEF\4\1\0", 8);
	expect_goodbye(&c, "version", "restart Emacs");
}

static void test_wrong_frames(void **state)
{
	struct client c = call_in();
	(void)state;
	say(&c, WIRE_PING, 1, "");
	expect_goodbye(&c, "protocol", "first frame");
	c = join();
	say(&c, WIRE_HELLO, 0, "{}");
	expect_goodbye(&c, "protocol", "second HELLO");
	c = call_in();
	say(&c, WIRE_HELLO, 0, "[]");
	expect_goodbye(&c, "protocol", "JSON object");
	for (unsigned type = 0; type < 256; type++)
		if (type == 0 || type > WIRE_WATCH) {
			c = join();
			say(&c, (uint8_t)type, 1, "");
			expect_goodbye(&c, "protocol", "unknown type");
		}
}

static void test_wrong_calls(void **state)
{
	struct client c = join();
	char *piece = calloc(1, WIRE_FRAME_MAX);
	(void)state;
	call(&c, 1, "a");
	call(&c, 1, "a");
	expect_goodbye(&c, "protocol", "id is in use");
	c = join();
	say_bytes(&c, WIRE_CALL, WIRE_MORE, 1, "", 0);
	say_bytes(&c, WIRE_CALL, WIRE_MORE, 2, "", 0);
	expect_goodbye(&c, "protocol", "inside another");
	c = join();
	for (int i = 0; i < 4; i++)
		say_bytes(&c, WIRE_CALL, WIRE_MORE, 1, piece, WIRE_FRAME_MAX);
	ping(&c);
	say_bytes(&c, WIRE_CALL, WIRE_MORE, 1, piece, 1);
	expect_goodbye(&c, "protocol", "limit of 4 MiB");
	free(piece);
	c = join(); /* an id whose result is not through */
	struct client d = join();
	eventually(&d, look().waiting == 0); /* those above have left */
	call(&c, 1, "a");
	assert_true(reply_bytes(begin(), 'x', WIRE_WINDOW + 1, JOB_DONE));
	struct wire_frame f;
	for (size_t got = 0; got < WIRE_WINDOW;) {
		assert_true(next_frame(&c, &f));
		got += f.len;
		wire_eat(&c.in, &f);
	}
	call(&c, 1, "a");
	expect_goodbye(&c, "protocol", "id is in use");
	hang_up(&d);
}

/* ---- gone ---- */

static void test_a_peer_vanishes(void **state)
{
	struct client c = join(), d = join();
	char by[JOB_BY_MAX];
	(void)state;
	call(&c, 1, "wait");
	uint64_t deferred = begin();
	queue_end(queue, deferred);
	queue_defer(queue, deferred);
	call(&c, 2, "a");
	uint64_t running = begin();
	call(&c, 3, "a");
	call(&c, 4, "a");
	call(&d, 1, "a");
	eventually(&d, look().waiting == 3);
	say_bytes(&c, WIRE_CALL, WIRE_MORE, 5, "half", 4);
	say(&c, WIRE_STATUS, 6, "{\"until\":\"idle\"}");
	say(&c, WIRE_INTERRUPT, 7, "{\"request\":99}");
	hang_up(&c);
	await_stop(running);
	assert_int_equal(queue_why(queue, running, by), STOP_CLIENT_GONE);
	eventually(&d, look().waiting == 1 && look().deferred == 0);
	assert_false(queue_alive(queue, deferred));
	reply(running, "{}", JOB_STOPPED);
	reply(begin(), "{}", JOB_DONE);
	assert_string_equal(hear(&d, WIRE_RESULT, 1), "{}");
	say(&d, WIRE_STATUS, 2, "");
	lisp_awake = true;
	assert_says(hear(&d, WIRE_STATE, 2), "\"peers\":1");
	hang_up(&d);
}

/* While results are on their way, in each of their states. */
static void test_a_reader_vanishes(void **state)
{
	struct client d = join();
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct client c = join();
		call(&c, 1, "a");
		uint64_t number = begin();
		if (i % 4 == 0)
			hang_up(&c);
		reply_bytes(number, 'v', (size_t)i * 100 * 1000 + 2, JOB_DONE);
		if (i % 4 == 1)
			hang_up(&c);
		else if (i % 4 == 2)
			ping(&d);
		hang_up(&c);
	}
	ping(&d);
	eventually(&d, look().waiting == 0 && !look().running);
	hang_up(&d);
}

/* ---- floods ---- */

static unsigned count_frames(struct client *c, uint8_t type, unsigned want)
{
	struct wire_frame f;
	for (unsigned n = 0; n < want; n++) {
		assert_true(next_frame(c, &f));
		assert_int_equal(f.type, type);
		wire_eat(&c->in, &f);
	}
	return want;
}

/* It asks for 50 MB before it reads a byte: it is read no faster than it reads. */
static void test_questions_without_reading(void **state)
{
	enum { MANY = 500, SIZE = 100 * 1000 };
	struct client c = join(), d = join();
	char *text = malloc(SIZE);
	struct buf all = {0};
	(void)state;
	memset(text, ' ', SIZE);
	assert_true(server_set_catalogue(server, text, SIZE, "aa"));
	hear(&c, WIRE_CHANGED, 0);
	hear(&d, WIRE_CHANGED, 0);
	for (unsigned i = 0; i < MANY; i++)
		assert_true(wire_put(&all, WIRE_CATALOGUE, 0, i, "", 0));
	send_bytes(&c, buf_data(&all), buf_len(&all));
	buf_finish(&all);
	for (int i = 0; i < 20; i++)
		ping(&d);
	assert_int_equal(count_frames(&c, WIRE_TOOLS, MANY), MANY);
	ping(&c);
	free(text);
	hang_up(&c);
	hang_up(&d);
}

/* Only so many of a peer's questions wait; the others are answered at once. */
static void test_many_questions_wait(void **state)
{
	enum { MANY = 3000 };
	struct client c = join(), d = join();
	struct buf all = {0};
	(void)state;
	call(&d, 1, "a");
	uint64_t number = begin();
	for (unsigned i = 0; i < MANY; i++)
		assert_true(wire_put(&all, i % 2 ? WIRE_INTERRUPT : WIRE_STATUS, 0, i, i % 2 ? "" : "{\"until\":\"idle\"}", i % 2 ? 0 : 16));
	send_bytes(&c, buf_data(&all), buf_len(&all));
	buf_finish(&all);
	await_stop(number);
	ping(&d);
	assert_true(reply(number, "{}", JOB_STOPPED));
	hear(&d, WIRE_RESULT, 1);
	lisp_awake = true;
	unsigned states = 0, outcomes = 0;
	for (unsigned i = 0; i < MANY; i++) {
		struct wire_frame f;
		assert_true(next_frame(&c, &f));
		states += f.type == WIRE_STATE;
		outcomes += f.type == WIRE_INTERRUPTED;
		wire_eat(&c.in, &f);
	}
	assert_true(states == MANY / 2 && outcomes == MANY / 2); /* each once */
	ping(&c);
	hang_up(&c);
	hang_up(&d);
}

/* The same, and it goes without having read any of it. */
static void test_a_flood_that_leaves(void **state)
{
	struct client d = join();
	struct buf all = {0};
	(void)state;
	call(&d, 1, "a");
	uint64_t number = begin();
	for (unsigned i = 0; i < 2000; i++)
		assert_true(wire_put(&all, i % 3 ? WIRE_STATUS : WIRE_INTERRUPT, 0, i, i % 3 ? "{\"until\":\"idle\"}" : "{\"request\":7}",
				     i % 3 ? 16 : 13));
	struct client c[8];
	for (unsigned i = 0; i < 8; i++) {
		c[i] = join();
		send_bytes(&c[i], buf_data(&all), buf_len(&all) / (i + 1));
	}
	buf_finish(&all);
	for (unsigned i = 0; i < 4; i++)
		hang_up(&c[i]);
	reply(number, "{}", JOB_DONE);
	for (unsigned i = 4; i < 8; i++)
		hang_up(&c[i]);
	hear(&d, WIRE_RESULT, 1);
	ping(&d);
	hang_up(&d);
}

/* ---- too many, too slow, too foreign ---- */

static void test_the_65th(void **state)
{
	struct client c[WIRE_PEERS_MAX], more, silent;
	(void)state;
	for (unsigned i = 0; i < WIRE_PEERS_MAX; i++)
		c[i] = join();
	more = call_in();
	expect_goodbye(&more, "too_many_peers", "64");
	silent = call_in(); /* refused too, and it lingers */
	ping(&c[0]);
	hang_up(&c[5]);
	for (unsigned tries = 0;; tries++) { /* until the server has seen it go */
		struct wire_frame f;
		assert_true(tries < 10000);
		more = call_in();
		say(&more, WIRE_HELLO, 0, "{}");
		bool welcome = next_frame(&more, &f) && f.type == WIRE_WELCOME;
		if (welcome) {
			wire_eat(&more.in, &f);
			break;
		}
		hang_up(&more);
		ping(&c[0]);
	}
	ping(&more);
	say(&more, WIRE_STATUS, 1, "");
	lisp_awake = true;
	assert_says(hear(&more, WIRE_STATE, 1), "\"peers\":64");
	hang_up(&more);
	hang_up(&silent);
	for (unsigned i = 0; i < WIRE_PEERS_MAX; i++)
		hang_up(&c[i]);
}

static void test_no_hello(void **state)
{
	struct client silent = call_in(), half = call_in(), good = join();
	double from = queue_now();
	(void)state;
	send_bytes(&half, "\0\0\0\x20\xEF\3\1", 7);
	expect_goodbye(&silent, "protocol", "no HELLO");
	expect_goodbye(&half, "protocol", "no HELLO");
	assert_true(queue_now() - from > 1);
	ping(&good); /* those who said it may be silent as long as they like */
	hang_up(&good);
}

static unsigned count_lines(const char *part)
{
	struct buf events = {0};
	unsigned n = 0;
	server_take_events(server, &events);
	assert_true(buf_add(&events, "", 1));
	for (const char *at = buf_data(&events); (at = strstr(at, part)); at++)
		n++;
	buf_finish(&events);
	return n;
}

/* The listening socket stays readable: the loop must not run in circles. */
static void test_no_descriptor_for_a_peer(void **state)
{
	struct client d = join(), late = {.fd = socket_of_ours()};
	struct rlimit before, none;
	unsigned failed = 0;
	(void)state;
	int lowest = dup(0);
	assert_true(lowest >= 0);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)lowest;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	connect_to(late.fd, server_path(server));
	eventually(&d, (failed += count_lines("no bridge can connect")) > 0);
	for (int i = 0; i < 500; i++)
		ping(&d);
	failed += count_lines("no bridge can connect");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_in_range(failed, 1, 50);
	say(&late, WIRE_HELLO, 0, "{}");
	hear(&late, WIRE_WELCOME, 0); /* and it comes in when there is one */
	hang_up(&late);
	hang_up(&d);
}

/* libev would end Emacs if it got no descriptors. */
static void test_no_descriptor_for_the_server(void **state)
{
	char error[512] = "";
	struct rlimit before, none;
	unsigned started = 0, failed = 0;
	(void)state;
	server_stop(&server, "");
	queue_open(queue, &(struct queue_limits){1, 1});
	int doorbell = hang_up_bell(), lowest = dup(0);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	for (rlim_t left = 0; left < 20; left++) {
		struct server_settings settings = {.instance = "x", .version = "", .emacs_version = "", .doorbell = dup(doorbell)};
		none = before;
		none.rlim_cur = (rlim_t)lowest + 1 + left;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
		struct server *s = server_start(&settings, queue, error);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		started += s != NULL;
		failed += !s;
		assert_true(s || strlen(error) > 10);
		server_stop(&s, "");
		queue_open(queue, &(struct queue_limits){1, 1});
		int now = dup(0); /* whatever happened, nothing is left open */
		assert_int_equal(now, lowest);
		close(now);
	}
	assert_true(started > 0 && failed > 2);
	close(doorbell);
}

/* The thread's loop fails in its middle, here because somebody closed its descriptor: the
 * process lives on, nobody waits, and the server can be started again. */
static void test_the_loop_breaks(void **state)
{
	struct client c = join();
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), found = -1;
	(void)state;
	for (int fd = 3; fd < 200 && found < 0; fd++) {
		char path[32], what[64] = "";
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		if (readlink(path, what, sizeof what - 1) > 0 && strstr(what, "[eventpoll]"))
			found = fd;
	}
	if (found < 0) {
		print_message("SKIP: the loop does not use epoll here\n");
		skip();
	}
	call(&c, 1, "a");
	uint64_t number = begin();
	assert_true(dup3(null, found, O_CLOEXEC) == found);
	close(null);
	say(&c, WIRE_PING, 1, "");
	struct wire_frame f;
	while (next_frame(&c, &f)) /* perhaps the PONG still */
		wire_eat(&c.in, &f);
	hang_up(&c);
	server_wake(server);
	server_stop(&server, "broken");
	assert_true(queue_running(queue) == number);
	queue_open(queue, &(struct queue_limits){QUEUE_TOTAL, QUEUE_PEER});
	start_server();
	c = join();
	ping(&c);
	hang_up(&c);
}

/* Another user, who could only come in because the folder was opened. */
static void test_a_foreign_user(void **state)
{
	char path[RUNTIME_PATH_MAX];
	struct client d = join();
	(void)state;
	if (geteuid() != 0) {
		print_message("SKIP: only root can play another user\n");
		skip();
	}
	snprintf(path, sizeof path, "%s/efrit", base);
	assert_true(chmod(base, 0755) == 0 && chmod(path, 0755) == 0 && chmod(server_path(server), 0666) == 0);
	pid_t child = fork();
	if (child == 0) { /* nothing but system calls here: there was a second thread */
		struct sockaddr_un a = {.sun_family = AF_UNIX};
		char answer[512] = "";
		strcpy(a.sun_path, server_path(server));
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		if (setuid(65534) != 0 || fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
			_exit(2);
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (poll(&p, 1, PATIENCE) != 1)
			_exit(3);
		ssize_t n = recv(fd, answer, sizeof answer - 1, 0);
		_exit(n > WIRE_HEADER && answer[6] == WIRE_GOODBYE && strstr(answer + WIRE_HEADER, "\"forbidden\"") ? 0 : 4);
	}
	int status = -1;
	assert_true(child > 0 && waitpid(child, &status, 0) == child);
	assert_int_equal(status, 0);
	ping(&d);
	hang_up(&d);
}

/* It neither reads nor goes: at the end nobody waits for it. */
static void test_the_end_waits_for_nobody(void **state)
{
	struct client c = join();
	(void)state;
	call(&c, 1, "a");
	reply_bytes(begin(), 'e', 10 * 1000 * 1000, JOB_DONE);
	credit(&c, 1, UINT32_MAX);
	double from = queue_now();
	server_stop(&server, "enough");
	assert_true(queue_now() - from < 5);
	hang_up(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_garbage),
		TEST(test_noise),
		TEST(test_half_a_frame),
		TEST(test_huge_frames),
		TEST(test_another_version),
		TEST(test_wrong_frames),
		TEST(test_wrong_calls),
		TEST(test_a_peer_vanishes),
		TEST(test_a_reader_vanishes),
		TEST(test_questions_without_reading),
		TEST(test_many_questions_wait),
		TEST(test_a_flood_that_leaves),
		TEST(test_the_65th),
		TEST(test_no_hello),
		TEST(test_no_descriptor_for_a_peer),
		TEST(test_no_descriptor_for_the_server),
		TEST(test_the_loop_breaks),
		TEST(test_a_foreign_user),
		TEST(test_the_end_waits_for_nobody),
	};
	return RUN(tests);
}
