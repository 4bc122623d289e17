/* process.c - see process.h */
#include "back/process.h"
#include "log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MARK_MAX = 80 };

struct process {
	struct os_exit *exit; /* owned */
	pid_t pid;
	bool ended, killed;
	bool with_us;         /* what came of it does not outlive it, however it ends */
	char mark[MARK_MAX];  /* what its family has in the environment; empty: nothing is known */
	void (*on_end)(void *data, int status);
	void *data;
};

static void on_exit_of(void *data, int status)
{
	struct process *p = data;
	p->ended = true;
	if (p->killed || p->with_us || (status != -1 && WIFSIGNALED(status))) /* who ends by itself may leave something behind */
		os_kill_family(p->pid, false, p->mark);
	p->on_end(p->data, status);
}

static struct process *create(void (*on_end)(void *data, int status), void *data)
{
	struct process *p = calloc(1, sizeof *p);
	if (!p)
		log_no_memory();
	p->on_end = on_end;
	p->data = data;
	return p;
}

static bool watch(struct process *p, struct ev_loop *loop, pid_t pid)
{
	p->pid = pid;
	p->exit = pid > 0 ? os_exit_create(loop, pid, on_exit_of, p) : NULL;
	return p->exit != NULL;
}

static const char **with_mark(const char *const *changes, const char *mark)
{
	size_t n = 0;
	while (changes && changes[n])
		n++;
	const char **list = calloc(n + 2, sizeof *list);
	if (!list)
		log_no_memory();
	for (size_t i = 0; i < n; i++)
		list[i] = changes[i];
	list[n] = mark;
	return list;
}

struct process *process_start(struct ev_loop *loop, const struct os_program *program, void (*on_end)(void *data, int status), void *data)
{
	static unsigned long lives;
	struct process *p = create(on_end, data);
	struct os_program marked = *program;
	snprintf(p->mark, sizeof p->mark, PROCESS_MARK "=%ld-%lu-%.0f", (long)getpid(), ++lives, os_now() * 1e6);
	p->with_us = program->with_us;
	const char **environment = with_mark(program->environment, p->mark);
	marked.environment = environment;
	pid_t pid = os_spawn(&marked);
	int error = errno;
	free(environment);
	if (watch(p, loop, pid))
		return p;
	if (pid > 0) { /* out of descriptors: it could never be supervised */
		error = errno;
		os_kill_family(pid, true, p->mark);
	}
	free(p);
	errno = error;
	return NULL;
}

struct process *process_watch(struct ev_loop *loop, pid_t pid, void (*on_end)(void *data, int status), void *data)
{
	struct process *p = create(on_end, data);
	if (watch(p, loop, pid))
		return p;
	free(p);
	return NULL;
}

pid_t process_pid(const struct process *p)
{
	return p->pid;
}

void process_tell(struct process *p, int signal)
{
	if (!p->ended)
		os_exit_kill(p->exit, signal);
}

void process_kill(struct process *p)
{
	if (p->ended)
		return;
	p->killed = true;
	os_kill_family(p->pid, true, p->mark);
	os_exit_kill(p->exit, SIGKILL); /* whatever its group is */
}

void process_destroy(struct process *p)
{
	if (!p)
		return;
	os_exit_destroy(p->exit);
	free(p);
}
