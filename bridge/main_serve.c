/* main_serve.c - the gateway while it runs: opens, says that it is ready, reloads on SIGHUP,
 * hands over on SIGUSR2, drains and ends on SIGTERM. */
#include "core/fleet.h"
#include "fleet_config.h"
#include "front/tls.h"
#include "log.h"
#include "main_gateway.h"
#include "main_handover.h"
#include "main_house.h"
#include "main_lookout.h"
#include "main_state.h"
#include "os.h"
#include "store/spool.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIGNALS = 4, LINE = 4096 };
static const double linger = 1;      /* seconds that idle connections may be used after a handover */
static const double last_words = 2;  /* seconds for answers to be taken at the very end */

struct gateway {
	struct house house;
	struct config *config;       /* borrowed */
	const struct cli *cli;       /* borrowed */
	char **argv;                 /* borrowed */
	char *program;               /* owned; this program's file */
	struct http *http;           /* owned */
	struct listeners *listeners; /* owned */
	struct store *store;         /* owned; tasks */
	struct spool *spool;         /* owned; long results */
	struct fleet *fleet;         /* owned */
	char socket[RUNTIME_PATH_MAX];
	int lock;                    /* owned; -1: handed over, or never held */
	int daemon;                  /* where the ready line goes; -1: stdout */
	bool handed_over, draining, stopped;
	bool borrowed;               /* all files are still those of the gateway before */
	bool empty, rested;          /* no client waits; nothing of kept batches runs */
	ev_signal signals[SIGNALS];
	ev_timer deadline;
	struct lookout lookout;
	struct handover *handover;   /* owned; connections that the gateway before passes on */
	ev_io successor;
	pid_t successor_pid;
	pid_t before;                /* the gateway whose place we take; 0: none */
	struct os_exit *before_gone; /* owned */
};

/* --- settings --- */

/* What of them must fit together; *tls is what they ask for. */
static bool check(const struct config *c, struct tls **tls, char token[GUARD_TOKEN_MAX], char **error)
{
	*tls = NULL;
	token[0] = 0;
	if (strcmp(c->auth, "token") != 0 && strcmp(c->auth, "none") != 0)
		return config_complain(error, "auth is \"%s\"; it must be token or none", c->auth);
	if (strcmp(c->large_answer, "link") != 0 && strcmp(c->large_answer, "error") != 0)
		return config_complain(error, "large_answer is \"%s\"; it must be link or error", c->large_answer);
	if (!*c->tls_cert != !*c->tls_key)
		return config_complain(error, "tls_cert and tls_key belong together; one of them is empty");
	if (*c->auth == 't' && !state_token(c, NULL, token, error))
		return false;
	if (*c->tokens && *c->auth != 't')
		return config_complain(error, "tokens names some, but auth is none: then nobody is asked for one");
	return !*c->tls_cert || (*tls = tls_create(c->tls_cert, c->tls_key, error));
}

static bool open_log(const struct config *config, const struct cli *cli, char **error)
{
	char path[RUNTIME_PATH_MAX * 4], why[TRUST_ERROR];
	if (!state_log(config, cli->daemon, path, error))
		return false;
	if (!log_open(*path ? path : NULL, why))
		return config_complain(error, "the log cannot be written: %s", why);
	return true;
}

/* In the background the log has all output, and nothing keeps a rotated file open. */
static void catch_output(const struct gateway *g)
{
	if (!g->cli->daemon)
		return;
	log_catch(STDOUT_FILENO);
	log_catch(STDERR_FILENO);
}

/* Those with a name; one that cannot be read is nobody's. */
static void add_tokens(struct guard *guard, const struct config *c)
{
	char name[CONFIG_NAME_MAX], word[CONFIG_WORD_MAX], token[GUARD_TOKEN_MAX];
	for (size_t i = 0; config_pair_at(c->tokens, i, name, word); i++) {
		char *error = NULL;
		if (!state_token(c, name, token, &error) || !guard_add_token(guard, name, token))
			log_error("nobody comes in with the token %s: %s", name, error ? error : "there are too many");
		free(error);
	}
	explicit_bzero(token, sizeof token);
}

