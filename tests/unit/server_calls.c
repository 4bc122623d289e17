/* server_calls.c - calls to the server thread, without Emacs: how they run, are refused,
 * stopped and end, and what cannot be stopped. */
#include "serving.h"

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
	call_as(&c, 1, "a", 30, true, "{}", 2);
	uint64_t number = begin();
	await_stop(number);
	assert_int_equal(queue_why(queue, number, by), STOP_TIMEOUT);
	reply(number, "{}", JOB_STOPPED);
	hear(&c, WIRE_RESULT, 1);
	/* Its wait counts: it is answered without Lisp, and never begins. */
	call_with(&c, 4, "a", 20, "{}", 2);
	assert_says(hear(&c, WIRE_REFUSED, 4), "did not run");
	assert_null(queue_take(queue, false));
	/* A patient one that waited longer than it may run has all its time when it begins. */
	call_as(&c, 2, "a", 20, true, "{}", 2);
	await_ring();
	double from = queue_now();
	eventually(&c, queue_now() > from + 0.05);
	number = begin();
	assert_true(queue_stop_wanted(queue) == 0);
	await_stop(number);
	reply(number, "{}", JOB_STOPPED);
	hear(&c, WIRE_RESULT, 2);
	/* A deferred one is answered by the thread alone. */
	call_as(&c, 3, "wait", 30, true, "{}", 2);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};
	return RUN(tests);
}
