/* server_priv.h - what the files of the server thread share.  Everything here
 * belongs to the loop but for what is under `lock`. */
#ifndef SERVER_PRIV_H
#define SERVER_PRIV_H

#include "events.h"
#include "express.h"
#include "interrupt.h"
#include "listen.h"
#include "server.h"
#include "wire/ledger.h"

#include <ev.h>
#include <pthread.h>

enum {
	SERVER_HASH_MAX = 65,
	SERVER_OUT_HIGH = 1024 * 1024, /* bytes unsent to a peer: nothing more is read from it */
	SERVER_CATALOGUE_MAX = 2 * 1024 * 1024, /* bytes of the list of tools */
	SERVER_WAITERS_MAX = 64,       /* questions of one peer that wait; a further one is answered at once */
	SERVER_HELLO_MS = 5000,        /* a peer says HELLO by then */
	SERVER_GOODBYE_MS = 2000,      /* and has read its GOODBYE */
	SERVER_WATCH_US = 500,         /* after an answer the loop looks so soon for more */
	SERVER_STOP_MS = 5000,         /* an INTERRUPT is answered by then */
	SERVER_LOOK_S = 4,             /* between looks whether the socket is still in its folder */
	SERVER_ACCEPT_MS = 250,        /* pause when the system has no descriptor for a peer */
};

/* A result that is being sent. */
struct sending {
	TAILQ_ENTRY(sending) link; /* peer::sendings */
	struct reply *reply;       /* owned */
	size_t allowed;            /* bytes its credit still permits */
};

struct peer {
	TAILQ_ENTRY(peer) link; /* server::peers */
	ev_io io;
	ev_timer limit; /* for its HELLO, and for reading its GOODBYE */
	struct server *server;
	uint64_t serial; /* never used twice */
	int fd;
	uid_t uid;
	pid_t pid;
	bool welcome, held;
	bool reading; /* all it has said is to be read before one of its jobs is taken */
	bool closing; /* it was sent GOODBYE */
	bool dead;    /* freed before the loop sleeps: callers may still hold it */
	bool stalled; /* frames are left in `in` until it has read some of `out` */
	char name[WIRE_CLIENT_MAX + 1];
	struct buf in, out;
	struct buf call; /* a CALL whose last frame has not come */
	struct buf watches; /* its last WATCH; empty: none */
	uint64_t call_id;
	bool call_open;
	TAILQ_HEAD(, sending) sendings;
	size_t unread;      /* bytes of its sendings */
	unsigned n_waiters; /* of server::waiters */
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
	bool broken; /* the loop failed and is not to be touched any more; set when its thread ends */
	pthread_t thread;
	ev_async wake;    /* replies, rings answered, changed catalogue, stop */
	ev_io accept;
	ev_prepare flush; /* one write a turn and peer */
	ev_timer heartbeat, deadline, waiting, accept_again;
	ev_timer watch; /* for more answers, after one */
	struct interrupt interrupt;
	struct listening listening;
	ev_timer presence;          /* looks at the socket */
	char absent[RUNTIME_ERROR]; /* why it is not in its folder, as was told; "": it is */
	TAILQ_HEAD(, peer) peers;
	TAILQ_HEAD(, waiter) waiters;
	_Atomic unsigned n_peers; /* without those that were sent away; Lisp's status reads it too */
	double started_at;
	char version[32], emacs_version[32];
	bool noninteractive, poked;
	pid_t pid, lisp_tid;

	struct events events; /* any thread's */
	struct express express;
	struct ledger *ledger; /* owned; which calls Lisp has begun; NULL: the system gives none */
	_Atomic unsigned n_waiters; /* of `waiters`; Lisp reads it too */

	_Atomic bool watches_new;    /* `watches` is another one since Lisp took it */

	pthread_mutex_t lock; /* what follows is used by both threads */
	int doorbell;
	bool stopping, catalogue_new;
	char stop_why[128];
	struct buf catalogue;
	struct buf watches; /* of all peers: an array of arrays of URIs */
	char hash[SERVER_HASH_MAX];
	bool drop_waiting; /* the person stopped all agents */
	uint64_t interrupt_number; /* asked for by Lisp */
};

/* server.c */
void server_move(struct server *s, int fd); /* listens at FD from now on; whoever waits at the old one is served */
void presence_start(struct server *s, double seconds); /* presence.c: looks at the socket so often */
void server_ring(struct server *s); /* one byte to Emacs, unless a ring is open */
void server_watches(struct server *s); /* a peer watches something else: gathers, and has Lisp look */
struct peer *server_peer(struct server *s, uint64_t serial); /* NULL: it is gone */

/* answers.c: jobs as the loop sees them, their time, their stop, their answers */
void answers_deadline(struct server *s, double at); /* something may be late then */
void answers_on_deadline(struct ev_loop *loop, ev_timer *w, int revents);
void answers_look(struct server *s); /* stops what is late; drives a stop that an earlier server began */
void answers_stop(struct server *s, uint64_t number, enum job_stop why, const char *by);
void answers_on_stuck(void *data, uint64_t number);
void answers_on_watch(struct ev_loop *loop, ev_timer *w, int revents);
void answers_take(struct server *s);                  /* what Lisp has replied, to its peers */
void answers_exit(struct server *s, const char *why); /* all that nobody has answered yet */

/* waiters.c: questions that are answered later */
void waiters_add(struct server *s, struct peer *p, const struct waiter *what); /* copies; answered at once over the limit */
void waiters_on_timer(struct ev_loop *loop, ev_timer *w, int revents);
void waiters_look(struct server *s); /* answers those whose moment has come */
void waiters_stopped(struct server *s, uint64_t number, const char *outcome, const char *message);
void waiters_forget(struct server *s, struct peer *p);

/* peer.c */
bool peer_accept(struct server *s, int fd, uint64_t serial); /* false: no memory, the descriptor is still the caller's */
void peer_send(struct peer *p, uint8_t type, uint8_t flags, uint64_t id, const void *data, size_t len);
void peer_send_text(struct peer *p, uint8_t type, uint64_t id, struct buf *text); /* takes the text; empty: there was no memory for it */
void peer_introduce(struct peer *p); /* sends its WELCOME, and with it the ledger */
void peer_send_reply(struct peer *p, struct reply **reply);
void peer_refuse(struct peer *p, uint64_t id, const char *code, const char *message, int retry_ms); /* a CALL; 0: no retry */
bool peer_is_sending(const struct peer *p, uint64_t id);
void peer_flush(struct peer *p);
void peer_drop(struct peer *p, const char *why); /* NULL: nothing to tell */
void peer_goodbye(struct peer *p, const char *code, const char *message);
void peer_free(struct peer *p);

/* frames.c */
void frames_take(struct peer *p); /* all whole frames of its input, unless it does not read */

/* status.c */
enum status_known { STATUS_UNSURE, STATUS_SURE };
enum status_known status_of(struct server *s, const struct queue_view *view, double now, const char **state);
bool status_write(struct server *s, struct buf *out, const bool *met);
enum { STATUS_REASON_MAX = 640 };
bool status_reason(struct server *s, char reason[STATUS_REASON_MAX]); /* why nothing begins now; true: Emacs does what calls want */
bool status_stats(struct server *s, struct buf *out); /* what became of the last hour's jobs */
bool status_failed(struct server *s, const struct job *job, struct buf *out, const char *code, const char *message);

#define owner(w, type, member) ((type *)(void *)((char *)(w) - offsetof(type, member)))

#endif
