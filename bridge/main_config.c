/* main_config.c - config show and config explain: what each setting is, where that was found,
 * file and line, and what it overruled. */
#include "config_line.h"
#include "config_trail.h"
#include "copy.h"
#include "fleet_config.h"
#include "log.h"
#include "main_house.h"

#include <stdlib.h>
#include <string.h>

enum { SHOWN = JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15), DEPTH = 8 };

/* The settings read once more, with the trail; and the file, for what is no single setting. */
struct findings {
	struct config config;
	struct config_trail *trail; /* owned */
	char *path;                 /* owned; of the file; NULL: there is no home folder */
	char *text;                 /* owned; NULL: there is no file */
	json_t *file;               /* owned */
};

static bool find_all(struct findings *f, const struct cli *cli)
{
	char *error = NULL, why[TRUST_ERROR];
	size_t len;
	*f = (struct findings){.trail = config_trail_create()};
	config_init(&f->config);
	f->config.trail = f->trail;
	f->path = cli->file ? copy_text(cli->file) : config_place();
	if (!cli_settings(cli, &f->config, &error)) {
		fprintf(stderr, "efrit-bridge: %s\n", error);
		free(error);
		return false;
	}
	f->text = f->path ? config_text(f->path, &len, why) : NULL;
	f->file = f->text ? json_loads(f->text + (strncmp(f->text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0), JSON_REJECT_DUPLICATES, NULL) : NULL;
	return true;
}

static void forget(struct findings *f)
{
	config_finish(&f->config);
	config_trail_destroy(f->trail);
	json_decref(f->file);
	free(f->text);
	free(f->path);
}

static const char *layer_word(const struct config_step *step)
{
	static const char *const words[] = {"file", "environment", "flag"};
	return step ? words[step->layer] : "default";
}

/* A number as it is, all else as in JSON. */
static json_t *shown(const struct config_row *row, const char *text)
{
	return row->text ? json_string(text) : json_integer(strtol(text, NULL, 10));
}

static json_t *steps_of(const struct findings *f, const struct config_row *row, bool all)
{
	json_t *steps = json_array();
	const struct config_step *step = NULL;
	char fallback[32];
	while ((step = config_trail_last(f->trail, row->name, step)) && (all || !json_array_size(steps)))
		json_array_append_new(steps, json_pack("{s:s,s:o,s:s}", "from", layer_word(step), "value", shown(row, step->value), "where",
						       step->where));
	snprintf(fallback, sizeof fallback, "%ld", row->fallback);
	if (all || !json_array_size(steps))
		json_array_append_new(steps, json_pack("{s:s,s:o,s:s}", "from", "default", "value", shown(row, row->text ? row->text : fallback),
						       "where", "the default"));
	return steps;
}

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

static char *dump(const json_t *value)
{
	char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	if (!text)
		log_no_memory();
	return text;
}

static int finished(int status)
{
	return fflush(stdout) == 0 && !ferror(stdout) ? status : EXIT_FAILED;
}

static void print_json(json_t *value)
{
	json_dumpf(value, stdout, SHOWN);
	putchar('\n');
	json_decref(value);
}

/* --- what is no single setting: objects of the file, by their keys --- */

/* Calls FOUND with every plain value under VALUE. */
static void walk(const struct findings *f, const json_t *value, const char **keys, size_t depth,
		 void (*found)(const struct findings *, const json_t *, const char **, size_t, void *), void *data)
{
	const char *key;
	json_t *member;
	if (!json_is_object(value) || depth == DEPTH || !json_object_size(value)) {
		found(f, value, keys, depth, data);
		return;
	}
	json_object_foreach((json_t *)(size_t)value, key, member) {
		keys[depth] = key;
		walk(f, member, keys, depth + 1, found, data);
	}
}

static char *joined(const char **keys, size_t depth)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	for (size_t i = 0; out && i < depth; i++)
		fprintf(out, "%s%s", i ? "." : "", keys[i]);
	if (!out || fclose(out) != 0)
		log_no_memory();
	return text;
}

