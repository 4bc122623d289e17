/* migrate_settings.c - see migrate_settings.h */
#include "migrate_settings.h"
#include "log.h"
#include "setup_edit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MAX = 3600 };

static void __attribute__((format(printf, 2, 3))) note(struct migrate_settings *m, const char *format, ...)
{
	char *text;
	va_list ap;
	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		log_no_memory();
	va_end(ap);
	json_array_append_new(m->notes, json_string(text));
	free(text);
}

static char *expand(const char *path, const char *home)
{
	bool tilde = path[0] == '~' && (path[1] == '/' || !path[1]);
	return setup_edit_compose("%s%s", tilde ? home : "", tilde ? path + 1 : path);
}

/* --- one instance --- */

/* A name that a socket may have: what may not be in it becomes "-". */
void migrate_settings_name(const char *theirs, char name[MIGRATE_NAME_MAX + 1])
{
	size_t n = 0;
	for (const char *p = theirs; *p && n < MIGRATE_NAME_MAX; p++) {
		bool good = strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", *p) || (*p == '.' && n);
		name[n++] = *p;
		if (!good)
			name[n - 1] = '-';
	}
	if (!n)
		name[n++] = '-';
	name[n] = 0;
}

static void take_path(struct migrate_settings *m, const char *id, json_t *ours, const char *key, const json_t *value, const char *home)
{
	const char *text = json_string_value(value);
	if (!text) {
		note(m, "instance %s: %s is no text and is left out", id, key);
		return;
	}
	char *full = expand(text, home);
	if (*full == '/')
		json_object_set_new(ours, key, json_string(full));
	else
		note(m, "instance %s: %s is no absolute path and is left out", id, key);
	free(full);
}

static void take_daemon(struct migrate_settings *m, const char *id, json_t *ours, const json_t *value)
{
	const char *theirs = json_string_value(value);
	char name[MIGRATE_NAME_MAX + 1];
	if (!theirs || !*theirs) {
		note(m, "instance %s: daemon_name is no text and is left out", id);
		return;
	}
	migrate_settings_name(theirs, name);
	if (strcmp(name, theirs) != 0)
		note(m, "instance %s: the daemon \"%s\" is called %s here: that is the name of a socket", id, theirs, name);
	json_object_set_new(ours, "daemon", json_string(name));
}

static void take_number(struct migrate_settings *m, const char *id, json_t *ours, const char *key, const json_t *value, long most)
{
	double n = json_number_value(value);
	if (!json_is_number(value) || !(n > 0)) {
		note(m, "instance %s: %s is no number above 0 and is left out", id, key);
		return;
	}
	long whole = n > (double)most ? most : (long)n + (n > (double)(long)n);
	if ((double)whole != n)
		note(m, "instance %s: %s %g becomes %ld", id, key, n, whole);
	json_object_set_new(ours, key, json_integer(whole));
}

static void take_environment(struct migrate_settings *m, const char *id, json_t *ours, json_t *value)
{
	const char *name;
	json_t *text, *all = json_object();
	if (!json_is_object(value))
		note(m, "instance %s: environment is no object and is left out", id);
	json_object_foreach(value, name, text) {
		if (json_is_string(text) && *name && !strchr(name, '='))
			json_object_set(all, name, text);
		else
			note(m, "instance %s: environment %s is no text and is left out", id, name);
	}
	if (json_object_size(all))
		json_object_set(ours, "environment", all);
	json_decref(all);
}

