/* starter.c - efrit_start_instance: an Emacs in the background that is nobody's child for
 * long.  One start for each name at a time, whoever asks, also across bridges: the log
 * file is locked meanwhile.  It is done when the socket of that name has handshaken. */
#include "back/pool.h"
#include "back/process.h"
#include "core/fleet.h"
#include "core/launch.h"
#include "core/self.h"
#include "core/visit.h"
#include "log.h"
#include "mcp/result.h"
#include "mcp/text.h"
#include "os.h"
#include "wire/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOG_PATH = LAUNCH_LOG };
static const double kill_after = 2; /* seconds an Emacs that did not get ready has to end by itself */

struct starter {
	struct pipeline *pipeline; /* borrowed */
	TAILQ_HEAD(, start) starts;
};

struct start {
	TAILQ_ENTRY(start) link;
	struct starter *starter;   /* borrowed */
	TAILQ_HEAD(, waiter) waiters;
	char name[WORKER_NAME_MAX + 1];
	char log[LOG_PATH];
	int lock;                  /* the log, locked; -1: another bridge starts it */
	pid_t pid;                 /* 0: another bridge's */
	struct os_exit *exit;      /* until it has ended, so that it is reaped */
	bool served;
	ev_timer timer;            /* its time to get ready, then to end */
	double begun;
};

/* A request that waits for a start. */
struct waiter {
	struct task task;
	TAILQ_ENTRY(waiter) link;
	struct start *start;       /* borrowed; NULL: answered, or nobody waits */
	struct request *request;   /* borrowed */
};

static void forget(struct start *s)
{
	struct starter *starter = s->starter;
	ev_timer_stop(starter->pipeline->loop, &s->timer);
	os_exit_destroy(s->exit);
	if (s->lock >= 0)
		close(s->lock);
	TAILQ_REMOVE(&starter->starts, s, link);
	free(s);
}

static void unlock(struct start *s)
{
	if (s->lock >= 0)
		close(s->lock);
	s->lock = -1;
}

/* CODE NULL: it serves. */
static void answer(struct start *s, struct waiter *w, const char *code, const char *why)
{
	struct request *r = w->request;
	struct buf text = {0};
	struct worker *worker = service_find(s->starter->pipeline->service, s->name);
	TAILQ_REMOVE(&s->waiters, w, link);
	w->start = NULL;
	if (code) {
		text_put(&text, why);
		launch_tail(s->log, &text);
		result_error(r, code, json_pack("{s:s,s:s}", "instance_id", s->name, "log", s->log), "%s", text_string(&text));
	} else {
		text_format(&text, "{\"status\":\"success\",\"instance_id\":\"%s\",\"pid\":%ld,\"took_ms\":%.0f,\"log\":", s->name,
			    (long)(worker && worker->pid ? worker->pid : s->pid), (os_now() - s->begun) * 1000);
		text_quote(&text, s->log);
		text_put(&text, "}");
		result_text(r, buf_data(&text), buf_len(&text), false);
	}
	buf_finish(&text);
	r->ended = true;
	r->resume(r);
}

static void answer_all(struct start *s, const char *code, const char *why)
{
	struct waiter *w;
	unlock(s);
	while ((w = TAILQ_FIRST(&s->waiters)))
		answer(s, w, code, why);
}

/* It will not be used: asked to end, killed a little later. */
static void abandon(struct start *s)
{
	struct ev_loop *loop = s->starter->pipeline->loop;
	unlock(s);
	ev_timer_stop(loop, &s->timer);
	if (!s->exit) {
		forget(s);
		return;
	}
	os_exit_kill(s->exit, SIGTERM);
	ev_timer_set(&s->timer, kill_after, 0.);
	ev_timer_start(loop, &s->timer);
}

static void on_timer(EV_P_ ev_timer *timer, int revents)
{
	struct start *s = timer->data;
	char why[200];
	(void)loop;
	(void)revents;
	if (TAILQ_EMPTY(&s->waiters)) {
		os_exit_kill(s->exit, SIGKILL);
		return;
	}
	snprintf(why, sizeof why, "the Emacs \"%s\" was not ready within %ld s (the setting start_timeout)%s", s->name,
		 s->starter->pipeline->config->start_timeout, s->pid ? " and was ended" : "; another bridge starts it");
	answer_all(s, "start_timeout", why);
	abandon(s);
}

/* Where /proc cannot be asked, this file is the mark. */
static void pid_path(const struct start *s, char path[LOG_PATH])
{
	snprintf(path, LOG_PATH, "%.*s.pid", (int)(strlen(s->log) - strlen(".log")), s->log);
}

