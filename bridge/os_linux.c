/* os_linux.c - see os.h */
#include "copy.h"
#include "os.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	LOST = IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED,
	ENTRIES = IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR,
};

/* The folder's parent is watched too, not only while the folder is missing: a removed
 * folder is not reported by itself as long as a process holds a socket bound in it. */
struct os_watch {
	ev_io io;
	int fd;        /* inotify */
	int wd, up;    /* watches of the folder and of its nearest parent; -1 for none */
	char *folder;  /* owned; what is asked for */
	char *next;    /* owned; the entry of that parent on the way to the folder */
	void (*on_change)(void *data);
	void *data;
	struct ev_loop *loop; /* borrowed */
};

static int watch_parent(struct os_watch *w)
{
	char path[PATH_MAX], *slash;
	int up = -1;
	snprintf(path, sizeof path, "%s", w->folder);
	while (up < 0 && path[1] && (slash = strrchr(path, '/'))) {
		free(w->next);
		w->next = copy_text(slash + 1);
		slash[slash == path] = 0;
		up = inotify_add_watch(w->fd, path, ENTRIES);
	}
	return up;
}

static bool keep(struct os_watch *w, int *kept, int now)
{
	bool same = *kept == now;
	if (!same && *kept >= 0)
		inotify_rm_watch(w->fd, *kept);
	*kept = now;
	return same;
}

/* A folder may come between the failed try and the watch of its parent: tried again
 * until twice the same is found.  Bounded, as somebody may make and remove it all day. */
static void aim(struct os_watch *w)
{
	for (int tries = 0; tries < 8; tries++) {
		bool same = keep(w, &w->wd, inotify_add_watch(w->fd, w->folder, ENTRIES));
		same &= keep(w, &w->up, watch_parent(w));
		if (w->up < 0)
			log_warning("the parents of %s cannot be watched: %s", w->folder, strerror(errno));
		if (same || w->up < 0)
			return;
	}
}

/* Notes one event: was the folder changed, must something else be watched now? */
static void judge(struct os_watch *w, const struct inotify_event *e, bool *changed, bool *moved)
{
	int *which = e->wd == w->wd ? &w->wd : e->wd == w->up ? &w->up : NULL;
	if (e->mask & IN_Q_OVERFLOW)
		*changed = *moved = true;
	if (!which || *which < 0)
		return;
	if (e->mask & LOST) {
		if (e->mask & IN_MOVE_SELF)
			inotify_rm_watch(w->fd, *which);
		*which = -1;
		*moved = *changed = true;
	} else if (which == &w->wd) {
		*changed = true;
	} else if (e->len && strcmp(e->name, w->next) == 0) {
		*moved = *changed = true;
	}
}

static void on_event(EV_P_ ev_io *io, int revents)
{
	struct os_watch *w = io->data;
	char block[4096] __attribute__((aligned(8)));
	bool changed = false, moved = false;
	ssize_t n;
	(void)loop;
	(void)revents;
	while ((n = read(w->fd, block, sizeof block)) > 0)
		for (char *at = block; at < block + n;) {
			const struct inotify_event *e = (const struct inotify_event *)(const void *)at;
			at += sizeof *e + e->len;
			judge(w, e, &changed, &moved);
		}
	if (moved)
		aim(w);
	if (changed)
		w->on_change(w->data);
}

struct os_watch *os_watch_create(struct ev_loop *loop, const char *folder, void (*on_change)(void *data), void *data)
{
	struct os_watch *w = calloc(1, sizeof *w);
	if (!w)
		log_no_memory();
	w->loop = loop;
	w->wd = w->up = -1;
	w->folder = copy_text(folder);
	w->on_change = on_change;
	w->data = data;
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0) {
		log_warning("%s cannot be watched (%s): instances that start later are not seen", folder, strerror(errno));
		return w;
	}
	ev_io_init(&w->io, on_event, w->fd, EV_READ);
	w->io.data = w;
	ev_io_start(loop, &w->io);
	aim(w);
	return w;
}

void os_watch_destroy(struct os_watch *w)
{
	if (!w)
		return;
	if (w->fd >= 0) {
		ev_io_stop(w->loop, &w->io);
		close(w->fd);
	}
	free(w->folder);
	free(w->next);
	free(w);
}

bool os_process_folder(pid_t pid, char *folder, size_t room)
{
	char link[40];
	snprintf(link, sizeof link, "/proc/%ld/cwd", (long)pid);
	ssize_t len = pid > 0 ? readlink(link, folder, room - 1) : -1;
	folder[len > 0 && (size_t)len < room - 1 ? len : 0] = 0;
	return *folder == '/';
}

