/* server_priv.h - what the files of the server thread share.  Everything here
 * belongs to the loop but for what is under `lock`. */
#ifndef SERVER_PRIV_H
#define SERVER_PRIV_H

#include "interrupt.h"
#include "listen.h"
#include "server.h"

#include <ev.h>
#include <pthread.h>

enum {
	SERVER_HASH_MAX = 65,
	SERVER_OUT_HIGH = 1024 * 1024, /* bytes unsent to a peer: nothing more is read from it */
	SERVER_EVENTS_MAX = 64 * 1024, /* bytes of events kept for Lisp */
};

/* A result that is being sent. */
struct sending {
	TAILQ_ENTRY(sending) link; /* peer::sendings */
	struct reply *reply;       /* owned */
	size_t allowed;            /* bytes its credit still permits */
};

struct peer {
	TAILQ_ENTRY(peer) link; /* server::peers or server::dead */
	ev_io io;
	struct server *server;
	uint64_t serial; /* never used twice */
	int fd;
	uid_t uid;
	pid_t pid;
	bool welcome, closing, dead, held;
	char name[WIRE_CLIENT_MAX + 1];
	struct buf in, out;
	struct buf call; /* a CALL whose last frame has not come */
	uint64_t call_id;
	bool call_open;
	TAILQ_HEAD(, sending) sendings;
	size_t unread; /* bytes of its sendings */
};

/* A question that is answered later. */
struct waiter {
	TAILQ_ENTRY(waiter) link; /* server::waiters */
	enum { WAIT_STATUS, WAIT_IDLE, WAIT_STOP } kind;
	uint64_t peer, id;
	double deadline;
	uint64_t number; /* WAIT_STOP: of the job */
};

struct server {
	struct queue *queue; /* borrowed */
	struct ev_loop *loop;
	pthread_t thread;
	ev_async wake;    /* replies, rings answered, changed catalogue, stop */
	ev_io accept;
	ev_prepare flush; /* one write a turn and peer */
	ev_timer heartbeat, deadline, waiting;
	struct interrupt interrupt;
	struct listening listening;
	TAILQ_HEAD(peer_list, peer) peers, dead;
	TAILQ_HEAD(, waiter) waiters;
	unsigned n_peers;
	double started_at;
	char version[32], emacs_version[32];
	pid_t pid, lisp_tid;

	pthread_mutex_t lock; /* what follows is used by both threads */
	int doorbell;
	bool stopping, catalogue_new;
	char stop_why[128];
	struct buf catalogue;
	char hash[SERVER_HASH_MAX];
	struct buf events;
	uint64_t interrupt_number; /* asked for by Lisp */
};

/* server.c */
void server_event(struct server *s, const char *format, ...) __attribute__((format(printf, 2, 3))); /* thread: any */
void server_ring(struct server *s); /* one byte to Emacs, unless a ring is open */
void server_ask_stop(struct server *s, uint64_t number, enum job_stop why, const char *by);
void server_watch_deadline(struct server *s, double at);
bool server_wait(struct server *s, const struct waiter *what); /* copies */
struct peer *server_peer(struct server *s, uint64_t serial);
void server_forget(struct server *s, struct peer *p); /* its waiters and jobs */

/* peer.c */
bool peer_accept(struct server *s, int fd, uint64_t serial);
void peer_send(struct peer *p, uint8_t type, uint8_t flags, uint64_t id, const void *data, size_t len);
void peer_send_text(struct peer *p, uint8_t type, uint64_t id, struct buf *text); /* takes the text */
void peer_send_reply(struct peer *p, struct reply **reply);
void peer_flush(struct peer *p);
void peer_drop(struct peer *p, const char *why);
void peer_goodbye(struct peer *p, const char *code, const char *message);
void peer_free(struct peer *p);

/* frames.c */
void frames_take(struct peer *p); /* all whole frames of its input */

/* status.c */
enum status_known { STATUS_UNSURE, STATUS_SURE };
enum status_known status_of(struct server *s, const struct queue_view *view, double now, const char **state);
bool status_write(struct server *s, struct buf *out, const bool *met);
bool status_failed(struct server *s, const struct job *job, struct buf *out, const char *code, const char *message);

#endif
