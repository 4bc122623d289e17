/* stdio.h - the front that an agent talks to: one JSON message a line on standard input,
 * one on standard output.  Only this file writes to stdout.  main_bridge.c alone calls. */
#ifndef FRONT_STDIO_H
#define FRONT_STDIO_H

#include "core/pipeline.h"

struct stdio;

/* Takes stdin and stdout over; anything else that prints goes to stderr from now on.
 * Breaks LOOP when the conversation has ended.  NULL: said on stderr. */
struct stdio *stdio_create(struct ev_loop *, const struct config *, struct pipeline *);
void stdio_stop(struct stdio *);    /* ends it now: what is unanswered is cancelled */
void stdio_destroy(struct stdio *);

#endif
