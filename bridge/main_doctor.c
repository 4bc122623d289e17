/* main_doctor.c - doctor: the whole path, step by step, and how to mend what fails. */
#include "back/probe.h"
#include "log.h"
#include "main_house.h"
#include "os.h"
#include "plain.h"
#include "wire/runtime.h"
#include "wire/wire.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum finding { OK, WARNING, FAILED };
enum { EMACS_MS = 20000, MODULE_MAX = 64 * 1024 * 1024, LISP_SECONDS = 5 };

struct report {
	bool json, bad;
	json_t *checks; /* owned */
	long serving;   /* instances that greet */
};

/* MEND is NULL, or what to do. */
static void __attribute__((format(printf, 5, 6))) add(struct report *r, enum finding finding, const char *check,
						      const char *mend, const char *format, ...)
{
	static const char *const words[] = {"ok", "warning", "failed"}, *const marks[] = {"ok  ", "note", "FAIL"};
	char *detail;
	va_list ap;
	va_start(ap, format);
	if (vasprintf(&detail, format, ap) < 0)
		log_no_memory();
	va_end(ap);
	r->bad |= finding == FAILED;
	plain_text(detail, detail, strlen(detail) + 1);
	if (!r->json)
		printf("%s  %-10s %s\n%s%s%s", marks[finding], check, detail, mend ? "                 to mend it: " : "", mend ? mend : "",
		       mend ? "\n" : "");
	fflush(stdout); /* a later step may take its time */
	json_array_append_new(r->checks, json_pack("{s:s,s:s,s:s,s:s?}", "check", check, "finding", words[finding], "detail", detail,
						   "mend", mend));
	free(detail);
}

/* --- files --- */

static void check_environment(struct report *r)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	struct stat st;
	if (!dir || !*dir)
		add(r, WARNING, "runtime", "set XDG_RUNTIME_DIR to the same folder for Emacs and for the agent",
		    "XDG_RUNTIME_DIR is not set; sockets are in /tmp/efrit-%u", (unsigned)geteuid());
	else if (*dir != '/')
		add(r, FAILED, "runtime", "set it to an absolute path", "XDG_RUNTIME_DIR is %s, which is ignored", dir);
	else if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode))
		add(r, FAILED, "runtime", "make that folder (mode 0700) or unset the variable", "XDG_RUNTIME_DIR is %s, which is no folder",
		    dir);
	else if (st.st_uid != geteuid())
		add(r, FAILED, "runtime", "it is set for another user, as after su or sudo: unset it or log in as yourself",
		    "XDG_RUNTIME_DIR is %s, which belongs to user %u and not to you (%u)", dir, (unsigned)st.st_uid, (unsigned)geteuid());
	else
		add(r, OK, "runtime", NULL, "XDG_RUNTIME_DIR is %s", dir);
}

static bool same_bytes(const char *data, size_t len, const char *words)
{
	size_t n = strlen(words) + 1; /* with its end: 0.1.0 is not 0.1.01 */
	for (const char *p = data; len >= n; p++, len--) {
		const char *found = memchr(p, words[0], len - n + 1);
		if (!found)
			return false;
		len -= (size_t)(found - p);
		p = found;
		if (memcmp(p, words, n) == 0)
			return true;
	}
	return false;
}

static bool holds(const char *path, const char *words)
{
	FILE *file = fopen(path, "re");
	char *data = file ? malloc(MODULE_MAX) : NULL;
	size_t len = data ? fread(data, 1, MODULE_MAX, file) : 0;
	if (file)
		fclose(file);
	bool found = len && same_bytes(data, len, words);
	free(data);
	return found;
}

static void check_module(struct report *r)
{
	static const char build[] = "run `make' in the folder of efrit-mcp";
	char *self = os_self(), *slash = self ? strrchr(self, '/') : NULL, path[PATH_MAX];
	if (slash)
		*slash = 0;
	snprintf(path, sizeof path, "%s/efrit-mcp-module.so", slash ? self : ".");
	free(self);
	if (access(path, R_OK) != 0) {
		add(r, FAILED, "module", build, "%s: %s", path, strerror(errno));
		return;
	}
	void *module = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	if (!module) {
		add(r, FAILED, "module", "install what is missing (`make deps') and build again (`make clean all')", "%s", dlerror());
		return;
	}
	bool both = dlsym(module, "emacs_module_init") && dlsym(module, "plugin_is_GPL_compatible");
	dlclose(module);
	if (!both)
		add(r, FAILED, "module", "build again: `make clean all'", "%s is no Emacs module", path);
	else if (!holds(path, EFRIT_MCP_VERSION))
		add(r, FAILED, "module", "build again: `make clean all'", "%s is not of version " EFRIT_MCP_VERSION ", as this bridge is",
		    path);
	else
		add(r, OK, "module", NULL, "%s, version " EFRIT_MCP_VERSION, path);
}

