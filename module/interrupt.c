/* interrupt.c - see interrupt.h */
#include "interrupt.h"

#include "child.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

/* Seconds after the request at which an unseen stop is signalled; then every LATER.
 * Repeated because redisplay swallows quits and a signal just before pselect is lost. */
static const double steps[] = {0.002, 0.004, 0.007, 0.012, 0.020, 0.040, 0.080, 0.160, 0.320, 0.640};
static const double LATER = 0.250;
static const double SOON = 0.002;
static const double BRIEF = 0.010; /* between signals for what returns soon; Lisp looks closely for some of that */
static const double PATIENCE = 1.0; /* for clean-up forms, and before a client is told that it did not work */

static pthread_t lisp_thread;
static pid_t lisp_tid;
static _Atomic int stop_signal;

/* ---- the keyboard's signal ---- */

/* Our signal leaves Emacs's quit flag set until Lisp looks.  Emacs takes a C-g that finds it
 * set for the second one, and drops the person to a shell: the emergency escape. */
enum { FLAG_UNTOUCHED, FLAG_OURS, FLAG_PERSONS };
static _Atomic int flag;
static struct sigaction keyboard; /* Emacs's own */

static void on_keyboard(int number, siginfo_t *info, void *context)
{
	int ours = FLAG_OURS;
	if (atomic_compare_exchange_strong(&flag, &ours, FLAG_PERSONS))
		return; /* the first: the quit it asks for is under way */
	if (keyboard.sa_flags & SA_SIGINFO)
		keyboard.sa_sigaction(number, info, context);
	else if (keyboard.sa_handler != SIG_DFL && keyboard.sa_handler != SIG_IGN)
		keyboard.sa_handler(number);
}

void interrupt_guard_keyboard(void)
{
	struct sigaction sa;
	if (sigaction(SIGINT, NULL, &sa) != 0 || ((sa.sa_flags & SA_SIGINFO) && sa.sa_sigaction == on_keyboard))
		return;
	if (!(sa.sa_flags & SA_SIGINFO) && (sa.sa_handler == SIG_DFL || sa.sa_handler == SIG_IGN))
		return;
	keyboard = sa;
	sa.sa_sigaction = on_keyboard;
	sa.sa_flags |= SA_SIGINFO;
	sigaction(SIGINT, &sa, NULL);
}

void interrupt_heard(void)
{
	flag = FLAG_UNTOUCHED;
}

/* ---- the signal that stops ---- */

void interrupt_use(int signal)
{
	struct sigaction sa;
	stop_signal = signal;
	if (signal && sigaction(signal, NULL, &sa) == 0 && (sa.sa_flags & SA_RESTART)) {
		sa.sa_flags &= ~SA_RESTART;
		sigaction(signal, &sa, NULL);
	}
}

void interrupt_prepare(int signal)
{
	lisp_thread = pthread_self();
	lisp_tid = child_thread();
	flag = FLAG_UNTOUCHED;
	interrupt_use(signal);
}

static void send_signal(void)
{
	int untouched = FLAG_UNTOUCHED;
	if (!stop_signal)
		return;
	atomic_compare_exchange_strong(&flag, &untouched, FLAG_OURS);
	pthread_kill(lisp_thread, stop_signal);
}

static void send_event(void)
{
	if (stop_signal)
		pthread_kill(lisp_thread, stop_signal);
}

void interrupt_poke(struct queue *queue)
{
	queue_poke(queue, send_event);
}

/* ---- the ladder ---- */

/* The next step.  While something foreign runs inside the job its end is not told,
 * so the doorbell, and it alone, asks again soon; what is brief is signalled soon too. */
static void again(struct interrupt *i, double now, enum queue_stopping state)
{
	if (i->next_at <= now) {
		i->next_at = now + LATER;
		if (i->step < sizeof steps / sizeof *steps)
			i->next_at = i->asked_at + steps[i->step++];
	}
	if (state == STOP_BRIEF && i->next_at > now + BRIEF)
		i->next_at = now + BRIEF;
	double next = i->next_at;
	if (state == STOP_FOREIGN && next > now + SOON)
		next = now + SOON;
	ev_timer_stop(i->loop, &i->timer);
	ev_timer_set(&i->timer, next > now ? next - now : 0.001, 0);
	ev_timer_start(i->loop, &i->timer);
}

/* No signal while another Lisp thread runs: it would not be for that one. */
static void ask(struct interrupt *i, double now)
{
	i->ring(i->data);
	if (now < i->next_at)
		return;
	bool locked = child_thread_locked(lisp_tid);
	if (locked != i->locked)
		queue_stop_obstacle(i->queue, i->number, locked ? "another Lisp thread of this Emacs runs and does not let go" : "");
	i->locked = locked;
	if (!locked)
		queue_signal(i->queue, i->number, send_signal);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct interrupt *i = (struct interrupt *)((char *)w - offsetof(struct interrupt, timer));
	(void)loop;
	(void)revents;
	double now = queue_now();
	enum queue_stopping state = queue_stop_state(i->queue, i->number);
	if (state == STOP_OVER) {
		i->number = 0;
		return;
	}
	if (state != STOP_SEEN)
		ask(i, now);
	else if (!i->seen_at)
		i->seen_at = now;
	bool late = now - (i->seen_at ? i->seen_at : i->asked_at) > PATIENCE;
	if (late && !i->told) {
		i->told = true;
		i->on_stuck(i->data, i->number);
	}
	if (late && state == STOP_SEEN) { /* its clean-up forms do not end either */
		queue_stop_again(i->queue, i->number);
		i->seen_at = 0;
	}
	again(i, now, state);
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
	i->told = i->locked = false;
	i->next_at = 0;
	i->ring(i->data);
	again(i, i->asked_at, STOP_UNSEEN);
}
