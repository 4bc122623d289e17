/* json.h - JSON text written, never read: strings into a buffer.  Any thread.
 * False: out of memory. */
#ifndef JSON_H
#define JSON_H

#include "wire/buf.h"

/* "..." with the quotes.  Bytes that are not UTF-8 become U+FFFD; *lossy (may be
 * NULL) is then set. */
bool json_put_string(struct buf *out, const char *text, size_t len, bool *lossy) __attribute__((warn_unused_result));

/* The same without the quotes, for a string that is put together from parts. */
bool json_put_escaped(struct buf *out, const char *text, size_t len, bool *lossy) __attribute__((warn_unused_result));

bool json_is_utf8(const char *text, size_t len);

#endif
