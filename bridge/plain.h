/* plain.h - text of others for a terminal: nothing in it may command. */
#ifndef PLAIN_H
#define PLAIN_H

#include <stddef.h>
#include <stdio.h>

/* As much of TEXT as fits into SIZE bytes with the NUL, whole characters of UTF-8; what is no
 * character to be seen becomes a space or "?".  ROOM may be TEXT.  Returns ROOM. */
char *plain_text(const char *text, char *room, size_t size);

/* TEXT as it is for a program that reads OUT; on a terminal its lines are plain. */
void plain_print(const char *text, FILE *out);

#endif