static void apply(struct gateway *g, struct tls **tls, char token[GUARD_TOKEN_MAX])
{
	guard_set_token(pipeline_guard(g->house.pipeline), *token ? token : NULL);
	add_tokens(pipeline_guard(g->house.pipeline), g->config);
	explicit_bzero(token, GUARD_TOKEN_MAX);
	http_set_tls(g->http, tls);
}

struct change {
	struct gateway *gateway;
	bool sockets; /* who may use them is another question now */
};

static bool is_revoked(void *data, const char *principal)
{
	const struct change *c = data;
	long uid;
	if (guard_revoked(pipeline_guard(c->gateway->house.pipeline), principal))
		return true;
	return c->sockets && sscanf(principal, "uid:%ld", &uid) == 1 && uid != (long)geteuid() && uid != 0;
}

static void end_rights(struct gateway *g, const struct config *old)
{
	struct change c = {g, strcmp(old->group, g->config->group) != 0 || strcmp(old->listen, g->config->listen) != 0};
	http_revoke(g->http, is_revoked, &c, "the settings give this client other rights now");
}

/* An instance may have a runtime folder of its own. */
static void look_in_all(struct gateway *g)
{
	char folder[RUNTIME_PATH_MAX * 4];
	for (size_t i = 0; i < g->config->fleet->count; i++)
		if (*g->config->fleet->specs[i]->runtime) {
			snprintf(folder, sizeof folder, "%.400s/efrit", g->config->fleet->specs[i]->runtime);
			finder_look_in(g->house.finder, folder);
		}
}

/* As it was, but for a file that was rotated. */
static void keep_log(struct gateway *g)
{
	char *error = NULL;
	log_set_level(g->config->log_level);
	log_set_format(g->config->log_format);
	if (!open_log(g->config, g->cli, &error))
		log_warning("%s", error);
	free(error);
}

static void reload(struct gateway *g)
{
	struct config fresh;
	struct tls *tls = NULL;
	char token[GUARD_TOKEN_MAX], *error = NULL;
	char line[64]; /* systemd wants to know when */
	snprintf(line, sizeof line, "RELOADING=1\nMONOTONIC_USEC=%.0f", os_now() * 1e6);
	handover_notify(line);
	config_init(&fresh);
	if (!cli_settings(g->cli, &fresh, &error) || !check(&fresh, &tls, token, &error) || !open_log(&fresh, g->cli, &error)
	    || !listeners_open(g->listeners, &fresh, g->socket, &error)) {
		keep_log(g);
		log_error("the settings stay as they were: %s", error);
		state_tell(g->socket, false, error);
		free(error);
		tls_destroy(tls);
		config_finish(&fresh);
	} else {
		struct config old = *g->config;
		*g->config = fresh;
		apply(g, &tls, token);
		pipeline_heed(g->house.pipeline);
		end_rights(g, &old);
		config_finish(&old);
		look_in_all(g);
		fleet_reload(g->fleet);
		log_info("the settings are read again");
		state_tell(g->socket, true, "");
	}
	catch_output(g);
	handover_notify("READY=1");
}

/* --- the end --- */

static void on_fleet_ended(void *data)
{
	struct gateway *g = data;
	ev_break(g->house.loop, EVBREAK_ALL);
}

/* Nobody has anything to run any more: what was kept for that ends. */
static void end_fleet(struct gateway *g)
{
	ev_timer_stop(g->house.loop, &g->deadline);
	fleet_end(g->fleet, g->handed_over, on_fleet_ended, g);
}

static void on_rested(void *data)
{
	struct gateway *g = data;
	g->rested = true;
	if (g->empty)
		end_fleet(g);
}

static void on_empty(void *data)
{
	struct gateway *g = data;
	g->empty = true;
	if (g->rested) /* else forms of kept batches still run */
		end_fleet(g);
}

static void on_deadline(EV_P_ ev_timer *timer, int revents)
{
	struct gateway *g = timer->data;
	(void)revents;
	if (g->stopped) {
		end_fleet(g);
		return;
	}
	g->stopped = true;
	http_stop(g->http, "the gateway was ended");
	ev_timer_set(timer, last_words, 0.);
	ev_timer_start(loop, timer);
}

