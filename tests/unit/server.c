/* server.c - the server thread, without Emacs: what each frame is answered, how calls
 * run, are stopped and end, results of all sizes, start and end of the server. */
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

static void test_calls(void **state)
{
	struct client c = join(), d = join();
	struct wire_frame f;
	(void)state;
	call(&c, 1, "one");
	call(&d, 1, "two");
	for (int i = 0; i < 2; i++) {
		uint64_t number = begin();
		assert_true(reply(number, i ? "{\"b\":2}" : "{\"a\":1}", i ? JOB_FAILED : JOB_DONE));
	}
	assert_true(next_frame(&c, &f) && f.type == WIRE_RESULT && f.id == 1);
	bool first = memcmp(f.data, "{\"a\":1}", 7) == 0; /* who came first is the system's to say */
	assert_int_equal(f.flags, first ? 0 : WIRE_FAILED);
	wire_eat(&c.in, &f);
	assert_string_equal(hear(&d, WIRE_RESULT, 1), first ? "{\"b\":2}" : "{\"a\":1}");
	hang_up(&c);
	hang_up(&d);
}

static void test_a_call_in_pieces(void **state)
{
	enum { SIZE = 3 * 1000 * 1000 };
	struct client c = join();
	char *text = malloc(SIZE);
	(void)state;
	memset(text, 'x', SIZE);
	call_with(&c, 1, "big", 0, text, SIZE);
	const struct job *job;
	while (!(job = queue_take(queue, false)))
		await_ring();
	assert_int_equal(job->arguments_len, SIZE);
	assert_memory_equal(job->arguments, text, SIZE);
	free(text);
	reply(job->number, "{}", JOB_DONE);
	hear(&c, WIRE_RESULT, 1);
	hang_up(&c);
}

static void test_refusals(void **state)
{
	static const char *const wrong[] = {"", "short", "\0\0\0\0\1\0\0\1\0\1" "\xFF" "c{}", "\0\0\0\0\1\0\0\1\0\1" "t\xC3{}",
					    "\0\0\0\0\1\0\0\1\0\1" "t\0{}", "\0\0\0\0\1\0\xFF\xFF\0\1" "tc{}"};
	static const size_t sizes[] = {0, 5, 14, 14, 14, 14};
	struct client c = join(), d = join();
	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		say_bytes(&c, WIRE_CALL, 0, i, wrong[i], sizes[i]);
		assert_says(hear(&c, WIRE_REFUSED, i), "\"code\":\"bad_call\"");
	}
	for (unsigned i = 0; i < QUEUE_PEER; i++)
		call(&c, 100 + i, "a");
	call(&c, 1, "a");
	const char *text = hear(&c, WIRE_REFUSED, 1);
	assert_says(text, "\"code\":\"client_queue_full\"");
	assert_says(text, "\"retry_ms\":1000");
	for (unsigned i = 0; i < QUEUE_TOTAL - QUEUE_PEER; i++)
		call(&d, 100 + i, "a");
	call(&d, 1, "a");
	assert_says(hear(&d, WIRE_REFUSED, 1), "\"code\":\"queue_full\"");
	ping(&c); /* and it is still served */
	hang_up(&c);
	hang_up(&d);
}

static void test_cancel(void **state)
{
	struct client c = join();
	(void)state;
	call(&c, 1, "a");
	uint64_t number = begin();
	call(&c, 2, "a");
	say(&c, WIRE_CANCEL, 2, "why");
	const char *text = hear(&c, WIRE_RESULT, 2);
	assert_says(text, "\\\"error_code\\\":\\\"cancelled\\\"");
	assert_says(text, "it did not run");
	assert_says(text, "\"isError\":true}");
	say(&c, WIRE_CANCEL, 77, ""); /* unknown: ignored */
	ping(&c);
	say(&c, WIRE_CANCEL, 1, "");
	await_stop(number);
	assert_true(reply(number, "{\"stopped\":1}", JOB_STOPPED));
	assert_string_equal(hear(&c, WIRE_RESULT, 1), "{\"stopped\":1}");
	call(&c, 3, "a");
	number = take(false);
	say(&c, WIRE_CANCEL, 3, ""); /* taken, not begun */
	ping(&c);
	assert_false(queue_begin(queue, number, false));
	reply(number, "{}", JOB_STOPPED);
	hear(&c, WIRE_RESULT, 3);
	hang_up(&c);
}

