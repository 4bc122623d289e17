/* log.h - the operator's log: start, stop, changes of state, failures with reasons.  Any
 * thread may call.  A line is plain UTF-8 without control characters, whatever a client named
 * itself; or one object of JSON.  A slow reader never holds the bridge up: lines that do
 * not fit are dropped and counted.  Lines for the journal begin with <N> and have no time. */
#ifndef LOG_H
#define LOG_H

#include "wire/trust.h"

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

bool log_set_level(const char *word);  /* error, warning, info, debug; false for another word */
bool log_set_format(const char *word); /* text, json; false for another word */

/* From now on lines go to the file PATH, which is made with mode 0600 where it is missing; NULL: to stderr.  Called
 * again it opens PATH again, so that a rotated file is let go.  False: lines go where they went; the sentence says why. */
bool log_open(const char *path, char error[TRUST_ERROR]) __attribute__((warn_unused_result));

bool log_in_file(void);
void log_catch(int fd); /* what libraries write to FD goes to the file of log_open too, if there is one */

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* There is no memory: says so and ends the program; a supervisor starts it again. */
void log_no_memory(void) __attribute__((noreturn));

#endif
