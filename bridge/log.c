/* log.c - see log.h */
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const words[] = {"error", "warning", "info", "debug"};
static enum log_level threshold = LOG_WARNING;
static unsigned long dropped;

bool log_set_level(const char *word)
{
	for (int i = LOG_ERROR; i <= LOG_DEBUG; i++)
		if (strcmp(words[i], word) == 0) {
			threshold = (enum log_level)i;
			return true;
		}
	return false;
}

/* A pipe that polls writable takes PIPE_BUF bytes whole, so a line never blocks us. */
static void put(const char *line, size_t len)
{
	struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
	if (poll(&fd, 1, 0) != 1 || !(fd.revents & POLLOUT) || write(STDERR_FILENO, line, len) < 0)
		dropped++;
}

static void say(enum log_level level, const char *format, va_list ap)
{
	if (level > threshold)
		return;
	int saved = errno;
	char line[2048];
	int n = 0;
	if (dropped) {
		n = snprintf(line, sizeof line, "efrit-bridge: warning: %lu lines of this log were lost\n", dropped);
		dropped = 0;
		put(line, (size_t)n);
	}
	n = snprintf(line, sizeof line, "efrit-bridge: %s: ", words[level]);
	int room = (int)sizeof line - n - 1;
	int m = vsnprintf(line + n, (size_t)room, format, ap);
	n += m < 0 ? 0 : m >= room ? room - 1 : m;
	line[n++] = '\n';
	put(line, (size_t)n);
	errno = saved;
}

#define LOG_FUNCTION(name, level)                \
	void name(const char *format, ...)       \
	{                                        \
		va_list ap;                      \
		va_start(ap, format);            \
		say(level, format, ap);          \
		va_end(ap);                      \
	}
LOG_FUNCTION(log_error, LOG_ERROR)
LOG_FUNCTION(log_warning, LOG_WARNING)
LOG_FUNCTION(log_info, LOG_INFO)
LOG_FUNCTION(log_debug, LOG_DEBUG)

void log_no_memory(void)
{
	log_error("no memory is left");
	_exit(111);
}
