/* main_handover.c - see main_handover.h */
#include "main_handover.h"
#include "log.h"
#include "os.h"
#include "wire/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* "lock=5 ready=7 before=4711 9=127.0.0.1:0 !10=unix:/path"; !: it came from systemd */
static const char variable[] = "EFRIT_GATEWAY_HANDOVER";
enum { FIRST = 3, TEXT = 8192, PASS_MS = 500 };
enum kind { TCP = 'T', UNIX = 'U' }; /* of a connection that is passed on */

void handover_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t len = path ? strlen(path) : 0;
	if (!len || len >= sizeof to.sun_path || (*path != '/' && *path != '@'))
		return;
	memcpy(to.sun_path, path, len);
	if (*path == '@')
		to.sun_path[0] = 0;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		log_warning("systemd could not be told %s: %s", state, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* The name that the setting would have for it; false: it is no listening socket of ours. */
static bool name_of(int fd, char name[300])
{
	struct sockaddr_storage address;
	socklen_t len = sizeof address;
	struct sockaddr_in *in4 = (struct sockaddr_in *)(void *)&address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&address;
	struct sockaddr_un *un = (struct sockaddr_un *)(void *)&address;
	char host[INET6_ADDRSTRLEN];
	if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
		return false;
	if (address.ss_family == AF_INET)
		snprintf(name, 300, "%s:%u", inet_ntop(AF_INET, &in4->sin_addr, host, sizeof host), ntohs(in4->sin_port));
	else if (address.ss_family == AF_INET6)
		snprintf(name, 300, "[%s]:%u", inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host), ntohs(in6->sin6_port));
	else if (address.ss_family == AF_UNIX)
		snprintf(name, 300, "unix:%s", un->sun_path);
	else
		return false;
	return true;
}

static void take_systemd(struct listeners *all)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	char name[300];
	long last = pid && count && strtol(pid, NULL, 10) == (long)getpid() ? FIRST + strtol(count, NULL, 10) : FIRST;
	for (int fd = FIRST; fd < last; fd++)
		if (name_of(fd, name))
			listeners_inherit(all, name, fd, true);
		else
			log_warning("descriptor %d of the supervisor is no socket to listen on", fd);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

struct inheritance handover_take(struct listeners *all)
{
	struct inheritance i = {-1, -1, 0};
	const char *given = getenv(variable);
	char text[TEXT], *rest = text, *word;
	take_systemd(all);
	snprintf(text, sizeof text, "%s", given ? given : "");
	unsetenv(variable);
	while ((word = strsep(&rest, " "))) {
		char *equals = strchr(word, '=');
		if (!equals)
			continue;
		if (strncmp(word, "lock=", 5) == 0)
			i.lock = (int)strtol(equals + 1, NULL, 10);
		else if (strncmp(word, "ready=", 6) == 0)
			i.ready = (int)strtol(equals + 1, NULL, 10);
		else if (strncmp(word, "before=", 7) == 0 && strtol(equals + 1, NULL, 10) == (long)getppid())
			i.before = getppid(); /* another one: it has ended */
		else
			listeners_inherit(all, equals + 1, (int)strtol(word + (*word == '!'), NULL, 10), *word == '!');
	}
	if (i.ready >= 0)
		fcntl(i.ready, F_SETFD, FD_CLOEXEC);
	return i;
}

/* --- connections --- */

struct handover {
	ev_io readable;
	struct ev_loop *loop; /* borrowed */
	struct http *http;    /* borrowed */
};

/* A byte and a connection at a time. */
static void on_passed(EV_P_ ev_io *io, int revents)
{
	struct handover *h = io->data;
	char kind;
	int fd = -1;
	uid_t uid = (uid_t)-1;
	pid_t pid;
	ssize_t n;
	(void)revents;
	while ((n = socket_receive(io->fd, &kind, 1, &fd)) == 1 && fd >= 0) {
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		if (kind != UNIX || socket_peer(fd, &uid, &pid))
			http_take(h->http, fd, kind == UNIX, (long)uid);
		else
			close(fd);
		fd = -1;
	}
	if (n >= 0 || (errno != EAGAIN && errno != EINTR))
		ev_io_stop(loop, io);
}

struct handover *handover_ready(struct inheritance *i, struct ev_loop *loop, struct http *http)
{
	if (i->ready < 0)
		return NULL;
	if (write(i->ready, "1", 1) != 1)
		log_warning("the gateway before could not be told: %s", strerror(errno));
	struct handover *h = calloc(1, sizeof *h);
	if (!h)
		log_no_memory();
	h->loop = loop;
	h->http = http;
	fcntl(i->ready, F_SETFL, fcntl(i->ready, F_GETFL) | O_NONBLOCK);
	ev_io_init(&h->readable, on_passed, i->ready, EV_READ);
	h->readable.data = h;
	ev_io_start(loop, &h->readable);
	i->ready = -1;
	return h;
}

void handover_destroy(struct handover *h)
{
	if (!h)
		return;
	ev_io_stop(h->loop, &h->readable);
	close(h->readable.fd);
	free(h);
}

bool handover_pass(void *data, int connection, bool unix_socket)
{
	int to = *(int *)data;
	char kind = unix_socket ? UNIX : TCP;
	struct pollfd room = {.fd = to, .events = POLLOUT};
	ssize_t n;
	while (to >= 0 && (n = socket_send_with(to, &kind, 1, connection)) != 1)
		if ((errno != EAGAIN && errno != EINTR) || poll(&room, 1, PASS_MS) <= 0)
			return false;
	return to >= 0;
}

bool handover_stop(int fd, pid_t pid)
{
	char byte;
	int status = 0;
	kill(pid, SIGSTOP); /* what it has said stays as it is meanwhile */
	while (waitpid(pid, &status, WUNTRACED) < 0 && errno == EINTR)
		;
	if (!WIFSTOPPED(status))
		return false;
	bool taken = recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1;
	kill(pid, taken ? SIGTERM : SIGKILL);
	kill(pid, SIGCONT);
	if (!taken)
		waitpid(pid, NULL, 0);
	return taken;
}

static void write_listener(void *data, const char *name, const char *url, int fd, bool given)
{
	char *text = data;
	size_t n = strlen(text);
	(void)url;
	snprintf(text + n, TEXT - n, " %s%d=%s", given ? "!" : "", fd, name);
}

static void keep_listener(void *data, const char *name, const char *url, int fd, bool given)
{
	(void)given;
	(void)data;
	(void)name;
	(void)url;
	fcntl(fd, F_SETFD, 0);
}

int handover_start(const struct listeners *all, int lock, const char *program, char **argv, pid_t *pid)
{
	int ends[2];
	char text[TEXT];
	sigset_t none;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
		log_error("the newer gateway cannot be started: %s", strerror(errno));
		return -1;
	}
	snprintf(text, sizeof text, "lock=%d ready=%d before=%ld", lock, ends[1], (long)getpid());
	listeners_each(all, write_listener, text);
	*pid = fork();
	if (*pid == 0) {
		fcntl(lock, F_SETFD, 0);
		fcntl(ends[1], F_SETFD, 0);
		listeners_each(all, keep_listener, NULL);
		os_core_back();
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		setenv(variable, text, 1);
		execv(program, argv);
		_exit(127);
	}
	close(ends[1]);
	if (*pid > 0)
		return ends[0];
	log_error("the newer gateway cannot be started: %s", strerror(errno));
	close(ends[0]);
	return -1;
}
