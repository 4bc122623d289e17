/* main_handover.c - see main_handover.h */
#include "main_handover.h"
#include "log.h"
#include "os.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* "lock=5 ready=7 9=127.0.0.1:0 !10=unix:/path"; !: it came from systemd */
static const char variable[] = "EFRIT_GATEWAY_HANDOVER";
enum { FIRST = 3, TEXT = 8192 };

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
	struct inheritance i = {-1, -1};
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
		else
			listeners_inherit(all, equals + 1, (int)strtol(word + (*word == '!'), NULL, 10), *word == '!');
	}
	if (i.ready >= 0)
		fcntl(i.ready, F_SETFD, FD_CLOEXEC);
	return i;
}

void handover_ready(struct inheritance *i)
{
	if (i->ready < 0)
		return;
	if (write(i->ready, "1", 1) != 1)
		log_warning("the gateway before could not be told: %s", strerror(errno));
	close(i->ready);
	i->ready = -1;
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
	if (pipe2(ends, O_CLOEXEC) != 0) {
		log_error("the newer gateway cannot be started: %s", strerror(errno));
		return -1;
	}
	snprintf(text, sizeof text, "lock=%d ready=%d", lock, ends[1]);
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
