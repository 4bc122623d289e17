/* fleet_config.c - see fleet_config.h */
#include "fleet_config.h"
#include "config.h"
#include "config_line.h"
#include "copy.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { IS_NUMBER, IS_FLAG, IS_TEXT, IS_WORDS };
enum where { INSTANCE = 1, POOL = 2, BOTH = 3 };
enum { SPECS_MAX = 256, VALUE_MAX = 4096 }; /* instances and pools; bytes of a text */

struct field {
	const char *name;
	size_t offset;
	enum where where;
	enum kind kind;
	long fallback, least, most;
	const char *text, *words, *unit, *doc, *shown;
};

#define AT(name) offsetof(struct fleet_spec, name)
static const struct field table[] = {
#define NUMBER(where, name, fallback, least, most, unit, doc) \
	{#name, AT(name), where, IS_NUMBER, fallback, least, most, NULL, NULL, unit, doc, #fallback},
#define FLAG(where, name, fallback, doc) {#name, AT(name), where, IS_FLAG, fallback, 0, 1, NULL, NULL, "", doc, (fallback) ? "true" : "false"},
#define TEXT(where, name, fallback, doc) {#name, AT(name), where, IS_TEXT, 0, 0, 0, fallback, NULL, "", doc, "\"" fallback "\""},
#define WORDS(where, name, fallback, words, doc) {#name, AT(name), where, IS_WORDS, 0, 0, 0, fallback, words, "", doc, "\"" fallback "\""},
#include "fleet.def"
#undef NUMBER
#undef FLAG
#undef TEXT
#undef WORDS
};
enum { FIELDS = sizeof table / sizeof table[0] };

static void *at(const struct fleet_spec *s, const struct field *f)
{
	return (char *)(void *)(size_t)s + f->offset;
}

static bool is_text(const struct field *f)
{
	return f->kind == IS_TEXT || f->kind == IS_WORDS;
}

static void set_text(struct fleet_spec *s, const struct field *f, const char *text)
{
	char **place = at(s, f);
	free(*place);
	*place = copy_text(text);
}

static struct fleet_spec *create(const char *name, bool pool)
{
	struct fleet_spec *s = calloc(1, sizeof *s);
	if (!s || !(s->environment = json_object()))
		log_no_memory();
	snprintf(s->name, sizeof s->name, "%s", name);
	s->pool = pool;
	for (const struct field *f = table; f < table + FIELDS; f++)
		if (is_text(f))
			set_text(s, f, f->text);
		else if (f->kind == IS_FLAG)
			*(bool *)at(s, f) = f->fallback;
		else
			*(long *)at(s, f) = f->fallback;
	s->replace_stuck = pool;
	return s;
}

void fleet_spec_destroy(struct fleet_spec *s)
{
	if (!s)
		return;
	for (const struct field *f = table; f < table + FIELDS; f++)
		if (is_text(f))
			free(*(char **)at(s, f));
	json_decref(s->environment);
	free(s->file);
	free(s);
}

struct fleet_spec *fleet_spec_copy(const struct fleet_spec *from)
{
	struct fleet_spec *s = create(from->name, from->pool);
	for (const struct field *f = table; f < table + FIELDS; f++)
		if (is_text(f))
			set_text(s, f, *(char **)at(from, f));
		else
			memcpy(at(s, f), at(from, f), f->kind == IS_FLAG ? sizeof(bool) : sizeof(long));
	json_object_update(s->environment, from->environment);
	s->file = from->file ? copy_text(from->file) : NULL;
	s->line = from->line;
	return s;
}

bool fleet_spec_same(const struct fleet_spec *a, const struct fleet_spec *b)
{
	bool same = a->pool == b->pool && strcmp(a->name, b->name) == 0 && json_equal(a->environment, b->environment);
	for (const struct field *f = table; f < table + FIELDS; f++)
		same &= is_text(f) ? strcmp(*(char **)at(a, f), *(char **)at(b, f)) == 0
				   : memcmp(at(a, f), at(b, f), f->kind == IS_FLAG ? sizeof(bool) : sizeof(long)) == 0;
	return same;
}

struct fleet_config *fleet_config_create(void)
{
	struct fleet_config *c = calloc(1, sizeof *c);
	if (!c)
		log_no_memory();
	return c;
}

void fleet_config_destroy(struct fleet_config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->count; i++)
		fleet_spec_destroy(c->specs[i]);
	free(c->specs);
	free(c);
}

