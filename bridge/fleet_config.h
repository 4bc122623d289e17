/* fleet_config.h - the sections "instances" and "pools" of the configuration file: which
 * Emacs instances and which pools of them there are, from the table fleet.def.  Read with
 * the file; never changed afterwards, a reload makes another one.  Everybody may read. */
#ifndef FLEET_CONFIG_H
#define FLEET_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { FLEET_NAME_MAX = 48 };

struct fleet_spec {
	char name[FLEET_NAME_MAX + 1];
	bool pool;
	int line;            /* of the file, where it begins */
	char *file;          /* owned */
	json_t *environment; /* owned; an object of strings, null taking one away; never NULL */
#define NUMBER(where, name, fallback, least, most, unit, doc) long name;
#define FLAG(where, name, fallback, doc) bool name;
#define TEXT(where, name, fallback, doc) char *name; /* owned */
#define WORDS(where, name, fallback, words, doc) char *name;
#include "fleet.def"
#undef NUMBER
#undef FLAG
#undef TEXT
#undef WORDS
};

struct fleet_config {
	struct fleet_spec **specs; /* owned; in the order of the file */
	size_t count;
};

struct fleet_config *fleet_config_create(void);
void fleet_config_destroy(struct fleet_config *); /* NULL is fine */

/* A section, KEY being its name; TEXT is the whole file.  False: *error (caller frees) names
 * PATH, the line, and the nearest name that is known. */
bool fleet_config_is_section(const char *key);
bool fleet_config_take(struct fleet_config *, const char *path, const char *text, const char *key, const json_t *value, char **error)
	__attribute__((warn_unused_result));

const struct fleet_spec *fleet_config_find(const struct fleet_config *, const char *name); /* NULL: not declared */
struct fleet_spec *fleet_spec_copy(const struct fleet_spec *);
bool fleet_spec_same(const struct fleet_spec *, const struct fleet_spec *); /* but for where it stands */
void fleet_spec_destroy(struct fleet_spec *); /* NULL is fine */

/* The table, for the manual.  False: there is no I-th. */
struct fleet_row {
	const char *name, *unit, *doc, *fallback;
	bool instance, pool;
};
bool fleet_config_row(size_t i, struct fleet_row *);

#endif
