/* os_common.c - see os.h; what every system has in the same way. */
#include "os.h"
#include "log.h"

#include <errno.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

#ifdef __GLIBC__
#define RESOURCE __rlimit_resource_t
#else
#define RESOURCE int
#endif

void os_give_back(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

double os_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

#ifdef CLOCK_BOOTTIME
static const clockid_t counting = CLOCK_BOOTTIME;
#else
static const clockid_t counting = CLOCK_MONOTONIC;
#endif
static int64_t begun; /* milliseconds since 1970 when COUNTING was at 0; written once, before main */

static int64_t milliseconds(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void __attribute__((constructor)) begin_counting(void)
{
	begun = milliseconds(CLOCK_REALTIME) - milliseconds(counting);
}

int64_t os_clock(void)
{
	return begun + milliseconds(counting);
}

int64_t os_clock_shown(int64_t ms)
{
	int64_t set_by = milliseconds(CLOCK_REALTIME) - os_clock();
	return set_by > 1000 || set_by < -1000 ? ms + set_by : ms; /* less is only the one counted more finely */
}

static bool same_name(const char *entry, const char *change)
{
	size_t name = strcspn(change, "=");
	return strncmp(entry, change, name) == 0 && entry[name] == '=';
}

/* Ours with CHANGES; the strings are borrowed. */
static char **changed(const char *const *changes)
{
	size_t n = 0, kept = 0, more = 0;
	while (environ[n])
		n++;
	while (changes && changes[more])
		more++;
	char **list = calloc(n + more + 1, sizeof *list);
	if (!list)
		log_no_memory();
	for (size_t i = 0; i < n; i++) {
		bool keep = true;
		for (size_t j = 0; j < more; j++)
			keep &= !same_name(environ[i], changes[j]);
		if (keep)
			list[kept++] = environ[i];
	}
	for (size_t j = 0; j < more; j++)
		if (strchr(changes[j], '='))
			list[kept++] = (char *)(void *)(size_t)changes[j];
	return list;
}

/* A limit that cannot be set is one that is lower already.  GRACE: until the kernel takes no excuse any more. */
static void limit(RESOURCE what, long most, long grace)
{
	struct rlimit now;
	if (most <= 0 || getrlimit(what, &now) != 0)
		return;
	now.rlim_cur = (rlim_t)most < now.rlim_max ? (rlim_t)most : now.rlim_max;
	now.rlim_max = now.rlim_cur + (rlim_t)grace < now.rlim_max ? now.rlim_cur + (rlim_t)grace : now.rlim_max;
	setrlimit(what, &now);
}

static struct rlimit core; /* as it was */
static bool no_core;

/* The soft limit alone: the hard one could not be raised again for an Emacs. */
void os_leave_no_core(void)
{
	if (no_core || getrlimit(RLIMIT_CORE, &core) != 0)
		return;
	no_core = true;
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, core.rlim_max});
}

void os_core_back(void)
{
	if (no_core)
		setrlimit(RLIMIT_CORE, &core);
}

/* Between fork and exec; ends the child when something fails, having said so in the log. */
static void __attribute__((noreturn)) become(const struct os_program *p, char **env, pid_t parent)
{
	static const char said[] = "efrit-bridge: this program cannot be run: ";
	sigset_t none;
	const char *why = NULL;
	int nothing = open("/dev/null", O_RDONLY);
	if (setsid() < 0 || nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(p->log, STDOUT_FILENO) < 0
	    || dup2(p->log, STDERR_FILENO) < 0 || (p->folder && chdir(p->folder) != 0))
		why = strerror(errno);
	os_close_from(STDERR_FILENO + 1);
	os_core_back();
	limit(RLIMIT_AS, p->memory, 0);
	if (p->cpu > 0)
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* nobody wants to look into that end */
	limit(RLIMIT_CPU, p->cpu, 2); /* SIGXCPU, which tells what it was, before SIGKILL */
	limit(RLIMIT_NOFILE, p->files, 0);
	if (p->with_us)
		os_die_with(parent);
	sigemptyset(&none);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	environ = env;
	if (!why) {
		execvp(p->argv[0], (char *const *)(void *)(size_t)p->argv);
		why = strerror(errno);
	}
	const char *const parts[] = {said, p->argv[0], ": ", why, "\n"};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (write(STDERR_FILENO, parts[i], strlen(parts[i])) < 0)
			break;
	_exit(127);
}

pid_t os_spawn(const struct os_program *p)
{
	char **env = changed(p->environment);
	pid_t us = getpid(), pid = fork();
	if (pid == 0)
		become(p, env, us);
	free(env);
	return pid;
}