const struct fleet_spec *fleet_config_find(const struct fleet_config *c, const char *name)
{
	for (size_t i = 0; c && i < c->count; i++)
		if (strcmp(c->specs[i]->name, name) == 0)
			return c->specs[i];
	return NULL;
}

/* --- where it stands --- */

struct spot {
	const char *keys[4]; /* the way to a member, from the outside */
	size_t depth;
};

struct place {
	const char *path, *text; /* the file */
	struct spot spot;
};

/* Puts "FILE, line N: instances.NAME.FIELD WHY" into *ERROR; always false. */
static bool wrong(const struct place *p, char **error, const char *why)
{
	const char *const *k = p->spot.keys;
	size_t n = p->spot.depth;
	return config_complain(error, "%s, line %d: %s%s%s%s%s%s%s %s", p->path, config_line(p->text, p->spot.keys, p->spot.depth), k[0], n > 1 ? "." : "",
			       n > 1 ? k[1] : "", n > 2 ? "." : "", n > 2 ? k[2] : "", n > 3 ? "." : "", n > 3 ? k[3] : "", why);
}

static struct place inside(const struct place *p, const char *key)
{
	struct place q = *p;
	q.spot.keys[q.spot.depth++] = key;
	return q;
}

/* --- fields --- */

static bool one_of(const char *words, const char *word)
{
	size_t len = strlen(word);
	for (const char *p = words; *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");
		if (n == len && memcmp(p, word, n) == 0)
			return true;
		p += n;
	}
	return false;
}

static bool assign_text(struct fleet_spec *s, const struct place *p, const struct field *f, const json_t *value, char **error)
{
	const char *text = json_string_value(value);
	char why[256];
	if (!text || strlen(text) != json_string_length(value) || strlen(text) > VALUE_MAX)
		return wrong(p, error, "must be a string without NUL, of at most 4096 bytes");
	if (f->kind == IS_WORDS && !one_of(f->words, text)) {
		snprintf(why, sizeof why, "is \"%.60s\"; it must be one of: %s", text, f->words);
		return wrong(p, error, why);
	}
	set_text(s, f, text);
	return true;
}

static bool assign(struct fleet_spec *s, const struct place *p, const struct field *f, const json_t *value, char **error)
{
	char why[256];
	if (is_text(f))
		return assign_text(s, p, f, value, error);
	if (f->kind == IS_FLAG) {
		if (!json_is_boolean(value))
			return wrong(p, error, "must be true or false");
		*(bool *)at(s, f) = json_is_true(value);
		return true;
	}
	json_int_t n = json_integer_value(value);
	snprintf(why, sizeof why, "must be a whole number from %ld to %ld%s%s", f->least, f->most, *f->unit ? " " : "", f->unit);
	if (!json_is_integer(value) || n < f->least || n > f->most)
		return wrong(p, error, why);
	*(long *)at(s, f) = (long)n;
	return true;
}

static bool take_environment(struct fleet_spec *s, const struct place *p, json_t *value, char **error)
{
	const char *name;
	json_t *one;
	if (!json_is_object(value))
		return wrong(p, error, "must be an object: {\"NAME\": \"value\"}, null taking a variable away");
	json_object_foreach(value, name, one) {
		struct place q = inside(p, name);
		if (!*name || strchr(name, '='))
			return wrong(&q, error, "is no name of a variable");
		if (!json_is_null(one) && (!json_is_string(one) || strlen(json_string_value(one)) != json_string_length(one)))
			return wrong(&q, error, "must be a string without NUL, or null");
	}
	json_object_update(s->environment, value);
	return true;
}

static bool unknown(const struct fleet_spec *s, const struct place *p, const char *key, char **error)
{
	const char *names[FIELDS + 1] = {"environment"};
	size_t n = 1;
	char why[256];
	for (const struct field *f = table; f < table + FIELDS; f++)
		if (f->where & (s->pool ? POOL : INSTANCE))
			names[n++] = f->name;
	const char *near = config_nearest(key, names, n);
	snprintf(why, sizeof why, "is no field of %s%s%s%s", s->pool ? "a pool" : "an instance", near ? "; did you mean " : "; the manual lists them",
		 near ? near : "", near ? "?" : "");
	return wrong(p, error, why);
}

