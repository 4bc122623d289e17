/* interrupt.c - see interrupt.h */
#include "interrupt.h"

#include <pthread.h>
#include <signal.h>

/* Seconds after the request at which an unseen stop is signalled; then every LATER.
 * Repeated because redisplay swallows quits and a signal just before pselect is lost. */
static const double steps[] = {0.002, 0.004, 0.007, 0.012, 0.020, 0.040, 0.080, 0.160, 0.320, 0.640};
static const double LATER = 0.250;
static const double SOON = 0.002;
static const double PATIENCE = 1.0; /* for clean-up forms, and before a client is told that it did not work */

static pthread_t lisp_thread;
static int stop_signal;

void interrupt_prepare(int signal)
{
	struct sigaction sa;
	lisp_thread = pthread_self();
	stop_signal = signal;
	if (signal && sigaction(signal, NULL, &sa) == 0 && (sa.sa_flags & SA_RESTART)) {
		sa.sa_flags &= ~SA_RESTART;
		sigaction(signal, &sa, NULL);
	}
}

static void send_signal(void)
{
	if (stop_signal)
		pthread_kill(lisp_thread, stop_signal);
}

/* The next step; while something foreign runs inside the job its end is not told,
 * so the doorbell, and it alone, asks again soon. */
static void again(struct interrupt *i, double now, bool foreign)
{
	if (i->next_at <= now) {
		i->next_at = now + LATER;
		if (i->step < sizeof steps / sizeof *steps)
			i->next_at = i->asked_at + steps[i->step++];
	}
	double next = i->next_at;
	if (foreign && next > now + SOON)
		next = now + SOON;
	ev_timer_stop(i->loop, &i->timer);
	ev_timer_set(&i->timer, next > now ? next - now : 0.001, 0);
	ev_timer_start(i->loop, &i->timer);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct interrupt *i = (struct interrupt *)((char *)w - offsetof(struct interrupt, timer));
	(void)loop;
	(void)revents;
	double now = queue_now();
	bool seen;
	char obstacle[JOB_OBSTACLE_MAX];
	if (!queue_stop_state(i->queue, i->number, &seen, obstacle)) {
		i->number = 0;
		return;
	}
	if (!seen) {
		i->ring(i->data);
		if (now >= i->next_at)
			queue_signal(i->queue, i->number, send_signal);
	} else if (!i->seen_at) {
		i->seen_at = now;
	}
	bool late = now - (i->seen_at ? i->seen_at : i->asked_at) > PATIENCE;
	if (late && !i->told) {
		i->told = true;
		i->on_stuck(i->data, i->number);
	}
	if (late && seen) { /* its clean-up forms do not end either */
		queue_stop_again(i->queue, i->number);
		i->seen_at = 0;
	}
	again(i, now, obstacle[0] && !seen);
}

void interrupt_init(struct interrupt *i, struct ev_loop *loop, struct queue *queue)
{
	i->loop = loop;
	i->queue = queue;
	i->number = 0;
	ev_timer_init(&i->timer, on_timer, 0, 0);
}

void interrupt_finish(struct interrupt *i)
{
	ev_timer_stop(i->loop, &i->timer);
	i->number = 0;
}

void interrupt_drive(struct interrupt *i, uint64_t number)
{
	if (i->number == number)
		return;
	i->number = number;
	i->asked_at = queue_now();
	i->seen_at = 0;
	i->step = 0;
	i->told = false;
	i->next_at = 0;
	i->ring(i->data);
	again(i, i->asked_at, false);
}