static void show_found(const struct findings *f, const json_t *value, const char **keys, size_t depth, void *data)
{
	json_t *all = data;
	char *name = joined(keys, depth), *where = NULL, *text;
	config_complain(&where, "%s, line %d", f->path, config_line(f->text, keys, depth));
	if (all)
		json_object_set_new(all, name, json_pack("{s:s,s:O,s:s}", "from", "file", "value", value, "where", where));
	else {
		text = dump(value);
		printf("%-20s %-24s %s\n", name, text, where);
		free(text);
	}
	free(name);
	free(where);
}

/* Objects of the file, settings not. */
static void show_sections(const struct findings *f, json_t *all)
{
	const char *key, *keys[DEPTH + 1];
	json_t *value;
	json_object_foreach(f->file, key, value) {
		keys[0] = key;
		if (json_is_object(value))
			walk(f, value, keys, 1, show_found, all);
	}
}

/* The member that NAME, keys with dots between, leads to; keys may have dots themselves. */
static json_t *follow(json_t *object, const char *name, const char **keys, size_t *depth)
{
	const char *key;
	json_t *member;
	json_object_foreach(object, key, member) {
		size_t len = strlen(key);
		if (strncmp(key, name, len) != 0 || (name[len] && name[len] != '.') || *depth == DEPTH)
			continue;
		keys[(*depth)++] = key;
		json_t *end = name[len] ? follow(member, name + len + 1, keys, depth) : member;
		if (end)
			return end;
		(*depth)--;
	}
	return NULL;
}

/* Of "instances.NAME.FIELD" the row of FIELD; false: there is none such.  *field is borrowed of NAME. */
static bool field_of(const struct findings *f, const char *name, struct fleet_row *row, const char **field, bool *declared)
{
	const char *first = strchr(name, '.'), *last = strrchr(name, '.');
	bool pool = strncmp(name, "pools.", 6) == 0;
	*declared = false;
	if (!first || first == last || (!pool && strncmp(name, "instances.", 10) != 0))
		return false;
	char *whose = copy_part(first + 1, (size_t)(last - first - 1));
	const struct fleet_spec *spec = fleet_config_find(f->config.fleet, whose);
	free(whose);
	*field = last + 1;
	*declared = spec && spec->pool == pool;
	for (size_t i = 0; *declared && fleet_config_row(i, row); i++)
		if (strcmp(row->name, *field) == 0 && (pool ? row->pool : row->instance))
			return true;
	return false;
}

