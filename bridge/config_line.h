/* config_line.h - on which line of a JSON text a member stands, however deep: for complaints
 * and explanations.  Pure.  The text is known to be JSON. */
#ifndef CONFIG_LINE_H
#define CONFIG_LINE_H

#include <stddef.h>

/* The line of the last of the COUNT keys, each a member of the object before it; of the
 * deepest one that is there if not all of them are. */
int config_line(const char *text, const char *const *keys, size_t count);

#endif
