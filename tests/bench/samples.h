/* samples.h - times that were measured, in microseconds, and what is printed of them. */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <stddef.h>

struct samples {
	double *us; /* owned */
	size_t n, room;
	double begun, ended; /* of the whole series, in seconds */
};

double now(void); /* seconds, monotonic */

/* Ends the program with a sentence on standard error. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

void samples_add(struct samples *s, double us);

/* Sorts, and prints members of a JSON object (no braces): n, p50, p95, p99, worst, rate,
 * each with PREFIX before its name. */
void samples_print(struct samples *s, const char *prefix);
void samples_finish(struct samples *s);

#endif
