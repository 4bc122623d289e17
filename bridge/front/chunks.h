/* chunks.h - a body in chunks (RFC 9112, section 7.1) becomes its bytes, however it is cut into pieces.
 * Extensions are read and forgotten; so are trailers, whatever they say.  Room front; pure. */
#ifndef FRONT_CHUNKS_H
#define FRONT_CHUNKS_H

#include "wire/buf.h"

#include <stdint.h>

struct chunks {
	int state;       /* 0: it begins */
	unsigned digits; /* of the size so far */
	uint64_t left;   /* of the chunk */
};

enum chunks_verdict { CHUNKS_MORE, CHUNKS_DONE, CHUNKS_BAD, CHUNKS_LONG, CHUNKS_NO_MEMORY };

/* Takes what of DATA belongs to the body and appends its bytes to BODY, MOST in all.  *USED says how much it took. */
enum chunks_verdict chunks_feed(struct chunks *, const char *data, size_t len, struct buf *body, size_t most, size_t *used);

#endif