static void test_time_out(void **state)
{
	struct client c = join();
	char by[JOB_BY_MAX];
	(void)state;
	call_with(&c, 1, "a", 30, "{}", 2);
	uint64_t number = begin();
	await_stop(number);
	assert_int_equal(queue_why(queue, number, by), STOP_TIMEOUT);
	reply(number, "{}", JOB_STOPPED);
	hear(&c, WIRE_RESULT, 1);
	/* One that waited longer than it may run has all its time when it begins. */
	call_with(&c, 2, "a", 20, "{}", 2);
	await_ring();
	double from = queue_now();
	eventually(&c, queue_now() > from + 0.05);
	number = begin();
	assert_true(queue_stop_wanted(queue) == 0);
	await_stop(number);
	reply(number, "{}", JOB_STOPPED);
	hear(&c, WIRE_RESULT, 2);
	/* A deferred one is answered by the thread alone. */
	call_with(&c, 3, "wait", 30, "{}", 2);
	number = begin();
	queue_end(queue, number);
	queue_defer(queue, number);
	assert_says(hear(&c, WIRE_RESULT, 3), "\\\"error_code\\\":\\\"timeout\\\"");
	assert_false(queue_alive(queue, number));
	hang_up(&c);
}

static void test_a_cancelled_job_defers(void **state)
{
	struct client c = join();
	(void)state;
	call(&c, 1, "wait");
	uint64_t number = begin();
	say(&c, WIRE_CANCEL, 1, "");
	ping(&c);
	queue_end(queue, number);
	queue_defer(queue, number);
	assert_says(hear(&c, WIRE_RESULT, 1), "\\\"error_code\\\":\\\"cancelled\\\"");
	hang_up(&c);
}

static void test_interrupt(void **state)
{
	struct client c = join(), d = join();
	char by[JOB_BY_MAX], ask[64];
	(void)state;
	say(&d, WIRE_INTERRUPT, 1, "");
	assert_says(hear(&d, WIRE_INTERRUPTED, 1), "\"outcome\":\"nothing\"");
	say(&d, WIRE_INTERRUPT, 2, "{\"request\":4711}");
	assert_says(hear(&d, WIRE_INTERRUPTED, 2), "\"outcome\":\"nothing\",\"request\":4711");
	call(&c, 1, "a");
	uint64_t number = begin();
	say(&d, WIRE_INTERRUPT, 3, "{\"client\":\"d\"}");
	await_stop(number);
	queue_why(queue, number, by);
	assert_string_equal(by, "d");
	reply(number, "{}", JOB_STOPPED);
	assert_says(hear(&d, WIRE_INTERRUPTED, 3), "\"outcome\":\"stopped\"");
	hear(&c, WIRE_RESULT, 1);
	call(&c, 2, "a");
	number = begin();
	say(&d, WIRE_INTERRUPT, 4, "");
	ping(&d);
	reply(number, "{}", JOB_DONE);
	assert_says(hear(&d, WIRE_INTERRUPTED, 4), "\"outcome\":\"finished\"");
	hear(&c, WIRE_RESULT, 2);
	call(&c, 3, "a"); /* waiting, of another client */
	number = 0;
	eventually(&c, look().waiting == 1);
	snprintf(ask, sizeof ask, "{\"request\":%d}", 3);
	say(&d, WIRE_INTERRUPT, 5, ask);
	assert_says(hear(&d, WIRE_INTERRUPTED, 5), "\"outcome\":\"stopped\"");
	assert_says(hear(&c, WIRE_RESULT, 3), "\\\"error_code\\\":\\\"interrupted\\\"");
	hang_up(&c);
	hang_up(&d);
}

