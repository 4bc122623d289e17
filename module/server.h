/* server.h - the thread that lives inside Emacs: it listens, talks to the bridges,
 * and answers by itself whatever does not need Lisp.  Builds without Emacs.
 * All functions: thread emacs, unless said otherwise. */
#ifndef SERVER_H
#define SERVER_H

#include "queue.h"

struct server;

struct server_settings {
	const char *instance;      /* the name wanted */
	const char *version;       /* of efrit-mcp */
	const char *emacs_version;
	bool noninteractive;       /* emacs --batch: nobody sits at it */
	double heartbeat;          /* seconds between rings while a bridge is connected */
	double look;               /* seconds between looks whether the socket is there; 0: SERVER_LOOK_S */
	int doorbell;              /* descriptor, owned by the server from now on */
	int signal;                /* that stops a form; 0: none */
};

/* Opens the socket and starts the thread.  NULL: error says why, in a sentence.
 * The settings are copied; the queue is borrowed and must outlive the server. */
struct server *server_start(const struct server_settings *settings, struct queue *queue, char error[512]);

/* Answers what can be answered, tells the bridges that Emacs goes, ends the thread,
 * removes the socket.  Takes at most a second. */
void server_stop(struct server **s, const char *why);

const char *server_instance(const struct server *s); /* the name it got; borrowed */
const char *server_path(const struct server *s);     /* of its socket; borrowed */

void server_set_doorbell(struct server *s, int fd); /* takes the descriptor */
/* Jobs are left: have the thread ring.  Lisp never rings itself: a broken pipe
 * would kill batch Emacs, and the thread blocks SIGPIPE. */
void server_wake(struct server *s);

/* The tools, as the text of a JSON array, and a hash of it.  Copies. */
bool server_set_catalogue(struct server *s, const char *text, size_t len, const char *hash);

/* What the bridges watch: the text of an array of arrays of URIs.  Lisp thread; `server_watches_new`
 * is cheap, and false once it was taken.  The latter is false without memory: nothing is known then. */
bool server_watches_new(const struct server *s);
bool server_take_watches(struct server *s, struct buf *out);

bool server_status(struct server *s, struct buf *out); /* STATE of WIRE.md */
bool server_interrupt(struct server *s);                 /* stops what runs; false: nothing does */

/* Refuses all calls until told otherwise, and answers those that wait. */
void server_pause(struct server *s, bool paused);

/* Notes what happened; any thread. */
void server_event(struct server *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What happened since the last call, a line each: for the events buffer. */
void server_take_events(struct server *s, struct buf *out);

#endif