static void on_exit_of(void *data, int status)
{
	struct start *s = data;
	char why[200], how[64] = "ended", path[LOG_PATH];
	pid_path(s, path);
	unlink(path);
	if (status != -1 && WIFEXITED(status))
		snprintf(how, sizeof how, "ended with status %d", WEXITSTATUS(status));
	else if (status != -1 && WIFSIGNALED(status))
		snprintf(how, sizeof how, "was ended by signal %d", WTERMSIG(status));
	snprintf(why, sizeof why, "the Emacs \"%s\" %s before it could be used", s->name, how);
	answer_all(s, "start_failed", why);
	forget(s);
}

static void on_state(void *data, struct worker *w)
{
	struct starter *starter = data;
	struct start *s;
	if (w->state != WORKER_READY)
		return;
	TAILQ_FOREACH(s, &starter->starts, link)
		if (!s->served && !TAILQ_EMPTY(&s->waiters) && strcmp(s->name, w->name) == 0)
			break;
	if (!s)
		return;
	s->served = true;
	ev_timer_stop(starter->pipeline->loop, &s->timer);
	answer_all(s, NULL, NULL);
	if (!s->exit)
		forget(s);
}

struct starter *starter_create(struct pipeline *p)
{
	struct starter *starter = calloc(1, sizeof *starter);
	if (!starter)
		log_no_memory();
	starter->pipeline = p;
	TAILQ_INIT(&starter->starts);
	service_on_state(p->service, on_state, starter);
	return starter;
}

void starter_destroy(struct starter *starter)
{
	struct start *s;
	while ((s = TAILQ_FIRST(&starter->starts))) {
		if (!s->served && s->exit)
			os_exit_kill(s->exit, SIGKILL);
		forget(s);
	}
	free(starter);
}

/* --- what is started --- */

static pid_t spawn(struct start *s, const char *workspace, bool init, int log, char error[LAUNCH_ERROR])
{
	static const char *const environment[] = {STARTED_MARK, PROCESS_MARK, NULL}; /* it is of nobody's family */
	struct launch launch;
	pid_t pid = -1;
	if (launch_emacs(&launch, s->starter->pipeline->config, s->name, init ? "default" : "none", false, error)) {
		pid = os_spawn(&(struct os_program){.argv = launch.argv, .folder = workspace, .log = log, .environment = environment});
		if (pid < 0)
			launch_failed(s->starter->pipeline->config, s->log, error);
		launch_finish(&launch);
	}
	return pid;
}

