/* socket_portable.c - see socket.h; for systems without accept4, SOCK_CLOEXEC and
 * SO_PEERCRED.  A child forked by another thread between two calls may inherit a
 * descriptor: there is no way around it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* on Linux, where the tests run: struct ucred */
#endif
#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef MSG_NOSIGNAL /* else tame has seen to it; non-blocking by itself */
enum { SEND_FLAGS = MSG_NOSIGNAL };
#else
enum { SEND_FLAGS = 0 };
#endif

/* FD, or -1 with errno; then it is closed. */
static int tame(int fd)
{
	int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);
	bool good = flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
#ifndef MSG_NOSIGNAL /* then there is this */
	int yes = 1;
	good = good && setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &yes, sizeof yes) == 0;
#endif
	if (good || fd < 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

int socket_make(void)
{
	return tame(socket(AF_UNIX, SOCK_STREAM, 0));
}

int socket_accept(int listening)
{
	return tame(accept(listening, NULL, NULL));
}

ssize_t socket_send(int fd, const void *data, size_t len)
{
	return send(fd, data, len, SEND_FLAGS);
}

ssize_t socket_send_with(int fd, const void *data, size_t len, int passed)
{
	struct iovec part = {.iov_base = (void *)data, .iov_len = len};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof passed);
	memcpy(CMSG_DATA(c), &passed, sizeof passed);
	return sendmsg(fd, &m, SEND_FLAGS);
}

/* The last of those that came stays. */
static void take_passed(struct msghdr *m, int *passed)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i + CMSG_LEN(sizeof(int)) <= c->cmsg_len; i += sizeof(int)) {
			if (*passed >= 0)
				close(*passed);
			memcpy(passed, CMSG_DATA(c) + i, sizeof *passed);
			(void)fcntl(*passed, F_SETFD, FD_CLOEXEC);
		}
	}
}

ssize_t socket_receive(int fd, void *room, size_t len, int *passed)
{
	struct iovec part = {.iov_base = room, .iov_len = len};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(4 * sizeof(int))];
	} control = {0};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);
	if (n >= 0)
		take_passed(&m, passed);
	return n;
}

#ifdef __linux__ /* for the tests: what the others have */
static int getpeereid(int fd, uid_t *uid, gid_t *gid)
{
	struct ucred cred;
	socklen_t len = sizeof cred;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return -1;
	*uid = cred.uid;
	*gid = cred.gid;
	return 0;
}
#endif

bool socket_peer(int fd, uid_t *uid, pid_t *pid)
{
	gid_t gid;
	*pid = 0;
	return getpeereid(fd, uid, &gid) == 0;
}