bool os_peer_folder(int fd, char *folder, size_t room)
{
	struct ucred peer;
	socklen_t len = sizeof peer;
	*folder = 0;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && os_process_folder(peer.pid, folder, room);
}

const char *os_network_kind(long type)
{
	static const struct {
		unsigned long type;
		const char *name;
	} kinds[] = {
		{0x6969, "NFS"}, {0x517B, "SMB"}, {0xFF534D42, "CIFS"}, {0xFE534D42, "SMB2"}, {0x01021997, "9P"}, {0x5346414F, "AFS"},
		{0x6B414653, "AFS"}, {0x00C36400, "Ceph"}, {0x0BD00BD0, "Lustre"}, {0x47504653, "GPFS"}, {0x7461636F, "OCFS2"}, {0x01161970, "GFS2"},
	};
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (kinds[i].type == ((unsigned long)type & 0xFFFFFFFF))
			return kinds[i].name;
	return NULL;
}

const char *os_network_folder(int fd)
{
	struct statfs s;
	return fstatfs(fd, &s) == 0 ? os_network_kind((long)s.f_type) : NULL;
}

/* /proc/PID/stat: its state's letter, and its parent.  1: read, 0: there is no such process, -1: unknown. */
static int read_stat(pid_t pid, char *state, pid_t *parent)
{
	char path[64], text[512];
	long number = 0;
	snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return -1;
	text[n] = 0;
	/* The name stands in brackets and may itself hold brackets; the letter follows the last one. */
	const char *rest = strrchr(text, ')');
	if (!rest || sscanf(rest + 1, " %c %ld", state, &number) != 2)
		return -1;
	*parent = (pid_t)number;
	return 1;
}

enum os_process os_process_state(pid_t pid)
{
	char letter;
	pid_t parent;
	if (pid <= 0)
		return OS_PROCESS_UNKNOWN;
	switch (read_stat(pid, &letter, &parent)) {
	case 0:
		return kill(pid, 0) == 0 || errno == EPERM ? OS_PROCESS_ALIVE : OS_PROCESS_GONE;
	case 1:
		return letter == 'T' || letter == 't' ? OS_PROCESS_STOPPED : letter == 'Z' || letter == 'X' ? OS_PROCESS_ZOMBIE : OS_PROCESS_ALIVE;
	default:
		return OS_PROCESS_UNKNOWN;
	}
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

enum os_mark os_process_mark(pid_t pid, const char *entry)
{
	char path[64], *text = NULL;
	size_t room = 0;
	enum os_mark mark = OS_MARK_NO;
	snprintf(path, sizeof path, "/proc/%ld/environ", (long)pid);
	FILE *file = pid > 0 ? fopen(path, "re") : NULL;
	if (!file)
		return OS_MARK_UNKNOWN;
	while (mark == OS_MARK_NO && getdelim(&text, &room, 0, file) > 0)
		if (strcmp(text, entry) == 0)
			mark = OS_MARK_YES;
	free(text);
	fclose(file);
	return mark;
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

/* Whoever has ended and is nobody's whom we watch. */
static void reap_orphans(void)
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

static bool adopting;

static void unwatch(struct os_exit *x)
{
	ev_io_stop(x->loop, &x->io);
	if (x->link.le_prev)
		LIST_REMOVE(x, link);
	x->link.le_prev = NULL;
	if (adopting)
		reap_orphans();
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

void os_close_from(int fd)
{
	if (close_range((unsigned)fd, ~0u, 0) != 0)
		for (long i = fd, last = sysconf(_SC_OPEN_MAX); i < last; i++)
			close((int)i);
}

char *os_self(void)
{
	return realpath("/proc/self/exe", NULL);
}

/* Are all pages of that part of the file in memory? */
static bool is_cached(int file, size_t at, size_t len)
{
	enum { PAGES = 512 };
	unsigned char vector[PAGES];
	size_t page = (size_t)sysconf(_SC_PAGESIZE), begin = at & ~(page - 1), span = at + len - begin, n = (span + page - 1) / page;
	void *seen = n <= PAGES ? mmap(NULL, span, PROT_READ, MAP_SHARED, file, (off_t)begin) : MAP_FAILED;
	bool all = seen != MAP_FAILED && mincore(seen, span, vector) == 0;
	for (size_t i = 0; all && i < n; i++)
		all = vector[i] & 1;
	if (seen != MAP_FAILED)
		munmap(seen, span);
	return all;
}

ssize_t os_send_file(int socket, int file, size_t at, size_t len)
{
	enum { MOST = 1024 * 1024 };
	off_t from = (off_t)at;
	if (len > MOST)
		len = MOST;
	if (!is_cached(file, at, len)) {
		errno = ENOTSUP;
		return -1;
	}
	ssize_t n = sendfile(socket, file, &from, len);
	if (n == 0 || (n < 0 && errno == EINVAL))
		errno = ENOTSUP;
	return n ? n : -1;
}

void os_widen_pipe(int fd)
{
	enum { PIPE_SIZE = 1024 * 1024 }; /* what anybody may ask for */
	if (fcntl(fd, F_GETPIPE_SZ) > 0)
		fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE);
}

/* --- families --- */

struct os_orphans {
	ev_signal child;
	struct ev_loop *loop; /* borrowed */
};

static void on_child(EV_P_ ev_signal *signal, int revents)
{
	(void)loop;
	(void)signal;
	(void)revents;
	reap_orphans();
}

struct os_orphans *os_orphans_create(struct ev_loop *loop)
{
	struct os_orphans *o = calloc(1, sizeof *o);
	if (!o)
		log_no_memory();
	o->loop = loop;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
		log_warning("orphans of an Emacs that ended cannot be found: %s", strerror(errno));
	adopting = true;
	ev_signal_init(&o->child, on_child, SIGCHLD);
	ev_signal_start(loop, &o->child);
	return o;
}

void os_orphans_destroy(struct os_orphans *o)
{
	if (!o)
		return;
	ev_signal_stop(o->loop, &o->child);
	adopting = false;
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	free(o);
}

void os_die_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it has died meanwhile */
		_exit(127);
}

struct kin {
	pid_t pid, parent;
	bool found;
};

/* All processes that live; the caller frees. */
static struct kin *census(size_t *count)
{
	struct kin *all = NULL;
	size_t room = 0;
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	*count = 0;
	while (folder && (entry = readdir(folder))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10), parent;
		char state;
		if (pid <= 1 || read_stat(pid, &state, &parent) != 1 || state == 'Z' || state == 'X')
			continue;
		if (*count == room) {
			room = room ? room * 2 : 256;
			all = realloc(all, room * sizeof *all);
			if (!all)
				log_no_memory();
		}
		all[(*count)++] = (struct kin){.pid = pid, .parent = parent};
	}
	if (folder)
		closedir(folder);
	return all;
}

