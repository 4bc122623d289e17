/* envelope.h - a whole message of JSON-RPC looked at without building a tree: where its
 * members stand, so that a long result passes on undecoded.  It skips over values without
 * judging them; whether they are JSON is closer.h's to say.  Pure; back calls. */
#ifndef ENVELOPE_H
#define ENVELOPE_H

#include "request.h"

struct span {
	const char *at; /* borrowed from the message; NULL: it is not there */
	size_t len;
};

struct envelope {
	struct span id, method, params, result, error; /* JSON text, without blanks around it */
};

/* False: it is no object.  Of members that occur twice the first one counts. */
bool envelope_read(const char *text, size_t len, struct envelope *);

/* Calls VISIT with each member of an object: its key between the quotes, as it was sent, and its value. */
bool envelope_each(struct span object, void (*visit)(void *data, struct span key, struct span value), void *data);

bool envelope_is(struct span, const char *words); /* the very bytes */
json_t *envelope_load(struct span); /* the caller's; NULL: it is not there, or no JSON */

/* Behind the string whose first quote is at P; NULL when it does not end. */
const char *envelope_after_string(const char *p, const char *end);

#endif