/* No signal and no ring helps: it is told, and its end later too. */
static void test_what_cannot_be_stopped(void **state)
{
	struct client c = join(), d = join();
	(void)state;
	call(&c, 1, "a");
	uint64_t number = begin();
	say(&d, WIRE_INTERRUPT, 1, "");
	assert_says(hear(&d, WIRE_INTERRUPTED, 1), "\"outcome\":\"not_stopped\"");
	const char *text = hear(&c, WIRE_RESULT, 1);
	assert_says(text, "cannot be stopped");
	assert_says(text, "\\\"error_code\\\":\\\"interrupted\\\"");
	say(&d, WIRE_INTERRUPT, 2, "");
	ping(&d);
	assert_false(reply(number, "{}", JOB_DONE)); /* answered already */
	assert_says(hear(&d, WIRE_INTERRUPTED, 2), "\"outcome\":\"stopped\"");
	ping(&c); /* no second answer */
	hang_up(&c);
	hang_up(&d);
}

static void test_an_interrupt_that_says_nothing_stops_nothing(void **state)
{
	static const char *const wrong[] = {"{", "[]", "7", "{\"request\":0}", "{\"request\":-1}", "{\"request\":\"1\"}", "{\"request\":null}"};
	struct client c = join();
	(void)state;
	call(&c, 1, "a");
	uint64_t number = begin();
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct client d = join();
		say(&d, WIRE_INTERRUPT, 1, wrong[i]);
		expect_goodbye(&d, "protocol", "INTERRUPT");
	}
	assert_true(queue_stop_wanted(queue) == 0 && queue_running(queue) == number);
	hang_up(&c);
}

static void test_the_person_interrupts(void **state)
{
	struct client c = join();
	char by[JOB_BY_MAX];
	(void)state;
	assert_false(server_interrupt(server));
	call(&c, 1, "a");
	uint64_t number = begin();
	assert_true(server_interrupt(server));
	await_stop(number);
	assert_int_equal(queue_why(queue, number, by), STOP_INTERRUPTED);
	assert_string_equal(by, "the person");
	hang_up(&c);
}

/* The person stops all agents: what waits is answered, what comes refused, until they say so. */
static void test_pause(void **state)
{
	struct client c = join();
	(void)state;
	call(&c, 1, "wait");
	uint64_t number = begin();
	queue_end(queue, number);
	queue_defer(queue, number);
	call(&c, 2, "a");
	number = begin();
	call(&c, 3, "a");
	eventually(&c, look().waiting == 1);
	server_pause(server, true);
	for (unsigned i = 0; i < 2; i++) {
		struct wire_frame f;
		assert_true(next_frame(&c, &f));
		assert_true(f.type == WIRE_RESULT && (f.id == 1 || f.id == 3));
		wire_eat(&c.in, &f);
	}
	assert_true(queue_stop_wanted(queue) == 0); /* what runs is another matter */
	call(&c, 4, "a");
	assert_says(hear(&c, WIRE_REFUSED, 4), "\"code\":\"stopped_by_person\"");
	reply(number, "{}", JOB_DONE);
	hear(&c, WIRE_RESULT, 2);
	server_pause(server, false);
	call(&c, 5, "a");
	reply(begin(), "{}", JOB_DONE);
	hear(&c, WIRE_RESULT, 5);
	say(&c, WIRE_STATUS, 6, "{\"stats\":true}");
	assert_says(hear(&c, WIRE_STATE, 6), "\"completed_last_hour\":2");
	hang_up(&c);
}

