/* main_migrate.c - migrate: takes over what people have of Efrit's own MCP server: the settings
 * of its instances.json, and what waits in the folders of its file queue.  Without --apply it
 * only says what it would do. */
#include "back/finder.h"
#include "fleet_config.h"
#include "log.h"
#include "main_gateway.h"
#include "main_house.h"
#include "migrate_queue.h"
#include "migrate_settings.h"
#include "plain.h"
#include "setup_edit.h"
#include "setup_file.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SHOWN_MAX = 96 };

struct migration {
	struct config *config;  /* borrowed */
	const struct cli *cli;  /* borrowed */
	const char *home;       /* borrowed */
	struct house house;
	bool has_house;
	struct migrate_settings settings;
	long waiting, done, left; /* requests, of all queues */
	int status;
};

static void __attribute__((format(printf, 2, 3))) trouble(struct migration *m, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	fflush(stdout);
	fputs("efrit-bridge: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	if (m->status == EXIT_GOOD)
		m->status = EXIT_FAILED;
}

static void trouble_of(struct migration *m, char **error)
{
	trouble(m, "%s", *error);
	free(*error);
	*error = NULL;
}

static const char *word(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* --- settings --- */

/* A file that efrit-bridge would refuse is not written. */
static bool acceptable(struct migration *m, const char *text)
{
	const char *folder = getenv("TMPDIR");
	char *path = setup_edit_compose("%s/efrit-migrate-XXXXXX", folder && *folder ? folder : "/tmp"), *error = NULL;
	struct config scratch;
	int fd = mkstemp(path);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (!good)
		trouble(m, "%s cannot be written: %s", path, strerror(errno));
	config_init(&scratch);
	if (good && !config_file(&scratch, path, &error)) {
		trouble(m, "the new configuration would not be understood: %s", error);
		free(error);
		good = false;
	}
	config_finish(&scratch);
	log_set_level(m->config->log_level);
	if (fd >= 0) {
		close(fd);
		unlink(path);
	}
	free(path);
	return good;
}

static void make_folder_of(const char *path)
{
	char *copy = setup_edit_compose("%s", path);
	for (char *slash = copy + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		mkdir(copy, 0700); /* what fails is told by the writing */
		*slash = '/';
	}
	free(copy);
}

static void write_settings(struct migration *m, const char *path, const char *text)
{
	char *backup = NULL;
	make_folder_of(path);
	if (!setup_file_write(path, text, &backup))
		trouble(m, "%s cannot be written: %s", path, strerror(errno));
	else if (backup)
		printf("  %s is written; as it was: %s\n", path, backup);
	else
		printf("  %s is written\n", path);
	free(backup);
}

static void print_all(const char *mark, const json_t *texts)
{
	size_t i;
	json_t *text;
	json_array_foreach(texts, i, text)
		printf("  %s %s\n", mark, json_string_value(text));
}

static bool take_settings(struct migration *m, const char *from)
{
	bool exists;
	size_t len = 0;
	char why[TRUST_ERROR], *error = NULL, *path = m->cli->file ? setup_edit_compose("%s", m->cli->file) : config_place();
	char *theirs = config_text(from, &len, why), *ours = path && theirs ? setup_file_read(path, &exists) : NULL, *merged = NULL;
	bool good = theirs && migrate_settings_read(theirs, len, m->home, &m->settings, &error);
	if (!theirs)
		trouble(m, "%s", why);
	else if (!good) {
		trouble(m, "%s: %s", from, error);
		free(error);
	} else if (!ours)
		trouble(m, "%s cannot be read: %s", path ? path : "the configuration file", path ? strerror(errno) : "there is no home folder");
	else if (!(merged = migrate_settings_merge(ours, &m->settings, &error))) {
		trouble(m, "%s: %s", path, error);
		free(error);
	} else {
		bool same = strcmp(merged, ours) == 0;
		printf("settings: %s -> %s\n", from, path);
		print_all("+", m->settings.added);
		print_all("note:", m->settings.notes);
		if (same)
			puts("  nothing is to be added");
		else if (acceptable(m, merged) && m->cli->apply)
			write_settings(m, path, merged);
	}
	free(theirs);
	free(ours);
	free(merged);
	free(path);
	return good;
}

/* --- one request --- */

static bool runs(const struct migration *m, const char *name)
{
	for (struct worker *w = service_first(m->house.service); w; w = service_next(w))
		if (w->listed && strcmp(w->name, name) == 0)
			return true;
	return false;
}

static bool start(struct migration *m, const char *name, const char *workspace)
{
	json_t *said, *response = house_call(&m->house, "efrit_start_instance", json_pack("{s:s,s:s*}", "name", name, "workspace", workspace));
	enum exit_status status = house_status_of(response, &said);
	if (status != EXIT_GOOD)
		trouble(m, "the Emacs %s was not started: %s", name, word(said, "error") ? word(said, "error") : "no answer");
	json_decref(said);
	json_decref(response);
	return status == EXIT_GOOD;
}

/* Whom the request is for.  *name: empty: whoever is the one.  False: nobody, and it is said. */
static bool choose(struct migration *m, const json_t *queue, const struct migrate_request *r, char name[MIGRATE_NAME_MAX + 1])
{
	const char *wanted[] = {r->instance, word(queue, "instance"), word(queue, "daemon")}, *workspace = word(queue, "workspace");
	const struct fleet_spec *spec = NULL;
	*name = 0;
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		if (!wanted[i])
			continue;
		migrate_settings_name(wanted[i], name);
		spec = spec ? spec : fleet_config_find(m->config->fleet, name);
		if (runs(m, name))
			return true;
	}
	if (spec && *spec->daemon) { /* declared here, under that name */
		snprintf(name, MIGRATE_NAME_MAX + 1, "%s", spec->daemon);
		workspace = workspace ? workspace : *spec->workspace ? spec->workspace : NULL;
	}
	if (!*name || runs(m, name) || (m->cli->start && start(m, name, workspace)))
		return true;
	trouble(m, "no Emacs %s runs: start one that has efrit-mcp-mode under this name, or give --start", name);
	m->status = EXIT_NO_INSTANCE;
	return false;
}

static void print_age(time_t since)
{
	long seconds = (long)(time(NULL) - since);
	if (seconds < 120)
		printf("%3ld s  ", seconds < 0 ? 0 : seconds);
	else if (seconds < 7200)
		printf("%3ld min", seconds / 60);
	else if (seconds < 172800)
		printf("%3ld h  ", seconds / 3600);
	else
		printf("%3ld d  ", seconds / 86400);
}

static void print_item(const struct migrate_item *item, const char *fate)
{
	char text[SHOWN_MAX], file[SHOWN_MAX];
	plain_text(item->why ? item->why : item->request.content ? item->request.content : "", text, sizeof text);
	plain_text(item->file, file, sizeof file);
	printf("  %-18s ", fate);
	print_age(item->since);
	printf("  %-8s %s  (%s)\n", item->why || !item->request.type ? "-" : item->request.type, text, file);
	fflush(stdout);
}

/* Once it has begun, whatever comes it is not begun again. */
static bool run_item(struct migration *m, struct migrate_queue *q, const json_t *queue, struct migrate_item *item, char **error)
{
	char name[MIGRATE_NAME_MAX + 1];
	json_t *said = NULL, *answer;
	if (!choose(m, queue, &item->request, name))
		return migrate_queue_give_back(q, item, error);
	if (!migrate_queue_begin(q, item, error))
		return false;
	json_t *response = house_call(&m->house, "efrit_execute",
				      migrate_request_arguments(&item->request, *name ? name : NULL, json_number_value(json_object_get(queue, "timeout"))));
	enum exit_status status = house_status_of(response, &said);
	if (migrate_request_did_not_run(said)) {
		const char *why = word(said, "error");
		trouble(m, "%s did not run and waits again: %s", item->file, why ? why : "?");
		m->status = status == EXIT_GOOD ? EXIT_FAILED : (int)status;
		json_decref(said);
		json_decref(response);
		return migrate_queue_give_back(q, item, error);
	}
	answer = said ? migrate_request_answer(item->request.id, said, *name ? name : NULL)
		      : migrate_request_failure(item->request.id, "bad_answer", "what Emacs answered was not understood; the request may have run");
	bool good = migrate_queue_answer(q, item, answer, error);
	if (good) {
		m->done++;
		print_item(item, word(answer, "status"));
	}
	json_decref(answer);
	json_decref(said);
	json_decref(response);
	return good;
}

/* What cannot be run is answered as Efrit would, if there is somebody to answer. */
static bool refuse(struct migrate_queue *q, struct migrate_item *item, char **error)
{
	json_t *answer = migrate_request_failure(item->request.id, "invalid_request", item->why);
	bool good = migrate_queue_answer(q, item, answer, error);
	json_decref(answer);
	return good;
}

static bool settle_begun(struct migration *m, struct migrate_queue *q, struct migrate_item *item, char **error)
{
	json_t *answer = NULL;
	if (item->why || !item->request.id) {
		trouble(m, "%s, which may have run, is left in migrating: %s", item->file, item->why ? item->why : "it has no id");
		return true;
	}
	print_item(item, "may have run");
	if (!migrate_queue_answered(q, &item->request))
		answer = migrate_request_failure(item->request.id, "may_have_run",
						 "it was begun, and the one who did so ended; it may have run and is not begun again");
	bool good = migrate_queue_answer(q, item, answer, error);
	json_decref(answer);
	return good;
}

static bool do_item(struct migration *m, struct migrate_queue *q, const json_t *queue, struct migrate_item *item, char **error)
{
	if (item->stage == MIGRATE_FOREIGN)
		return true;
	if (item->stage == MIGRATE_WAITING) {
		if (migrate_queue_read(q, item) && item->why && !item->request.id) { /* it stays where it is */
			m->left++;
			print_item(item, "left there");
			return config_complain(error, "%s: %s", item->file, item->why);
		}
		if (!migrate_queue_take(q, item, error))
			return !*error;
	}
	if (!migrate_queue_read(q, item))
		return true;
	if (item->stage == MIGRATE_BEGUN)
		return settle_begun(m, q, item, error);
	if (item->why && !item->request.id)
		return migrate_queue_give_back(q, item, error);
	if (migrate_queue_answered(q, &item->request)) {
		print_item(item, "answered before");
		return migrate_queue_answer(q, item, NULL, error);
	}
	if (item->why) {
		print_item(item, "refused");
		return refuse(q, item, error);
	}
	return run_item(m, q, queue, item, error);
}

/* --- one queue --- */

static void look(struct migration *m, struct migrate_queue *q)
{
	static const char *const fates[] = {"would run", "would run", "may have run", "begun by Efrit"};
	struct migrate_item *item;
	for (size_t i = 0; (item = migrate_queue_item(q, i)); i++) {
		if (!migrate_queue_read(q, item))
			continue;
		bool answered = !item->why && migrate_queue_answered(q, &item->request);
		print_item(item, answered ? "answered" : item->why ? item->request.id ? "would be refused" : "left there" : fates[item->stage]);
		m->waiting += !answered && !item->why && item->stage < MIGRATE_BEGUN;
		migrate_request_finish(&item->request);
	}
	if (!migrate_queue_count(q))
		puts("  nothing waits");
}

static void empty(struct migration *m, struct migrate_queue *q, const json_t *queue)
{
	struct migrate_item *item;
	char *error = NULL;
	if (!migrate_queue_count(q)) {
		puts("  nothing waits");
		return;
	}
	if (!migrate_queue_lock(q, &error)) {
		trouble_of(m, &error);
		return;
	}
	for (size_t i = 0; (item = migrate_queue_item(q, i)); i++) {
		if (!do_item(m, q, queue, item, &error) && error)
			trouble_of(m, &error);
		if (m->status == EXIT_NO_INSTANCE)
			break;
		migrate_request_finish(&item->request);
	}
}

static void take_queue(struct migration *m, const json_t *queue)
{
	const char *folder = word(queue, "folder");
	char *error = NULL;
	printf("queue: %s\n", folder);
	if (access(folder, F_OK) != 0 && errno == ENOENT) {
		puts("  there is no such folder, so nothing waits");
		return;
	}
	struct migrate_queue *q = migrate_queue_open(folder, (size_t)m->config->request_max, &error);
	if (!q) {
		trouble_of(m, &error);
		return;
	}
	if (m->cli->apply)
		empty(m, q, queue);
	else
		look(m, q);
	migrate_queue_close(q);
}

/* --- which queues there are --- */

static bool is_queue(const char *folder)
{
	char *requests = setup_edit_compose("%s/requests", folder), *taken = setup_edit_compose("%s/migrating", folder);
	bool is = access(requests, F_OK) == 0 || access(taken, F_OK) == 0;
	free(requests);
	free(taken);
	return is;
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* FOLDER itself, and folders in it, which are named for instances. */
static void find_queues(struct migration *m, const char *folder)
{
	struct dirent **entries = NULL;
	if (is_queue(folder))
		json_array_append_new(m->settings.queues, json_pack("{s:s}", "folder", folder));
	int n = scandir(folder, &entries, not_hidden, alphasort);
	for (int i = 0; i < n; i++) {
		char *path = setup_edit_compose("%s/%s", folder, entries[i]->d_name);
		if (is_queue(path))
			json_array_append_new(m->settings.queues, json_pack("{s:s,s:s}", "folder", path, "instance", entries[i]->d_name));
		free(path);
		free(entries[i]);
	}
	free(entries);
}

static bool take_folder(struct migration *m, const char *folder, bool must)
{
	find_queues(m, folder);
	if (must && !json_array_size(m->settings.queues))
		trouble(m, "%s has no file queue of Efrit: no folder requests in it, nor in a folder in it", folder);
	return json_array_size(m->settings.queues) > 0;
}

static void take_usual(struct migration *m)
{
	static const char *const places[] = {".emacs.d/.efrit/queues", ".config/emacs/.efrit/queues"};
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		char *folder = setup_edit_compose("%s/%s", m->home, places[i]);
		take_folder(m, folder, false);
		free(folder);
	}
}

static void find(struct migration *m)
{
	const char *path = m->cli->words[0] ? m->cli->words[0] : getenv("EFRIT_MCP_CONFIG");
	struct stat st;
	char *error = NULL;
	if (!path || !*path) {
		if (!migrate_settings_read("{\"instances\":{}}", 16, m->home, &m->settings, &error))
			trouble_of(m, &error);
		take_usual(m);
		if (!json_array_size(m->settings.queues))
			trouble(m, "no file queue of Efrit is in the usual places; name the folder, or the file instances.json");
	} else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		if (!migrate_settings_read("{\"instances\":{}}", 16, m->home, &m->settings, &error))
			trouble_of(m, &error);
		take_folder(m, path, true);
	} else
		take_settings(m, path);
}

