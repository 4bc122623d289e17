/* runs.h - the bytes between the quotes of a JSON string, at speed: those that need no
 * thought, 64 at a time.  closer.c and unescape.c do the rest.  Pure. */
#ifndef RUNS_H
#define RUNS_H

#include <stdbool.h>
#include <stddef.h>

enum { RUNS_ROOM = 64 }; /* bytes of room beyond what is copied */

/* How many bytes of DATA, which begins with a whole character or escape inside a string, are
 * whole characters of UTF-8 and escapes of one letter.  It stops before a quote, a control
 * character, any other escape and what is cut or wrong. */
size_t runs_skip(const char *data, size_t len);

/* The same, and *to, which has room for LEN + RUNS_ROOM bytes, gets what they stand for and
 * moves behind it. */
size_t runs_copy(char **to, const char *data, size_t len);

/* What a letter after a backslash stands for; 0: nothing. */
extern const char runs_meaning[256];

/* A sequence of UTF-8 byte by byte: false when LEAD begins none; else how many bytes are to
 * come, and the bounds of the next one (those behind it have 0x80 and 0xBF). */
bool runs_begin(unsigned char lead, unsigned *left, unsigned char *lowest, unsigned char *highest);

#endif
