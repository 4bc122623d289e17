/* setup.c - see setup.h */
#include "setup.h"
#include "cli.h"
#include "log.h"
#include "setup_edit.h"
#include "setup_file.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char name[] = "emacs"; /* what agents call us */

const struct setup_host setup_hosts[] = {
	{"claude-code", "Claude Code: .mcp.json of the project in the current folder", SETUP_JSON, ".mcp.json", "mcpServers",
	 "Or for all your projects: claude mcp add --scope user emacs -- %s"},
	{"codex", "Codex: ~/.codex/config.toml", SETUP_TOML, "~/.codex/config.toml", "mcp_servers", "Or: codex mcp add emacs -- %s"},
	{"cursor", "Cursor: .cursor/mcp.json in the current folder", SETUP_JSON, ".cursor/mcp.json", "mcpServers", NULL},
	{"vscode", "VS Code: .vscode/mcp.json in the current folder", SETUP_JSON, ".vscode/mcp.json", "servers", NULL},
	{"gemini", "Gemini CLI: .gemini/settings.json in the current folder", SETUP_JSON, ".gemini/settings.json", "mcpServers",
	 "Or for all your projects: gemini mcp add --scope user emacs %s"},
	{"agent-shell", "agent-shell: Lisp for your init file", SETUP_LISP, NULL,
	 ";; agent-shell gives this server to the agents it starts.\n"
	 "(with-eval-after-load 'agent-shell\n"
	 "  (add-to-list 'agent-shell-mcp-servers\n"
	 "               '((name . \"emacs\") (command . %s) (args . ()) (env . ()))))\n", NULL},
	{"gptel", "gptel with mcp.el: Lisp for your init file", SETUP_LISP, NULL,
	 ";; mcp.el starts this server; M-x gptel-mcp-connect gives its tools to gptel.\n"
	 "(with-eval-after-load 'mcp-hub\n"
	 "  (add-to-list 'mcp-hub-servers '(\"emacs\" . (:command %s :args ()))))\n"
	 "(with-eval-after-load 'gptel (require 'gptel-integrations))\n", NULL},
};
const size_t setup_hosts_count = sizeof setup_hosts / sizeof setup_hosts[0];

static const struct setup_host *find(const char *word)
{
	const char *names[sizeof setup_hosts / sizeof setup_hosts[0]];
	for (size_t i = 0; i < setup_hosts_count; i++) {
		names[i] = setup_hosts[i].name;
		if (strcmp(names[i], word) == 0)
			return &setup_hosts[i];
	}
	const char *near = config_nearest(word, names, setup_hosts_count);
	fprintf(stderr, "efrit-bridge: \"%s\" is no agent that setup knows%s%s%s; these are:", word, near ? "; did you mean " : "",
		near ? near : "", near ? "?" : "");
	for (size_t i = 0; i < setup_hosts_count; i++)
		fprintf(stderr, " %s", names[i]);
	fputs("\n", stderr);
	return NULL;
}

/* FORMAT is one of the table above and has at most one %s. */
static char *fill(const char *format, const char *with)
{
	const char *at = strstr(format, "%s");
	return at ? setup_edit_compose("%.*s%s%s", (int)(at - format), format, with, at + 2) : setup_edit_compose("%s", format);
}

static bool plain(const char *text)
{
	return !text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./+@:,")];
}

/* A word of the shell. */
static char *shell_word(const char *text)
{
	size_t n = 0;
	char *made = malloc(strlen(text) * 4 + 3);
	if (!made)
		log_no_memory();
	if (plain(text))
		return strcpy(made, text);
	made[n++] = '\'';
	for (; *text; text++) {
		if (*text == '\'') {
			memcpy(made + n, "'\\'", 3);
			n += 3;
		}
		made[n++] = *text;
	}
	made[n++] = '\'';
	made[n] = 0;
	return made;
}

/* A string of Lisp; what needs a backslash there needs nothing else. */
static char *lisp_string(const char *text)
{
	size_t n = 0;
	char *made = malloc(strlen(text) * 2 + 3);
	if (!made)
		log_no_memory();
	made[n++] = '"';
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			made[n++] = '\\';
		made[n++] = *text;
	}
	made[n++] = '"';
	made[n] = 0;
	return made;
}

static char *json_string_of(const char *text)
{
	json_t *value = json_string(text);
	char *made = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
	json_decref(value);
	return made;
}

static char *place_of(const struct setup_host *host)
{
	const char *home = getenv("HOME"), *codex = getenv("CODEX_HOME");
	char folder[PATH_MAX];
	if (host->kind == SETUP_TOML && codex && *codex == '/')
		return setup_edit_compose("%s/config.toml", codex);
	if (strncmp(host->file, "~/", 2) == 0)
		return home && *home == '/' ? setup_edit_compose("%s/%s", home, host->file + 2) : NULL;
	return getcwd(folder, sizeof folder) ? setup_edit_compose("%s/%s", folder, host->file) : NULL;
}

