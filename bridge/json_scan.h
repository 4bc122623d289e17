/* json_scan.h - steps through the text of a configuration file that is known to be JSON, where
 * its places matter and not its values.  Pure; each returns a place in the same text. */
#ifndef JSON_SCAN_H
#define JSON_SCAN_H

#include <stdbool.h>

const char *scan_space(const char *p);
const char *scan_string(const char *p); /* P is at its first quote; behind the last one */
const char *scan_value(const char *p);  /* P is where it begins; behind it */

/* Whether the string from QUOTED to END, with its quotes, is KEY. */
bool scan_is_key(const char *quoted, const char *end, const char *key);

#endif
