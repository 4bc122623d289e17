/* socket_linux.c - see socket.h */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "socket_impl.h"

#include <sys/socket.h>
#include <unistd.h>

const int socket_sends = MSG_DONTWAIT | MSG_NOSIGNAL, socket_receives = MSG_DONTWAIT | MSG_CMSG_CLOEXEC;

int socket_make(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int socket_accept(int listening)
{
	return accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

ssize_t socket_send(int fd, const void *data, size_t len)
{
	return send(fd, data, len, socket_sends);
}

bool socket_peer(int fd, uid_t *uid, pid_t *pid)
{
	struct ucred cred;
	socklen_t len = sizeof cred;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return false;
	*uid = cred.uid;
	*pid = cred.pid;
	return true;
}
