/* main_listen.c - see main_listen.h */
#include "main_listen.h"
#include "log.h"
#include "os.h"
#include "wire/runtime.h"
#include "wire/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { MOST = 16, NAME = 300, BACKLOG = 1024, ACCEPTS = 64 };
static const double full_pause = 0.1; /* seconds without accepting when no descriptor is left */

struct listener {
	ev_io readable;
	ev_timer pause;
	struct listeners *all; /* borrowed */
	char name[NAME];       /* as in the setting: ADDR:PORT or unix:PATH */
	char url[NAME + 16];
	int fd;
	bool local, wanted, given;
	bool full;             /* it was said that none can be taken */
	bool own;              /* the gateway's Unix socket: never shared */
	dev_t dev;             /* of a Unix socket's file */
	ino_t ino;             /* 0: there was none */
};

struct listeners {
	struct ev_loop *loop; /* borrowed */
	struct http *http;    /* borrowed */
	bool started, tls;
	bool shared;          /* members of group may use the sockets of the setting listen */
	gid_t group;
	size_t count;
	struct listener list[MOST];
};

struct listeners *listeners_create(struct ev_loop *loop, struct http *http)
{
	struct listeners *all = calloc(1, sizeof *all);
	if (!all)
		log_no_memory();
	all->loop = loop;
	all->http = http;
	return all;
}

/* --- connections --- */

static bool may_use(const struct listener *l, int fd, uid_t uid)
{
	return uid == geteuid() || uid == 0 || (l->all->shared && !l->own && os_peer_in_group(fd, l->all->group));
}

static void take(struct listener *l, int fd)
{
	uid_t uid = (uid_t)-1;
	pid_t pid;
	int one = 1;
	if (l->local && (!socket_peer(fd, &uid, &pid) || !may_use(l, fd, uid))) {
		http_refused(l->all->http, HTTP_REFUSED_USER, "user %ld may not use %s", (long)uid, l->name);
		close(fd);
		return;
	}
	if (!l->local)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	http_take(l->all->http, fd, l->local, (long)uid);
}

static void on_pause(EV_P_ ev_timer *timer, int revents)
{
	struct listener *l = timer->data;
	(void)revents;
	ev_io_start(loop, &l->readable);
}

static void on_readable(EV_P_ ev_io *io, int revents)
{
	struct listener *l = io->data;
	(void)revents;
	for (int i = 0; i < ACCEPTS; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			take(l, fd);
			continue;
		}
		if (errno == EAGAIN) {
			l->full = false;
			return;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			if (!l->full)
				log_warning("no connection can be taken: %s; they wait until one ends", strerror(errno));
			l->full = true;
			ev_io_stop(loop, io);
			ev_timer_set(&l->pause, full_pause, 0.);
			ev_timer_start(loop, &l->pause);
			return;
		}
	}
}

/* --- opening --- */

static struct listener *find(struct listeners *all, const char *name)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->list[i].name, name) == 0)
			return &all->list[i];
	return NULL;
}

static const char *path_of(const struct listener *l)
{
	return l->name + 5;
}

static void note_file(struct listener *l)
{
	struct stat st;
	bool there = l->local && lstat(path_of(l), &st) == 0;
	l->dev = there ? st.st_dev : 0;
	l->ino = there ? st.st_ino : 0;
}

/* Is the file at its path its own? */
static bool is_there(const struct listener *l)
{
	struct stat st;
	return l->ino && lstat(path_of(l), &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino;
}

static void remove_file(const struct listener *l)
{
	if (l->local && is_there(l))
		unlink(path_of(l));
}

static struct listener *add(struct listeners *all, const char *name, int fd)
{
	if (all->count == MOST) {
		close(fd);
		return NULL;
	}
	struct listener *l = &all->list[all->count++];
	*l = (struct listener){.all = all, .fd = fd, .local = strncmp(name, "unix:", 5) == 0};
	snprintf(l->name, sizeof l->name, "%s", name);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	ev_io_init(&l->readable, on_readable, fd, EV_READ);
	ev_timer_init(&l->pause, on_pause, full_pause, 0.);
	l->readable.data = l->pause.data = l;
	note_file(l);
	return l;
}

static void drop(struct listeners *all, struct listener *l)
{
	ev_io_stop(all->loop, &l->readable);
	ev_timer_stop(all->loop, &l->pause);
	close(l->fd);
	l->fd = -1;
}

/* "127.0.0.1:80", "[::1]:80", "localhost:80". */
static bool parse(const char *name, struct sockaddr_storage *to, socklen_t *len, char host[NAME], char **error)
{
	const char *colon = strrchr(name, ':');
	char *end;
	if (!colon || colon == name)
		return config_complain(error, "listen is \"%s\"; it must be ADDR:PORT or unix:PATH", name);
	size_t n = (size_t)(colon - name);
	bool v6 = name[0] == '[' && name[n - 1] == ']';
	snprintf(host, NAME, "%.*s", (int)(v6 ? n - 2 : n), v6 ? name + 1 : name);
	long port = strtol(colon + 1, &end, 10);
	if (end == colon + 1 || *end || port < 0 || port > 65535)
		return config_complain(error, "listen is \"%s\"; the port must be a number up to 65535 (0: any free one)", name);
	struct sockaddr_in *in4 = (struct sockaddr_in *)(void *)to;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)to;
	memset(to, 0, sizeof *to);
	if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons((uint16_t)port);
		*len = sizeof *in4;
	} else if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		*len = sizeof *in6;
	} else {
		return config_complain(error, "listen is \"%s\"; the address must be a number, such as 127.0.0.1 or [::1]", name);
	}
	return true;
}

