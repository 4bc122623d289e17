/* main_handover.h - what the gateway agrees on with its surroundings: sockets from systemd,
 * being told to it when it is ready, and the change to a newer program that takes the
 * sockets over.  main_gateway.c calls. */
#ifndef MAIN_HANDOVER_H
#define MAIN_HANDOVER_H

#include "main_listen.h"

void handover_notify(const char *state); /* to systemd, "READY=1"; nothing where there is none */

/* From systemd, or from the gateway before. */
struct inheritance {
	int lock, ready; /* -1: none */
};
struct inheritance handover_take(struct listeners *);
void handover_ready(struct inheritance *); /* tells the one before that it may go */

/* Starts PROGRAM with the sockets; -1: said in the log.  Else a descriptor that has a byte
 * when it is ready, or ends when it failed. */
int handover_start(const struct listeners *, int lock, const char *program, char **argv, pid_t *pid);

#endif
