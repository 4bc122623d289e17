/* conn_impl.h - what conn.c, conn_out.c and conns.c share; nobody else includes it. */
#ifndef FRONT_CONN_IMPL_H
#define FRONT_CONN_IMPL_H

#include "front/chunks.h"
#include "front/conn.h"
#include "share.h"
#include "turn.h"

#include <time.h>

enum { CONN_ADDRESS = 48, CONN_PIECE = 64 * 1024 }; /* bytes read at a time */

/* See the head of conn.c. */
enum state { FRESH, IDLE, HEAD, BODY, WAIT, LINGER, DEAD };

struct conn {
	TAILQ_ENTRY(conn) of_all;   /* conns::all or conns::dead */
	TAILQ_ENTRY(conn) of_dirty; /* conns::dirty */
	struct conns *conns;        /* borrowed */
	void *user_data;
	struct tls_pipe *tls;       /* owned, or NULL */
	int fd;
	long uid;
	char peer[CONN_ADDRESS];    /* whose share it takes */
	double since;               /* ev_now when its state began */
	enum conn_kind kind;
	enum state state;
	bool dirty, paused;
	bool begun, ended, chunked, closing, eof; /* of the answer */
	bool armed_write;           /* the timer is about output */
	bool doubted;               /* something was sent to see whether it is there */
	bool old, no_body, is_head, keep; /* of the request: HTTP/1.0, HEAD, keep-alive */
	ev_io readable, writable;
	ev_timer timer;
	ev_timer doubt;             /* it has said all it will say: is it there still? */
	struct chunks chunks;       /* of the body under way */
	int file;                   /* owned while filing; what follows out */
	size_t file_at, file_left;
	bool filing, file_stuck;    /* it is not in memory: no more of it goes so */
	struct head_scan scan;      /* of the head in in */
	size_t raw;                 /* bytes of the body as they came */
	int blank_lines;            /* before the request */
	struct head *head;          /* owned; of the request under way */
	struct buf in, body, out;
};

TAILQ_HEAD(conn_list, conn);

struct conns {
	struct ev_loop *loop;        /* borrowed */
	const struct config *config; /* borrowed */
	const struct conn_user *user;
	void *data;
	struct tls *tls;             /* owned, or NULL */
	struct conn_list all, dead;
	TAILQ_HEAD(, conn) dirty;
	long count;
	bool draining;
	struct tally tally;          /* while it is counted whose there are */
	struct turn turn;            /* wanted while dirty or dead hold something */
	time_t stamp;
	char date[64];
	char piece[CONN_PIECE];
};

/* conn.c */
void conn_enter(struct conn *, enum state);     /* the only writer of its state */
void conn_balance(struct conn *);               /* reads on, or waits */
void conn_turn_over(struct conn *);             /* the answer is out: the next request, or goodbye */
void conn_on_readable(EV_P_ ev_io *, int revents);
void conn_on_writable(EV_P_ ev_io *, int revents);
void conn_on_timer(EV_P_ ev_timer *, int revents);
void conn_on_doubt(EV_P_ ev_timer *, int revents);
void conn_set_timer(struct conn *, double seconds); /* 0: stops it */

/* conn_out.c */
void conn_mark(struct conn *);                  /* it has something to write, or to do, at the end of the turn */
void conn_refuse(struct conn *, int status, const char *why); /* and closes */
bool conn_flush(struct conn *);                 /* false: the client is gone */
void conn_interim(struct conn *);               /* 100 Continue */
void conn_file_end(struct conn *);

#endif
