/* unescape.h - the text that a JSON string stands for, while the string comes in pieces.
 * It must be JSON as closer.h wants it: UTF-8 without control characters.  Pure; core calls. */
#ifndef UNESCAPE_H
#define UNESCAPE_H

#include "request.h"

struct unescape {
	unsigned escape; /* 0; 1 after a backslash; 2 to 5 after \u and its digits */
	unsigned code;   /* of the \u so far */
	unsigned high;   /* the first half of a surrogate pair, whose other half must follow; 0: none */
	unsigned utf8;   /* continuation bytes still to come */
	unsigned char lowest, highest; /* of the next one */
	bool ended;      /* the closing quote went by */
	bool wrong;      /* no JSON: a control character, an escape that is none, half a surrogate pair, bytes that are no UTF-8 */
};

/* All zero at first, behind the opening quote.  Appends the text to OUT.  How many bytes of
 * DATA were of the string, its closing quote included: all of them unless it ended or is wrong. */
size_t unescape_feed(struct unescape *, const char *data, size_t len, struct buf *out);

#endif
