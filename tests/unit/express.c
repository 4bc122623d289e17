/* express.c - answers that go straight to the socket: what is half sent comes before all
 * else, and nothing goes while something is in front. */
#include "test.h"

#include "express.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEER = 7 };

static struct express express;
static int near_end, far_end;

static int open_lane(void **state)
{
	int pair[2], size = 4096;
	(void)state;
	if (!express_init(&express) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		return -1;
	near_end = pair[0];
	fcntl(near_end, F_SETFL, O_NONBLOCK); /* as both files of wire/socket make theirs */
	far_end = pair[1];
	setsockopt(near_end, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	express_open(&express, PEER, near_end);
	return 0;
}

static int close_lane(void **state)
{
	(void)state;
	express_finish(&express);
	close(near_end);
	close(far_end);
	return 0;
}

static enum express_sent answer(uint64_t peer, uint64_t id, size_t len, enum job_outcome outcome)
{
	struct reply reply = {.peer = peer, .id = id, .outcome = outcome};
	assert_true(buf_reserve(&reply.text, len + 1));
	memset(buf_room(&reply.text), 'x', len);
	buf_filled(&reply.text, len);
	enum express_sent sent = express_send(&express, &reply);
	buf_finish(&reply.text);
	return sent;
}

/* The loop writes what is in OUT, and opens the lane when all is gone. */
static ssize_t write_out(struct buf *out)
{
	return express_write(&express, PEER, near_end, out);
}

static void ready(void)
{
	struct buf none = {0};
	assert_int_equal(write_out(&none), 0);
}

/* The next frame at the far end; its payload is LEN bytes. */
static struct wire_frame hear(size_t len)
{
	static char bytes[WIRE_HEADER + EXPRESS_MAX];
	struct wire_frame frame;
	assert_true(len + WIRE_HEADER <= sizeof bytes);
	assert_int_equal(recv(far_end, bytes, WIRE_HEADER + len, MSG_WAITALL), WIRE_HEADER + len);
	struct buf in = {.mem = bytes, .cap = sizeof bytes, .tail = WIRE_HEADER + len};
	const char *why;
	assert_int_equal(wire_take(&in, &frame, &why), WIRE_TAKE_FRAME);
	assert_int_equal(frame.len, len);
	return frame;
}

static void test_nothing_goes_before_the_loop_has_written(void **state)
{
	(void)state;
	assert_int_equal(answer(PEER, 1, 10, JOB_DONE), EXPRESS_NO); /* its WELCOME */
	ready();
	assert_int_equal(answer(PEER, 1, 10, JOB_DONE), EXPRESS_ALL);
	struct wire_frame f = hear(10);
	assert_int_equal(f.type, WIRE_RESULT);
	assert_int_equal(f.id, 1);
	assert_int_equal(f.flags, 0);
	assert_int_equal(answer(PEER, 2, 1, JOB_FAILED), EXPRESS_ALL);
	assert_int_equal(hear(1).flags, WIRE_FAILED);
}

static void test_what_goes_the_other_way(void **state)
{
	(void)state;
	ready();
	assert_int_equal(answer(PEER + 1, 1, 10, JOB_DONE), EXPRESS_NO);
	assert_int_equal(answer(0, 1, 10, JOB_DONE), EXPRESS_NO);
	assert_int_equal(answer(PEER, 1, 0, JOB_DONE), EXPRESS_NO);
	assert_int_equal(answer(PEER, 1, EXPRESS_MAX + 1, JOB_DONE), EXPRESS_NO);
	express_close(&express, PEER, NULL);
	assert_int_equal(answer(PEER, 1, 10, JOB_DONE), EXPRESS_NO);
	express_close(&express, PEER, NULL);
}

/* A slow reader: the socket takes part of an answer, the loop the rest, in order. */
static void test_the_rest_comes_first(void **state)
{
	struct buf out = {0};
	uint64_t id = 0;
	(void)state;
	ready();
	enum express_sent sent;
	while ((sent = answer(PEER, ++id, 3000, JOB_DONE)) == EXPRESS_ALL)
		assert_true(id < 1000);
	assert_int_equal(sent, EXPRESS_PART);
	assert_int_equal(answer(PEER, 5000, 10, JOB_DONE), EXPRESS_NO);
	assert_true(wire_put(&out, WIRE_PONG, 0, 6000, NULL, 0));
	for (uint64_t i = 1; i <= id; i++) {
		write_out(&out);
		assert_int_equal(hear(3000).id, i);
	}
	while (buf_len(&out))
		assert_true(write_out(&out) > 0);
	assert_int_equal(hear(0).id, 6000);
	assert_int_equal(answer(PEER, 7000, 10, JOB_DONE), EXPRESS_ALL);
	assert_int_equal(hear(10).id, 7000);
	buf_finish(&out);
}

static void test_a_goodbye_comes_after_the_rest(void **state)
{
	struct buf out = {0};
	uint64_t id = 0;
	(void)state;
	ready();
	while (answer(PEER, ++id, 3000, JOB_DONE) == EXPRESS_ALL)
		assert_true(id < 1000);
	assert_true(wire_put(&out, WIRE_GOODBYE, 0, 0, "{}", 2));
	express_close(&express, PEER, &out);
	for (uint64_t i = 1; i <= id; i++) {
		write_out(&out);
		assert_int_equal(hear(3000).id, i);
	}
	while (buf_len(&out))
		assert_true(write_out(&out) > 0);
	assert_int_equal(hear(2).type, WIRE_GOODBYE);
	buf_finish(&out);
}

static void test_a_peer_that_is_gone(void **state)
{
	struct buf out = {0};
	(void)state;
	ready();
	close(far_end);
	assert_int_equal(answer(PEER, 1, 10, JOB_DONE), EXPRESS_PART); /* the loop finds out */
	assert_int_equal(write_out(&out), -1);
	assert_int_equal(errno, EPIPE);
	buf_finish(&out);
}

static void test_more_peers_than_lanes(void **state)
{
	struct buf out = {0};
	(void)state;
	for (uint64_t peer = 100; peer < 100 + WIRE_PEERS_MAX; peer++)
		express_open(&express, peer, near_end);
	assert_true(wire_put(&out, WIRE_PONG, 0, 1, NULL, 0));
	assert_true(express_write(&express, 99 + WIRE_PEERS_MAX, near_end, &out) > 0); /* it has none, and is written to all the same */
	assert_int_equal(answer(99 + WIRE_PEERS_MAX, 1, 10, JOB_DONE), EXPRESS_NO);
	assert_int_equal(hear(0).id, 1);
	buf_finish(&out);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_lane, close_lane)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_goes_before_the_loop_has_written),
		TEST(test_what_goes_the_other_way),
		TEST(test_the_rest_comes_first),
		TEST(test_a_goodbye_comes_after_the_rest),
		TEST(test_a_peer_that_is_gone),
		TEST(test_more_peers_than_lanes),
	};
	return RUN(tests);
}
