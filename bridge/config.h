/* config.h - the settings, all from the table config.def.  Read once at the start:
 * defaults, then the environment (EFRIT_MCP_REQUEST_MAX), then --set NAME=VALUE.
 * Everybody may read them; they never change while the bridge runs. */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stddef.h>

struct config {
#define NUMBER(name, fallback, least, most, unit, doc) long name;
#define TEXT(name, fallback, doc) char *name; /* owned */
#include "config.def"
#undef NUMBER
#undef TEXT
};

void config_init(struct config *); /* the defaults */
void config_finish(struct config *);

/* Takes EFRIT_MCP_<NAME> from the environment.  False: *error (caller frees) says what
 * is wrong.  A name that is no setting is only logged: others share the prefix. */
bool config_environment(struct config *, char **error) __attribute__((warn_unused_result));

/* "NAME=VALUE".  False: *error (caller frees). */
bool config_set(struct config *, const char *assignment, char **error) __attribute__((warn_unused_result));

char *config_describe(void); /* the table for --help; caller frees */

/* The one of the COUNT words that WORD was probably meant to be; NULL when none is near. */
const char *config_nearest(const char *word, const char *const *words, size_t count);

#endif