/* What is added, as it looks in the file. */
static char *entry_of(const struct setup_host *host, const char *bridge)
{
	char *quoted = json_string_of(bridge), *made; /* JSON's strings are TOML's too */
	if (!quoted)
		return NULL;
	if (host->kind == SETUP_TOML)
		made = setup_edit_compose("[%s.%s]\ncommand = %s\nargs = []\n", host->key, name, quoted);
	else
		made = setup_edit_compose("{\n%s      \"command\": %s,\n      \"args\": []\n    }",
			       strcmp(host->key, "servers") == 0 ? "      \"type\": \"stdio\",\n" : "", quoted);
	free(quoted);
	return made;
}

static void show(const struct setup_host *host, const char *entry, FILE *out)
{
	if (host->kind == SETUP_TOML)
		fputs(entry, out);
	else
		fprintf(out, "{\n  \"%s\": {\n    \"%s\": %s\n  }\n}\n", host->key, name, entry);
}

static int write_it(const char *path, const char *text)
{
	char *backup;
	if (!setup_file_write(path, text, &backup)) {
		fprintf(stderr, "efrit-bridge: %s cannot be written: %s\n", path, strerror(errno));
		free(backup);
		return EXIT_FAILED;
	}
	printf("%s was %s", path, backup ? "changed" : "made");
	printf(backup ? "; as it was before: %s\n" : ".\n", backup ? backup : "");
	free(backup);
	return EXIT_GOOD;
}

static int change(const struct setup_host *host, const char *path, const char *old, bool exists, const char *entry,
		  const char *bridge, bool apply)
{
	char *text;
	int status = EXIT_GOOD;
	enum setup_edit edit = host->kind == SETUP_TOML ? setup_edit_toml(old, host->key, name, entry, bridge, &text)
							 : setup_edit_json(old, host->key, name, entry, bridge, &text);
	switch (edit) {
	case SETUP_THERE:
		printf("%s names this bridge already; nothing is to be done.\n", path);
		break;
	case SETUP_REFUSED:
		fprintf(stderr, "efrit-bridge: %s is not changed: %s.  This is what must be in it:\n", path, text);
		show(host, entry, stderr);
		status = EXIT_FAILED;
		break;
	case SETUP_DONE:
		if (apply) {
			status = write_it(path, text);
			break;
		}
		printf("%s %s; this would be added:\n\n", path, exists ? "exists" : "does not exist");
		show(host, entry, stdout);
		printf("\nNothing was changed.  To do it: efrit-bridge setup %s --apply\n", host->name);
	}
	free(text);
	return status;
}

static int with_file(const struct setup_host *host, const char *bridge, bool apply)
{
	bool exists;
	char *path = place_of(host), *old = path ? setup_file_read(path, &exists) : NULL;
	char *entry = entry_of(host, bridge);
	int status = EXIT_FAILED;
	if (!path)
		fprintf(stderr, "efrit-bridge: the folder of %s is not known: is HOME set?\n", host->file);
	else if (!old)
		fprintf(stderr, "efrit-bridge: %s cannot be read: %s\n", path, strerror(errno));
	else if (!entry)
		fprintf(stderr, "efrit-bridge: the path of this program is no UTF-8 and cannot be put into %s\n", path);
	else
		status = change(host, path, old, exists, entry, bridge, apply);
	free(entry);
	free(old);
	free(path);
	return status;
}

static int with_lisp(const struct setup_host *host, const char *bridge, bool apply)
{
	char *quoted = lisp_string(bridge), *text = fill(host->key, quoted);
	fputs(text, stdout);
	if (apply)
		fputs("efrit-bridge: an init file is yours: add the Lisp above to it\n", stderr);
	free(quoted);
	free(text);
	return EXIT_GOOD;
}

int setup_run(const char *word, const char *bridge, bool apply)
{
	const struct setup_host *host = find(word);
	if (!host)
		return EXIT_USAGE;
	if (!bridge) {
		fputs("efrit-bridge: the path of this program is not known\n", stderr);
		return EXIT_FAILED;
	}
	int status = host->kind == SETUP_LISP ? with_lisp(host, bridge, apply) : with_file(host, bridge, apply);
	if (host->more && status == EXIT_GOOD) {
		char *word_of = shell_word(bridge), *more = fill(host->more, word_of);
		puts(more);
		free(word_of);
		free(more);
	}
	return fflush(stdout) == 0 ? status : EXIT_FAILED;
}
