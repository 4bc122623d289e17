/* setup_edit.h - adding our server to the text of an agent's configuration, every other
 * byte staying as it is.  Pure.  setup.c and migrate_settings.c call;
 * setup_toml.c uses the helpers at the end. */
#ifndef SETUP_EDIT_H
#define SETUP_EDIT_H

#include <stdbool.h>

enum setup_edit {
	SETUP_DONE,    /* *out is the new text, malloc'd */
	SETUP_THERE,   /* it is there already, as it should be */
	SETUP_REFUSED, /* *out is a sentence, malloc'd */
};

/* OLD is "" where there is no file.  KEY holds the servers; NAME is ours; ENTRY its JSON,
 * an object with "command": BRIDGE. */
enum setup_edit setup_edit_json(const char *old, const char *key, const char *name, const char *entry, const char *bridge, char **out);

/* One more member KEY of the whole object; it must not have it.  VALUE is JSON. */
enum setup_edit setup_edit_setting(const char *old, const char *key, const char *value, char **out);

/* A string put together, malloc'd. */
char *setup_edit_compose(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* TABLE is the text to append, which begins with the header [KEY.NAME]. */
enum setup_edit setup_edit_toml(const char *old, const char *key, const char *name, const char *table, const char *bridge, char **out);

char *setup_edit_splice(const char *old, const char *from, const char *to, const char *middle); /* MIDDLE for what is between */
char *setup_edit_quote(const char *text);            /* as a string of JSON, malloc'd */
bool setup_edit_is_ours(const char *command);        /* a file name of efrit-bridge; NULL: no */

#endif