static void drain(struct gateway *g, bool handed_over)
{
	if (g->draining) { /* asked twice: now */
		ev_timer_stop(g->house.loop, &g->deadline);
		on_deadline(g->house.loop, &g->deadline, 0);
		return;
	}
	g->draining = true;
	pipeline_rest(g->house.pipeline, on_rested, g);
	g->handed_over = handed_over;
	log_info("ending: no connection is taken any more");
	if (!handed_over)
		handover_notify("STOPPING=1");
	lookout_stop(&g->lookout, g->house.loop);
	listeners_close(g->listeners, !handed_over);
	ev_timer_set(&g->deadline, (double)g->config->drain_timeout / 1000, 0.);
	ev_timer_start(g->house.loop, &g->deadline);
	http_drain(g->http, handed_over ? linger : 0, on_empty, g);
}

/* --- the change to a newer program --- */

static void leave_to(struct gateway *g)
{
	char line[64];
	int fd = g->successor.fd;
	log_info("process %ld has taken over", (long)g->successor_pid);
	snprintf(line, sizeof line, "MAINPID=%ld\nREADY=1", (long)g->successor_pid);
	handover_notify(line);
	drain(g, true);
	http_pass(g->http, handover_pass, &fd); /* the others are served here, and told to come again */
	close(fd);
}

static void on_successor(EV_P_ ev_io *io, int revents)
{
	struct gateway *g = io->data;
	char byte;
	(void)revents;
	ssize_t n = read(io->fd, &byte, 1);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	ev_io_stop(loop, io);
	if (n == 1) {
		leave_to(g);
		return;
	}
	close(io->fd);
	waitpid(g->successor_pid, NULL, 0);
	lookout_start(&g->lookout, g->house.loop);
	log_error("the newer gateway did not start; this one goes on");
	char *error = NULL;
	if (state_lock(g->socket, g->lock, &error) < 0) /* our pid again */
		free(error);
}

static void hand_over(struct gateway *g)
{
	if (g->draining || ev_is_active(&g->successor))
		return;
	int fd = handover_start(g->listeners, g->lock, g->program, g->argv, &g->successor_pid);
	if (fd < 0)
		return;
	lookout_stop(&g->lookout, g->house.loop); /* of what both have, one makes things again */
	ev_io_init(&g->successor, on_successor, fd, EV_READ);
	g->successor.data = g;
	ev_io_start(g->house.loop, &g->successor);
}

/* Whoever ends this gateway means the newer one too, as long as that has not been told about. */
static void end(struct gateway *g)
{
	bool handing = ev_is_active(&g->successor);
	ev_io_stop(g->house.loop, &g->successor);
	if (handing && handover_stop(g->successor.fd, g->successor_pid)) {
		leave_to(g);
		return;
	}
	if (handing)
		close(g->successor.fd);
	drain(g, false);
}

static void on_signal(EV_P_ ev_signal *watcher, int revents)
{
	struct gateway *g = watcher->data;
	(void)loop;
	(void)revents;
	if (watcher->signum == SIGHUP)
		reload(g);
	else if (watcher->signum == SIGUSR2)
		hand_over(g);
	else
		end(g);
}

/* --- the beginning --- */

static void add_url(void *data, const char *name, const char *url, int fd, bool given)
{
	char *line = data;
	size_t n = strlen(line);
	(void)name;
	(void)fd;
	(void)given;
	snprintf(line + n, LINE - n, "%s%s", n ? " " : "", url);
}

static void say_ready(struct gateway *g)
{
	char urls[LINE] = "", line[LINE + 64];
	listeners_each(g->listeners, add_url, urls);
	int n = snprintf(line, sizeof line, "efrit-gateway ready: %s\n", urls);
	int fd = g->daemon >= 0 ? g->daemon : STDOUT_FILENO;
	if (g->cli->daemon && g->daemon < 0) /* a successor in the background: the log is its output */
		log_info("ready: %s", urls);
	else if (write(fd, line, (size_t)n) != n)
		log_warning("nobody reads that the gateway is ready");
	handover_notify("READY=1");
}