static void test_nested(void **state)
{
	struct client c = join();
	char *names[] = {strdup("peek")};
	(void)state;
	assert_true(queue_name_nesting(queue, names, 1));
	call(&c, 1, "outer");
	uint64_t outer = take(false);
	call(&c, 2, "peek"); /* before the outer one has begun: rung for again then */
	await_ring();
	assert_true(queue_begin(queue, outer, false));
	await_ring();
	uint64_t inner = take(true);
	assert_true(queue_begin(queue, inner, true));
	say(&c, WIRE_CANCEL, 2, "");
	assert_says(hear(&c, WIRE_RESULT, 2), "nothing is cut");
	say(&c, WIRE_CANCEL, 1, ""); /* the outer one's stop is driven all the same */
	await_stop(outer);
	assert_false(reply(inner, "{}", JOB_DONE));
	assert_true(reply(outer, "{}", JOB_STOPPED));
	hear(&c, WIRE_RESULT, 1);
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
	await_ring();
	assert_true(server_watches_new(server));
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

/* ---- results and their credit ---- */

/* Reads what comes of the result of ID until the last block, or a PONG.  Returns the bytes. */
static size_t read_result(struct client *c, uint64_t id, char filler, bool *last)
{
	struct wire_frame f;
	size_t bytes = 0;
	for (*last = false; !*last;) {
		assert_true(next_frame(c, &f));
		if (f.type == WIRE_PONG) {
			wire_eat(&c->in, &f);
			return bytes;
		}
		assert_true(f.type == WIRE_RESULT && f.id == id && f.len <= WIRE_BLOCK);
		for (size_t i = 0; i < f.len; i += 997)
			assert_int_equal(f.data[i], filler);
		*last = !(f.flags & WIRE_MORE);
		bytes += f.len;
		wire_eat(&c->in, &f);
	}
	return bytes;
}

static void test_results_of_all_sizes(void **state)
{
	static const size_t sizes[] = {1, WIRE_BLOCK - 1, WIRE_BLOCK, WIRE_BLOCK + 1, WIRE_WINDOW - 1, WIRE_WINDOW, WIRE_WINDOW + 1,
				       WIRE_WINDOW + WIRE_BLOCK};
	struct client c = join();
	bool last;
	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		size_t now = sizes[i] < WIRE_WINDOW ? sizes[i] : WIRE_WINDOW;
		call(&c, i, "a");
		assert_true(reply_bytes(begin(), 'r', sizes[i], JOB_DONE));
		size_t got = 0;
		for (last = false; !last && got < now;) { /* the PONG may come in between */
			say(&c, WIRE_PING, 999, "");
			got += read_result(&c, i, 'r', &last);
		}
		assert_int_equal(got, now);
		if (now < sizes[i]) {
			assert_false(last);
			credit(&c, i, 1);
			if (now + 1 < sizes[i])
				credit(&c, i, UINT32_MAX);
			while (!last)
				got += read_result(&c, i, 'r', &last);
		}
		assert_true(last);
		assert_int_equal(got, sizes[i]);
		call(&c, 5000, "a"); /* so that all PONGs have come, whatever their place was */
		reply(begin(), "{}", JOB_DONE);
		struct wire_frame f;
		do {
			assert_true(next_frame(&c, &f));
			wire_eat(&c.in, &f);
		} while (f.type != WIRE_RESULT);
	}
	hang_up(&c);
}

/* Lisp had no memory for an answer: the peer must not wait for one. */
static void test_a_result_that_could_not_be_made(void **state)
{
	struct client c = join(), d = join();
	struct buf none = {0};
	(void)state;
	call(&c, 1, "a");
	uint64_t number = begin();
	queue_end(queue, number);
	queue_reply(queue, number, &none, JOB_FAILED);
	expect_end(&c);
	ping(&d);
	hang_up(&d);
}

