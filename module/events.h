/* events.h - what happened, a line each, for the events buffer in Emacs: kept here until
 * somebody looks, the oldest go first.  Any thread: it has a lock of its own. */
#ifndef EVENTS_H
#define EVENTS_H

#include "wire/buf.h"

#include <pthread.h>
#include <stdarg.h>
#include <time.h>

enum { EVENTS_MAX = 256 * 1024 /* bytes that are kept */ };

struct events {
	pthread_mutex_t lock;
	struct buf lines;
	time_t second;  /* the one whose words are in clock */
	char clock[16]; /* "12:34:56." */
};

bool events_init(struct events *e); /* false: the system gives no lock */
void events_finish(struct events *e);
void events_add(struct events *e, const char *format, va_list ap) __attribute__((format(printf, 2, 0)));
void events_take(struct events *e, struct buf *out); /* moves the lines into OUT */

#endif
