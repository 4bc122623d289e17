/* shared.h - memory that one process writes and others read, also after the writer was
 * killed.  Both programs; any thread.  shared_linux.c or shared_portable.c, as the build says. */
#ifndef WIRE_SHARED_H
#define WIRE_SHARED_H

#include <stddef.h>

/* SIZE zero bytes to write, and in *FD what others map them by; NULL: errno.  All of it is
 * there: writing it never fails. */
void *shared_make(size_t size, int *fd);

/* What FD stands for, to be read; takes FD.  NULL: it is no such memory. */
const void *shared_map(int fd, size_t size);

void shared_unmap(const void *memory, size_t size); /* accepts NULL */

#endif
