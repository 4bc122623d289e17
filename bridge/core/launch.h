/* launch.h - how an Emacs is started that serves: its command line, and what it said when
 * that failed.  core/starter.c and core/keeper.c call; bridge loop only. */
#ifndef LAUNCH_H
#define LAUNCH_H

#include "back/service.h"

enum {
	LAUNCH_LOG = SERVICE_HOME_MAX + WORKER_NAME_MAX + 8, /* bytes of a log's file name */
	LAUNCH_ERROR = 2 * WORKER_WHY_MAX + LAUNCH_LOG,
	LAUNCH_ARGUMENTS = 16,
};

struct launch {
	const char *argv[LAUNCH_ARGUMENTS]; /* ends with NULL */
	char *lisp, *daemon;                /* owned */
	struct buf form, name;
};

/* INIT: "none" (-Q), "default" (the person's), or a file that is loaded.  BATCH: without a daemon.
 * CONFIG is borrowed by the arguments.  False: ERROR says why. */
bool launch_emacs(struct launch *, const struct config *config, const char *name, const char *init, bool batch, char error[LAUNCH_ERROR])
	__attribute__((warn_unused_result));
void launch_finish(struct launch *);

void launch_failed(const struct config *, const char *log, char error[LAUNCH_ERROR]); /* the sentence, with errno, which is kept */
void launch_refused(const struct config *, const char *why, char error[LAUNCH_ERROR]); /* the same, where a sentence says why already */
bool launch_short(int error); /* did the machine have nothing left to start it with? */
void launch_tail(const char *log, struct buf *out); /* ".  Its output is in LOG; the end of it: ..." */

#endif
