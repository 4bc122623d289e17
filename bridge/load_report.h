/* load_report.h - what came of the requests of a load test: times, outcomes, their distribution,
 * as JSON.  Pure.  main_load.c calls. */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include "load_mix.h"

#include <jansson.h>

enum load_outcome {
	LOAD_GOOD,
	LOAD_ERROR,   /* answered: the call failed */
	LOAD_REFUSED, /* answered: not now, try again later */
	LOAD_LOST,    /* not answered */
	LOAD_OUTCOMES
};

struct load_report {
	struct load_samples {
		double *times; /* owned; seconds, of the good ones */
		long count, room;
		long outcomes[LOAD_OUTCOMES];
	} kinds[LOAD_KINDS];
};

void load_report_add(struct load_report *, size_t kind, enum load_outcome, double seconds);
long load_report_count(const struct load_report *, enum load_outcome);
void load_report_finish(struct load_report *);

/* Members of the report: all together, and each kind of MIX.  A new reference; sorts the times. */
json_t *load_report_write(struct load_report *, const struct load_mix *mix, double seconds);

#endif