static void take_instance(struct migrate_settings *m, const char *id, json_t *theirs, const char *home)
{
	char name[MIGRATE_NAME_MAX + 1];
	const char *key;
	json_t *value, *ours = json_object();
	migrate_settings_name(id, name);
	if (strcmp(name, id) != 0)
		note(m, "the instance \"%s\" is called %s here: that is the name of a socket", id, name);
	json_object_foreach(theirs, key, value) {
		if (strcmp(key, "daemon_name") == 0)
			take_daemon(m, id, ours, value);
		else if (strcmp(key, "workspace_dir") == 0)
			take_path(m, id, ours, "workspace", value, home);
		else if (strcmp(key, "timeout") == 0)
			take_number(m, id, ours, "timeout", value, TIMEOUT_MAX);
		else if (strcmp(key, "max_concurrent") == 0)
			take_number(m, id, ours, "concurrency", value, 1024);
		else if (strcmp(key, "environment") == 0)
			take_environment(m, id, ours, value);
		else if (strcmp(key, "queue_dir") != 0)
			note(m, "instance %s: %s is not known and is left out", id, key);
	}
	const char *folder = json_string_value(json_object_get(theirs, "queue_dir"));
	if (folder) {
		char *full = expand(folder, home);
		json_array_append_new(m->queues, json_pack("{s:s,s:O?,s:s,s:O?,s:O?}", "instance", name, "daemon", json_object_get(ours, "daemon"),
							   "folder", full, "timeout", json_object_get(ours, "timeout"), "workspace",
							   json_object_get(ours, "workspace")));
		free(full);
	} else
		note(m, "instance %s has no queue_dir: nothing waits for it", id);
	if (json_object_get(m->instances, name)) {
		note(m, "two instances would be called %s: the second one, \"%s\", is left out", name, id);
		json_decref(ours);
	} else
		json_object_set_new(m->instances, name, ours);
}

/* --- the rest --- */

static void take_level(struct migrate_settings *m, const json_t *value)
{
	const char *word = json_string_value(value);
	if (word && strcmp(word, "warn") == 0)
		word = "warning";
	if (word && (strcmp(word, "error") == 0 || strcmp(word, "warning") == 0 || strcmp(word, "info") == 0 || strcmp(word, "debug") == 0))
		json_object_set_new(m->settings, "log_level", json_string(word));
	else
		note(m, "log_level is none of debug, info, warn and error and is left out");
}

static void take_security(struct migrate_settings *m, json_t *value)
{
	json_t *size = json_object_get(value, "max_request_size");
	struct config_row row = {0};
	for (size_t i = 0; config_row(i, &row) && strcmp(row.name, "request_max") != 0; i++)
		;
	if (json_is_number(size)) {
		double n = json_number_value(size);
		long taken = n < (double)row.least ? row.least : n > (double)row.most ? row.most : (long)n;
		json_object_set_new(m->settings, "request_max", json_integer(taken));
		if ((double)taken != n)
			note(m, "security.max_request_size %.0f becomes request_max %ld: it is from %ld to %ld", n, taken, row.least, row.most);
	}
	if (json_object_get(value, "allowed_queue_roots"))
		note(m, "security.allowed_queue_roots is not needed: there are no queue folders any more, and a socket belongs to its user");
	if (json_object_get(value, "enable_request_signing") || json_object_get(value, "signing_secret"))
		note(m, "request signing is not needed: the system says who connects to a socket, and HTTP needs a token (efrit-bridge token)");
}

static void take_default(struct migrate_settings *m, const json_t *value)
{
	char name[MIGRATE_NAME_MAX + 1];
	if (!json_is_string(value)) {
		note(m, "default_instance is no text and is left out");
		return;
	}
	migrate_settings_name(json_string_value(value), name);
	if (!json_object_get(m->instances, name))
		note(m, "default_instance names \"%s\", which is none of the instances", json_string_value(value));
	json_object_set_new(m->settings, "instance", json_string(name));
}

static void take_port(struct migrate_settings *m, const json_t *value)
{
	char listen[32];
	json_int_t port = json_integer_value(value);
	if (port < 1 || port > 65535) {
		note(m, "port is no number from 1 to 65535 and is left out");
		return;
	}
	snprintf(listen, sizeof listen, "127.0.0.1:%d", (int)port);
	json_object_set_new(m->settings, "listen", json_string(listen));
}

