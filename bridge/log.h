/* log.h - what the operator should know, on stderr, sparse: start, stop, changes
 * of state, failures with reasons.  Anybody may call.  A reader who does not read
 * never holds the bridge up: what does not fit is dropped and counted. */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

bool log_set_level(const char *word); /* error, warning, info, debug; false for another word */

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* There is no memory: says so and ends the program; a supervisor starts it again. */
void log_no_memory(void) __attribute__((noreturn));

#endif
