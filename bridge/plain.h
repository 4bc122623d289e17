/* plain.h - text of others for a terminal: nothing in it may command.  Pure. */
#ifndef PLAIN_H
#define PLAIN_H

#include <stddef.h>

/* As much of TEXT as fits into SIZE bytes with the NUL, whole characters of UTF-8; what is no
 * character to be seen becomes a space or "?".  Returns ROOM. */
char *plain_text(const char *text, char *room, size_t size);

#endif
