/* process.c - see process.h */
#include "back/process.h"
#include "log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MARK_MAX = OS_PROCESS_ID + 48 };
static const char with_us = 'w'; /* before the id of the gateway, in a mark: what has it ends with that gateway */

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
	char id[OS_PROCESS_ID];
	struct process *p = create(on_end, data);
	struct os_program marked = *program;
	if (!os_process_id(getpid(), id))
		snprintf(id, sizeof id, "%ld", (long)getpid());
	snprintf(p->mark, sizeof p->mark, PROCESS_MARK "=%c%s-%lu", program->with_us ? with_us : 'k', id, ++lives);
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

/* Is that the mark of a life that should have ended with its gateway, which is no more? */
static bool is_stray(const char *value)
{
	char id[OS_PROCESS_ID], ours[OS_PROCESS_ID], now[OS_PROCESS_ID];
	const char *end = strchr(value, '-'), *space, *our_space;
	if (*value != with_us || !end || (size_t)(end - value) > sizeof id || !os_process_id(getpid(), ours))
		return false;
	snprintf(id, sizeof id, "%.*s", (int)(end - value - 1), value + 1);
	space = strrchr(id, '.');
	our_space = strrchr(ours, '.');
	if (!space || strcmp(space, our_space) != 0) /* of a container that counts otherwise: nothing is known of it */
		return false;
	return !os_process_id((pid_t)strtol(id, NULL, 10), now) || strcmp(now, id) != 0;
}

void process_sweep(void)
{
	size_t n = os_kill_strays(PROCESS_MARK, is_stray);
	if (n)
		log_warning("a gateway that was killed had left %zu processes of its pools' workers: they are ended", n);
}

void process_destroy(struct process *p)
{
	if (!p)
		return;
	os_exit_destroy(p->exit);
	free(p);
}
