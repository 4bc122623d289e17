/* server.c - the server thread, without Emacs: who it says it is and how Emacs is, what it
 * tells unasked, start and end. */
#include "serving.h"

#include <sys/stat.h>

static void test_hello(void **state)
{
	struct client c = call_in();
	char want[64];
	(void)state;
	say(&c, WIRE_HELLO, 0, "{\"version\":\"0.1\",\"pid\":1}");
	const char *text = hear(&c, WIRE_WELCOME, 0);
	snprintf(want, sizeof want, "\"pid\":%ld", (long)getpid());
	assert_says(text, want);
	assert_says(text, "\"instance\":\"work\"");
	assert_says(text, "\"emacs_version\":\"28.2\"");
	assert_string_equal(server_instance(server), "work");
	ping(&c);
	hang_up(&c);
}

static void test_status(void **state)
{
	struct client c = join();
	(void)state;
	say(&c, WIRE_STATUS, 1, "");
	await_ring(); /* how Emacs is must be asked */
	assert_says(hear(&c, WIRE_STATE, 1), "\"state\":\"idle\"");
	call(&c, 2, "efrit_execute");
	say(&c, WIRE_STATUS, 3, ""); /* the ring for the call is not answered */
	const char *text = hear(&c, WIRE_STATE, 3);
	assert_says(text, "\"state\":\"blocked\"");
	assert_says(text, "\"waiting\":1");
	uint64_t number = begin();
	say(&c, WIRE_STATUS, 4, "");
	text = hear(&c, WIRE_STATE, 4);
	assert_says(text, "\"state\":\"running\"");
	assert_says(text, "\"tool\":\"efrit_execute\",\"client\":\"agent\"");
	assert_says(text, "\"peers\":1");
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "running"), "request")), number);
	json_decref(json);
	queue_prompt(queue, "Save \"x\"? ", false);
	say(&c, WIRE_STATUS, 5, "");
	assert_says(hear(&c, WIRE_STATE, 5), "\"prompt\":{\"text\":\"Save \\\"x\\\"? \"}");
	reply(number, "{}", JOB_DONE);
	hear(&c, WIRE_RESULT, 2);
	struct buf own = {0};
	assert_true(server_status(server, &own) && buf_len(&own) > 100); /* Lisp's own */
	buf_finish(&own);
	hang_up(&c);
}

static void test_status_until_idle(void **state)
{
	struct client c = join();
	(void)state;
	call(&c, 1, "a");
	uint64_t number = begin();
	say(&c, WIRE_STATUS, 2, "{\"until\":\"idle\",\"timeout_ms\":60000}");
	ping(&c); /* it is not answered yet */
	say(&c, WIRE_STATUS, 3, "{\"until\":\"idle\",\"timeout_ms\":30}");
	assert_says(hear(&c, WIRE_STATE, 3), "\"met\":false");
	reply(number, "{}", JOB_DONE);
	hear(&c, WIRE_RESULT, 1);
	lisp_awake = true;
	assert_says(hear(&c, WIRE_STATE, 2), "\"met\":true");
	hang_up(&c);
}

/* Emacs was blocked before anybody waited: its next answer is news. */
static void test_idle_after_a_block(void **state)
{
	struct client c = join();
	(void)state;
	say(&c, WIRE_STATUS, 9, "");
	await_ring();
	hear(&c, WIRE_STATE, 9);
	call(&c, 1, "a");
	eventually(&c, look().rung && queue_now() - look().rung_at > 0.15);
	say(&c, WIRE_CANCEL, 1, "");
	hear(&c, WIRE_RESULT, 1);
	say(&c, WIRE_STATUS, 3, "{\"until\":\"idle\",\"timeout_ms\":600000}");
	ping(&c);
	await_ring();
	assert_says(hear(&c, WIRE_STATE, 3), "\"met\":true");
	hang_up(&c);
}