static bool take_field(struct fleet_spec *s, const struct place *p, const char *key, json_t *value, char **error)
{
	if (strcmp(key, "environment") == 0)
		return take_environment(s, p, value, error);
	for (const struct field *f = table; f < table + FIELDS; f++)
		if (strcmp(f->name, key) == 0 && f->where & (s->pool ? POOL : INSTANCE))
			return assign(s, p, f, value, error);
	return unknown(s, p, key, error);
}

/* --- instances and pools --- */

static bool name_valid(const char *name)
{
	size_t len = strlen(name);
	return len && len <= FLEET_NAME_MAX && *name != '.'
	       && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

static bool fits_together(const struct fleet_spec *s, const struct place *p, char **error)
{
	enum { NUMBER_ROOM = 4 }; /* of "-256", so that its workers have names */
	struct place q = *p;
	if (s->pool && s->min > s->max)
		q = inside(p, "min");
	else if (strcmp(s->mode, "batch") == 0 && strcmp(s->init, "default") == 0)
		q = inside(p, "init");
	else if (*s->workspace && *s->workspace != '/')
		q = inside(p, "workspace");
	else if (*s->runtime && *s->runtime != '/')
		q = inside(p, "runtime");
	else if (s->pool && strlen(s->name) > FLEET_NAME_MAX - NUMBER_ROOM)
		return wrong(p, error, "is too long for a pool: at most 44 bytes");
	else if (*s->daemon && !name_valid(s->daemon))
		q = inside(p, "daemon");
	else
		return true;
	const char *field = q.spot.keys[q.spot.depth - 1];
	return wrong(&q, error,
		     strcmp(field, "min") == 0	    ? "is more than max"
		     : strcmp(field, "init") == 0   ? "cannot be \"default\" with mode batch: name a file, or use a daemon"
		     : strcmp(field, "daemon") == 0 ? "must be 1 to 48 of A-Z a-z 0-9 . _ - and not begin with a dot"
						    : "must be the absolute path of a folder");
}

static bool add(struct fleet_config *c, const struct place *p, struct fleet_spec *s, char **error)
{
	if (fleet_config_find(c, s->name))
		return wrong(p, error, "is declared twice: an instance and a pool cannot have one name");
	if (c->count == SPECS_MAX)
		return wrong(p, error, "is one too many: at most 256 instances and pools can be declared");
	c->specs = realloc(c->specs, (c->count + 1) * sizeof(struct fleet_spec *));
	if (!c->specs)
		log_no_memory();
	c->specs[c->count++] = s;
	return true;
}

static bool take_one(struct fleet_config *c, const struct place *p, bool pool, json_t *value, char **error)
{
	const char *name = p->spot.keys[1], *key;
	json_t *field;
	if (!name_valid(name))
		return wrong(p, error, "is no name: it must be 1 to 48 of A-Z a-z 0-9 . _ - and not begin with a dot");
	if (!json_is_object(value))
		return wrong(p, error, "must be an object, {} at least");
	struct fleet_spec *s = create(name, pool);
	s->file = copy_text(p->path);
	s->line = config_line(p->text, p->spot.keys, p->spot.depth);
	bool good = true;
	json_object_foreach(value, key, field) {
		struct place q = inside(p, key);
		good = good && take_field(s, &q, key, field, error);
	}
	if (good && fits_together(s, p, error) && add(c, p, s, error))
		return true;
	fleet_spec_destroy(s);
	return false;
}

bool fleet_config_is_section(const char *key)
{
	return strcmp(key, "instances") == 0 || strcmp(key, "pools") == 0;
}

bool fleet_config_take(struct fleet_config *c, const char *path, const char *text, const char *key, const json_t *value, char **error)
{
	struct place p = {path, text, {{key}, 1}};
	const char *name;
	json_t *one;
	if (!json_is_object(value))
		return wrong(&p, error, "must be an object: {\"NAME\": {...}}");
	json_object_foreach((json_t *)(void *)(size_t)value, name, one) {
		struct place q = inside(&p, name);
		if (!take_one(c, &q, strcmp(key, "pools") == 0, one, error))
			return false;
	}
	return true;
}

bool fleet_config_row(size_t i, struct fleet_row *row)
{
	if (i >= FIELDS)
		return false;
	const struct field *f = &table[i];
	*row = (struct fleet_row){f->name, f->unit, f->doc, f->shown, f->where & INSTANCE, f->where & POOL};
	return true;
}