static void write_pid(const struct start *s)
{
	char path[LOG_PATH];
	pid_path(s, path);
	char why[TRUST_ERROR];
	int fd = trust_open(path, O_WRONLY | O_CREAT, TRUST_PRIVATE, why);
	if (fd < 0 || ftruncate(fd, 0) != 0 || dprintf(fd, "%ld\n", (long)s->pid) < 0)
		log_warning("%s cannot be written: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* Locks the log.  False: errno and WHY; EWOULDBLOCK where another bridge has it. */
static bool take_log(struct start *s, char why[TRUST_ERROR])
{
	s->lock = trust_open(s->log, O_RDWR | O_CREAT, TRUST_PRIVATE, why);
	if (s->lock >= 0 && flock(s->lock, LOCK_EX | LOCK_NB) == 0 && ftruncate(s->lock, 0) == 0)
		return true;
	int error = errno;
	if (s->lock >= 0)
		snprintf(why, TRUST_ERROR, "its log %.200s cannot be written: %s", s->log, strerror(error));
	unlock(s);
	errno = error;
	return false;
}

static bool begin_emacs(struct start *s, struct request *r, const char *workspace, bool init, char error[LAUNCH_ERROR])
{
	struct pipeline *p = s->starter->pipeline;
	char why[TRUST_ERROR];
	int log = -1;
	if (!take_log(s, why)) {
		if (errno == EWOULDBLOCK)
			return true; /* the other bridge's Emacs will be found like any other */
	} else {
		log = trust_open(s->log, O_WRONLY | O_APPEND, TRUST_PRIVATE, why);
	}
	if (log < 0)
		launch_refused(p->config, why, error);
	else {
		s->pid = spawn(s, workspace, init, log, error);
		close(log);
	}
	if (s->pid <= 0)
		return false;
	s->exit = os_exit_create(p->loop, s->pid, on_exit_of, s);
	write_pid(s);
	log_info("%s: started as process %ld for %s", s->name, (long)s->pid, r->client);
	return true;
}

/* --- the tool --- */

static void drop(struct task *task)
{
	struct waiter *w = (struct waiter *)(void *)task;
	struct start *s = w->start;
	if (!s)
		return;
	w->start = NULL;
	TAILQ_REMOVE(&s->waiters, w, link);
	if (TAILQ_EMPTY(&s->waiters))
		abandon(s);
}

static void destroy(struct task *task)
{
	free(task);
}

static void wait_for(struct start *s, struct request *r)
{
	struct waiter *w = calloc(1, sizeof *w);
	if (!w)
		log_no_memory();
	*w = (struct waiter){.task = {drop, destroy}, .start = s, .request = r};
	TAILQ_INSERT_TAIL(&s->waiters, w, link);
	r->task = &w->task;
}

static enum verdict refuse(struct request *r, const char *code, const char *name, const char *why)
{
	result_error(r, code, json_pack("{s:s}", "instance_id", name), "%s", why);
	return DONE;
}

static struct start *begin(struct starter *starter, const char *name, const char *home)
{
	struct start *s = calloc(1, sizeof *s);
	if (!s)
		log_no_memory();
	s->starter = starter;
	s->begun = os_now();
	s->lock = -1;
	snprintf(s->name, sizeof s->name, "%s", name);
	snprintf(s->log, sizeof s->log, "%s/%s.log", home, name);
	TAILQ_INIT(&s->waiters);
	TAILQ_INSERT_TAIL(&starter->starts, s, link);
	ev_timer_init(&s->timer, on_timer, (double)starter->pipeline->config->start_timeout, 0.);
	s->timer.data = s;
	return s;
}

static enum verdict start(struct request *r, const char *name, const char *workspace, bool init)
{
	struct pipeline *p = r->pipeline;
	char home[SERVICE_HOME_MAX], reason[TRUST_ERROR], why[LAUNCH_ERROR] = "";
	if (!service_home(home, reason)) {
		launch_refused(p->config, reason, why);
		return refuse(r, "start_failed", name, why);
	}
	struct start *s = begin(p->starter, name, home);
	if (!begin_emacs(s, r, workspace, init, why)) {
		s->pid = 0;
		forget(s);
		return refuse(r, "start_failed", name, why);
	}
	ev_timer_start(p->loop, &s->timer);
	wait_for(s, r);
	return WAIT;
}

static bool usable_folder(const char *folder)
{
	struct stat st;
	return !folder || (*folder == '/' && stat(folder, &st) == 0 && S_ISDIR(st.st_mode) && access(folder, X_OK) == 0);
}

enum verdict starter_start(struct request *r, const json_t *arguments, const char *instance)
{
	const char *name = json_string_value(json_object_get(arguments, "name"));
	const char *workspace = json_string_value(json_object_get(arguments, "workspace"));
	const char *init = json_string_value(json_object_get(arguments, "init"));
	char why[WORKER_NAME_MAX + 200];
	struct start *s;
	(void)instance;
	if (!name || !service_name_valid(name))
		return refuse(r, "invalid_arguments", name ? name : "", "name must be 1 to 48 of A-Z a-z 0-9 . _ - and not begin with a dot");
	if (pool_find(r->pipeline->service, name))
		return refuse(r, "is_a_pool", name, "that is a pool, which starts its own; send it calls with that instance_id, or choose another name");
	struct keeper *keeper = fleet_keeper(r->pipeline->fleet, name);
	if (keeper && ((workspace && *workspace) || init))
		return refuse(r, "invalid_arguments", name, "this Emacs is declared in the configuration, workspace and init too: leave them out");
	name = registry_serves(r->pipeline, name);
	if (workspace && !*workspace)
		workspace = NULL;
	if (!usable_folder(workspace))
		return refuse(r, "invalid_arguments", name, "workspace must be the absolute path of a folder that is there");
	struct worker *w = service_find(r->pipeline->service, name);
	if (w && w->listed && w->state != WORKER_GONE) {
		snprintf(why, sizeof why, "an Emacs \"%s\" runs already (process %ld); use it, or choose another name", name, (long)w->pid);
		return refuse(r, "name_in_use", name, why);
	}
	if (keeper) /* it is declared how it is started */
		return visit_start(r, keeper);
	TAILQ_FOREACH(s, &r->pipeline->starter->starts, link)
		if (!s->served && !TAILQ_EMPTY(&s->waiters) && strcmp(s->name, name) == 0) {
			wait_for(s, r);
			return WAIT;
		}
	return start(r, name, workspace, init && strcmp(init, "default") == 0);
}