/* Thousands of connections need as many descriptors. */
static void raise_limit(const struct config *config)
{
	struct rlimit limit;
	rlim_t want = (rlim_t)config->conns_max + 256;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want)
		return;
	limit.rlim_cur = want < limit.rlim_max ? want : limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < want)
		log_warning("the system allows %ld descriptors, fewer than conns_max and what else is needed", (long)limit.rlim_cur);
}

static bool open_all(struct gateway *g, char **error)
{
	struct tls *tls = NULL;
	char token[GUARD_TOKEN_MAX];
	struct inheritance inherited = handover_take(g->listeners);
	g->before = inherited.before;
	g->borrowed = inherited.lock >= 0;
	if (!state_socket(g->config, g->socket, error) || !check(g->config, &tls, token, error))
		return false;
	if ((g->lock = state_lock(g->socket, inherited.lock, error)) < 0
	    || !listeners_open(g->listeners, g->config, g->socket, error)) {
		tls_destroy(tls);
		return false;
	}
	apply(g, &tls, token);
	listeners_start(g->listeners);
	g->lookout = (struct lookout){.config = g->config, .socket = g->socket, .listeners = g->listeners, .lock = &g->lock};
	lookout_start(&g->lookout, g->house.loop);
	say_ready(g);
	g->borrowed = false;
	g->handover = handover_ready(&inherited, g->house.loop, g->http);
	return true;
}

static void watch_signals(struct gateway *g)
{
	static const int numbers[SIGNALS] = {SIGTERM, SIGINT, SIGHUP, SIGUSR2};
	for (int i = 0; i < SIGNALS; i++) {
		ev_signal_init(&g->signals[i], on_signal, numbers[i]);
		g->signals[i].data = g;
		ev_signal_start(g->house.loop, &g->signals[i]);
	}
	ev_timer_init(&g->deadline, on_deadline, 0., 0.);
	g->deadline.data = g;
}

static void finish(struct gateway *g)
{
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL); /* one more would end us before all is tidy */
	for (int i = 0; i < SIGNALS; i++)
		ev_signal_stop(g->house.loop, &g->signals[i]);
	ev_timer_stop(g->house.loop, &g->deadline);
	lookout_stop(&g->lookout, g->house.loop);
	os_exit_destroy(g->before_gone);
	handover_destroy(g->handover);
	listeners_destroy(g->listeners);
	http_destroy(g->http);
	fleet_destroy(g->fleet);
	struct ev_loop *loop = house_finish(&g->house);
	if (g->store)
		g->store->ops->destroy(g->store); /* what was put is written before */
	if (g->spool)
		g->spool->ops->destroy(g->spool);
	if (loop)
		ev_loop_destroy(loop);
	if (g->lock >= 0 && (g->handed_over || g->borrowed))
		close(g->lock);
	else if (g->lock >= 0)
		state_unlock(g->socket, g->lock);
	free(g->program);
}

static void on_before_gone(void *data, int status)
{
	struct gateway *g = data;
	(void)status;
	os_exit_destroy(g->before_gone);
	g->before_gone = NULL;
	pipeline_resume_batches(g->house.pipeline);
}

/* Batches that are kept have one master at a time. */
static void resume_batches(struct gateway *g)
{
	g->before_gone = g->before ? os_exit_create(g->house.loop, g->before, on_before_gone, g) : NULL;
	if (!g->before_gone)
		pipeline_resume_batches(g->house.pipeline);
}

/* What of a client's work outlives this process. */
static bool remember(struct gateway *g, char **error)
{
	char path[RUNTIME_PATH_MAX * 4 + 32];
	if (!state_folder(g->config, path, error))
		return false;
	strcat(path, "/tasks.sqlite");
	g->store = store_sqlite_create(g->house.loop, path, error);
	if (g->store)
		pipeline_use_store(g->house.pipeline, g->store);
	return g->store != NULL;
}

