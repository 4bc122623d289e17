/* os_linux_family.c - what os.h says of families: what a process has brought up, wherever
 * that has gone; those who have lost their parents are told by what they carry. */
#include "os_linux_impl.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A search for those who cannot be told from their parents any more, only from what they carry. */
struct hunt {
	TAILQ_ENTRY(hunt) link;
	char *mark;                         /* owned; orphans of ours with that entry; or NULL: */
	const char *name;                   /* static; whoever has an entry of that name ... */
	bool (*stray)(const char *value);   /* ... with such a value */
	int tries;
};

struct os_orphans {
	ev_signal child;
	ev_timer again;       /* somebody was becoming another program when we looked */
	TAILQ_HEAD(, hunt) hunts; /* owned */
	struct ev_loop *loop; /* borrowed */
};

static struct os_orphans *home; /* where orphans go; NULL: not to us */

enum { TRIES = 60, PASSES = 8 }; /* somebody may fork while we look */
static const double again_first = 0.001, again_most = 0.25; /* seconds */

void os_die_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it has died meanwhile */
		_exit(127);
}

struct kin {
	pid_t pid, parent;
	unsigned long long start;
	bool terminal, found, spared;
};

struct census {
	struct kin *all; /* owned */
	size_t count;
};

/* All processes that live. */
static struct census take_census(void)
{
	struct census c = {0};
	size_t room = 0;
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	while (folder && (entry = readdir(folder))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		struct os_vita v;
		if (pid <= 1 || os_read_vita(pid, &v) != 1 || v.state == 'Z' || v.state == 'X')
			continue;
		if (c.count == room) {
			room = room ? room * 2 : 256;
			c.all = realloc(c.all, room * sizeof *c.all);
			if (!c.all)
				log_no_memory();
		}
		c.all[c.count++] = (struct kin){.pid = pid, .parent = v.parent, .start = v.start, .terminal = v.tty != 0};
	}
	if (folder)
		closedir(folder);
	return c;
}

static struct kin *find(const struct census *c, pid_t pid)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->all[i].pid == pid)
			return &c->all[i];
	return NULL;
}

static bool is_ours(pid_t pid)
{
	char path[64];
	struct stat s;
	snprintf(path, sizeof path, "/proc/%ld", (long)pid);
	return stat(path, &s) == 0 && s.st_uid == geteuid();
}

/* Does that process carry what is hunted?  CHANGING is counted. */
static bool carries(const struct hunt *h, pid_t pid, size_t *changing)
{
	char *text;
	size_t len, name = h->name ? strlen(h->name) : 0;
	enum os_seen seen = os_read_environment(pid, &text, &len);
	bool found = text && h->mark && os_has_entry(text, len, h->mark);
	const char *entry;
	for (size_t at = 0; text && name && !found && (entry = os_next_entry(text, len, &at));)
		found = strncmp(entry, h->name, name) == 0 && entry[name] == '=' && h->stray(entry + name + 1);
	free(text);
	*changing += !found && seen == CHANGING;
	return found;
}

/* What sits at a terminal is a person's, and so are those it comes from and those that come from it; we and our parents are not hunted either. */
static void spare(struct census *c)
{
	struct kin *k;
	bool more = true;
	for (pid_t pid = getpid(); (k = find(c, pid)) && !k->spared; pid = k->parent)
		k->spared = true;
	for (size_t i = 0; i < c->count; i++)
		if (c->all[i].found && c->all[i].terminal)
			c->all[i].spared = true;
	while (more) {
		more = false;
		for (size_t i = 0; i < c->count; i++) {
			struct kin *one = &c->all[i], *parent = one->found ? find(c, one->parent) : NULL;
			if (parent && parent->found && one->spared != parent->spared)
				one->spared = parent->spared = more = true;
		}
	}
}

static void add_descendants(struct census *c, pid_t root)
{
	bool more = true;
	while (more) {
		more = false;
		for (size_t i = 0; i < c->count; i++) {
			struct kin *one = &c->all[i];
			const struct kin *parent = one->found || one->pid == root ? NULL : find(c, one->parent);
			if (parent && (parent->found || (root && parent->pid == root)))
				one->found = more = true;
		}
	}
}

/* The one that was meant, not another one that has got its number since. */
static void strike(const struct kin *one)
{
	struct os_vita v;
	int fd = (int)syscall(SYS_pidfd_open, one->pid, 0);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE) && os_read_vita(one->pid, &v) != 0)
		kill(one->pid, SIGKILL); /* it was there a moment ago */
	if (fd < 0)
		return;
	if (os_read_vita(one->pid, &v) == 1 && v.start == one->start)
		syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	close(fd);
}

