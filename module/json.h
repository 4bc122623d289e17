/* json.h - JSON text written, never read: strings into a buffer; and the UTF-8 that
 * this needs.  Any thread.  False of a json_put: out of memory. */
#ifndef JSON_H
#define JSON_H

#include "wire/buf.h"

/* "..." with the quotes.  Bytes that are not UTF-8 become U+FFFD; *lossy (may be
 * NULL) is then set. */
bool json_put_string(struct buf *out, const char *text, size_t len, bool *lossy) __attribute__((warn_unused_result));

/* The same without the quotes; NESTED: for a string of a JSON text that is itself written as a string. */
bool json_put_escaped(struct buf *out, bool nested, const char *text, size_t len, bool *lossy) __attribute__((warn_unused_result));

/* How many bytes of UTF-8 that would be, not nested. */
size_t json_escaped_length(const char *text, size_t len);

bool json_is_utf8(const char *text, size_t len);
size_t json_cut(const char *text, size_t len, size_t max); /* most bytes, up to MAX, that end no character in its middle */
/* Appends TEXT as UTF-8: each byte that is none becomes U+FFFD. */
bool json_put_utf8(struct buf *out, const char *text, size_t len) __attribute__((warn_unused_result));

#endif
