/* plug.h - one connection to a Unix socket: bytes in, bytes out, and its end.  It knows
 * no frames.  What is written in one turn of the loop goes out in one write.  Bridge
 * loop only; embedded in its owner, who reacts to on_bytes and on_end. */
#ifndef PLUG_H
#define PLUG_H

#include "turn.h"
#include "wire/buf.h"

#include <ev.h>
#include <stdbool.h>

struct plug {
	struct ev_loop *loop; /* borrowed */
	int fd;               /* -1: not connected */
	ev_io readable, writable;
	struct turn flush;
	ev_timer later;       /* tells on_end from the loop, never from inside plug_send */
	struct buf in, out;
	bool keeps;           /* what the other end did not take is in `unsent` until on_end returns; the owner outlives that */
	struct buf unsent;
	bool takes;           /* a descriptor that comes along, in `passed`; others are closed */
	int passed;           /* owned; -1: none */
	bool hung_up;         /* the other end closed it, and all it said was read */
	const char *why;      /* static or errno's text: what ended it */
	void (*on_bytes)(struct plug *);                /* in has grown */
	void (*on_end)(struct plug *, const char *why); /* closed already; nothing more comes */
	void (*on_sent)(struct plug *);                 /* out is empty again */
};

enum plug_result { PLUG_OPEN, PLUG_REFUSED, PLUG_BUSY, PLUG_ERROR };

void plug_init(struct plug *, struct ev_loop *loop);

/* REFUSED: nobody listens there.  BUSY: its line is full.  ERROR: errno says. */
enum plug_result plug_open(struct plug *, const char *path) __attribute__((warn_unused_result));
void plug_close(struct plug *);   /* on_end is not called */
void plug_end(struct plug *, const char *why); /* on_end is called from the loop, with WHY (static) */
void plug_drop_passed(struct plug *); /* no descriptor is wanted, or none any more */
void plug_wake(struct plug *);    /* out has grown: write at the end of this turn */
void plug_flush(struct plug *);   /* write now what goes without waiting */

#endif
