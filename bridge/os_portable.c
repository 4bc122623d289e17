/* os_portable.c - see os.h; for systems without inotify and /proc.  ev_stat looks at
 * the folder once a second where the system has nothing better to offer.  It sees whole
 * seconds, so a second change within one goes unseen: looked at again when it is over. */
#include "copy.h"
#include "os.h"
#include "log.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct os_watch {
	ev_stat stat;
	ev_timer again;
	char *folder; /* owned; libev borrows it */
	void (*on_change)(void *data);
	void *data;
	struct ev_loop *loop; /* borrowed */
};

static const double past_the_second = 1.1;

static void on_again(EV_P_ ev_timer *timer, int revents)
{
	struct os_watch *w = timer->data;
	(void)loop;
	(void)revents;
	w->on_change(w->data);
}

static void on_stat(EV_P_ ev_stat *stat, int revents)
{
	struct os_watch *w = stat->data;
	(void)revents;
	ev_timer_stop(loop, &w->again);
	ev_timer_set(&w->again, past_the_second, 0.);
	ev_timer_start(loop, &w->again);
	w->on_change(w->data);
}

struct os_watch *os_watch_create(struct ev_loop *loop, const char *folder, void (*on_change)(void *data), void *data)
{
	struct os_watch *w = calloc(1, sizeof *w);
	if (!w)
		log_no_memory();
	w->folder = copy_text(folder);
	w->loop = loop;
	w->on_change = on_change;
	w->data = data;
	ev_stat_init(&w->stat, on_stat, w->folder, 1.0);
	ev_timer_init(&w->again, on_again, past_the_second, 0.);
	w->stat.data = w->again.data = w;
	ev_stat_start(loop, &w->stat);
	ev_timer_start(loop, &w->again);
	return w;
}

void os_watch_destroy(struct os_watch *w)
{
	if (!w)
		return;
	ev_stat_stop(w->loop, &w->stat);
	ev_timer_stop(w->loop, &w->again);
	free(w->folder);
	free(w);
}

void os_hide(bool hidden)
{
	(void)hidden;
}

bool os_process_folder(pid_t pid, char *folder, size_t room)
{
	(void)pid;
	(void)room;
	*folder = 0;
	return false;
}

bool os_peer_folder(int fd, char *folder, size_t room)
{
	(void)fd;
	(void)room;
	*folder = 0;
	return false;
}

const char *os_network_kind(long type)
{
	(void)type;
	return NULL;
}

const char *os_network_folder(int fd)
{
	(void)fd;
	return NULL;
}

enum os_process os_process_state(pid_t pid)
{
	if (pid <= 0)
		return OS_PROCESS_UNKNOWN;
	return kill(pid, 0) == 0 || errno == EPERM ? OS_PROCESS_ALIVE : OS_PROCESS_GONE;
}

enum os_mark os_process_mark(pid_t pid, const char *entry)
{
	(void)pid;
	(void)entry;
	return OS_MARK_UNKNOWN;
}

/* --- the end of a process --- */

/* Looked for 20 times a second, only while somebody starts or stops an Emacs: SIGCHLD
 * tells nothing of those that are no children, and ev_child takes all children. */
struct os_exit {
	ev_timer timer;
	pid_t pid;
	bool ended;
	void (*on_exit)(void *data, int status);
	void *data;
	struct ev_loop *loop; /* borrowed */
};

static const double often = 0.05;

static void on_look(EV_P_ ev_timer *timer, int revents)
{
	struct os_exit *x = timer->data;
	int status = -1;
	pid_t was = waitpid(x->pid, &status, WNOHANG);
	(void)revents;
	if (was == 0 || (was < 0 && (kill(x->pid, 0) == 0 || errno == EPERM)))
		return;
	ev_timer_stop(loop, timer);
	x->ended = true;
	x->on_exit(x->data, was < 0 ? -1 : status);
}

struct os_exit *os_exit_create(struct ev_loop *loop, pid_t pid, void (*on_exit)(void *data, int status), void *data)
{
	struct os_exit *x = calloc(1, sizeof *x);
	if (!x)
		log_no_memory();
	*x = (struct os_exit){.pid = pid, .on_exit = on_exit, .data = data, .loop = loop};
	ev_timer_init(&x->timer, on_look, often, often);
	x->timer.data = x;
	ev_timer_start(loop, &x->timer);
	return x;
}

void os_exit_kill(struct os_exit *x, int signal)
{
	if (!x->ended)
		kill(x->pid, signal);
}

void os_exit_destroy(struct os_exit *x)
{
	if (!x)
		return;
	ev_timer_stop(x->loop, &x->timer);
	if (!x->ended)
		waitpid(x->pid, NULL, WNOHANG);
	free(x);
}

void os_close_from(int fd)
{
	for (long i = fd, last = sysconf(_SC_OPEN_MAX); i < last; i++)
		close((int)i);
}

/* The name it was started by, looked up as the shell does. */
char *os_self(void)
{
	const char *name = program_invocation_name, *path = getenv("PATH");
	if (strchr(name, '/'))
		return realpath(name, NULL);
	while (path && *path) {
		size_t len = strcspn(path, ":");
		char try[PATH_MAX];
		snprintf(try, sizeof try, "%.*s/%s", (int)len, path, name);
		if (access(try, X_OK) == 0)
			return realpath(try, NULL);
		path += len + (path[len] == ':');
	}
	return NULL;
}

ssize_t os_send_file(int socket, int file, size_t at, size_t len)
{
	(void)socket, (void)file, (void)at, (void)len;
	errno = ENOTSUP;
	return -1;
}

void os_widen_pipe(int fd)
{
	(void)fd;
}

void os_die_with(pid_t parent)
{
	(void)parent;
}

/* Whose parent has ended belongs to the system's first process, which reaps it. */
struct os_orphans *os_orphans_create(struct ev_loop *loop)
{
	(void)loop;
	return NULL;
}

void os_orphans_destroy(struct os_orphans *o)
{
	(void)o;
}

void os_kill_family(pid_t pid, bool alive, const char *mark)
{
	(void)alive;
	(void)mark;
	if (pid > 1)
		kill(-pid, SIGKILL);
}

size_t os_kill_strays(const char *name, bool (*stray)(const char *value))
{
	(void)name;
	(void)stray;
	return 0;
}

bool os_process_id(pid_t pid, char id[OS_PROCESS_ID])
{
	(void)pid;
	*id = 0;
	return false;
}

long os_process_memory(pid_t pid)
{
	(void)pid;
	return 0;
}

bool os_peer_in_group(int fd, gid_t group)
{
	(void)fd;
	(void)group;
	return true;
}
