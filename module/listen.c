/* listen.c - see listen.h */
#include "listen.h"
#include "wire/socket.h"
#include "wire/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { NAMES_MAX = 100, BACKLOG = 64, LOCK_TRIES = 100, LOCK_TRIES_AGAIN = 5 };

static void address(struct sockaddr_un *a, const char *path)
{
	memset(a, 0, sizeof *a);
	a->sun_family = AF_UNIX;
	memcpy(a->sun_path, path, strlen(path));
}

/* A full backlog (EAGAIN) is a living Emacs too; so is a stopped one, the kernel accepts
 * for it.  -1: it cannot be known. */
static int somebody_listens(const char *path)
{
	struct sockaddr_un a;
	int fd = socket_make();
	if (fd < 0)
		return -1;
	address(&a, path);
	int alive = connect(fd, (struct sockaddr *)&a, sizeof a) == 0 || (errno != ECONNREFUSED && errno != ENOENT);
	close(fd);
	return alive;
}

/* Two Emacsen that start at once must not both take a stale socket.  Held for some
 * microseconds; whoever is stopped while holding it is not waited for. */
static int lock_folder(const char *folder, int tries)
{
	char path[RUNTIME_PATH_MAX + 8];
	snprintf(path, sizeof path, "%s/.lock", folder);
	char why[TRUST_ERROR];
	int fd = trust_open(path, O_RDWR | O_CREAT, TRUST_PRIVATE, why);
	for (int i = 0; fd >= 0 && i < tries && flock(fd, LOCK_EX | LOCK_NB) != 0; i++)
		nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
	return fd;
}

/* The socket is made under another name and renamed, so that a name that appears
 * in the folder already listens and has its mode. */
static int bind_hidden(const char *folder, char hidden[RUNTIME_PATH_MAX], char error[RUNTIME_ERROR])
{
	struct sockaddr_un a;
	char name[32];
	snprintf(name, sizeof name, ".%ld", (long)getpid());
	if (!runtime_socket_path(folder, name, hidden, error))
		return -1;
	unlink(hidden);
	int fd = socket_make();
	address(&a, hidden);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || chmod(hidden, 0600) != 0 || listen(fd, BACKLOG) != 0) {
		snprintf(error, RUNTIME_ERROR, "cannot listen in %s: %s", folder, strerror(errno));
		if (fd >= 0)
			close(fd);
		unlink(hidden);
		return -1;
	}
	return fd;
}

/* 1: somebody listens there; 0: it may be taken; -1: the error. */
static int is_taken(const char *path, char error[RUNTIME_ERROR])
{
	struct stat st;
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
		snprintf(error, RUNTIME_ERROR, "%s is there and is not a socket; remove it or choose another efrit-mcp-instance", path);
		return -1;
	}
	int alive = somebody_listens(path);
	if (alive < 0)
		snprintf(error, RUNTIME_ERROR, "cannot see whether somebody listens at %s: %s", path, strerror(errno));
	return alive;
}

static bool choose(struct listening *l, const char *folder, const char *wanted, char error[RUNTIME_ERROR])
{
	for (int i = 1; i < NAMES_MAX; i++) {
		int n = i == 1 ? snprintf(l->name, sizeof l->name, "%s", wanted)
			       : snprintf(l->name, sizeof l->name, "%.*s-%d", RUNTIME_NAME_MAX - 4, wanted, i);
		if (n < 0 || !runtime_socket_path(folder, l->name, l->path, error))
			return false;
		int taken = is_taken(l->path, error);
		if (taken <= 0)
			return taken == 0;
	}
	snprintf(error, RUNTIME_ERROR, "%d instances named %.48s run already; choose another efrit-mcp-instance", NAMES_MAX - 1, wanted);
	return false;
}

bool listen_open(struct listening *l, const char *wanted, char error[RUNTIME_ERROR])
{
	char folder[RUNTIME_PATH_MAX], hidden[RUNTIME_PATH_MAX];
	l->fd = -1;
	error[0] = 0;
	if (!runtime_name_valid(wanted)) {
		snprintf(error, RUNTIME_ERROR,
			 "\"%.80s\" cannot be an instance's name: use 1 to %d of A-Z a-z 0-9 . _ - and no dot at the beginning (efrit-mcp-instance)",
			 wanted, RUNTIME_NAME_MAX);
		return false;
	}
	if (!runtime_make_folder(folder, error) || !runtime_socket_path(folder, wanted, l->path, error))
		return false;
	int lock = lock_folder(folder, LOCK_TRIES);
	l->fd = bind_hidden(folder, hidden, error);
	struct stat st;
	if (l->fd >= 0 && (!choose(l, folder, wanted, error) || stat(hidden, &st) != 0 || rename(hidden, l->path) != 0)) {
		if (!error[0])
			snprintf(error, RUNTIME_ERROR, "cannot name the socket %s: %s", l->path, strerror(errno));
		unlink(hidden);
		close(l->fd);
		l->fd = -1;
	}
	if (l->fd >= 0) {
		l->dev = st.st_dev;
		l->ino = st.st_ino;
	}
	if (lock >= 0)
		close(lock);
	return l->fd >= 0;
}

bool listen_there(const struct listening *l)
{
	struct stat st;
	return lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino;
}

int listen_again(struct listening *l, char error[RUNTIME_ERROR])
{
	char folder[RUNTIME_PATH_MAX], hidden[RUNTIME_PATH_MAX];
	struct stat st;
	error[0] = 0;
	snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(l->path, '/') - l->path), l->path);
	if (!trust_folder(folder, TRUST_MAKE, error))
		return -1;
	int lock = lock_folder(folder, LOCK_TRIES_AGAIN), fd = -1, taken = is_taken(l->path, error);
	if (taken > 0)
		snprintf(error, RUNTIME_ERROR, "another server listens at %s", l->path);
	if (taken == 0)
		fd = bind_hidden(folder, hidden, error);
	if (fd >= 0 && (stat(hidden, &st) != 0 || rename(hidden, l->path) != 0)) {
		snprintf(error, RUNTIME_ERROR, "cannot name the socket %s: %s", l->path, strerror(errno));
		unlink(hidden);
		close(fd);
		fd = -1;
	}
	if (fd >= 0) {
		l->dev = st.st_dev;
		l->ino = st.st_ino;
	}
	if (lock >= 0)
		close(lock);
	return fd;
}

void listen_close(struct listening *l)
{
	if (l->fd < 0)
		return;
	if (listen_there(l))
		unlink(l->path);
	close(l->fd);
	l->fd = -1;
}
