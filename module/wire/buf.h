/* buf.h - a growable run of bytes, filled at the end and eaten at the front.
 * Used by both programs for sockets and pipes.  Any thread, one at a time.
 * Every function that may need memory returns false when there is none and
 * leaves the buffer as it was: the bridge then exits, the module drops a peer. */
#ifndef WIRE_BUF_H
#define WIRE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *mem;   /* owned; NULL while empty and never used */
	size_t cap;  /* bytes allocated */
	size_t head; /* first byte not yet eaten */
	size_t tail; /* one past the last byte */
};

void buf_finish(struct buf *b); /* frees; the buffer may be used again; NULL is fine */
bool buf_reserve(struct buf *b, size_t more) __attribute__((warn_unused_result));
bool buf_add(struct buf *b, const void *data, size_t len) __attribute__((warn_unused_result));
bool buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3), warn_unused_result));
bool buf_digits(struct buf *b, unsigned long long n, unsigned least) __attribute__((warn_unused_result)); /* decimal, with zeros before to LEAST digits, at most 20 */
void buf_eat(struct buf *b, size_t len); /* len <= buf_len(b); gives big memory back once empty */

void buf_advise(const struct buf *b); /* its room, if it is big, is about to be filled at once */

static inline size_t buf_len(const struct buf *b) { return b->tail - b->head; }
static inline const char *buf_data(const struct buf *b) { return b->mem ? b->mem + b->head : ""; } /* borrowed until the next change */
static inline char *buf_room(struct buf *b) { return b->mem + b->tail; }  /* after buf_reserve */
static inline void buf_filled(struct buf *b, size_t len) { b->tail += len; }

#endif
