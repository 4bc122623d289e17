/* interrupt.c - the ladder of a stop, with a real signal: the thread of the test is Lisp,
 * another one runs the loop. */
#include "test.h"

#include "interrupt.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#define PATIENCE (20 * test_stretch())

static struct queue *queue;
static struct ev_loop *loop;
static struct interrupt ladder;
static ev_async command;
static pthread_t thread;
static volatile sig_atomic_t signals;
static _Atomic unsigned rings, stuck;
static _Atomic uint64_t drive, turns, active;
static _Atomic bool end;

static void on_signal(int n)
{
	(void)n;
	signals++;
}

static void on_ring(void *data)
{
	(void)data;
	rings++;
}

static void on_stuck(void *data, uint64_t number)
{
	struct job copy;
	(void)data;
	assert_true(queue_answer_for(queue, number, &copy));
	stuck++;
}

static void on_command(struct ev_loop *l, ev_async *w, int revents)
{
	(void)w;
	(void)revents;
	uint64_t number = drive;
	drive = 0;
	if (number)
		interrupt_drive(&ladder, number);
	active = (uint64_t)ev_is_active(&ladder.timer);
	turns++;
	if (end) {
		interrupt_finish(&ladder);
		ev_break(l, EVBREAK_ALL);
	}
}

static void *run(void *data)
{
	ev_run(data, 0);
	return NULL;
}

static int set_up(void **state)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	sigset_t all, before;
	(void)state;
	queue = queue_create(&(struct queue_limits){10, 10});
	loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	if (!queue || !loop || sigaction(SIGUSR2, &sa, NULL) != 0)
		return -1;
	signals = 0;
	rings = stuck = 0;
	end = false;
	interrupt_prepare(SIGUSR2);
	interrupt_init(&ladder, loop, queue);
	ladder.ring = on_ring;
	ladder.on_stuck = on_stuck;
	ladder.told = false;
	ev_async_init(&command, on_command);
	ev_async_start(loop, &command);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&thread, NULL, run, loop);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failed;
}

static int tear_down(void **state)
{
	(void)state;
	end = true;
	ev_async_send(loop, &command);
	pthread_join(thread, NULL);
	ev_loop_destroy(loop);
	queue_destroy(queue);
	return 0;
}

/* The loop has made a turn. */
static void turn(void)
{
	uint64_t before = turns;
	double begun = queue_now();
	ev_async_send(loop, &command);
	while (turns == before && queue_now() < begun + PATIENCE)
		poll(NULL, 0, 1);
	assert_true(turns != before);
}

#define eventually(condition)                                          \
	do {                                                           \
		double begun_ = queue_now();                           \
		while (!(condition) && queue_now() < begun_ + PATIENCE) \
			poll(NULL, 0, 1);                              \
		if (!(condition))                                      \
			fail_msg("it never was: " #condition);         \
	} while (0)

/* A job that runs and is asked to stop. */
static uint64_t stop_a_job(void)
{
	struct wire_call call = {.tool = "t", .tool_len = 1, .client = "c", .client_len = 1, .arguments = "{}", .arguments_len = 2};
	uint64_t number;
	struct job *job;
	assert_int_equal(queue_submit(queue, 1, queue_now() * 1e6, &call, &number), QUEUE_OK);
	assert_non_null(queue_take(queue, false));
	assert_true(queue_begin(queue, number, false));
	assert_int_equal(queue_stop(queue, number, STOP_CANCELLED, "me", &job), CANCEL_DRIVE);
	drive = number;
	turn();
	return number;
}

static void end_job(uint64_t number)
{
	struct buf text = {0};
	queue_end(queue, number);
	(void)getppid();
	assert_true(buf_add(&text, "{}", 2));
	queue_reply(queue, number, &text, JOB_STOPPED);
}

/* The ladder is done: its timer rests. */
static void await_rest(void)
{
	double begun = queue_now();
	do
		turn();
	while (active && queue_now() < begun + PATIENCE);
	assert_false(active);
}

static void test_it_rings_then_signals(void **state)
{
	(void)state;
	uint64_t number = stop_a_job();
	assert_true(rings >= 1);
	eventually(signals >= 1);
	assert_true(queue_stop_wanted(queue) == number);
	queue_stop_seen(queue, number, NULL, false);
	end_job(number);
	await_rest();
	assert_int_equal(stuck, 0);
}

static void test_it_signals_until_it_is_seen(void **state)
{
	(void)state;
	uint64_t number = stop_a_job();
	eventually(signals >= 5); /* redisplay swallows some */
	assert_true(rings >= 5);
	queue_stop_seen(queue, number, NULL, false);
	int before = signals;
	turn();
	turn();
	assert_int_equal(signals, before); /* it unwinds: no more of them */
	end_job(number);
	await_rest();
}

static void test_no_signal_after_the_end_mark(void **state)
{
	(void)state;
	for (int i = 0; i < 300; i++) {
		int had = signals;
		uint64_t number = stop_a_job();
		if (i % 3 == 0)
			eventually(signals > had);
		queue_end(queue, number);
		(void)getppid(); /* what was sent has arrived */
		int before = signals;
		await_rest();
		assert_int_equal(signals, before);
		end_job(number);
	}
}

static void test_what_never_sees_it_is_told(void **state)
{
	(void)state;
	uint64_t number = stop_a_job();
	eventually(stuck == 1);
	int before = signals;
	eventually(signals > before + 1); /* and the ladder goes on */
	assert_int_equal(stuck, 1);       /* told once */
	end_job(number);
	await_rest();
	number = stop_a_job(); /* the next one has the whole ladder again */
	eventually(signals > before + 4);
	queue_stop_seen(queue, number, NULL, false);
	end_job(number);
	await_rest();
	assert_int_equal(stuck, 1);
}

static void test_clean_up_that_does_not_end(void **state)
{
	(void)state;
	uint64_t number = stop_a_job();
	eventually(signals >= 1);
	queue_stop_seen(queue, number, NULL, false);
	int before = signals;
	eventually(stuck == 1);
	eventually(signals > before); /* a further round */
	end_job(number);
	await_rest();
}

static void test_an_obstacle_is_asked_about_again(void **state)
{
	(void)state;
	uint64_t number = stop_a_job();
	queue_stop_seen(queue, number, "a timer runs inside it", false);
	unsigned before = rings;
	eventually(rings > before + 20);
	queue_stop_seen(queue, number, NULL, false);
	end_job(number);
	await_rest();
}

static void test_without_a_signal_it_only_rings(void **state)
{
	(void)state;
	interrupt_prepare(0);
	uint64_t number = stop_a_job();
	eventually(stuck == 1);
	assert_int_equal(signals, 0);
	assert_true(rings > 3);
	end_job(number);
	await_rest();
}

static void test_system_calls_are_interrupted(void **state)
{
	struct sigaction sa;
	(void)state;
	assert_int_equal(sigaction(SIGUSR2, NULL, &sa), 0);
	assert_false(sa.sa_flags & SA_RESTART);
	assert_true(sa.sa_handler == on_signal);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_it_rings_then_signals),
		TEST(test_it_signals_until_it_is_seen),
		TEST(test_no_signal_after_the_end_mark),
		TEST(test_what_never_sees_it_is_told),
		TEST(test_clean_up_that_does_not_end),
		TEST(test_an_obstacle_is_asked_about_again),
		TEST(test_without_a_signal_it_only_rings),
		TEST(test_system_calls_are_interrupted),
	};
	return RUN(tests);
}