/* The tree is known whole before anybody is killed: whose parent has died is our child, or nobody's. */
static size_t kill_kin(pid_t root, const struct hunt *h, size_t *changing)
{
	struct census c = take_census();
	size_t killed = 0;
	*changing = 0;
	for (size_t i = 0; i < c.count; i++) { /* few: those who have lost their parents */
		struct kin *one = &c.all[i];
		if (one->pid == root || one->pid == getpid())
			continue;
		if (h->mark ? one->parent == getpid() && !os_is_watched(one->pid) : is_ours(one->pid))
			one->found = carries(h, one->pid, changing);
	}
	add_descendants(&c, root);
	if (h->stray)
		spare(&c);
	for (size_t i = 0; i < c.count; i++)
		if (c.all[i].found && !c.all[i].spared) {
			strike(&c.all[i]);
			killed++;
		}
	free(c.all);
	return killed;
}

static void look_again(struct os_orphans *o, int tries)
{
	double pause = again_first;
	for (int i = 0; i < tries && pause < again_most; i++)
		pause *= 2;
	if (ev_is_active(&o->again))
		return;
	ev_timer_set(&o->again, pause < again_most ? pause : again_most, 0.);
	ev_timer_start(o->loop, &o->again);
}

/* Copies H for later. */
static void keep_hunting(const struct hunt *h)
{
	if (!home)
		return;
	struct hunt *kept = calloc(1, sizeof *kept);
	if (!kept || (h->mark && !(kept->mark = strdup(h->mark))))
		log_no_memory();
	kept->name = h->name;
	kept->stray = h->stray;
	TAILQ_INSERT_TAIL(&home->hunts, kept, link);
	look_again(home, 0);
}

/* Returns how many were killed; goes on by itself when somebody could not be told. */
static size_t hunt_down(pid_t root, const struct hunt *h)
{
	size_t killed = 0, n, changing = 0;
	for (int i = 0; i < PASSES && (n = kill_kin(root, h, &changing)); i++)
		killed += n;
	if (changing)
		keep_hunting(h);
	return killed;
}

static void drop_hunt(struct os_orphans *o, struct hunt *h)
{
	TAILQ_REMOVE(&o->hunts, h, link);
	free(h->mark);
	free(h);
}

static void on_again(EV_P_ ev_timer *timer, int revents)
{
	struct os_orphans *o = timer->data;
	struct hunt *h, *next;
	size_t changing;
	(void)loop;
	(void)revents;
	for (h = TAILQ_FIRST(&o->hunts); h; h = next) {
		next = TAILQ_NEXT(h, link);
		if (kill_kin(0, h, &changing) || (changing && h->tries < TRIES)) {
			look_again(o, ++h->tries);
			continue;
		}
		if (changing)
			log_warning("%zu processes have been becoming other programs for long; they may be left over from an Emacs that ended", changing);
		drop_hunt(o, h);
	}
}

static void on_child(EV_P_ ev_signal *signal, int revents)
{
	(void)loop;
	(void)signal;
	(void)revents;
	os_reap_orphans();
}

struct os_orphans *os_orphans_create(struct ev_loop *loop)
{
	struct os_orphans *o = calloc(1, sizeof *o);
	if (!o)
		log_no_memory();
	o->loop = loop;
	TAILQ_INIT(&o->hunts);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
		log_warning("orphans of an Emacs that ended cannot be found: %s", strerror(errno));
	home = o;
	os_adopting = true;
	ev_timer_init(&o->again, on_again, 0., 0.);
	o->again.data = o;
	ev_signal_init(&o->child, on_child, SIGCHLD);
	ev_signal_start(loop, &o->child);
	return o;
}

void os_orphans_destroy(struct os_orphans *o)
{
	struct hunt *h;
	size_t changing;
	if (!o)
		return;
	while ((h = TAILQ_FIRST(&o->hunts))) { /* nothing else is to be done any more: it is waited for */
		for (int i = 0; i < 1000 && (kill_kin(0, h, &changing) || changing) && h->mark; i++)
			usleep(1000);
		drop_hunt(o, h);
	}
	ev_timer_stop(o->loop, &o->again);
	ev_signal_stop(o->loop, &o->child);
	home = NULL;
	os_adopting = false;
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	free(o);
}

void os_kill_family(pid_t pid, bool alive, const char *mark)
{
	struct hunt h = {.mark = (char *)(void *)(size_t)mark};
	if (pid <= 1)
		return;
	if (alive)
		kill(pid, SIGSTOP);
	hunt_down(alive ? pid : 0, &h);
	kill(-pid, SIGKILL);
}

size_t os_kill_strays(const char *name, bool (*stray)(const char *value))
{
	return hunt_down(0, &(struct hunt){.name = name, .stray = stray});
}
