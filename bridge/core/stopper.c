/* stopper.c - efrit_stop_instance: asks an Emacs to end, then tells it by a signal, and
 * with force kills it.  One that no bridge started is left alone unless forced; so is one
 * with unsaved files. */
#include "copy.h"
#include "mcp/census.h"
#include "core/fleet.h"
#include "core/keeper.h"
#include "core/lobby.h"
#include "core/pipeline.h"
#include "core/self.h"
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
#include <unistd.h>

enum { PID_PATH = SERVICE_HOME_MAX + WORKER_NAME_MAX + 8 };
enum phase { ASKED, TOLD, KILLED };

struct stop {
	struct task task;
	struct outlet outlet;    /* of the question */
	struct request *request; /* borrowed; NULL: answered, or nobody waits */
	struct request *question; /* borrowed; NULL: answered */
	struct os_exit *exit;    /* owned */
	ev_timer timer;
	enum phase phase;
	bool force;
	pid_t pid;
	char name[WORKER_NAME_MAX + 1];
	double begun;
};

/* Its value names the files with unsaved changes; otherwise Emacs ends when it has answered. */
static const char question[] =
	"(let ((unsaved (delq nil (mapcar (lambda (b) (and (buffer-file-name b) (buffer-modified-p b) (buffer-name b)))"
	" (buffer-list))))) (if (and unsaved (not %s)) (mapconcat #'identity unsaved \", \")"
	" (run-at-time 0 nil #'kill-emacs) nil))";

static void halt(struct stop *s)
{
	struct request *r = s->question;
	if (!s->request)
		return;
	ev_timer_stop(s->request->pipeline->loop, &s->timer);
	os_exit_destroy(s->exit);
	s->exit = NULL;
	s->question = NULL;
	s->request = NULL;
	if (r)
		pipeline_settle(r);
}

static void finish(struct stop *s, const char *code, const char *why)
{
	static const char *const words[] = {[ASKED] = "asked", [TOLD] = "terminated", [KILLED] = "killed"};
	struct request *r = s->request;
	struct buf text = {0};
	struct keeper *k = fleet_keeper(r->pipeline->fleet, s->name);
	if (k && code)
		keeper_parted(k, why);
	if (code)
		result_error(r, code, json_pack("{s:s,s:i}", "instance_id", s->name, "pid", (int)s->pid), "%s", why);
	else {
		text_format(&text, "{\"status\":\"success\",\"instance_id\":\"%s\",\"pid\":%ld,\"how\":\"%s\",\"took_ms\":%.0f}", s->name,
			    (long)s->pid, words[s->phase], (os_now() - s->begun) * 1000);
		result_text(r, buf_data(&text), buf_len(&text), false);
	}
	buf_finish(&text);
	halt(s);
	r->ended = true;
	r->resume(r);
}

/* Of what starter.c leaves beside the socket. */
static bool pid_path(const char *name, char path[PID_PATH])
{
	char home[SERVICE_HOME_MAX], why[WORKER_WHY_MAX];
	return service_home(home, why) && snprintf(path, PID_PATH, "%s/%s.pid", home, name) < PID_PATH;
}

static void on_end(void *data, int status)
{
	struct stop *s = data;
	char path[PID_PATH];
	(void)status;
	if (pid_path(s->name, path))
		unlink(path);
	finish(s, NULL, NULL);
}

static void wait_a_while(struct stop *s)
{
	struct pipeline *p = s->request->pipeline;
	ev_timer_stop(p->loop, &s->timer);
	ev_timer_set(&s->timer, (double)p->config->stop_timeout / 1000, 0.);
	ev_timer_start(p->loop, &s->timer);
}

static void signal_it(struct stop *s, enum phase phase)
{
	struct request *r = s->question;
	s->phase = phase;
	s->question = NULL;
	if (r)
		pipeline_settle(r);
	os_exit_kill(s->exit, phase == KILLED ? SIGKILL : SIGTERM);
	wait_a_while(s);
}

static void on_timer(EV_P_ ev_timer *timer, int revents)
{
	struct stop *s = timer->data;
	char why[WORKER_NAME_MAX + 200];
	(void)loop;
	(void)revents;
	if (s->phase == ASKED) {
		signal_it(s, TOLD);
	} else if (s->phase == TOLD && s->force) {
		signal_it(s, KILLED);
	} else {
		snprintf(why, sizeof why, "the Emacs \"%s\" (process %ld) has not ended%s", s->name, (long)s->pid,
			 s->force ? ", though it was killed" : "; with force true it is killed");
		finish(s, "not_stopped", why);
	}
}

/* --- what it says to the question --- */

static char *text_of_reply(const struct request *r)
{
	json_t *reply = census_load(buf_data(&r->reply), buf_len(&r->reply), 0, NULL);
	const char *text = json_string_value(
		json_object_get(json_array_get(json_object_get(reply, "content"), 0), "text"));
	char *own = copy_text(text);
	json_decref(reply);
	return own;
}