static bool keep_results(struct gateway *g, char **error)
{
	char path[RUNTIME_PATH_MAX * 4 + 32];
	if (!state_folder(g->config, path, error))
		return false;
	strcat(path, "/results");
	g->spool = spool_create(g->house.loop, path, error);
	if (g->spool)
		pipeline_use_spool(g->house.pipeline, g->spool);
	return g->spool != NULL;
}

/* A requestState is to be good after a restart too. */
static bool keep_key(struct config *config, char **error)
{
	char setting[RUNTIME_PATH_MAX * 4 + 32] = "state_key=";
	char why[TRUST_ERROR];
	if (!*config->state_key) {
		if (!state_folder(config, setting + strlen(setting), error))
			return false;
		strcat(setting, "/state.key");
		if (!config_set(config, setting, error))
			return false;
	}
	return trust_file(config->state_key, TRUST_PRIVATE, why) || config_complain(error, "%s", why);
}

/* Why it does not start: whoever started it reads that on stderr. */
static void complain(char *error)
{
	char why[TRUST_ERROR];
	if (!error)
		return;
	log_error("%s", error);
	if (log_in_file() && log_open(NULL, why))
		log_error("%s", error);
	free(error);
}

static int run(struct config *config, const struct cli *cli, char **argv, int daemon)
{
	struct gateway g = {.config = config, .cli = cli, .argv = argv, .lock = -1, .daemon = daemon, .program = os_self()};
	char *error = NULL;
	raise_limit(config);
	if (!g.program || !open_log(config, cli, &error) || !keep_key(config, &error) || !house_init(&g.house, config)) {
		complain(error);
		free(g.program);
		return EXIT_BROKEN;
	}
	g.http = http_create(g.house.loop, config, g.house.pipeline);
	g.listeners = listeners_create(g.house.loop, g.http);
	watch_signals(&g);
	bool good = remember(&g, &error) && keep_results(&g, &error) && open_all(&g, &error);
	if (good) {
		look_in_all(&g);
		g.fleet = fleet_create(g.house.pipeline);
		catch_output(&g);
		if (daemon >= 0)
			close(daemon);
		resume_batches(&g);
		ev_run(g.house.loop, 0);
	} else {
		complain(error);
	}
	finish(&g);
	return good ? EXIT_GOOD : EXIT_BROKEN;
}

/* --- in the background --- */

/* It complains on stderr until it is ready. */
static bool leave_terminal(void)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	bool good = nothing >= 0 && setsid() > 0 && dup2(nothing, STDIN_FILENO) >= 0 && dup2(nothing, STDOUT_FILENO) >= 0;
	if (!good)
		log_error("the terminal cannot be left: %s", strerror(errno));
	if (nothing >= 0)
		close(nothing);
	return good;
}

/* The parent: passes on what the child says first, and its failure. */
static int attend(int from, pid_t pid)
{
	char line[LINE];
	size_t len = 0;
	ssize_t n;
	int status = 0;
	while (len < sizeof line && ((n = read(from, line + len, sizeof line - len)) > 0 || (n < 0 && errno == EINTR)))
		len += n > 0 ? (size_t)n : 0;
	close(from);
	if (len)
		return write(STDOUT_FILENO, line, len) == (ssize_t)len ? EXIT_GOOD : EXIT_FAILED;
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status))
		return WEXITSTATUS(status);
	return EXIT_BROKEN;
}

int gateway_serve(struct config *config, const struct cli *cli, char **argv)
{
	int ends[2];
	if (!cli->daemon || getenv("EFRIT_GATEWAY_HANDOVER"))
		return run(config, cli, argv, -1);
	if (pipe2(ends, O_CLOEXEC) != 0) {
		log_error("no pipe: %s", strerror(errno));
		return EXIT_BROKEN;
	}
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		return leave_terminal() ? run(config, cli, argv, ends[1]) : EXIT_BROKEN;
	}
	close(ends[1]);
	if (pid > 0)
		return attend(ends[0], pid);
	log_error("no process can be started: %s", strerror(errno));
	close(ends[0]);
	return EXIT_BROKEN;
}
