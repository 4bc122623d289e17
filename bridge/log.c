/* log.c - see log.h */
#include "log.h"
#include "plain.h"
#include "wire/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SAID_MAX = 1900, LINE_MAX_BYTES = 4096 }; /* a pipe takes 4096 bytes whole */

static const char *const words[] = {"error", "warning", "info", "debug"};
static const char priorities[] = {'3', '4', '6', '7'}; /* of syslog, for the journal */
static _Atomic enum log_level threshold = LOG_WARNING;
static atomic_bool as_json;
static atomic_int file = -1; /* its number stays when another file is opened */
static atomic_ulong dropped;

bool log_set_level(const char *word)
{
	for (int i = LOG_ERROR; i <= LOG_DEBUG; i++)
		if (strcmp(words[i], word) == 0) {
			threshold = (enum log_level)i;
			return true;
		}
	return false;
}

bool log_set_format(const char *word)
{
	bool json = strcmp(word, "json") == 0;
	if (!json && strcmp(word, "text") != 0)
		return false;
	as_json = json;
	return true;
}

bool log_open(const char *path, char error[TRUST_ERROR])
{
	int fd = path ? trust_open(path, O_WRONLY | O_CREAT | O_APPEND, TRUST_PRIVATE, error) : STDERR_FILENO;
	if (fd < 0)
		return false;
	/* In one step and under one number: another thread may be writing. */
	int now = file < 0 ? fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) : dup3(fd, file, O_CLOEXEC);
	if (now >= 0)
		file = now;
	else
		snprintf(error, TRUST_ERROR, "the log cannot be written to another place: %s", strerror(errno));
	if (path)
		close(fd);
	return now >= 0;
}

bool log_in_file(void)
{
	return file >= 0;
}

void log_catch(int fd)
{
	if (file >= 0)
		dup2(file, fd);
}

/* Does the journal read what is written there?  systemd says so in the environment. */
static bool for_journal(int to)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char *rest;
	struct stat st;
	if (!stream || fstat(to, &st) != 0)
		return false;
	unsigned long long device = strtoull(stream, &rest, 10);
	return *rest == ':' && device == st.st_dev && strtoull(rest + 1, NULL, 10) == st.st_ino;
}

/* A pipe that polls writable takes PIPE_BUF bytes whole, so a line never blocks us. */
static void put(int to, const char *line, size_t len)
{
	struct pollfd fd = {.fd = to, .events = POLLOUT};
	if (poll(&fd, 1, 0) != 1 || !(fd.revents & POLLOUT) || write(to, line, len) < 0)
		dropped++;
}

/* "2026-11-30T19:22:01.123Z", RFC 3339. */
static void now(char text[32])
{
	struct timespec t;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &t);
	size_t n = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", gmtime_r(&t.tv_sec, &tm));
	snprintf(text + n, 32 - n, ".%03ldZ", t.tv_nsec / 1000000);
}

/* TEXT has no control character: what JSON wants besides are two escapes. */
static void quote(const char *text, char *room, size_t size)
{
	size_t n = 0;
	for (; *text && n + 3 < size; text++) {
		if (*text == '"' || *text == '\\')
			room[n++] = '\\';
		room[n++] = *text;
	}
	room[n] = 0;
}

static void write_line(enum log_level level, const char *said)
{
	char clean[SAID_MAX], quoted[2 * SAID_MAX], time[32], mark[4] = "", line[LINE_MAX_BYTES];
	int n, to = file >= 0 ? file : STDERR_FILENO;
	bool journal = for_journal(to);
	plain_text(said, clean, sizeof clean);
	now(time);
	if (journal)
		snprintf(mark, sizeof mark, "<%c>", priorities[level]);
	if (as_json) {
		quote(clean, quoted, sizeof quoted);
		n = snprintf(line, sizeof line, "%s{\"time\":\"%s\",\"level\":\"%s\",\"pid\":%ld,\"message\":\"%s\"}\n", mark, time, words[level],
			     (long)getpid(), quoted);
	} else {
		n = snprintf(line, sizeof line, "%s%s%sefrit-bridge: %s: %s\n", mark, journal ? "" : time, journal ? "" : " ", words[level], clean);
	}
	put(to, line, (size_t)n);
}

static void say(enum log_level level, const char *format, va_list ap)
{
	char text[2 * SAID_MAX];
	if (level > threshold)
		return;
	int saved = errno;
	unsigned long lost = atomic_exchange(&dropped, 0);
	if (lost) {
		snprintf(text, sizeof text, "%lu lines of this log were lost", lost);
		write_line(LOG_WARNING, text);
	}
	vsnprintf(text, sizeof text, format, ap);
	write_line(level, text);
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
