/* turn.c - the end of a turn: once, and also when it is asked for by another one. */
#include "test.h"

#include "turn.h"

static struct ev_loop *loop;
static struct turn first, second;
static int firsts, seconds, left;

static void on_first(void *data)
{
	(void)data;
	if (++firsts == 2)
		ev_break(loop, EVBREAK_ALL);
}

/* Asks for itself, at last for the other, and the loop must not sleep in between. */
static void on_second(void *data)
{
	(void)data;
	seconds++;
	turn_want(left-- > 0 ? &second : &first);
}

static void on_late(EV_P_ ev_timer *timer, int revents)
{
	(void)timer;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void test_once_and_never_asleep(void **state)
{
	ev_timer late;
	(void)state;
	loop = ev_loop_new(0);
	turn_init(&first, loop, on_first, NULL);
	turn_init(&second, loop, on_second, NULL);
	ev_timer_init(&late, on_late, 3600, 0); /* what the loop would sleep for */
	ev_timer_start(loop, &late);
	turn_want(&first);
	turn_want(&first);
	ev_run(loop, EVRUN_NOWAIT);
	assert_int_equal(firsts, 1);
	left = 3;
	turn_want(&second);
	ev_run(loop, 0); /* would wait for the hour */
	assert_int_equal(seconds, 4);
	assert_int_equal(firsts, 2);
	turn_want(&first);
	turn_stop(&first);
	ev_run(loop, EVRUN_NOWAIT);
	assert_int_equal(firsts, 2);
	ev_timer_stop(loop, &late);
	ev_loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_once_and_never_asleep)};
	return RUN(tests);
}
