/* conn.h - connections of HTTP clients: bytes in and out, TLS, deadlines, one request at
 * a time.  What a request means is the user's.  Room front; bridge loop only.  A conn is
 * freed when the loop turns, never inside a callback. */
#ifndef FRONT_CONN_H
#define FRONT_CONN_H

#include "front/head.h"

enum conn_kind { CONN_TCP, CONN_UNIX };

enum {
	CONN_LOW = 64 * 1024, /* bytes of output below which more is welcome */
};

struct conn;
struct conns;
struct tls;

/* What is done with requests.  Called from the loop; each may answer. */
struct conn_user {
	void (*on_head)(struct conn *);    /* read on unless it answers */
	void (*on_message)(struct conn *); /* the body is whole; an answer is owed */
	void (*on_room)(struct conn *);    /* output has drained below CONN_LOW while an answer is under way */
	void (*on_gone)(struct conn *);    /* the client is gone, was dropped or refused; do not touch it again */
	void (*on_lines)(void *data, int fd, long uid); /* no HTTP on this Unix socket: its descriptor, the callee's, and whose client it is */
	void (*on_turn)(void *data);       /* the end of a turn of the loop */
	bool (*on_doubt)(struct conn *);   /* says something that is no harm, as part of the answer; false: it cannot */
};

struct conns *conns_create(struct ev_loop *, const struct config *, const struct conn_user *, void *data); /* borrowed */
void conns_destroy(struct conns *); /* drops all */
void conns_set_tls(struct conns *, struct tls **); /* taken; NULL inside: plain; for connections to come */
void conns_take(struct conns *, int fd, enum conn_kind, long uid); /* accepted; the descriptor is taken */
void conns_wake(struct conns *); /* on_turn will be called */
long conns_count(const struct conns *);
void conns_drain(struct conns *, double linger); /* no keep-alive any more; idle ones end after LINGER seconds */
void conns_pass(struct conns *, bool (*pass)(void *data, int fd, bool unix_socket), void *data); /* idle ones, without TLS */
void conns_each(struct conns *, void (*visit)(struct conn *));

/* Of the request under way */
const struct head *conn_head(const struct conn *); /* until conn_forget */
const struct buf *conn_body(const struct conn *);
enum conn_kind conn_kind(const struct conn *);
long conn_uid(const struct conn *); /* of the peer of a Unix socket */
enum { CONN_PEER = 72 };
const char *conn_peer(const struct conn *, char room[CONN_PEER]); /* an address and port, or "user N" */
void conn_forget(struct conn *);    /* head and body are not needed any more */

void *conn_data(const struct conn *);         /* of conns_create */
void *conn_user_data(const struct conn *);    /* NULL until it is set; cleared when the answer has ended */
void conn_set_user_data(struct conn *, void *);

/* The answer: begin, any number of pieces, end; or all at once.  MORE: header lines, each
 * with CRLF, or "".  LENGTH -1: unknown; it is sent in chunks. */
void conn_begin(struct conn *, int status, const char *type, long length, const char *more);
void conn_piece(struct conn *, const char *data, size_t len);
void conn_end(struct conn *);
/* The next piece: LEN bytes of a file, whose descriptor is taken, sent without being read.  on_room comes
 * when they are gone, or when what conn_file_left says must be sent as pieces.  False: it cannot be, nothing was taken. */
bool conn_file(struct conn *, int *fd, size_t at, size_t len);
size_t conn_file_left(const struct conn *);
void conn_answer(struct conn *, int status, const char *type, const char *body, size_t len, const char *more);
bool conn_begun(const struct conn *);
bool conn_is_half(const struct conn *);  /* the client has said all it will say, and may be gone */
size_t conn_unsent(const struct conn *); /* bytes of output that the client has not taken */

void conn_close(struct conn *); /* after this answer */
void conn_drop(struct conn *);  /* now; on_gone is called */

#endif
