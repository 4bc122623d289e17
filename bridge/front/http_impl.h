/* http_impl.h - what the files of the HTTP front share.  front/http*.c alone include it. */
#ifndef FRONT_HTTP_IMPL_H
#define FRONT_HTTP_IMPL_H

#include "front/conn.h"
#include "front/http.h"
#include "share.h"

enum { LEGACY_ID = 32, LEGACY_TABLE = 256 };

struct exchange;
struct legacy;
struct stream;
TAILQ_HEAD(exchange_list, exchange);
TAILQ_HEAD(legacy_list, legacy);
TAILQ_HEAD(stream_list, stream);
struct lines_client;
LIST_HEAD(lines_list, lines_client);

struct http {
	struct ev_loop *loop;          /* borrowed */
	const struct config *config;   /* borrowed */
	struct pipeline *pipeline;     /* borrowed */
	struct conns *conns;           /* owned */
	struct exchange_list open, dead; /* owned */
	struct legacy_list table[LEGACY_TABLE]; /* by id; owned */
	long legacies, exchanges, streams;
	struct lines_list lines;       /* owned */
	long lines_count;
	struct buf scratch;            /* empty between uses */
	struct tally tally;            /* while it is counted whose sessions there are */
	ev_timer keep_alive;
	struct {
		long told, left_out;
	} refused[HTTP_REFUSED_KINDS]; /* in the log, this minute */
	ev_timer refused_minute;
	bool draining;
	void (*on_empty)(void *);
	void *on_empty_data;
};

/* How the answer of one request looks. */
enum shape { SHAPE_MCP, SHAPE_RESULT, SHAPE_TEXT };

/* One request over HTTP and its answer; or an event stream that a client looks at. */
struct exchange {
	struct outlet outlet;          /* first member */
	TAILQ_ENTRY(exchange) of_http; /* http::open or http::dead */
	struct http *http;             /* borrowed */
	struct conn *conn;             /* borrowed; NULL: the client is gone, or has its answer */
	struct session *session;       /* owned; of this request alone; NULL in a session */
	struct legacy *legacy;         /* borrowed; NULL outside of one */
	struct stream *stream;         /* borrowed; where its events are kept; NULL: nowhere */
	struct stream *views;          /* borrowed; which stream its client looks at */
	struct request *open;          /* borrowed; whose result is on its way in pieces */
	struct handle *result;         /* held; the kept result that is its answer */
	size_t result_at, result_end;  /* what of it is still to be sent */
	bool filed, filing;            /* the file itself was given to the connection, once; and is being sent */
	bool reading;                  /* a piece of it is on its way */
	enum shape shape;
	bool modern, takes_json, takes_stream, asked_stream; /* asked: by name */
	bool waits;                    /* for the answer of a request in a session */
	bool tells_session;            /* its answer names the session */
	bool streaming;                /* the answer is an event stream */
	size_t again;                  /* bytes of it that its client is shown because it missed them */
	bool over;                     /* in http::dead */
	bool held;                     /* counted by the guard */
	struct buf pieces;             /* of a result that must be one event */
	ev_timer later;                /* it becomes a stream; or the stream is closed to be resumed */
	struct http_said said;
	bool rpc;                      /* refusals are errors of JSON-RPC */
	char origin[128];              /* the web page that may see the answer, or "" */
	char principal[GUARD_PRINCIPAL_MAX];
};

/* http.c */
struct exchange *exchange_create(struct http *, struct conn *);
void exchange_end(struct exchange *);    /* nobody waits: what still runs for it alone is cancelled */
void exchange_forget(struct exchange *); /* the client is answered or gone */
/* The whole answer: {"error":...}, or at /mcp an error of JSON-RPC with CODE; 0: a usual one. */
void http_refuse(struct exchange *, int status, int code, const char *more, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
void http_answer(struct exchange *, int status, const char *type, const char *body, size_t len, const char *more);
const char *http_more(struct exchange *, const char *lines, char *room, size_t size); /* LINES and what a web page needs */

/* http_answer.c: the outlet of an exchange */
void answer_init(struct exchange *);
void answer_on_room(struct exchange *);
void answer_close(struct exchange *);      /* ends its event stream */
void answer_lost(struct exchange *);       /* its client is gone, and comes back perhaps */
void answer_stop(struct exchange *, const char *why);
bool answer_open_stream(struct exchange *); /* becomes an event stream; false: it cannot */
void answer_wait(struct exchange *);        /* it is not answered yet, if it is not over */

/* http_mcp.c, http_api.c, http_old.c: the body is whole */
void mcp_post(struct exchange *);
void mcp_get(struct exchange *);
void mcp_delete(struct exchange *);
void api_request(struct exchange *);
bool api_is(const char *path);
/* The status of a tool's result, and the only text of it for SHAPE_TEXT. */
int api_status(struct exchange *, struct request *, struct buf *text);
void results_get(struct exchange *, const char *id); /* http_results.c: a kept result */
void results_on_room(struct exchange *);
void results_forget(struct exchange *);
void old_get(struct exchange *);
void old_post(struct exchange *, const char *id);

/* http_session.c */
struct legacy {
	TAILQ_ENTRY(legacy) of_table;
	struct outlet outlet;       /* of the session: what belongs to no request */
	struct http *http;          /* borrowed */
	struct session *session;    /* owned */
	char id[LEGACY_ID + 1];
	char principal[GUARD_PRINCIPAL_MAX];
	bool old;                   /* 2024-11-05: one stream carries everything */
	struct stream_list streams; /* owned; the oldest first */
	struct stream *own;         /* borrowed; for what belongs to no request */
	unsigned streams_made;
	size_t bytes;               /* of events kept */
	long exchanges;             /* of requests that are not answered */
	double used;                /* ev_now when it was used last */
	ev_timer idle;
};

struct legacy *legacy_create(struct exchange *, bool old); /* NULL: there is no room, and the exchange is refused */
struct legacy *legacy_find(struct http *, const char *id, const char *principal);
void legacy_touch(struct legacy *);
void legacy_expire(struct legacy *); /* at the next turn of the loop */
void legacy_destroy(struct legacy *);

/* http_stream.c */
struct stream *stream_create(struct legacy *);
void stream_destroy(struct stream *);
struct stream *stream_find(struct legacy *, const char *event, unsigned long *seq); /* of an event's id; NULL: none */
void stream_show(struct stream *, struct exchange *, unsigned long after, bool prime); /* from now on; nobody looks at it */
void stream_hide(struct stream *);  /* ends what the client sees; it may come back; one that has ended may be gone then */
void stream_leave(struct stream *); /* the client is gone */
void stream_put(struct stream *, const char *line, size_t len);
void stream_finish(struct stream *); /* nothing more comes */
bool stream_is_shown(const struct stream *);
bool stream_is_left(const struct stream *); /* shown to a client that may be gone */
unsigned long stream_shown(const struct stream *); /* the last event that a client was sent */

/* One event as it goes out, without id when that is NULL. */
void stream_event(struct exchange *, const char *id, const char *line, size_t len);
void stream_begin(struct exchange *); /* the head of an answer that is an event stream */
void stream_check(struct exchange *); /* a client that does not read does not get more */

/* http_refused.c */
void refused_init(struct http *);
void refused_finish(struct http *);

/* http_lines.c */
void lines_take(void *http, int fd, long uid);
void lines_drain_all(struct http *);
void lines_stop_all(struct http *, const char *why);
void lines_end_all(struct http *);
void lines_revoke_all(struct http *, pipeline_gone *, void *data, const char *why);

#endif
