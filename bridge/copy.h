/* copy.h - texts of one's own; the caller frees.  No memory ends the program.  Any caller. */
#ifndef COPY_H
#define COPY_H

#include <stddef.h>

char *copy_text(const char *text); /* NULL for NULL */
char *copy_part(const char *from, size_t len); /* LEN bytes, whatever they are, and a NUL */

#endif
