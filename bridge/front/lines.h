/* lines.h - one conversation of MCP over a pair of descriptors: one JSON message a line each
 * way.  front/stdio.c has one with its agent, front/http_lines.c one with each client of a
 * Unix socket.  Room front; bridge loop only. */
#ifndef FRONT_LINES_H
#define FRONT_LINES_H

#include "core/pipeline.h"

struct lines;

/* Descriptors: non-blocking for output, borrowed until it is destroyed.  ON_END: nothing is
 * said any more; destroy it later, not from inside. */
struct lines *lines_create(struct ev_loop *, const struct config *, struct pipeline *, int in_fd, int out_fd,
			   void (*on_end)(void *), void *data);
void lines_identify(struct lines *, const char *principal); /* whose client it is, as the system has said */
void lines_place(struct lines *, const char *folder); /* where the client works; NULL is fine */
const char *lines_principal(const struct lines *); /* whose it is; NULL when it has ended */
void lines_drain(struct lines *); /* reads no more; ends when what was read is answered */
void lines_refuse(struct lines *, const char *why); /* answers so what is unanswered */
void lines_stop(struct lines *);  /* ends it now: what is unanswered is cancelled */
void lines_destroy(struct lines *);

#endif
