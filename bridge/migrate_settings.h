/* migrate_settings.h - what the instances.json of Efrit's own MCP server says, in our words.
 * Pure.  main_migrate.c alone calls. */
#ifndef MIGRATE_SETTINGS_H
#define MIGRATE_SETTINGS_H

#include "config.h"

#include <jansson.h>

struct migrate_settings {
	json_t *settings;  /* owned; members for our configuration file, but for instances */
	json_t *instances; /* owned; that member: an object by name */
	json_t *queues;    /* owned; array of {"instance", "daemon", "folder", "timeout", "workspace"} */
	json_t *added;     /* owned; array of texts: what migrate_settings_merge has put in */
	json_t *notes;     /* owned; array of sentences: what has no place here, and why */
};

enum { MIGRATE_NAME_MAX = 48 };

/* The name that an instance of theirs has here. */
void migrate_settings_name(const char *theirs, char name[MIGRATE_NAME_MAX + 1]);

/* False: *error (caller frees). */
bool migrate_settings_read(const char *text, size_t len, const char *home, struct migrate_settings *, char **error)
	__attribute__((warn_unused_result));
void migrate_settings_finish(struct migrate_settings *);

/* OLD, the text of our file, with what it has not; what it has stays, and a note says so where it
 * differs.  NULL: *error.  The caller frees; equal to OLD when nothing is to be done. */
char *migrate_settings_merge(const char *old, struct migrate_settings *, char **error);

#endif
