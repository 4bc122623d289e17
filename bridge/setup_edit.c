/* setup_edit.c - see setup_edit.h */
#include "setup_edit.h"
#include "json_scan.h"
#include "log.h"
#include "setup_toml.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *setup_edit_compose(const char *format, ...)
{
	char *made;
	va_list ap;
	va_start(ap, format);
	if (vasprintf(&made, format, ap) < 0)
		log_no_memory();
	va_end(ap);
	return made;
}

/* --- JSON: jansson has said that the text is sound; here only places are looked for --- */

struct place {
	const char *value, *end;   /* of the member; NULL: there is none */
	const char *last;          /* behind the last member, or behind the opening brace */
	bool empty;
};

/* The member KEY of the object that begins at P. */
static struct place find(const char *p, const char *key)
{
	struct place place = {.last = p + 1, .empty = true};
	for (p = scan_space(p + 1); *p == '"'; p = scan_space(p)) {
		const char *name = p, *name_end = scan_string(p);
		const char *value = scan_space(scan_space(name_end) + 1); /* behind the colon */
		const char *end = scan_value(value);
		if (scan_is_key(name, name_end, key)) {
			place.value = value;
			place.end = end;
		}
		place.last = end;
		place.empty = false;
		p = scan_space(end);
		p += *p == ',';
	}
	return place;
}

char *setup_edit_splice(const char *old, const char *from, const char *to, const char *middle)
{
	return setup_edit_compose("%.*s%s%s", (int)(from - old), old, middle, to);
}

/* DEPTH is how far the new member is indented. */
static char *insert(const char *old, struct place where, int depth, const char *key, const char *value)
{
	const char *rest = scan_space(where.last);
	char *member = setup_edit_compose("%s\n%*s\"%s\": %s%s%*s", where.empty ? "" : ",", depth * 2, "", key, value, where.empty ? "\n" : "",
			       where.empty ? (depth - 1) * 2 : 0, "");
	char *made = setup_edit_splice(old, where.last, where.empty ? rest : where.last, member);
	free(member);
	return made;
}

bool setup_edit_is_ours(const char *command)
{
	const char *slash = command ? strrchr(command, '/') : NULL;
	return command && strcmp(slash ? slash + 1 : command, "efrit-bridge") == 0;
}

char *setup_edit_quote(const char *text)
{
	json_t *value = json_string(text);
	char *quoted = json_dumps(value, JSON_ENCODE_ANY);
	if (!quoted)
		log_no_memory();
	json_decref(value);
	return quoted;
}

/* Of an entry that is there only the program is replaced: who added arguments wants them. */
static enum setup_edit replace(const char *old, struct place entry, const json_t *value, const char *name, const char *bridge,
			       char **out)
{
	const char *command = json_string_value(json_object_get(value, "command"));
	if (!setup_edit_is_ours(command)) {
		*out = setup_edit_compose("it has a server \"%s\" that is not efrit-bridge; rename that one", name);
		return SETUP_REFUSED;
	}
	if (strcmp(command, bridge) == 0)
		return SETUP_THERE;
	struct place place = find(entry.value, "command");
	char *quoted = setup_edit_quote(bridge);
	*out = setup_edit_splice(old, place.value, place.end, quoted);
	free(quoted);
	return SETUP_DONE;
}

static enum setup_edit edit(const char *old, const json_t *all, const char *key, const char *name, const char *entry,
			    const char *bridge, char **out)
{
	const json_t *servers = json_object_get(all, key), *ours = json_object_get(servers, name);
	if (!json_is_object(all) || (servers && !json_is_object(servers)) || (ours && !json_is_object(ours))) {
		*out = setup_edit_compose("%s is no object of JSON", !json_is_object(all) ? "the whole" : !json_is_object(servers) ? key : name);
		return SETUP_REFUSED;
	}
	struct place place = find(scan_space(old), key);
	if (ours)
		return replace(old, find(place.value, name), ours, name, bridge, out);
	if (servers) {
		*out = insert(old, find(place.value, name), 2, name, entry);
		return SETUP_DONE;
	}
	char *object = setup_edit_compose("{\n    \"%s\": %s\n  }", name, entry);
	*out = insert(old, place, 1, key, object);
	free(object);
	return SETUP_DONE;
}

