/* server_results.c - results of the server thread, without Emacs: of all sizes, written while
 * they are sent, and never more than there is credit for. */
#include "serving.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_results_of_all_sizes),
		TEST(test_a_result_that_could_not_be_made),
		TEST(test_a_text_written_while_it_is_sent),
		TEST(test_a_slow_reader),
		TEST(test_many_results_at_once),
		TEST(test_credit),
		TEST(test_unread_answers_hold_the_peers_jobs),
	};
	return RUN(tests);
}
