/* echo_peer.c - the bare other end of a Unix socket: for each question of RAW_SIZE bytes
 * so many bytes as its first eight say.  usage: echo_peer SOCKET; each client has a process
 * of its own; it ends with its standard input. */
#include "peer.h"
#include "samples.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PIECE = 64 * 1024 };

static bool send_all(int fd, size_t left)
{
	static char text[PIECE];
	while (left) {
		ssize_t n = write(fd, text, left < PIECE ? left : PIECE);
		if (n <= 0)
			return false;
		left -= (size_t)n;
	}
	return true;
}

static void serve(int fd)
{
	char question[RAW_SIZE];
	size_t have = 0;
	ssize_t n;
	while ((n = read(fd, question + have, sizeof question - have)) > 0) {
		uint64_t size;
		have += (size_t)n;
		if (have < sizeof question)
			continue;
		have = 0;
		memcpy(&size, question, sizeof size);
		if (!send_all(fd, size))
			break;
	}
}

static int listen_at(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (strlen(path) >= sizeof at.sun_path)
		die("too long a path");
	memcpy(at.sun_path, path, strlen(path));
	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 8) != 0)
		die("cannot listen: %s", strerror(errno));
	return fd;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		die("echo_peer SOCKET");
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN); /* nobody waits for them */
	int fd = listen_at(argv[1]);
	struct pollfd wait[2] = {{.fd = fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
	while (poll(wait, 2, -1) > 0 && !wait[1].revents) {
		int client = accept(fd, NULL, NULL);
		if (client >= 0 && fork() == 0) {
			close(fd);
			serve(client);
			_exit(0);
		}
		if (client >= 0)
			close(client);
	}
	return 0;
}