static enum setup_edit edit_json(const char *old, const char *key, const char *name, const char *entry, const char *bridge, char **out)
{
	json_error_t error;
	if (!*scan_space(old)) {
		*out = setup_edit_compose("{\n  \"%s\": {\n    \"%s\": %s\n  }\n}\n", key, name, entry);
		return SETUP_DONE;
	}
	json_t *all = json_loads(old, JSON_REJECT_DUPLICATES, &error);
	if (!all) {
		*out = setup_edit_compose("it is no JSON (%s, line %d); a file with comments must be changed by hand", error.text, error.line);
		return SETUP_REFUSED;
	}
	enum setup_edit result = edit(old, all, key, name, entry, bridge, out);
	json_decref(all);
	return result;
}

/* --- what editors leave in files --- */

/* NEW with the ends of lines that OLD has: what is common to both has them already. */
static char *with_returns(char *text)
{
	size_t n = 0;
	char *made = malloc(strlen(text) * 2 + 1);
	if (!made)
		log_no_memory();
	for (const char *p = text; *p; p++) {
		if (*p == '\n' && (p == text || p[-1] != '\r'))
			made[n++] = '\r';
		made[n++] = *p;
	}
	made[n] = 0;
	free(text);
	return made;
}

/* A mark of UTF-8 at the beginning stays there; lines end as the first one does. */
static enum setup_edit with_its_habits(const char *old, enum setup_edit (*work)(const char *, const char *, const char *, const char *, const char *, char **),
				       const char *key, const char *name, const char *entry, const char *bridge, char **out)
{
	static const char mark[] = "\xEF\xBB\xBF";
	size_t skip = strncmp(old, mark, sizeof mark - 1) == 0 ? sizeof mark - 1 : 0;
	const char *newline = strchr(old, '\n');
	*out = NULL;
	enum setup_edit result = work(old + skip, key, name, entry, bridge, out);
	if (result != SETUP_DONE)
		return result;
	if (newline && newline > old && newline[-1] == '\r')
		*out = with_returns(*out);
	if (skip) {
		char *whole = setup_edit_compose("%s%s", mark, *out);
		free(*out);
		*out = whole;
	}
	return result;
}

enum setup_edit setup_edit_json(const char *old, const char *key, const char *name, const char *entry, const char *bridge, char **out)
{
	return with_its_habits(old, edit_json, key, name, entry, bridge, out);
}

static enum setup_edit edit_setting(const char *old, const char *key, const char *name, const char *value, const char *bridge, char **out)
{
	json_error_t error;
	(void)name;
	(void)bridge;
	if (!*scan_space(old)) {
		*out = setup_edit_compose("{\n  \"%s\": %s\n}\n", key, value);
		return SETUP_DONE;
	}
	json_t *all = json_loads(old, JSON_REJECT_DUPLICATES, &error);
	enum setup_edit result = json_is_object(all) && !json_object_get(all, key) ? SETUP_DONE : SETUP_REFUSED;
	if (result == SETUP_DONE)
		*out = insert(old, find(scan_space(old), key), 1, key, value);
	else
		*out = setup_edit_compose("%s%s", !all ? "it is no JSON" : json_is_object(all) ? "it has already: " : "it is no object of JSON: ", all ? key : "");
	json_decref(all);
	return result;
}

enum setup_edit setup_edit_setting(const char *old, const char *key, const char *value, char **out)
{
	return with_its_habits(old, edit_setting, key, NULL, value, NULL, out);
}

enum setup_edit setup_edit_toml(const char *old, const char *key, const char *name, const char *table, const char *bridge, char **out)
{
	return with_its_habits(old, setup_toml_edit, key, name, table, bridge, out);
}
