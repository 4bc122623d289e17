/* main_handover.h - what the gateway agrees on with its surroundings: sockets from systemd,
 * being told to it when it is ready, and the change to a newer program that takes the
 * sockets over.  main_gateway.c calls. */
#ifndef MAIN_HANDOVER_H
#define MAIN_HANDOVER_H

#include "main_listen.h"

void handover_notify(const char *state); /* to systemd, "READY=1"; nothing where there is none */

/* From systemd, or from the gateway before. */
struct inheritance {
	int lock, ready; /* -1: none; READY: a socket that the one before reads */
	pid_t before;    /* that one; 0: none, or it is gone */
};
struct inheritance handover_take(struct listeners *);

/* Tells the one before that it may go, and takes the connections that it passes on, until it ends. */
struct handover *handover_ready(struct inheritance *, struct ev_loop *, struct http *); /* NULL: there is none before */
void handover_destroy(struct handover *);

/* Starts PROGRAM with the sockets; -1: said in the log.  Else a socket that has a byte
 * when it is ready, or ends when it failed. */
int handover_start(const struct listeners *, int lock, const char *program, char **argv, pid_t *pid);

/* The newer one PID, at FD, is not wanted any more.  True: it had taken over, and is told to end; false: it is dead. */
bool handover_stop(int fd, pid_t pid);

/* Passes a connection to the newer one, for http_pass.  False: it cannot. */
bool handover_pass(void *fd, int connection, bool unix_socket);

#endif
