/* os_linux_impl.h - what os_linux_process.c (one process) and os_linux_family.c (those it has
 * brought up) share.  Nobody else includes it.  Bridge loop only. */
#ifndef OS_LINUX_IMPL_H
#define OS_LINUX_IMPL_H

#include "os.h"

#include <stddef.h>

struct os_vita {
	char state;
	pid_t parent;
	long tty;                         /* its terminal; 0: none */
	unsigned long long start;         /* ticks since the machine's start: with its number it is that process alone */
	bool ready;                       /* it is not just becoming another program: what follows is all there */
	unsigned long env_start, env_end; /* where its environment is; 0: nowhere */
};

int os_read_vita(pid_t pid, struct os_vita *); /* 1: read, 0: there is no such process, -1: unknown */

enum os_seen { SEEN, HIDDEN, CHANGING };

/* The environment PID was started with; the caller frees.  HIDDEN: it is not ours to read.  CHANGING: it is just
 * becoming another program, between the old memory and the new; nothing is known until it is that. */
enum os_seen os_read_environment(pid_t pid, char **text, size_t *len);
const char *os_next_entry(const char *text, size_t len, size_t *at); /* its strings; AT begins at 0; NULL: that was the last */
bool os_has_entry(const char *text, size_t len, const char *wanted);

bool os_is_watched(pid_t pid);  /* somebody waits for its end */
void os_reap_orphans(void);     /* whoever has ended and is not watched */
extern bool os_adopting;        /* orphans come to us */

#endif
