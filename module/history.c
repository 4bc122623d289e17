/* history.c - see history.h */
#include "history.h"

#include <stdlib.h>

static const double HOUR = 3600;

static long minute_of(double t)
{
	return (long)(t / 60) + 1; /* never 0: an unused entry has that */
}

void history_add(struct history *h, double now, double took, bool failed)
{
	struct history_minute *m = &h->minutes[minute_of(now) % HISTORY_MINUTES];
	if (m->minute != minute_of(now))
		*m = (struct history_minute){.minute = minute_of(now)};
	*(failed ? &m->failed : &m->done) += 1;
	m->seconds += took;
	h->times[h->n_times++ % HISTORY_TIMES] = (struct history_time){now, (float)took};
	h->last_at = now;
}

static int by_length(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

/* The run time that 95 of 100 stay below, of the latest jobs of this hour; -1: none. */
static double p95(const struct history *h, double now)
{
	float took[HISTORY_TIMES];
	size_t n = 0;
	for (unsigned i = 0; i < HISTORY_TIMES && i < h->n_times; i++)
		if (now - h->times[i].at <= HOUR)
			took[n++] = h->times[i].took;
	if (!n)
		return -1;
	qsort(took, n, sizeof *took, by_length);
	return took[(n * 95 + 99) / 100 - 1];
}

static bool put_time(struct buf *out, const char *name, double seconds)
{
	return seconds < 0 ? buf_printf(out, ",\"%s\":null", name) : buf_printf(out, ",\"%s\":%.6f", name, seconds);
}

bool history_write(const struct history *h, double now, struct buf *out)
{
	unsigned done = 0, failed = 0;
	double seconds = 0;
	for (int i = 0; i < HISTORY_MINUTES; i++) {
		const struct history_minute *m = &h->minutes[i];
		if (!m->minute || minute_of(now) - m->minute >= HISTORY_MINUTES)
			continue;
		done += m->done;
		failed += m->failed;
		seconds += m->seconds;
	}
	return buf_printf(out, "\"completed_last_hour\":%u,\"failed_last_hour\":%u", done, failed)
	       && put_time(out, "average_seconds", done + failed ? seconds / (done + failed) : -1)
	       && put_time(out, "p95_seconds", p95(h, now))
	       && put_time(out, "last_activity_seconds_ago", h->last_at ? now - h->last_at : -1);
}
