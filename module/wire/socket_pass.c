/* socket_pass.c - descriptors that come along with bytes; see socket.h */
#include "socket_impl.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

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
	return sendmsg(fd, &m, socket_sends);
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
			(void)fcntl(*passed, F_SETFD, FD_CLOEXEC); /* where socket_receives does not say so */
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
	ssize_t n = recvmsg(fd, &m, socket_receives);
	if (n >= 0)
		take_passed(&m, passed);
	return n;
}
