/* setup_toml.h - adding our server to a text of TOML.  No tree is made: only whether our
 * table is there is looked for, line by line, strings and arrays of several lines passed
 * over.  Pure.  setup_edit.c alone calls. */
#ifndef SETUP_TOML_H
#define SETUP_TOML_H

#include "setup_edit.h"

/* As setup_edit_toml, for a text without a mark and with plain newlines. */
enum setup_edit setup_toml_edit(const char *old, const char *key, const char *name, const char *table, const char *bridge, char **out);

#endif
