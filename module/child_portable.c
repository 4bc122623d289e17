/* child_portable.c - see child.h; for systems without /proc: there is no answer. */
#include "child.h"

pid_t child_thread(void)
{
	return 0;
}

bool child_thread_locked(pid_t tid)
{
	(void)tid;
	return false;
}

bool child_youngest(pid_t tid, pid_t *pid, char command[160])
{
	(void)tid;
	*pid = 0;
	command[0] = 0;
	return false;
}
