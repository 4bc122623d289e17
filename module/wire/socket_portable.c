/* socket_portable.c - see socket.h; for systems without accept4, SOCK_CLOEXEC and
 * SO_PEERCRED.  A child forked by another thread between two calls may inherit a
 * descriptor: there is no way around it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* on Linux, where the tests run: struct ucred */
#endif
#include "socket_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef MSG_NOSIGNAL /* else tame has seen to it; non-blocking by itself */
const int socket_sends = MSG_NOSIGNAL;
#else
const int socket_sends = 0;
#endif
const int socket_receives = MSG_DONTWAIT;

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
	return send(fd, data, len, socket_sends);
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
