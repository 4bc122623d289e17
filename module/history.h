/* history.h - what became of the jobs of the last hour: counts by the minute, and the
 * run times of the latest.  No lock of its own: queue.c keeps it under the queue's. */
#ifndef HISTORY_H
#define HISTORY_H

#include "wire/buf.h"

enum { HISTORY_MINUTES = 60, HISTORY_TIMES = 1024 };

struct history_minute {
	long minute; /* number of the minute these counts are of */
	unsigned done, failed;
	double seconds; /* run time of all of them */
};

struct history {
	struct history_minute minutes[HISTORY_MINUTES];
	struct history_time {
		double at;
		float took; /* seconds */
	} times[HISTORY_TIMES];
	unsigned n_times; /* ever */
	double last_at;   /* of the last job's end; 0: none yet */
};

void history_add(struct history *h, double now, double took, bool failed);

/* Appends "completed_last_hour":N,...: members of a JSON object, without braces. */
bool history_write(const struct history *h, double now, struct buf *out) __attribute__((warn_unused_result));

#endif