static void test_catalogue(void **state)
{
	enum { SIZE = 1024 * 1024 + 100 };
	struct client c = join();
	struct wire_frame f;
	(void)state;
	say(&c, WIRE_CATALOGUE, 1, "");
	assert_string_equal(hear(&c, WIRE_TOOLS, 1), "[]");
	assert_true(server_set_catalogue(server, "[{}]", 4, "aa"));
	assert_string_equal(hear(&c, WIRE_CHANGED, 0), "{\"catalogue\":\"aa\"}");
	say(&c, WIRE_CATALOGUE, 2, "");
	assert_string_equal(hear(&c, WIRE_TOOLS, 2), "[{}]");
	assert_true(server_set_catalogue(server, "[{}]", 4, "aa")); /* the same: no news */
	ping(&c);
	assert_true(server_set_catalogue(server, "[]", 2, "bb"));
	assert_true(server_set_catalogue(server, "[]", 2, "bb")); /* must not hide the news */
	assert_string_equal(hear(&c, WIRE_CHANGED, 0), "{\"catalogue\":\"bb\"}");
	char *text = malloc(3 * SIZE);
	memset(text, ' ', 3 * SIZE);
	assert_true(server_set_catalogue(server, text, SIZE, "cc"));
	assert_false(server_set_catalogue(server, text, 3 * SIZE, "dd"));
	hear(&c, WIRE_CHANGED, 0);
	say(&c, WIRE_CATALOGUE, 3, "");
	assert_true(next_frame(&c, &f) && f.flags == WIRE_MORE && f.len == WIRE_FRAME_MAX);
	wire_eat(&c.in, &f);
	assert_true(next_frame(&c, &f) && f.flags == 0 && f.len == SIZE - WIRE_FRAME_MAX);
	wire_eat(&c.in, &f);
	free(text);
	hang_up(&c);
}

/* Takes what is watched, which is new. */
static void assert_watched(const char *wanted)
{
	struct buf text = {0};
	do /* the first ring of all may be that the server is there */
		await_ring();
	while (!server_watches_new(server));
	assert_true(server_take_watches(server, &text));
	assert_false(server_watches_new(server));
	assert_int_equal(buf_len(&text), strlen(wanted));
	assert_memory_equal(buf_data(&text), wanted, strlen(wanted));
	buf_finish(&text);
}

static void test_watches(void **state)
{
	struct client c = join(), d = join();
	(void)state;
	assert_false(server_watches_new(server));
	say(&c, WIRE_WATCH, 0, "[\"a://b\"]");
	assert_watched("[[\"a://b\"]]");
	say(&d, WIRE_WATCH, 0, "[\"a://b\",\"c\"]");
	assert_watched("[[\"a://b\"],[\"a://b\",\"c\"]]");
	say(&d, WIRE_WATCH, 0, "[]");
	assert_watched("[[\"a://b\"]]");
	hang_up(&c); /* and takes it along */
	assert_watched("[]");
	say(&d, WIRE_WATCH, 0, "{}");
	assert_says(hear(&d, WIRE_GOODBYE, 0), "no array");
	hang_up(&d);
}

/* ---- start and end ---- */

static void test_goodbye(void **state)
{
	struct client c = join(), silent = call_in();
	char path[RUNTIME_PATH_MAX];
	struct stat st;
	(void)state;
	snprintf(path, sizeof path, "%s", server_path(server));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	call(&c, 1, "wait");
	uint64_t deferred = begin();
	queue_end(queue, deferred);
	queue_defer(queue, deferred);
	call(&c, 2, "a");
	uint64_t running = begin();
	call(&c, 3, "a");
	eventually(&c, look().waiting == 1);
	server_stop(&server, "it said \"enough\"");
	assert_null(server);
	assert_says(hear(&c, WIRE_RESULT, 1), "\\\"error_code\\\":\\\"exit\\\"");
	assert_says(hear(&c, WIRE_RESULT, 2), "may have run");
	assert_says(hear(&c, WIRE_REFUSED, 3), "\"code\":\"stopping\"");
	expect_goodbye(&c, "exit", "it said \\\"enough\\\"");
	expect_goodbye(&silent, "exit", "");
	assert_int_equal(stat(path, &st), -1);
	assert_false(reply(running, "{}", JOB_DONE) || reply(deferred, "{}", JOB_DONE));
}

/* A job ends the server and starts it again: it is not cut for that, and can be stopped. */
static void test_a_job_restarts_the_server(void **state)
{
	struct client c = join();
	(void)state;
	call_with(&c, 1, "a", 1000, "{}", 2);
	uint64_t number = begin();
	server_stop(&server, "restart");
	hang_up(&c);
	assert_true(queue_stop_wanted(queue) == 0 && queue_running(queue) == number);
	queue_open(queue, &(struct queue_limits){QUEUE_TOTAL, QUEUE_PEER});
	start_server();
	c = join();
	say(&c, WIRE_STATUS, 1, "");
	assert_says(hear(&c, WIRE_STATE, 1), "\"state\":\"running\"");
	call(&c, 2, "a");
	assert_false(queue_begin(queue, take(false), false)); /* not before the first has ended */
	await_stop(number); /* its time-out still holds */
	assert_false(reply(number, "{}", JOB_STOPPED));
	hang_up(&c);
}

