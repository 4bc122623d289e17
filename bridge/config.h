/* config.h - the settings, all from the table config.def.  Read once at the start:
 * defaults, then the configuration file, then the environment (EFRIT_MCP_REQUEST_MAX),
 * then --set NAME=VALUE; the later one wins.  Everybody may read them; they never
 * change while the bridge runs. */
#ifndef CONFIG_H
#define CONFIG_H

#include "wire/trust.h"

#include <stdbool.h>
#include <stddef.h>

struct config_trail; /* config_trail.h */
struct fleet_config;

struct config {
#define NUMBER(name, fallback, least, most, unit, doc) long name;
#define TEXT(name, fallback, doc) char *name; /* owned */
#include "config.def"
#undef NUMBER
#undef TEXT
	struct config_trail *trail; /* borrowed; where each value was found is noted there; NULL: nowhere */
	struct fleet_config *fleet; /* owned; the sections instances and pools */
};

void config_init(struct config *); /* the defaults */
void config_finish(struct config *);

/* Takes EFRIT_MCP_<NAME> from the environment.  False: *error (caller frees) says what
 * is wrong.  A name that is no setting is only logged: others share the prefix. */
bool config_environment(struct config *, char **error) __attribute__((warn_unused_result));

/* The file PATH, an object of JSON with settings by name; NULL: where config_place says,
 * if it is there.  False: *error (caller frees) names the file, and the line where there is one. */
bool config_file(struct config *, const char *path, char **error) __attribute__((warn_unused_result));
/* The text of that file, with a NUL at the end; caller frees; NULL: errno and the sentence. */
char *config_text(const char *path, size_t *size, char why[TRUST_ERROR]);
char *config_place(void); /* of the file when nobody names it; caller frees; NULL: no home */

/* One setting as text, SHOWN being its name where it was found.  False: *error (caller frees). */
bool config_assign(struct config *, const char *name, const char *shown, const char *value, char **error)
	__attribute__((warn_unused_result));

/* "NAME=VALUE".  False: *error (caller frees). */
bool config_set(struct config *, const char *assignment, char **error) __attribute__((warn_unused_result));

char *config_describe(void); /* the table for --help; caller frees */

bool config_lists(const char *list, const char *word); /* WORD is one of LIST, in which commas or blanks are between; upper case is lower case */
char *config_value(const struct config *, const char *name); /* as text; caller frees; NULL: no such setting */

/* The table, for the manual. */
struct config_row {
	const char *name, *unit, *doc, *text; /* text: the default of one that is no number, else NULL */
	long fallback, least, most;
};
bool config_row(size_t i, struct config_row *row); /* false: there is no I-th */

/* A list "NAME=WORD, NAME=WORD": the word of NAME, or the Nth pair, from 0.  False: there is none. */
enum { CONFIG_NAME_MAX = 128, CONFIG_WORD_MAX = 32, CONFIG_PAIRS_MAX = 64, CONFIG_TOKEN_NAME = 24 };
bool config_pair(const char *list, const char *name, char word[CONFIG_WORD_MAX]);
bool config_pair_at(const char *list, size_t n, char name[CONFIG_NAME_MAX], char word[CONFIG_WORD_MAX]);
bool config_is_profile(const char *word);
bool config_check_profiles(const char *shown, const char *list, bool tokens, char **error); /* TOKENS: the names are those of tokens */

/* Puts a sentence, malloc'd, into *ERROR; always false. */
bool config_complain(char **error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The one of the COUNT words that WORD was probably meant to be; NULL when none is near. */
const char *config_nearest(const char *word, const char *const *words, size_t count);

#endif
