/* interrupt.h - how a running form is stopped: ask by the doorbell, then by signal,
 * again and again until Lisp has seen it (DESIGN.md section 3).  interrupt_prepare
 * is for the emacs thread, all else for the loop. */
#ifndef INTERRUPT_H
#define INTERRUPT_H

#include "queue.h"

#include <ev.h>

struct interrupt {
	ev_timer timer;
	struct ev_loop *loop;
	struct queue *queue; /* borrowed */
	uint64_t number;     /* of the job that is being stopped; 0: none */
	double asked_at, seen_at, next_at;
	unsigned step;
	bool told; /* on_stuck was called for it */
	bool locked; /* another Lisp thread was seen to run */
	void (*ring)(void *data);
	void (*on_stuck)(void *data, uint64_t number); /* a second passed and it still runs */
	void *data;
};

/* Remembers the calling thread as the one to signal, and sees to it that SIGNAL
 * interrupts system calls: batch Emacs sets SA_RESTART, so that call-process would
 * not be.  0: there is no signal to use, then only the doorbell asks. */
void interrupt_prepare(int signal);
void interrupt_use(int signal); /* another one from now on; thread emacs */

/* thread emacs: from now on one C-g of the person in a terminal is one, also while a stop of
 * ours has set Emacs's quit flag already. */
void interrupt_guard_keyboard(void);
void interrupt_heard(void); /* thread emacs: Lisp has seen the flag that our signal set */

/* Outside of a job Emacs takes the signal for an event, for which Lisp has a function: a second
 * doorbell, for when the first is not heard. */
void interrupt_poke(struct queue *queue);

void interrupt_init(struct interrupt *i, struct ev_loop *loop, struct queue *queue);
void interrupt_finish(struct interrupt *i);

/* The job was asked to stop (queue_stop said ASKED): see to it that it does. */
void interrupt_drive(struct interrupt *i, uint64_t number);

#endif
