/* child.h - the child process Emacs waits for, as far as the system tells.
 * Thread: any. */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/* The youngest living child of the thread TID (0: of this process).  False: none,
 * or the system does not tell. */
bool child_youngest(pid_t tid, pid_t *pid, char command[160]);

#endif