static int open_tcp(const char *name, char **error)
{
	struct sockaddr_storage address;
	socklen_t len;
	char host[NAME];
	int one = 1;
	if (!parse(name, &address, &len, host, error))
		return -1;
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, BACKLOG) != 0) {
		config_complain(error, "%s cannot be listened on: %s", name, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

/* Somebody may answer there: then it is not ours to take. */
static bool is_alive(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool alive = fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN);
	if (fd >= 0)
		close(fd);
	return alive;
}

static int open_unix(const char *path, char **error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat st;
	if (*path != '/' || strlen(path) >= sizeof address.sun_path) {
		config_complain(error, "the socket %.120s must be an absolute path of at most %zu bytes", path, sizeof address.sun_path - 1);
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
		config_complain(error, "%s is there and no socket", path);
		return -1;
	}
	if (is_alive(&address)) {
		config_complain(error, "somebody listens on %s already", path);
		return -1;
	}
	unlink(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* The second chmod tells those who watch the folder that now somebody listens. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || chmod(path, 0600) != 0 || listen(fd, BACKLOG) != 0
	    || chmod(path, 0600) != 0) {
		config_complain(error, "%s cannot be listened on: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static void describe(struct listener *l, bool tls)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof address;
	char host[INET6_ADDRSTRLEN] = "";
	struct sockaddr_in *in4 = (struct sockaddr_in *)(void *)&address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&address;
	if (l->local || getsockname(l->fd, (struct sockaddr *)&address, &len) != 0) {
		snprintf(l->url, sizeof l->url, "%s", l->name + (l->local ? 5 : 0));
	} else if (address.ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
		snprintf(l->url, sizeof l->url, "http%s://[%s]:%u/mcp", tls ? "s" : "", host, ntohs(in6->sin6_port));
	} else {
		inet_ntop(AF_INET, &in4->sin_addr, host, sizeof host);
		snprintf(l->url, sizeof l->url, "http%s://%s:%u/mcp", tls ? "s" : "", host, ntohs(in4->sin_port));
	}
}

static bool is_safe(const char *name, const struct config *config, char **error)
{
	struct sockaddr_storage address;
	socklen_t len;
	char host[NAME], why[GUARD_WHY_MAX];
	if (!parse(name, &address, &len, host, error))
		return false;
	if (guard_listen_ok(host, *config->tls_cert, strcmp(config->auth, "none") != 0, why))
		return true;
	return config_complain(error, "%s", why);
}

/* One word of the setting. */
static bool want(struct listeners *all, const struct config *config, const char *name, char **error)
{
	bool local = strncmp(name, "unix:", 5) == 0;
	if (!local && !is_safe(name, config, error))
		return false;
	struct listener *l = find(all, name);
	if (!l) {
		int fd = local ? open_unix(name + 5, error) : open_tcp(name, error);
		if (fd < 0)
			return false;
		if (!(l = add(all, name, fd)))
			return config_complain(error, "more than %d addresses to listen on", MOST);
	}
	l->wanted = true;
	return true;
}

void listeners_inherit(struct listeners *all, const char *name, int fd, bool given)
{
	struct listener *l = add(all, name, fd);
	if (l)
		l->given = given;
}

/* Given ones of TCP take the place of the setting. */
static bool want_given(struct listeners *all, const struct config *config, bool *tcp, char **error)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->list[i].given) {
			if (!want(all, config, all->list[i].name, error))
				return false;
			*tcp |= !all->list[i].local;
		}
	return true;
}

static bool want_all(struct listeners *all, const struct config *config, const char *socket, char **error)
{
	char name[NAME];
	bool tcp = false;
	if (!want_given(all, config, &tcp, error))
		return false;
	for (const char *p = config->listen; *p; ) {
		size_t n = strcspn(p, ", ");
		snprintf(name, sizeof name, "%.*s", (int)(n < NAME ? n : NAME - 1), p);
		if (n && (!tcp || strncmp(name, "unix:", 5) == 0) && !want(all, config, name, error))
			return false;
		p += n + (p[n] != 0);
	}
	snprintf(name, sizeof name, "unix:%s", socket);
	return want(all, config, name, error);
}

static bool is_member(gid_t group)
{
	gid_t groups[1024];
	int n = getgroups(sizeof groups / sizeof *groups, groups);
	while (n-- > 0)
		if (groups[n] == group)
			return true;
	return getegid() == group || geteuid() == 0;
}

static bool find_group(const char *name, gid_t *group, char **error)
{
	char *end;
	unsigned long number = strtoul(name, &end, 10);
	const struct group *entry = *name ? getgrnam(name) : NULL;
	if (!*name)
		return true;
	if (!entry && (*end || end == name))
		return config_complain(error, "group is \"%s\"; there is no such group", name);
	*group = entry ? entry->gr_gid : (gid_t)number;
	return is_member(*group) || config_complain(error, "group is \"%s\"; who runs the gateway must be a member of it", name);
}

/* Who may connect is said by the mode, and looked at again when somebody has. */
static void share(const struct listener *l)
{
	const char *path = path_of(l);
	bool shared = l->all->shared && !l->own;
	if (!l->local || l->given)
		return;
	if ((shared && chown(path, (uid_t)-1, l->all->group) != 0) || chmod(path, shared ? 0660 : 0600) != 0)
		log_warning("%s cannot be %s: %s", path, shared ? "given to the group" : "closed to others", strerror(errno));
}

bool listeners_open(struct listeners *all, const struct config *config, const char *socket, char **error)
{
	size_t before = all->count, kept = 0;
	gid_t group = all->group;
	if (!find_group(config->group, &group, error))
		return false;
	for (size_t i = 0; i < before; i++)
		all->list[i].wanted = false;
	if (!want_all(all, config, socket, error)) {
		while (all->count > before)
			drop(all, &all->list[--all->count]);
		return false;
	}
	all->group = group;
	all->shared = *config->group != 0;
	for (size_t i = 0; i < all->count; i++) {
		struct listener *l = &all->list[i];
		bool active = ev_is_active(&l->readable);
		if (!l->wanted) {
			log_info("%s is not listened on any more", l->name);
			remove_file(l);
			drop(all, l);
			continue;
		}
		ev_io_stop(all->loop, &l->readable);
		ev_timer_stop(all->loop, &l->pause);
		if (kept != i)
			all->list[kept] = *l;
		l = &all->list[kept++];
		l->readable.data = l->pause.data = l;
		l->own = l->local && strcmp(l->name + 5, socket) == 0;
		share(l);
		describe(l, *config->tls_cert);
		if (active || all->started)
			ev_io_start(all->loop, &l->readable);
	}
	all->count = kept;
	return true;
}

void listeners_start(struct listeners *all)
{
	all->started = true;
	for (size_t i = 0; i < all->count; i++) {
		if (all->list[i].local) /* an inherited one still tells its clients that another process serves it */
			listen(all->list[i].fd, BACKLOG);
		ev_io_start(all->loop, &all->list[i].readable);
	}
}

/* Clients that wait at the old descriptor are served before it is closed. */
static void move(struct listener *l, int fd)
{
	struct ev_loop *loop = l->all->loop;
	ev_timer_stop(loop, &l->pause);
	on_readable(loop, &l->readable, EV_READ);
	ev_io_stop(loop, &l->readable);
	close(l->fd);
	l->fd = fd;
	ev_io_set(&l->readable, fd, EV_READ);
	ev_io_start(loop, &l->readable);
	note_file(l);
	share(l);
	log_warning("the socket %s was gone and is there again", path_of(l));
}

bool listeners_look(struct listeners *all, char **error)
{
	bool good = true;
	for (size_t i = 0; i < all->count; i++) {
		struct listener *l = &all->list[i];
		if (!l->local || is_there(l))
			continue;
		int fd = !good || l->given ? -1 : open_unix(path_of(l), error);
		if (fd >= 0)
			move(l, fd);
		else if (good && l->given)
			config_complain(error, "the socket %s is gone; its supervisor makes it: restart the socket's unit", path_of(l));
		good = good && fd >= 0;
	}
	return good;
}

void listeners_close(struct listeners *all, bool unlink_files)
{
	while (all->count) {
		struct listener *l = &all->list[--all->count];
		if (unlink_files && !l->given)
			remove_file(l);
		drop(all, l);
	}
}

void listeners_destroy(struct listeners *all)
{
	if (!all)
		return;
	listeners_close(all, false);
	free(all);
}

void listeners_each(const struct listeners *all, void (*visit)(void *, const char *, const char *, int, bool), void *data)
{
	for (size_t i = 0; i < all->count; i++)
		visit(data, all->list[i].name, all->list[i].url, all->list[i].fd, all->list[i].given);
}