/* --- emacs --- */

/* What PROGRAM prints, as far as it fits; false: errno, or 0 when its time was over. */
static bool ask_program(const char *const *argv, char *out, size_t room)
{
	int ends[2];
	size_t len = 0;
	double deadline = os_now() + EMACS_MS / 1000.;
	if (pipe(ends) != 0)
		return false;
	static const char *const environment[] = {"EFRIT_MCP_DOCTOR=1", NULL};
	pid_t pid = os_spawn(&(struct os_program){.argv = argv, .log = ends[1], .environment = environment});
	close(ends[1]);
	bool over = pid < 0;
	while (!over) {
		struct pollfd p = {.fd = ends[0], .events = POLLIN};
		double left = deadline - os_now();
		ssize_t n = left > 0 && poll(&p, 1, (int)(left * 1000) + 1) > 0 ? read(ends[0], out + len, room - 1 - len) : -1;
		over = n <= 0 || len + (size_t)n == room - 1;
		len += n > 0 ? (size_t)n : 0;
	}
	close(ends[0]);
	out[len] = 0;
	if (pid < 0)
		return false;
	if (os_now() >= deadline)
		kill(pid, SIGKILL);
	int status;
	waitpid(pid, &status, 0);
	errno = 0;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void check_emacs(struct report *r, const struct config *c)
{
	const char *const argv[] = {c->emacs, "-Q", "--batch", "--eval",
				    "(princ (format \"%s %s\" emacs-version (if (fboundp 'module-load) \"modules\" \"none\")))", NULL};
	char said[512], version[64], modules[16];
	int major, minor;
	if (!ask_program(argv, said, sizeof said) || sscanf(said, "%63s %15s", version, modules) != 2
	    || sscanf(version, "%d.%d", &major, &minor) != 2) {
		said[strcspn(said, "\n")] = 0;
		add(r, FAILED, "emacs", "install Emacs 28.1 or newer, or name it in the setting emacs", "%s cannot be asked its version: %s",
		    c->emacs, *said ? said : "it said nothing");
	} else if (major < 28 || (major == 28 && minor < 1)) {
		add(r, FAILED, "emacs", "install Emacs 28.1 or newer, or name it in the setting emacs", "%s is version %s", c->emacs, version);
	} else if (strcmp(modules, "modules") != 0) {
		add(r, FAILED, "emacs", "install one built --with-modules, as Debian's is", "%s %s was built without modules", c->emacs, version);
	} else {
		add(r, OK, "emacs", NULL, "%s is version %s, with modules", c->emacs, version);
	}
}

/* --- sockets --- */

static void check_welcome(struct report *r, const char *name, const struct probe *p)
{
	if (p->wire && p->wire != WIRE_VERSION)
		add(r, FAILED, name, "restart Emacs: a module cannot be unloaded", "it speaks version %d of the wire, this bridge %d", p->wire,
		    WIRE_VERSION);
	else if (!p->welcomed)
		add(r, FAILED, name, "restart that Emacs, or end the process", "it does not greet: %s", p->parting);
	else if (strcmp(p->version, EFRIT_MCP_VERSION) != 0)
		add(r, FAILED, name, "restart Emacs, or build again: a module cannot be unloaded",
		    "it runs efrit-mcp %s and this bridge is " EFRIT_MCP_VERSION, p->version);
	else if (!p->ponged)
		add(r, FAILED, name, "restart that Emacs", "it greeted, and then its thread did not answer");
	else
		add(r, OK, name, NULL, "Emacs %s, efrit-mcp %s, wire %d, process %ld; greeted in %.2f ms, thread answers in %.3f ms", p->emacs,
		    p->version, p->wire, (long)p->pid, p->hello_ms, p->ping_ms);
}

static bool check_socket(struct report *r, const char *folder, const char *name, int timeout)
{
	char path[RUNTIME_PATH_MAX], error[RUNTIME_ERROR], mend[RUNTIME_PATH_MAX + 64];
	struct probe p;
	if (!runtime_socket_path(folder, name, path, error)) {
		add(r, FAILED, name, NULL, "%s", error);
		return false;
	}
	probe_socket(path, timeout, &p);
	snprintf(mend, sizeof mend, "rm %s", path);
	if (!p.listens) {
		bool stale = p.error == ECONNREFUSED;
		add(r, stale ? WARNING : FAILED, name, mend, "%s: %s", path, stale ? "stale, nobody listens there" : strerror(p.error));
		return false;
	}
	if (!p.known || p.uid != geteuid()) {
		add(r, FAILED, name, mend, "%s is served by user %ld, process %ld, and not by you", path, (long)p.uid, (long)p.pid);
		return false;
	}
	enum os_process state = os_process_state(p.pid);
	if (!p.welcomed && state == OS_PROCESS_STOPPED) {
		snprintf(mend, sizeof mend, "kill -CONT %ld", (long)p.pid);
		add(r, FAILED, name, mend, "process %ld is stopped by a signal", (long)p.pid);
		return false;
	}
	check_welcome(r, name, &p);
	r->serving += p.welcomed;
	return p.welcomed;
}

static void check_lisp(struct report *r, struct house *h, const char *name)
{
	double begun = os_now();
	json_t *said, *response = house_call(h, "efrit_execute", json_pack("{s:s,s:s,s:s,s:i,s:s}", "content", "(+ 1 2)", "observe", "none",
									   "instance_id", name, "timeout", LISP_SECONDS, "priority",
									   "interactive"));
	double ms = (os_now() - begun) * 1000;
	enum exit_status status = house_status_of(response, &said);
	const char *value = json_string_value(json_object_get(said, "result")), *why = json_string_value(json_object_get(said, "error"));
	if (status == EXIT_GOOD && value && strcmp(value, "3") == 0)
		add(r, OK, name, NULL, "Lisp answers (+ 1 2) with 3 in %.2f ms", ms);
	else
		add(r, FAILED, name, "efrit-bridge status says what that Emacs does; efrit_interrupt ends it",
		    "Lisp does not answer (+ 1 2): %s", why ? why : value ? value : "no answer");
	json_decref(said);
	json_decref(response);
}

static void check_folder(struct report *r, struct house *h, const char *folder)
{
	char error[RUNTIME_ERROR], name[RUNTIME_NAME_MAX + 1];
	struct dirent *entry;
	if (!runtime_verify_folder(folder, error)) {
		if (*error)
			add(r, FAILED, "folder", "do what it says, then start Emacs again", "%s", error);
		else
			add(r, OK, "folder", NULL, "%s is not there; an Emacs makes it where it needs it", folder);
		return;
	}
	DIR *dir = opendir(folder);
	add(r, dir ? OK : FAILED, "folder", dir ? NULL : "chmod 700 it", "%s %s; room for names of %d bytes", folder,
	    dir ? "is yours alone" : strerror(errno), (int)(RUNTIME_PATH_MAX - 1 - strlen(folder) - strlen("/.sock")));
	while (dir && (entry = readdir(dir)))
		if (runtime_name_of(entry->d_name, name) && check_socket(r, folder, name, (int)h->config->hello_timeout))
			check_lisp(r, h, name);
	if (dir)
		closedir(dir);
}

static void check_gateway(struct report *r, struct house *h)
{
	char words[HOUSE_WORDS];
	house_know_gateway(h);
	bool good = house_gateway_words(h, words);
	const char *version = h->gateway && h->gateway->linked ? gateway_version(h->gateway) : EFRIT_MCP_VERSION;
	if (!good)
		add(r, FAILED, "gateway", "efrit-bridge stop, then serve again; or the setting gateway=off", "%s", words);
	else if (strcmp(version, EFRIT_MCP_VERSION) != 0)
		add(r, WARNING, "gateway", "start the gateway again: it is of another version than this bridge", "%s", words);
	else
		add(r, OK, "gateway", NULL, "%s", words);
}

int command_doctor(struct house *h, const struct cli *cli)
{
	struct report r = {.json = cli->json, .checks = json_array()};
	char folders[RUNTIME_FOLDERS][RUNTIME_PATH_MAX], error[RUNTIME_ERROR];
	check_module(&r);
	check_emacs(&r, h->config);
	check_environment(&r);
	int n = runtime_folders(h->config->folders, folders, error);
	if (*error)
		add(&r, FAILED, "folder", "set XDG_RUNTIME_DIR, or the setting folders, as it says", "%s", error);
	for (int i = 0; i < n; i++)
		check_folder(&r, h, folders[i]);
	check_gateway(&r, h);
	if (r.serving)
		add(&r, OK, "instances", NULL, "%ld can be used", r.serving);
	else
		add(&r, FAILED, "instances", "M-: (efrit-mcp-mode 1) in a running Emacs, which turns it on and never off, or efrit-bridge status --start for one in "
		    "the background; an Emacs whose socket was removed makes it again within 10 s", "no Emacs with efrit-mcp-mode was found");
	if (cli->json) {
		json_t *all = json_pack("{s:b,s:O}", "good", !r.bad, "checks", r.checks);
		json_dumpf(all, stdout, JSON_INDENT(2));
		puts("");
		json_decref(all);
	}
	json_decref(r.checks);
	return fflush(stdout) == 0 && !r.bad ? EXIT_GOOD : EXIT_FAILED;
}