static void conclude(const struct migration *m)
{
	if (!m->cli->apply)
		printf("nothing was changed; with --apply this is done, and %ld request%s run once\n", m->waiting, m->waiting == 1 ? " is" : "s are");
	else if (m->status == EXIT_GOOD)
		printf("done: %ld request%s run and answered; efrit-bridge setup HOST shows what your agent needs in place of Efrit's server\n",
		       m->done, m->done == 1 ? " was" : "s were");
	else
		printf("%ld request%s run and answered; the rest is as the complaints say, and can be tried again\n", m->done,
		       m->done == 1 ? " was" : "s were");
}

int gateway_migrate(struct config *config, const struct cli *cli)
{
	struct migration m = {.config = config, .cli = cli, .home = getenv("HOME")};
	size_t i;
	json_t *queue;
	if (!m.home || *m.home != '/') {
		fputs("efrit-bridge: there is no home folder: set HOME\n", stderr);
		return EXIT_USAGE;
	}
	if (cli->apply) {
		if (!house_init(&m.house, config))
			return EXIT_BROKEN;
		m.has_house = true;
	}
	find(&m);
	if (!cli->apply || m.status == EXIT_GOOD)
		json_array_foreach(m.settings.queues, i, queue)
			take_queue(&m, queue);
	conclude(&m);
	migrate_settings_finish(&m.settings);
	if (m.has_house) {
		struct ev_loop *loop = house_finish(&m.house);
		if (loop)
			ev_loop_destroy(loop);
	}
	return fflush(stdout) == 0 ? m.status : EXIT_FAILED;
}