static void complain_of_field(const char *name, const char *field)
{
	const char *names[64];
	struct fleet_row row;
	size_t n = 0;
	for (size_t i = 0; fleet_config_row(i, &row) && n < sizeof names / sizeof names[0]; i++)
		if (*name == 'p' ? row.pool : row.instance)
			names[n++] = row.name;
	const char *near = config_nearest(field, names, n);
	fprintf(stderr, "efrit-bridge: %s is no field%s%s%s\n", field, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static void say_section(const struct findings *f, const char *name, const struct fleet_row *row, json_t *value, const char **keys, size_t depth,
			bool json)
{
	const char *unit = row && *row->unit ? row->unit : "";
	char *where = NULL, *text = json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY);
	int line = depth ? config_line(f->text, keys, depth) : 0;
	if (depth)
		config_complain(&where, "%s, line %d", f->path, line);
	else
		config_complain(&where, "the default");
	if (json)
		print_json(json_pack("{s:s,s:O,s:s,s:s,s:s*,s:s*}", "name", name, "value", value, "from", depth ? "file" : "default", "where", where,
				     "unit", row ? unit : NULL, "doc", row ? row->doc : NULL));
	else {
		printf("%s is %s%s%s\n", name, text ? text : "?", *unit ? " " : "", unit);
		if (row)
			printf("  %s\n", row->doc);
		printf("  from       %s\n", where);
		if (row && depth)
			printf("  not        %s, the default\n", row->fallback);
	}
	free(text);
	free(where);
}

static int explain_section(const struct findings *f, const char *name, bool json)
{
	const char *keys[DEPTH + 1], *field;
	struct fleet_row row;
	bool declared, known = field_of(f, name, &row, &field, &declared);
	size_t depth = 0;
	json_t *value = json_incref(follow(f->file, name, keys, &depth));
	if (!value && known) {
		value = json_loads(row.fallback, JSON_DECODE_ANY, NULL);
		depth = 0;
	} else if (!value && declared) {
		complain_of_field(name, field);
		return EXIT_FAILED;
	}
	if (!value)
		return EXIT_USAGE;
	say_section(f, name, known ? &row : NULL, value, keys, depth, json);
	json_decref(value);
	return EXIT_GOOD;
}

/* --- one setting --- */

static void print_explanation(const struct findings *f, const struct config_row *row, const json_t *steps)
{
	const json_t *step;
	size_t i;
	json_array_foreach(steps, i, step) {
		char *value = dump(json_object_get(step, "value"));
		if (i == 0) {
			printf("%s is %s%s%s\n  %s\n", row->name, value, *row->unit ? " " : "", row->unit, row->doc);
			if (!row->text)
				printf("  may be     %ld to %ld\n", row->least, row->most);
			printf("  from       %s\n", text_at(step, "where"));
		} else
			printf("  not        %s, %s\n", value, text_at(step, "where"));
		free(value);
	}
	if (!f->text)
		printf("  no file    %s\n", f->path ? f->path : "there is no home folder");
}

static bool row_of(const char *name, struct config_row *row)
{
	for (size_t i = 0; config_row(i, row); i++)
		if (strcmp(row->name, name) == 0)
			return true;
	return false;
}

static int explain(const struct findings *f, const char *name, bool json)
{
	struct config_row row;
	if (!row_of(name, &row)) {
		int status = explain_section(f, name, json);
		if (status != EXIT_USAGE)
			return status == EXIT_GOOD ? EXIT_GOOD : EXIT_USAGE;
		char *error = NULL;
		struct config scratch;
		config_init(&scratch);
		if (!config_assign(&scratch, name, name, "", &error)) /* which knows the names that are near */
			fprintf(stderr, "efrit-bridge: %s\n", error);
		config_finish(&scratch);
		free(error);
		return EXIT_USAGE;
	}
	json_t *steps = steps_of(f, &row, true);
	if (json)
		print_json(json_pack("{s:s,s:s,s:s,s:O,s:s?,s:b}", "name", row.name, "doc", row.doc, "unit", row.unit, "steps", steps, "file",
				     f->path, "file_exists", f->text != NULL));
	else
		print_explanation(f, &row, steps);
	json_decref(steps);
	return EXIT_GOOD;
}

static int show(const struct findings *f, bool json)
{
	struct config_row row;
	json_t *all = json ? json_object() : NULL;
	for (size_t i = 0; config_row(i, &row); i++) {
		json_t *steps = steps_of(f, &row, false), *step = json_array_get(steps, 0);
		char *value = dump(json_object_get(step, "value"));
		if (all)
			json_object_set(all, row.name, step);
		else
			printf("%-20s %-24s %s\n", row.name, value, text_at(step, "where"));
		free(value);
		json_decref(steps);
	}
	show_sections(f, all);
	if (all)
		print_json(all);
	return EXIT_GOOD;
}

int command_config(const struct cli *cli)
{
	struct findings f;
	int status = EXIT_USAGE;
	const char *what = cli->words[0];
	bool explains = strcmp(what, "explain") == 0;
	if (explains != (cli->words[1] != NULL) || (!explains && strcmp(what, "show") != 0)) {
		fprintf(stderr, "efrit-bridge: it is: config show, config explain KEY, or config reload\n");
		return EXIT_USAGE;
	}
	if (find_all(&f, cli))
		status = finished(explains ? explain(&f, cli->words[1], cli->json) : show(&f, cli->json));
	forget(&f);
	return status;
}
