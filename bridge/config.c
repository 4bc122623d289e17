/* config.c - see config.h */
#include "config.h"
#include "config_trail.h"
#include "copy.h"
#include "fleet_config.h"
#include "log.h"
#include "near.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

extern char **environ;

static const char prefix[] = "EFRIT_MCP_";

struct setting {
	const char *name;
	size_t offset;
	bool is_text;
	long fallback, least, most;
	const char *text, *unit, *doc;
};

static const struct setting table[] = {
#define NUMBER(name, fallback, least, most, unit, doc) \
	{#name, offsetof(struct config, name), false, fallback, least, most, NULL, unit, doc},
#define TEXT(name, fallback, doc) {#name, offsetof(struct config, name), true, 0, 0, 0, fallback, "", doc},
#include "config.def"
#undef NUMBER
#undef TEXT
};
enum { SETTINGS = sizeof table / sizeof table[0] };

static long *number_at(struct config *c, const struct setting *s)
{
	return (long *)(void *)((char *)c + s->offset);
}

static char **text_at(struct config *c, const struct setting *s)
{
	return (char **)(void *)((char *)c + s->offset);
}

void config_init(struct config *c)
{
	c->trail = NULL;
	for (const struct setting *s = table; s < table + SETTINGS; s++)
		if (s->is_text)
			*text_at(c, s) = copy_text(s->text);
		else
			*number_at(c, s) = s->fallback;
	c->fleet = fleet_config_create();
}

void config_finish(struct config *c)
{
	if (!c)
		return;
	for (const struct setting *s = table; s < table + SETTINGS; s++)
		if (s->is_text) {
			free(*text_at(c, s));
			*text_at(c, s) = NULL;
		}
	fleet_config_destroy(c->fleet);
	c->fleet = NULL;
}

enum { WORD_MAX = 64 };

const char *config_nearest(const char *word, const char *const *words, size_t count)
{
	const char *best = NULL;
	size_t least = strlen(word) / 3 + 1;
	for (size_t i = 0; i < count; i++) {
		size_t d = near_distance(word, words[i]);
		if (d <= least) {
			least = d - (d > 0);
			best = words[i];
			if (d == 0)
				break;
		}
	}
	return best;
}

static const struct setting *find(const char *name, const char **near)
{
	const char *names[SETTINGS + 2];
	for (int i = 0; i < SETTINGS; i++) {
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
		names[i] = table[i].name;
	}
	names[SETTINGS] = "instances"; /* of the file alone */
	names[SETTINGS + 1] = "pools";
	*near = config_nearest(name, names, SETTINGS + 2);
	return NULL;
}

bool config_complain(char **error, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	if (vasprintf(error, format, ap) < 0)
		log_no_memory();
	va_end(ap);
	return false;
}

static bool put(struct config *c, const struct setting *s, const char *shown, const char *value, char **error)
{
	if (s->is_text) {
		char **at = text_at(c, s);
		bool tokens = strcmp(s->name, "tokens") == 0;
		if ((tokens || strcmp(s->name, "profiles") == 0) && !config_check_profiles(shown, value, tokens, error))
			return false;
		if (strcmp(s->name, "profile") == 0 && !config_is_profile(value))
			return config_complain(error, "%s is \"%s\"; it must be look, elisp, default or full", shown, value);
		if (strcmp(s->name, "log_level") == 0 && !log_set_level(value))
			return config_complain(error, "%s is \"%s\"; it must be error, warning, info or debug", shown, value);
		if (strcmp(s->name, "log_format") == 0 && !log_set_format(value))
			return config_complain(error, "%s is \"%s\"; it must be text or json", shown, value);
		free(*at);
		*at = copy_text(value);
		return true;
	}
	char *end;
	errno = 0;
	long n = strtol(value, &end, 10);
	if (end == value || *end || errno)
		return config_complain(error, "%s is \"%s\"; it must be a number of %s", shown, value, s->unit);
	if (n < s->least || n > s->most)
		return config_complain(error, "%s is %ld; it must be from %ld to %ld %s", shown, n, s->least, s->most, s->unit);
	*number_at(c, s) = n;
	return true;
}

static bool assign(struct config *c, const struct setting *s, const char *shown, const char *value, char **error)
{
	if (!put(c, s, shown, value, error))
		return false;
	config_trail_note(c->trail, s->name, value);
	return true;
}

/* "EFRIT_MCP_QUEUE_MAX=3" -> "queue_max" and the value; false for another variable. */
static bool of_environment(const char *entry, char name[WORD_MAX], const char **value)
{
	size_t skip = sizeof prefix - 1;
	if (strncmp(entry, prefix, skip) != 0)
		return false;
	const char *equals = strchr(entry, '=');
	if (!equals || (size_t)(equals - entry) - skip >= WORD_MAX)
		return false;
	size_t len = (size_t)(equals - entry) - skip;
	for (size_t i = 0; i < len; i++)
		name[i] = (char)tolower((unsigned char)entry[skip + i]);
	name[len] = 0;
	*value = equals + 1;
	return true;
}

/* They begin like settings and are for others: the module's file, the mark of an Emacs that a bridge started,
 * the file of instances of Efrit's own server. */
static bool for_others(const char *shown)
{
	return strcmp(shown, "EFRIT_MCP_MODULE") == 0 || strcmp(shown, "EFRIT_MCP_STARTED") == 0 || strcmp(shown, "EFRIT_MCP_LIFE") == 0
	       || strcmp(shown, "EFRIT_MCP_CONFIG") == 0;
}

static void warn_unknown(const char *shown, const char *near)
{
	char upper[WORD_MAX] = "";
	if (for_others(shown))
		return;
	for (size_t i = 0; near && near[i] && i < sizeof upper - 1; i++)
		upper[i] = (char)toupper((unsigned char)near[i]);
	log_warning("%s in the environment is no setting%s%s%s", shown, near ? "; did you mean " : "", near ? prefix : "", upper);
}

bool config_environment(struct config *c, char **error)
{
	for (char **entry = environ; *entry; entry++) {
		char name[WORD_MAX];
		const char *value, *near = NULL;
		if (!of_environment(*entry, name, &value))
			continue;
		const struct setting *s = find(name, &near);
		char shown[WORD_MAX + sizeof prefix];
		snprintf(shown, sizeof shown, "%.*s", (int)(strlen(*entry) - strlen(value) - 1), *entry);
		config_trail_at(c->trail, CONFIG_OF_ENVIRONMENT, "the environment, %s", shown);
		if (!s)
			warn_unknown(shown, near);
		else if (!assign(c, s, shown, value, error))
			return false;
	}
	return true;
}

bool config_assign(struct config *c, const char *name, const char *shown, const char *value, char **error)
{
	const char *near = NULL;
	const struct setting *s = find(name, &near);
	if (s)
		return assign(c, s, shown, value, error);
	if (near)
		return config_complain(error, "there is no setting \"%s\"; did you mean %s?", name, near);
	return config_complain(error, "there is no setting \"%s\"; --help lists them", name);
}

bool config_set(struct config *c, const char *assignment, char **error)
{
	const char *equals = strchr(assignment, '=');
	if (!equals)
		return config_complain(error, "\"%s\" is no NAME=VALUE", assignment);
	char name[WORD_MAX];
	snprintf(name, sizeof name, "%.*s", (int)(equals - assignment), assignment);
	return config_assign(c, name, name, equals + 1, error);
}

bool config_lists(const char *list, const char *word)
{
	size_t len = strlen(word);
	for (const char *p = list; *p; ) {
		size_t n = strcspn(p, ", ");
		if (n == len && strncasecmp(p, word, n) == 0)
			return true;
		p += n + (p[n] != 0);
	}
	return false;
}

char *config_value(const struct config *c, const char *name)
{
	const char *near;
	const struct setting *s = find(name, &near);
	char *text = NULL;
	if (!s)
		return NULL;
	if (s->is_text)
		return copy_text(*(char **)(void *)((char *)(size_t)c + s->offset));
	if (asprintf(&text, "%ld", *(const long *)(const void *)((const char *)c + s->offset)) < 0)
		log_no_memory();
	return text;
}

bool config_row(size_t i, struct config_row *row)
{
	if (i >= SETTINGS)
		return false;
	const struct setting *s = &table[i];
	*row = (struct config_row){s->name, s->unit, s->doc, s->text, s->fallback, s->least, s->most};
	return true;
}

char *config_describe(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	if (!out)
		log_no_memory();
	char *place = config_place();
	fprintf(out, "Settings.  Defaults give way to the configuration file (%s, or --config), that to the "
		"environment (EFRIT_MCP_<NAME>), that to --set:\n", place ? place : "none: there is no home folder");
	free(place);
	for (const struct setting *s = table; s < table + SETTINGS; s++)
		if (s->is_text)
			fprintf(out, "  %-18s %s\n%20s (\"%s\")\n", s->name, s->doc, "", s->text);
		else
			fprintf(out, "  %-18s %s\n%20s (%ld %s; %ld to %ld)\n", s->name, s->doc, "", s->fallback, s->unit,
				s->least, s->most);
	if (fclose(out) != 0)
		log_no_memory();
	return text;
}