static void test_names(void **state)
{
	char error[512] = "", path[RUNTIME_PATH_MAX];
	struct server *second, *bad;
	int fd;
	(void)state;
	second = start_named("work", error);
	assert_non_null(second);
	assert_string_equal(server_instance(second), "work-2");
	server_stop(&second, "");
	assert_null(start_named("../x", error));
	assert_says(error, "cannot be an instance's name");
	snprintf(path, sizeof path, "%s/efrit/file.sock", base);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	bad = start_named("file", error);
	assert_null(bad);
	assert_says(error, "is not a socket");
	assert_int_equal(access(path, F_OK), 0); /* it is not ours to remove */
	snprintf(path, sizeof path, "%s/efrit", base);
	assert_int_equal(chmod(path, 0755), 0);
	assert_null(start_named("other", error));
	assert_says(error, "chmod 700");
	assert_int_equal(chmod(path, 0700), 0);
	queue_wake_on_ring(queue);
	queue_heard(queue); /* no server is told that is no more */
}

static void test_a_stale_socket_is_replaced(void **state)
{
	char error[512] = "", path[RUNTIME_PATH_MAX];
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	(void)state;
	snprintf(path, sizeof path, "%s/efrit/stale.sock", base);
	memcpy(a.sun_path, path, strlen(path));
	int fd = socket_of_ours();
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	close(fd);
	struct server *s = start_named("stale", error);
	assert_non_null(s);
	assert_string_equal(server_instance(s), "stale");
	fd = socket_of_ours();
	connect_to(fd, path);
	close(fd);
	/* Somebody else's socket of the same name is left alone at the end. */
	assert_int_equal(unlink(path), 0);
	fd = socket_of_ours();
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	server_stop(&s, "");
	assert_int_equal(access(path, F_OK), 0);
	close(fd);
}

/* The descriptor is closed once, whatever goes wrong. */
static void test_a_failed_start_closes_the_doorbell(void **state)
{
	char error[512] = "";
	struct server_settings settings = {.instance = "no/name", .version = "", .emacs_version = "", .doorbell = hang_up_bell()};
	(void)state;
	int fd = settings.doorbell;
	assert_null(server_start(&settings, queue, error));
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	/* The bell hears the end of the pipe. */
	char byte;
	assert_int_equal(read(bell, &byte, 1), 0);
}

static void test_the_doorbell_breaks(void **state)
{
	struct client c = join();
	struct buf events = {0};
	(void)state;
	close(bell);
	bell = -1;
	queue_heard(queue); /* of a ring before that */
	call(&c, 1, "a"); /* EPIPE, and no signal that ends us */
	ping(&c);
	server_take_events(server, &events);
	assert_true(buf_add(&events, "", 1));
	assert_says(buf_data(&events), "the doorbell cannot be rung");
	buf_finish(&events);
	server_set_doorbell(server, hang_up_bell());
	reply(begin(), "{}", JOB_DONE); /* the new one rings */
	hear(&c, WIRE_RESULT, 1);
	hang_up(&c);
}

static void test_events_are_lines_of_text(void **state)
{
	struct client c = call_in();
	struct buf events = {0};
	char hello[700] = "{\"client\":\"a\\nb", *end = hello + strlen(hello);
	(void)state;
	for (int i = 0; i < 100; i++, end += 3) /* cut in the middle of a character, if it were cut anywhere */
		memcpy(end, "\xE2\x82\xAC", 3);
	strcpy(end, "\"}");
	say(&c, WIRE_HELLO, 0, hello);
	hear(&c, WIRE_WELCOME, 0);
	server_take_events(server, &events);
	assert_true(buf_add(&events, "", 1));
	assert_says(buf_data(&events), "(a b\xE2\x82\xAC");
	json_t *text = json_string(buf_data(&events)); /* NULL: not UTF-8 */
	assert_non_null(text);
	json_decref(text);
	assert_ptr_equal(strchr(buf_data(&events), '\n') + 1, buf_data(&events) + buf_len(&events) - 1); /* one line */
	buf_finish(&events);
	hang_up(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hello),
		TEST(test_status),
		TEST(test_status_until_idle),
		TEST(test_idle_after_a_block),
		TEST(test_catalogue),
		TEST(test_watches),
		TEST(test_goodbye),
		TEST(test_a_job_restarts_the_server),
		TEST(test_names),
		TEST(test_a_stale_socket_is_replaced),
		TEST(test_a_failed_start_closes_the_doorbell),
		TEST(test_the_doorbell_breaks),
		TEST(test_events_are_lines_of_text),
	};
	return RUN(tests);
}
