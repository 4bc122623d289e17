/* child_linux.c - see child.h; /proc tells. */
#include "child.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

pid_t child_thread(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static ssize_t slurp(const char *path, char *into, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, into, size - 1);
	close(fd);
	into[n > 0 ? n : 0] = 0;
	return n;
}

bool child_youngest(pid_t tid, pid_t *pid, char command[160])
{
	char path[64], list[4096];
	snprintf(path, sizeof path, "/proc/self/task/%ld/children", (long)(tid ? tid : getpid()));
	if (slurp(path, list, sizeof list) <= 0)
		return false;
	char *save = NULL; /* the kernel lists them oldest first */
	*pid = 0;
	for (char *word = strtok_r(list, " \n", &save); word; word = strtok_r(NULL, " \n", &save))
		*pid = (pid_t)atol(word);
	if (!*pid)
		return false;
	snprintf(path, sizeof path, "/proc/%ld/cmdline", (long)*pid);
	ssize_t n = slurp(path, command, 160);
	for (ssize_t i = 0; i + 1 < n; i++)
		if (!command[i])
			command[i] = ' ';
	return true;
}

bool child_thread_locked(pid_t tid)
{
	char path[64], text[256], *end;
	snprintf(path, sizeof path, "/proc/self/task/%ld/syscall", (long)tid);
	if (!tid || slurp(path, text, sizeof text) <= 0)
		return false;
	long number = strtol(text, &end, 10);
	return end > text && number == SYS_futex; /* not "running" */
}