static void on_said(struct outlet *outlet, struct request *r)
{
	struct stop *s = (struct stop *)(void *)((char *)outlet - offsetof(struct stop, outlet));
	char why[2 * WORKER_WHY_MAX], *text = text_of_reply(r);
	json_t *said = text ? census_load(text, strlen(text), 0, NULL) : NULL;
	const char *result = json_string_value(json_object_get(said, "result"));
	const char *code = json_string_value(json_object_get(said, "error_code"));
	bool waits = (result && strcmp(result, "nil") == 0) || (code && strcmp(code, "emacs_gone") == 0);
	s->question = NULL;
	pipeline_settle(r);
	if (result && !waits) {
		snprintf(why, sizeof why, "the Emacs \"%s\" has files with unsaved changes: %.600s; save them, or pass force true to lose them",
			 s->name, result);
		finish(s, "unsaved_changes", why);
	} else if (!waits) {
		signal_it(s, TOLD);
	}
	json_decref(said);
	free(text);
}

static void on_more(struct outlet *outlet, struct request *r)
{
	(void)outlet;
	(void)r;
}

/* The question is a call like any other, of the same client, and takes its turn. */
static void ask(struct stop *s, struct worker *w)
{
	struct request *q = pipeline_new(s->request->session);
	struct buf form = {0};
	q->outlet = &s->outlet;
	q->timeout_ms = (uint32_t)q->pipeline->config->stop_timeout;
	q->priority = PRIORITY_INTERACTIVE;
	memcpy(q->client, s->request->client, sizeof q->client);
	snprintf(q->tool, sizeof q->tool, "efrit_execute");
	text_format(&form, question, s->force ? "t" : "nil");
	text_put(&q->arguments, "{\"observe\":\"none\",\"content\":");
	text_quote(&q->arguments, text_string(&form));
	text_put(&q->arguments, "}");
	buf_finish(&form);
	s->question = q;
	wait_a_while(s);
	if (service_submit(w, q))
		return;
	signal_it(s, TOLD);
}

/* --- the tool --- */

/* Nobody waits any more: where the question is not answered, it is taken back. */
static void drop(struct task *task)
{
	struct stop *s = (struct stop *)(void *)task;
	struct keeper *k = s->request ? fleet_keeper(s->request->pipeline->fleet, s->name) : NULL;
	bool asks = s->question;
	halt(s);
	if (k && asks)
		keeper_parted(k, "who wanted it to end has gone");
	else if (k)
		keeper_unattended(k);
}

static void destroy(struct task *task)
{
	free(task);
}

static bool in_pid_file(const struct worker *w)
{
	char path[PID_PATH];
	long pid = 0;
	char why[TRUST_ERROR];
	int fd = pid_path(w->name, path) ? trust_open(path, O_RDONLY, TRUST_PRIVATE, why) : -1;
	FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (!file)
		return false;
	bool same = fscanf(file, "%ld", &pid) == 1 && pid == (long)w->pid;
	fclose(file);
	return same;
}

static bool started_here(const struct worker *w)
{
	enum os_mark mark = os_process_mark(w->pid, STARTED_MARK);
	return mark == OS_MARK_UNKNOWN ? in_pid_file(w) : mark == OS_MARK_YES;
}

static enum verdict refuse(struct request *r, const struct worker *w, const char *code, const char *why)
{
	json_t *about = json_pack("{s:s}", "instance_id", w->name);
	char process[40] = "";
	if (w->pid > 0) {
		json_object_set_new(about, "pid", json_integer(w->pid));
		snprintf(process, sizeof process, " (process %ld)", (long)w->pid);
	}
	result_error(r, code, about, "the Emacs \"%s\"%s %s", w->name, process, why);
	return DONE;
}

enum verdict stopper_stop(struct request *r, const json_t *arguments, const char *instance)
{
	bool force = json_is_true(json_object_get(arguments, "force"));
	struct worker *w = registry_choose(r, instance, NULL);
	if (!w)
		return DONE;
	if (w->state == WORKER_GONE)
		return refuse(r, w, "emacs_gone", "is gone already");
	if (w->pid <= 0 && lobby_keeps(r)) /* where the socket does not tell it, the welcome does */
		return WAIT;
	if (w->pid <= 0)
		return refuse(r, w, "not_stopped", "does not answer, and this system does not tell which process it is: end it yourself");
	struct keeper *k = fleet_keeper_of(r->pipeline->fleet, w);
	if (!force && !(k && k->process && k->state != KEEPER_FOREIGN) && !started_here(w))
		return refuse(r, w, "not_started_here",
			      "was not started by efrit_start_instance: it may be a person's.  Pass force true to end it all the same");
	struct stop *s = calloc(1, sizeof *s);
	if (!s)
		log_no_memory();
	*s = (struct stop){.task = {drop, destroy}, .outlet = {on_said, on_more, NULL, NULL}, .request = r, .force = force, .pid = w->pid,
			   .begun = os_now()};
	snprintf(s->name, sizeof s->name, "%s", w->name);
	ev_timer_init(&s->timer, on_timer, 0., 0.);
	s->timer.data = s;
	r->task = &s->task;
	s->exit = os_exit_create(r->pipeline->loop, s->pid, on_end, s);
	if (!s->exit) {
		s->request = NULL;
		return refuse(r, w, errno == ESRCH ? "emacs_gone" : "not_stopped", strerror(errno));
	}
	if (k)
		keeper_leaves(k);
	ask(s, w);
	return WAIT;
}