static void take_member(struct migrate_settings *m, const char *key, json_t *value)
{
	static const struct { const char *key, *why; } needless[] = {
		{"max_concurrent_requests", "calls wait in one line for each Emacs (queue_max, flight_max)"},
		{"log_file", "the log goes to standard error, or to gateway.log in the folder state with serve --daemon"},
		{"audit", "what agents did is in M-x efrit-mcp-activity"},
	};
	if (strcmp(key, "log_level") == 0)
		take_level(m, value);
	else if (strcmp(key, "security") == 0)
		take_security(m, value);
	else if (strcmp(key, "default_instance") == 0)
		take_default(m, value);
	else if (strcmp(key, "port") == 0)
		take_port(m, value);
	else {
		for (size_t i = 0; i < sizeof needless / sizeof needless[0]; i++)
			if (strcmp(key, needless[i].key) == 0) {
				note(m, "%s has no place here: %s", key, needless[i].why);
				return;
			}
		note(m, "%s is not known and is left out", key);
	}
}

bool migrate_settings_read(const char *text, size_t len, const char *home, struct migrate_settings *m, char **error)
{
	json_error_t where;
	const char *key;
	json_t *value, *all = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
	*m = (struct migrate_settings){json_object(), json_object(), json_array(), json_array(), json_array()};
	if (!all)
		return config_complain(error, "line %d: no JSON: %s", where.line, where.text);
	json_t *instances = json_object_get(all, "instances");
	bool good = json_is_object(instances);
	if (!good)
		config_complain(error, "it has no object \"instances\": it is not the instances.json of Efrit");
	json_object_foreach(instances, key, value) {
		if (json_is_object(value))
			take_instance(m, key, value, home);
		else
			note(m, "the instance \"%s\" is no object and is left out", key);
	}
	if (good)
		json_object_foreach(all, key, value)
			if (value != instances)
				take_member(m, key, value);
	if (json_object_size(m->instances))
		note(m, "instances are found by their names and those of their daemons; their workspace, timeout, concurrency and environment are for the "
			"gateway, which starts and keeps them: efrit-bridge serve");
	json_decref(all);
	return good;
}

void migrate_settings_finish(struct migrate_settings *m)
{
	json_decref(m->settings);
	json_decref(m->instances);
	json_decref(m->queues);
	json_decref(m->added);
	json_decref(m->notes);
	*m = (struct migrate_settings){0};
}

/* --- into our file --- */

/* Takes *TEXT further by one member, which it has not. */
static bool add(char **text, const char *section, const char *key, const json_t *value, struct migrate_settings *m, char **error)
{
	char *made = NULL, *entry = json_dumps(value, JSON_ENCODE_ANY);
	if (!entry)
		log_no_memory();
	enum setup_edit result = section ? setup_edit_json(*text, section, key, entry, "", &made) : setup_edit_setting(*text, key, entry, &made);
	char *line = setup_edit_compose("%s%s%s = %s", section ? section : "", section ? "." : "", key, entry);
	free(entry);
	if (result == SETUP_DONE)
		json_array_append_new(m->added, json_string(line));
	free(line);
	if (result == SETUP_DONE) {
		free(*text);
		*text = made;
		return true;
	}
	*error = made;
	return false;
}

static bool add_all(char **text, const json_t *there, const char *section, json_t *members, struct migrate_settings *m, char **error)
{
	const char *key;
	json_t *value;
	json_object_foreach(members, key, value) {
		const json_t *has = json_object_get(there, key);
		if (!has) {
			if (!add(text, section, key, value, m, error))
				return false;
		} else if (!json_equal(has, value))
			note(m, "%s%s%s stays as it is in our file, though it differs", section ? section : "", section ? "." : "", key);
	}
	return true;
}

char *migrate_settings_merge(const char *old, struct migrate_settings *m, char **error)
{
	bool empty = !old[strspn(old, " \t\r\n")];
	json_error_t where;
	json_t *there = empty ? json_object() : json_loads(old + (strncmp(old, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0), JSON_REJECT_DUPLICATES, &where);
	char *text = setup_edit_compose("%s", old);
	bool good = there != NULL;
	if (!good)
		config_complain(error, "line %d: no JSON: %s", where.line, where.text);
	good = good && add_all(&text, there, NULL, m->settings, m, error)
	       && add_all(&text, json_object_get(there, "instances"), "instances", m->instances, m, error);
	json_decref(there);
	if (good)
		return text;
	free(text);
	return NULL;
}
