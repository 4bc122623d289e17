/* events.c - see events.h */
#include "events.h"

#include "json.h"

#include <stdio.h>
#include <string.h>

bool events_init(struct events *e)
{
	*e = (struct events){0};
	return pthread_mutex_init(&e->lock, NULL) == 0;
}

void events_finish(struct events *e)
{
	buf_finish(&e->lines);
	pthread_mutex_destroy(&e->lock);
}

/* The time of day, in the words of the last second while it lasts. */
static bool put_time(struct events *e)
{
	struct timespec now;
	struct tm day;
	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != e->second && localtime_r(&now.tv_sec, &day)) {
		e->second = now.tv_sec;
		strftime(e->clock, sizeof e->clock, "%H:%M:%S.", &day);
	}
	return buf_add(&e->lines, e->clock, strlen(e->clock)) && buf_digits(&e->lines, (unsigned long)now.tv_nsec / 1000000, 3)
	       && buf_add(&e->lines, " ", 1);
}

/* Whole lines, until half is left. */
static void forget_old(struct events *e)
{
	size_t most = buf_len(&e->lines) - EVENTS_MAX / 2;
	const char *from = buf_data(&e->lines), *end = memchr(from + most, '\n', EVENTS_MAX / 2);
	buf_eat(&e->lines, end ? (size_t)(end + 1 - from) : buf_len(&e->lines));
}

void events_add(struct events *e, const char *format, va_list ap)
{
	char line[512];
	int n = vsnprintf(line, sizeof line, format, ap);
	size_t len = n < 0 ? 0 : (size_t)n;
	if (len >= sizeof line)
		len = json_cut(line, sizeof line - 1, sizeof line - 2);
	for (char *c = line; c < line + len; c++) /* what others named must not look like a line of its own */
		if ((unsigned char)*c < 0x20 || *c == 0x7F)
			*c = ' ';
	line[len] = '\n';
	pthread_mutex_lock(&e->lock);
	if (!put_time(e) || !buf_add(&e->lines, line, len + 1))
		buf_finish(&e->lines); /* no memory: they are the least of it */
	if (buf_len(&e->lines) > EVENTS_MAX)
		forget_old(e);
	pthread_mutex_unlock(&e->lock);
}

void events_take(struct events *e, struct buf *out)
{
	pthread_mutex_lock(&e->lock);
	buf_finish(out);
	*out = e->lines;
	e->lines = (struct buf){0};
	pthread_mutex_unlock(&e->lock);
}
