/* setup_file.h - reading a configuration of somebody else, and replacing it whole: a
 * backup beside it, the mode kept, links followed.  setup.c alone calls. */
#ifndef SETUP_FILE_H
#define SETUP_FILE_H

#include <stdbool.h>

char *setup_file_read(const char *path, bool *exists); /* malloc'd; NULL: errno says why */

/* BACKUP (malloc'd) is where the old text lies; NULL where there was none.  False: errno. */
bool setup_file_write(const char *path, const char *text, char **backup) __attribute__((warn_unused_result));

#endif