/* Is the text of a long answer what was to come: lines, each escaped, between head and end? */
static void check_long(const struct buf *got, const char *head, const char *line, size_t lines, const char *end)
{
	size_t at = strlen(head), len = strlen(line);
	assert_int_equal(buf_len(got), at + lines * len + strlen(end));
	assert_memory_equal(buf_data(got), head, at);
	for (size_t i = 0; i < lines; i++, at += len)
		assert_memory_equal(buf_data(got) + at, line, len);
	assert_memory_equal(buf_data(got) + at, end, strlen(end));
}

/* A long text becomes JSON on its way, however its credit is cut. */
static void test_a_text_written_while_it_is_sent(void **state)
{
	static const char head[] = "{\"a\":\"", raw[] = "say \"h\xC3\xA9\xF0\x9F\x98\x80\"\1\n", line[] = "say \\\"h\xC3\xA9\xF0\x9F\x98\x80\\\"\\u0001\\n", end[] = "\"}";
	static const size_t grants[] = {UINT32_MAX, 100 * 1000, 4097, 1};
	enum { LINES = 20 * 1000 };
	struct client c = join();
	(void)state;
	for (size_t i = 0; i < sizeof grants / sizeof *grants; i++) {
		size_t lines = grants[i] == 1 ? WIRE_WINDOW / (sizeof line - 1) + 20 : LINES, allowed = WIRE_WINDOW;
		struct buf text = {0}, source = {0}, got = {0};
		struct wire_frame f;
		bool last = false;
		call(&c, i, "a");
		assert_true(buf_add(&text, head, strlen(head)));
		for (size_t k = 0; k < lines; k++)
			assert_true(buf_add(&source, raw, sizeof raw - 1));
		struct body *rest = body_create(&source, end);
		assert_non_null(rest);
		assert_int_equal(rest->left, lines * strlen(line) + strlen(end));
		uint64_t number = begin();
		queue_end(queue, number);
		assert_true(queue_reply_long(queue, number, &text, &rest, JOB_FAILED));
		assert_null(rest);
		while (!last) {
			assert_true(next_frame(&c, &f));
			assert_true(f.type == WIRE_RESULT && f.id == i && f.len <= WIRE_BLOCK && (f.flags & WIRE_FAILED));
			assert_true(buf_add(&got, f.data, f.len));
			last = !(f.flags & WIRE_MORE);
			wire_eat(&c.in, &f);
			assert_true(buf_len(&got) <= allowed);
			if (buf_len(&got) == allowed && !last) {
				credit(&c, i, (uint32_t)grants[i]);
				allowed += grants[i];
			}
		}
		check_long(&got, head, line, lines, end);
		buf_finish(&got);
	}
	hang_up(&c);
}

static void test_a_slow_reader(void **state)
{
	enum { SIZE = 10 * 1000 * 1000, STEP = 100 * 1000 };
	struct client c = join(), d = join();
	bool last = false;
	size_t got = 0, allowed = WIRE_WINDOW;
	(void)state;
	call(&c, 1, "a");
	assert_true(reply_bytes(begin(), 's', SIZE, JOB_DONE));
	while (!last) {
		say(&c, WIRE_PING, 2, "");
		got += read_result(&c, 1, 's', &last);
		assert_true(got <= allowed);
		ping(&d); /* others are served meanwhile */
		if (got == allowed) {
			credit(&c, 1, STEP);
			allowed += STEP;
		}
	}
	assert_int_equal(got, SIZE);
	hang_up(&c);
	hang_up(&d);
}

