/* breaker.h - whether somebody who fails although it is there should be given more: after
 * some failures in a row it is left alone for a while, then tried with one request, and
 * left alone for longer if that fails too.  An error that a tool reports is no failure, and
 * neither is dying: who is not there is not asked anyway.  Pure; back alone calls. */
#ifndef BREAKER_H
#define BREAKER_H

#include <stdbool.h>

struct breaker {
	unsigned failures; /* in a row */
	double until;      /* it is left alone; 0: it is not */
	double pause;      /* the last one, in seconds */
	bool trying;       /* one request finds out */
};

bool breaker_closed(const struct breaker *, double now); /* it may be given a request */
void breaker_begin(struct breaker *);                     /* it was given one */
void breaker_good(struct breaker *);
void breaker_failed(struct breaker *, long failures_max, double now);
void breaker_open(struct breaker *, double now);          /* at once: it said itself that it takes nothing now */

#endif
