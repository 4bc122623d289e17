/* closer.h - follows the JSON of a result that passes through undecoded: is it JSON at
 * all, and when it goes out in pieces and the rest will never come, how is it finished
 * properly at any byte?  It does not keep what went by.  Pure; core and back call. */
#ifndef CLOSER_H
#define CLOSER_H

#include "request.h"

enum { CLOSER_DEPTH = 256 };

struct closer {
	unsigned depth;
	enum { CLOSER_VALUE, CLOSER_KEY, CLOSER_COLON, CLOSER_AFTER, CLOSER_STRING, CLOSER_LITERAL, CLOSER_NUMBER, CLOSER_DONE } state;
	bool first;           /* nothing yet in the innermost object or array */
	bool in_key;          /* the string is a key */
	char key[12];         /* the last key, as far as it fits */
	unsigned key_len;     /* all of its bytes */
	unsigned escape;      /* 0; 1 after a backslash; 2 to 5 after \u and its digits */
	unsigned code;        /* of the \u so far */
	bool high;            /* the other half of a surrogate pair must follow */
	unsigned utf8;        /* continuation bytes still to come */
	unsigned char lowest; /* the next one is at least this */
	unsigned char highest;
	const char *literal;  /* what is left of true, false or null */
	enum { CLOSER_SIGN, CLOSER_ZERO, CLOSER_DIGITS, CLOSER_POINT, CLOSER_FRACTION, CLOSER_E, CLOSER_ESIGN, CLOSER_EXPONENT } number;
	bool in_content;      /* the array at depth 2 is the result's content */
	bool has_error;       /* "isError" went by */
	unsigned char kind[CLOSER_DEPTH]; /* '{' or '['; last, as it need not be saved */
};

/* Stands behind the first brace of the result. */
void closer_init(struct closer *);

/* How many of the bytes may be passed on: all of them, or those before what is no JSON. */
size_t closer_feed(struct closer *, const char *data, size_t len);
static inline bool closer_done(const struct closer *c) { return c->state == CLOSER_DONE; }

/* Appends what makes the result whole: NOTE inside the text that was cut or as a text
 * of its own, all brackets, and "isError":true. */
void closer_finish(struct closer *, const char *note, struct buf *out);

#endif
