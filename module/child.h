/* child.h - the child process Emacs waits for, as far as the system tells.
 * Thread: any.  child_linux.c or child_portable.c, as the build says. */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <sys/types.h>

pid_t child_thread(void); /* the calling thread, for child_youngest; 0: the system has no such numbers */

/* The youngest living child of the thread TID (0: of this process).  False: none,
 * or the system does not tell. */
bool child_youngest(pid_t tid, pid_t *pid, char command[160]);

/* The thread TID waits for a lock, so in Emacs another Lisp thread runs.  False: no, or
 * the system does not tell. */
bool child_thread_locked(pid_t tid);

#endif
