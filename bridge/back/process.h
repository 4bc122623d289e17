/* process.h - one process that the gateway supervises: started as a group and session of its
 * own, told to end, killed with all that it has brought up, also what has left its group.
 * Bridge loop only; forks, so from the main thread. */
#ifndef PROCESS_H
#define PROCESS_H

#include "os.h"

#define PROCESS_MARK "EFRIT_MCP_LIFE" /* in the environment of a life and of all that comes of it */

struct process;

/* PROGRAM is read once.  ON_END comes once, from the loop, with waitpid's status (-1: unknown),
 * when it has ended and what was left of its family was killed.  NULL: errno says why. */
struct process *process_start(struct ev_loop *, const struct os_program *program, void (*on_end)(void *data, int status), void *data);

/* One that somebody else has started: it is watched, told, killed the same way. */
struct process *process_watch(struct ev_loop *, pid_t pid, void (*on_end)(void *data, int status), void *data);

pid_t process_pid(const struct process *);
void process_tell(struct process *, int signal); /* that process alone */
void process_kill(struct process *);    /* with its family; on_end comes */
void process_sweep(void);               /* ends what workers of gateways that are no more have left behind */
void process_destroy(struct process *); /* watches it no more; NULL is fine; from inside on_end too */

#endif
