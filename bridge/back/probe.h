/* probe.h - looks at one socket from outside the loop, for `doctor`: who listens, does it
 * greet, how fast is it?  Blocks up to the time it is given.  main_doctor.c alone calls. */
#ifndef PROBE_H
#define PROBE_H

#include <stdbool.h>
#include <sys/types.h>

enum { PROBE_TEXT = 256 };

struct probe {
	bool listens;   /* somebody accepts */
	int error;      /* errno when nobody does */
	bool known;     /* uid and pid are */
	uid_t uid;
	pid_t pid;      /* 0: the system does not tell */
	bool welcomed, ponged;
	int wire;       /* version byte of its first frame; 0: none came */
	double hello_ms, ping_ms;
	char version[PROBE_TEXT], emacs[PROBE_TEXT]; /* that it told */
	char parting[PROBE_TEXT];                    /* what it said instead of a welcome, or why there is none */
};

void probe_socket(const char *path, int timeout_ms, struct probe *probe);

#endif
