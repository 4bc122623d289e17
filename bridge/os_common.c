/* os_common.c - see os.h; what every system has in the same way. */
#include "os.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

double os_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The environment with MARK instead of what it may hold of that name; the strings are borrowed. */
static char **marked(const char *mark)
{
	size_t n = 0, kept = 0, name = strcspn(mark, "=") + 1;
	while (environ[n])
		n++;
	char **list = calloc(n + 2, sizeof *list);
	if (!list)
		log_no_memory();
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], mark, name) != 0)
			list[kept++] = environ[i];
	list[kept] = (char *)(void *)(size_t)mark;
	return list;
}

/* Between fork and exec; ends the child when something fails, having said so in the log. */
static void __attribute__((noreturn)) become(const char *const *argv, const char *folder, int log, char **env)
{
	static const char said[] = "efrit-bridge: this program cannot be run: ";
	sigset_t none;
	const char *why = NULL;
	int nothing = open("/dev/null", O_RDONLY);
	if (setsid() < 0 || nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0
	    || dup2(log, STDERR_FILENO) < 0 || (folder && chdir(folder) != 0))
		why = strerror(errno);
	os_close_from(STDERR_FILENO + 1);
	sigemptyset(&none);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	environ = env;
	if (!why) {
		execvp(argv[0], (char *const *)(void *)(size_t)argv);
		why = strerror(errno);
	}
	const char *const parts[] = {said, argv[0], ": ", why, "\n"};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (write(STDERR_FILENO, parts[i], strlen(parts[i])) < 0)
			break;
	_exit(127);
}

pid_t os_spawn(const char *const *argv, const char *folder, int log, const char *mark)
{
	char **env = marked(mark);
	pid_t pid = fork();
	if (pid == 0)
		become(argv, folder, log, env);
	free(env);
	return pid;
}
