/* os_linux.c - see os.h; processes are in os_linux_process.c */
#include "copy.h"
#include "os.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
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
	ev_timer missing;     /* while the folder is: a file system may be mounted over its parent, which tells nothing */
};

static const double look_again = 5; /* seconds */

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
			break;
	}
	if (w->wd < 0)
		ev_timer_again(w->loop, &w->missing);
	else
		ev_timer_stop(w->loop, &w->missing);
}

static void on_missing(EV_P_ ev_timer *timer, int revents)
{
	struct os_watch *w = timer->data;
	(void)loop;
	(void)revents;
	aim(w);
	if (w->wd >= 0)
		w->on_change(w->data);
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
	ev_timer_init(&w->missing, on_missing, 0., look_again);
	w->missing.data = w;
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
	ev_timer_stop(w->loop, &w->missing);
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

/* An exec makes the next program visible again. */
void os_hide(bool hidden)
{
	prctl(PR_SET_DUMPABLE, !hidden, 0, 0, 0);
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
