/* os_linux_process.c - what os.h says of processes, by /proc and pidfd: how one is doing,
 * what it was started with, its end.  Families are in os_linux_family.c. */
#include "os_linux_impl.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int os_read_vita(pid_t pid, struct os_vita *v)
{
	enum { STATE = 3, PARENT = 4, TTY = 7, START = 22, END_CODE = 27, ENV_START = 50, ENV_END = 51 };
	char path[64], text[1024], *save = NULL, *field;
	snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC), at = STATE;
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? -1 : 0;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return -1;
	text[n] = 0;
	*v = (struct os_vita){0};
	/* The name stands in brackets and may itself hold brackets; the letter follows the last one. */
	char *rest = strrchr(text, ')');
	for (field = rest ? strtok_r(rest + 1, " ", &save) : NULL; field; field = strtok_r(NULL, " ", &save), at++)
		switch (at) {
		case STATE: v->state = *field; break;
		case PARENT: v->parent = (pid_t)strtol(field, NULL, 10); break;
		case TTY: v->tty = strtol(field, NULL, 10); break;
		case START: v->start = strtoull(field, NULL, 10); break;
		case END_CODE: v->ready = strtoul(field, NULL, 10) != 0; break;
		case ENV_START: v->env_start = strtoul(field, NULL, 10); break;
		case ENV_END: v->env_end = strtoul(field, NULL, 10); break;
		default: break;
		}
	return at > START ? 1 : -1;
}

enum os_process os_process_state(pid_t pid)
{
	struct os_vita v;
	if (pid <= 0)
		return OS_PROCESS_UNKNOWN;
	switch (os_read_vita(pid, &v)) {
	case 0:
		return kill(pid, 0) == 0 || errno == EPERM ? OS_PROCESS_ALIVE : OS_PROCESS_GONE;
	case 1:
		return v.state == 'T' || v.state == 't' ? OS_PROCESS_STOPPED : v.state == 'Z' || v.state == 'X' ? OS_PROCESS_ZOMBIE : OS_PROCESS_ALIVE;
	default:
		return OS_PROCESS_UNKNOWN;
	}
}

bool os_process_id(pid_t pid, char id[OS_PROCESS_ID])
{
	struct os_vita v;
	struct stat space; /* numbers mean something in one of them only */
	*id = 0;
	if (pid <= 0 || os_read_vita(pid, &v) != 1 || v.state == 'Z' || v.state == 'X' || stat("/proc/self/ns/pid", &space) != 0)
		return false;
	snprintf(id, OS_PROCESS_ID, "%ld.%llu.%lu", (long)pid, v.start, (unsigned long)space.st_ino);
	return true;
}

long os_process_memory(pid_t pid)
{
	char path[64];
	long all = 0, resident = 0;
	snprintf(path, sizeof path, "/proc/%ld/statm", (long)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%ld %ld", &all, &resident) != 2)
		resident = 0;
	fclose(file);
	return resident * sysconf(_SC_PAGESIZE);
}

enum os_seen os_read_environment(pid_t pid, char **text, size_t *len)
{
	char path[64];
	struct os_vita v;
	size_t room = 4096;
	ssize_t n;
	*text = NULL;
	*len = 0;
	snprintf(path, sizeof path, "/proc/%ld/environ", (long)pid);
	if (pid <= 0 || os_read_vita(pid, &v) != 1)
		return HIDDEN;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return HIDDEN;
	do {
		room *= 2;
		*text = realloc(*text, room + 1);
		if (!*text)
			log_no_memory();
		while ((n = read(fd, *text + *len, room - *len)) > 0)
			*len += (size_t)n;
	} while (*len == room);
	close(fd);
	(*text)[*len] = 0;
	return v.ready && v.env_end && *len == v.env_end - v.env_start ? SEEN : CHANGING;
}

const char *os_next_entry(const char *text, size_t len, size_t *at)
{
	const char *entry = text + *at;
	if (*at >= len)
		return NULL;
	*at += strlen(entry) + 1;
	return entry;
}

bool os_has_entry(const char *text, size_t len, const char *wanted)
{
	const char *entry;
	for (size_t at = 0; (entry = os_next_entry(text, len, &at));)
		if (strcmp(entry, wanted) == 0)
			return true;
	return false;
}

enum os_mark os_process_mark(pid_t pid, const char *entry)
{
	char *text;
	size_t len;
	enum os_seen seen = os_read_environment(pid, &text, &len);
	bool found = text && os_has_entry(text, len, entry);
	free(text);
	return found ? OS_MARK_YES : seen == SEEN ? OS_MARK_NO : OS_MARK_UNKNOWN;
}

/* --- the end of a process --- */

struct os_exit {
	LIST_ENTRY(os_exit) link; /* watched */
	ev_io io;  /* on a pidfd */
	int fd;
	pid_t pid;
	void (*on_exit)(void *data, int status);
	void *data;
	struct ev_loop *loop; /* borrowed */
};

static LIST_HEAD(, os_exit) watched = LIST_HEAD_INITIALIZER(watched);

bool os_is_watched(pid_t pid)
{
	const struct os_exit *x;
	LIST_FOREACH(x, &watched, link)
		if (x->pid == pid)
			return true;
	return false;
}

void os_reap_orphans(void)
{
	siginfo_t info = {0};
	const struct os_exit *x;
	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid > 0) {
		LIST_FOREACH(x, &watched, link)
			if (x->pid == info.si_pid)
				return; /* its own watcher reaps it, and looks again */
		waitpid(info.si_pid, NULL, WNOHANG);
		info.si_pid = 0;
	}
}

bool os_adopting;

static void unwatch(struct os_exit *x)
{
	ev_io_stop(x->loop, &x->io);
	if (x->link.le_prev)
		LIST_REMOVE(x, link);
	x->link.le_prev = NULL;
	if (os_adopting)
		os_reap_orphans();
}

static void on_end(EV_P_ ev_io *io, int revents)
{
	struct os_exit *x = io->data;
	int status;
	(void)loop;
	(void)revents;
	if (waitpid(x->pid, &status, WNOHANG) != x->pid)
		status = -1;
	unwatch(x);
	x->on_exit(x->data, status);
}

struct os_exit *os_exit_create(struct ev_loop *loop, pid_t pid, void (*on_exit)(void *data, int status), void *data)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0); /* CLOEXEC by itself */
	if (fd < 0)
		return NULL;
	struct os_exit *x = calloc(1, sizeof *x);
	if (!x)
		log_no_memory();
	*x = (struct os_exit){.fd = fd, .pid = pid, .on_exit = on_exit, .data = data, .loop = loop};
	ev_io_init(&x->io, on_end, fd, EV_READ);
	x->io.data = x;
	ev_io_start(loop, &x->io);
	LIST_INSERT_HEAD(&watched, x, link);
	return x;
}

void os_exit_kill(struct os_exit *x, int signal)
{
	syscall(SYS_pidfd_send_signal, x->fd, signal, NULL, 0);
}

void os_exit_destroy(struct os_exit *x)
{
	if (!x)
		return;
	if (x->link.le_prev)
		waitpid(x->pid, NULL, WNOHANG);
	unwatch(x);
	close(x->fd);
	free(x);
}
