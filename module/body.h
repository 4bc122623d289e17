/* body.h - the rest of a long answer: a text that becomes JSON while it is sent, a piece at
 * a time.  So it is held once and not twice, and Lisp's thread does not wait for the
 * escapes.  Any thread, one at a time: Lisp's makes it, the loop uses it up. */
#ifndef BODY_H
#define BODY_H

#include "wire/buf.h"

struct body {
	struct buf source; /* UTF-8; what of it has not become JSON */
	const char *end;   /* static; what comes behind the string */
	size_t left;       /* bytes that are still to come of both, exactly */
};

/* SOURCE, which is UTF-8, is taken.  NULL: no memory, and SOURCE is as it was. */
struct body *body_create(struct buf *source, const char *end);
void body_destroy(struct body *); /* NULL is fine */

enum { BODY_LEAST = 64 };

/* Appends some of it to OUT, at least a byte and at most MOST, which is BODY_LEAST or more.  False: no memory. */
bool body_fill(struct body *, struct buf *out, size_t most) __attribute__((warn_unused_result));

#endif