static bool descends(const struct kin *all, size_t count, const struct kin *one, pid_t root)
{
	if (root && one->parent == root)
		return true;
	for (size_t i = 0; i < count; i++)
		if (all[i].found && all[i].pid == one->parent)
			return true;
	return false;
}

/* The one that was meant, not another one that has got its number since. */
static void strike(const struct kin *one)
{
	char state;
	pid_t parent;
	int fd = (int)syscall(SYS_pidfd_open, one->pid, 0);
	if (fd < 0)
		return;
	if (read_stat(one->pid, &state, &parent) == 1 && (parent == one->parent || parent == getpid()))
		syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	close(fd);
}

/* The tree is known whole before anybody is killed: whose parent has died is our child. */
static size_t kill_kin(pid_t root, const char *mark)
{
	size_t count, found = 0, before;
	struct kin *all = census(&count);
	for (size_t i = 0; i < count; i++) /* few: those who have lost their parents */
		if (*mark && all[i].parent == getpid() && all[i].pid != root && os_process_mark(all[i].pid, mark) == OS_MARK_YES)
			all[i].found = true, found++;
	do {
		before = found;
		for (size_t i = 0; i < count; i++)
			if (!all[i].found && all[i].pid != root && descends(all, count, &all[i], root))
				all[i].found = true, found++;
	} while (found > before);
	for (size_t i = 0; i < count; i++)
		if (all[i].found)
			strike(&all[i]);
	free(all);
	return found;
}

void os_kill_family(pid_t pid, bool alive, const char *mark)
{
	enum { PASSES = 8 }; /* somebody may fork while we look */
	if (pid <= 1)
		return;
	if (alive)
		kill(pid, SIGSTOP);
	for (int i = 0; i < PASSES && kill_kin(alive ? pid : 0, mark); i++)
		;
	kill(-pid, SIGKILL);
}

bool os_peer_in_group(int fd, gid_t group)
{
	struct ucred cred;
	gid_t groups[1024]; /* more than the kernel's own tools show */
	socklen_t len = sizeof cred;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.gid == group)
		return true;
	len = sizeof groups;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0)
		return false;
	for (size_t i = 0; i < len / sizeof *groups; i++)
		if (groups[i] == group)
			return true;
	return false;
}