/* More results at once than fit what may be unsent: none of them is a reason to go. */
static void test_many_results_at_once(void **state)
{
	enum { MANY = 150, SIZE = 100 * 1000 };
	struct client c = join();
	static size_t got[MANY];
	struct wire_frame f;
	unsigned ended = 0;
	(void)state;
	memset(got, 0, sizeof got);
	for (unsigned i = 0; i < MANY; i++)
		call(&c, i, "a");
	eventually(&c, look().waiting == MANY); /* once it is behind with reading, no more calls are read */
	for (unsigned i = 0; i < MANY; i++)
		assert_true(reply_bytes(begin(), 'm', SIZE, JOB_DONE));
	while (ended < MANY) {
		assert_true(next_frame(&c, &f));
		assert_true(f.type == WIRE_RESULT && f.id < MANY);
		got[f.id] += f.len;
		ended += !(f.flags & WIRE_MORE);
		wire_eat(&c.in, &f);
	}
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(got[i], SIZE);
	hang_up(&c);
}

static void test_credit(void **state)
{
	enum { SIZE = WIRE_WINDOW + 1000 };
	struct client c = join();
	bool last = false;
	size_t got = 0;
	(void)state;
	credit(&c, 1, 5); /* for nothing */
	call(&c, 1, "a");
	uint64_t number = begin();
	credit(&c, 1, 5); /* too early */
	ping(&c);
	assert_true(reply_bytes(number, 'c', SIZE, JOB_DONE));
	call(&c, 2, "a");
	reply(begin(), "{}", JOB_DONE);
	struct wire_frame f;
	bool other = false; /* a short answer may overtake a long one */
	while (!other || got < WIRE_WINDOW) {
		assert_true(next_frame(&c, &f));
		got += f.id == 1 ? f.len : 0;
		other = other || f.id == 2;
		wire_eat(&c.in, &f);
	}
	assert_int_equal(got, WIRE_WINDOW);
	ping(&c); /* and no more comes */
	for (int i = 0; i < 5; i++)
		credit(&c, 1, UINT32_MAX);
	got += read_result(&c, 1, 'c', &last);
	assert_int_equal(got, SIZE);
	say(&c, WIRE_CREDIT, 1, "12345");
	expect_goodbye(&c, "protocol", "CREDIT");
}

static void test_unread_answers_hold_the_peers_jobs(void **state)
{
	enum { SIZE = 40 * 1000 * 1000 };
	struct client c = join(), d = join();
	bool last;
	(void)state;
	for (uint64_t i = 0; i < 2; i++) {
		call(&c, i, "a");
		assert_true(reply_bytes(begin(), 'h', SIZE, JOB_DONE));
	}
	call(&c, 2, "a");
	eventually(&d, look().waiting == 1 && !queue_pending(queue));
	assert_null(queue_take(queue, false));
	call(&d, 1, "a"); /* others are not held */
	reply(begin(), "{}", JOB_DONE);
	hear(&d, WIRE_RESULT, 1);
	credit(&c, 0, SIZE);
	credit(&c, 1, SIZE);
	struct wire_frame f;
	for (unsigned ended = 0; ended < 2;) {
		assert_true(next_frame(&c, &f));
		ended += !(f.flags & WIRE_MORE);
		wire_eat(&c.in, &f);
	}
	reply(begin(), "{}", JOB_DONE); /* rung for when it reads again */
	read_result(&c, 2, '{', &last);
	assert_true(last);
	hang_up(&c);
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
		TEST(test_calls),
		TEST(test_a_call_in_pieces),
		TEST(test_refusals),
		TEST(test_cancel),
		TEST(test_time_out),
		TEST(test_a_cancelled_job_defers),
		TEST(test_interrupt),
		TEST(test_what_cannot_be_stopped),
		TEST(test_an_interrupt_that_says_nothing_stops_nothing),
		TEST(test_the_person_interrupts),
		TEST(test_pause),
		TEST(test_nested),
		TEST(test_catalogue),
		TEST(test_watches),
		TEST(test_results_of_all_sizes),
		TEST(test_a_result_that_could_not_be_made),
		TEST(test_a_text_written_while_it_is_sent),
		TEST(test_a_slow_reader),
		TEST(test_many_results_at_once),
		TEST(test_credit),
		TEST(test_unread_answers_hold_the_peers_jobs),
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
