/* keeper.c - see keeper.h */
#include "core/keeper_impl.h"
#include "back/pool.h"
#include "core/self.h"
#include "log.h"
#include "mcp/text.h"
#include "wire/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MIB = 1024 * 1024 };
static const double pause_first = 0.1, pool_grace = 1; /* seconds; a worker has nothing to save */
static const double pause_short = 0.5; /* seconds until it is tried again with what it needs of the machine */

struct worker *keeper_worker(const struct keeper *k)
{
	return service_find(k->host->service, k->name);
}

bool keeper_busy(const struct keeper *k)
{
	const struct worker *w = keeper_worker(k);
	return w && (w->flying_count || w->line.count);
}

const char *keeper_word(const struct keeper *k)
{
	static const char *const words[] = {"off", "starting", "up", "draining", "ending", "pausing", "crash-loop", "foreign"};
	return words[k->state];
}

void keeper_stop_timer(struct keeper *k, ev_timer *timer)
{
	ev_timer_stop(k->host->loop, timer);
}

void keeper_after(struct keeper *k, ev_timer *timer, double seconds)
{
	keeper_stop_timer(k, timer);
	ev_now_update(k->host->loop);
	ev_timer_set(timer, seconds, 0.);
	ev_timer_start(k->host->loop, timer);
}

/* The one writer of the state. */
void keeper_set_state(struct keeper *k, enum keeper_state state, const char *why)
{
	keeper_stop_timer(k, &k->timer);
	k->unattended = false;
	if (state != KEEPER_UP)
		keeper_watch_stop(k);
	if (why != k->why)
		snprintf(k->why, sizeof k->why, "%s", why);
	k->state = state;
	log_info("%s: kept, %s%s%.500s", k->name, keeper_word(k), *why ? ": " : "", why);
	k->host->on_state(k->host->data, k);
}

static void answer_waits(struct keeper *k, const char *code)
{
	struct keeper_wait *w;
	while ((w = TAILQ_FIRST(&k->waits))) {
		keeper_unwait(w);
		w->on_done(w, code, k->why);
	}
}

static void unlock(struct keeper *k)
{
	if (k->lock >= 0)
		close(k->lock);
	k->lock = -1;
}

/* --- its end --- */

static void note_end(struct keeper *k)
{
	if (k->ends_count == KEEPER_ENDS)
		memmove(k->ends, k->ends + 1, (size_t)--k->ends_count * sizeof k->ends[0]);
	k->ends[k->ends_count++] = os_now();
	bool was_well = k->ready > 0 && (k->good || os_now() - k->ready > (double)k->host->config->crash_window);
	k->misses = was_well ? 1 : k->misses + 1;
}

static bool too_often(const struct keeper *k)
{
	const struct config *c = k->host->config;
	return k->ends_count >= c->crash_max && os_now() - k->ends[k->ends_count - c->crash_max] <= (double)c->crash_window;
}

/* The first time at once when it had served: somebody may wait for it. */
static double pause_of(const struct keeper *k)
{
	double pause = pause_first;
	if (k->ready > 0 && k->misses <= 1)
		return 0;
	for (long i = 1; i < k->misses && pause < (double)k->host->config->restart_max; i++)
		pause *= 2;
	return pause < (double)k->host->config->restart_max ? pause : (double)k->host->config->restart_max;
}

/* OURS: not the fault of that Emacs, so it is no end of it; the machine had nothing to start it with. */
static void failed(struct keeper *k, const char *code, const char *why, bool ours)
{
	char reason[LAUNCH_ERROR];
	struct buf text = {0};
	text_put(&text, why);
	if (*k->log)
		launch_tail(k->log, &text);
	snprintf(reason, sizeof reason, "%s", text_string(&text));
	buf_finish(&text);
	if (!ours)
		note_end(k);
	if (!ours || strcmp(reason, k->why) != 0) /* it is tried twice a second */
		log_warning("%s: %s", k->name, why);
	if (!ours && too_often(k)) {
		snprintf(k->why, sizeof k->why, "it ended %ld times within %ld s and is not started again for %ld s; the last time: %.1000s",
			 k->host->config->crash_max, k->host->config->crash_window, k->host->config->crash_pause, reason);
		keeper_set_state(k, KEEPER_CRASH_LOOP, k->why);
		keeper_after(k, &k->timer, (double)k->host->config->crash_pause);
		answer_waits(k, "crash_loop");
		return;
	}
	bool wanted = k->host->wanted(k->host->data, k);
	keeper_set_state(k, wanted ? KEEPER_PAUSING : KEEPER_OFF, reason);
	answer_waits(k, code);
	if (k->state == KEEPER_PAUSING)
		keeper_after(k, &k->timer, ours ? pause_short : pause_of(k));
}

static void describe_end(const struct keeper *k, int status, char *why, size_t room)
{
	char how[64] = "ended";
	if (status != -1 && WIFEXITED(status))
		snprintf(how, sizeof how, "ended with status %d", WEXITSTATUS(status));
	else if (status != -1 && WIFSIGNALED(status))
		snprintf(how, sizeof how, "was ended by signal %d", WTERMSIG(status));
	if (status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU && k->spec->cpu)
		snprintf(how, sizeof how, "had used its %ld s of processor time (cpu)", k->spec->cpu);
	snprintf(why, room, "the Emacs \"%s\" (process %ld) %s%s", k->name, (long)k->pid, how,
		 k->state == KEEPER_STARTING ? " before it could be used" : "");
}

static void on_end(void *data, int status)
{
	struct keeper *k = data;
	struct worker *w = keeper_worker(k);
	char why[200];
	bool good = k->state == KEEPER_ENDING || k->state == KEEPER_FOREIGN
		    || (!k->spec->pool && k->state == KEEPER_UP && status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	describe_end(k, status, why, sizeof why);
	process_destroy(k->process);
	k->process = NULL;
	unlock(k);
	if (w)
		pool_leave(w);
	if (!good) {
		failed(k, "start_failed", why, false);
		return;
	}
	bool again = k->again;
	k->again = false;
	keeper_set_state(k, KEEPER_OFF, why);
	if (!k->host->may_start(k->host->data, k))
		answer_waits(k, "start_failed");
	if (again || !TAILQ_EMPTY(&k->waits))
		keeper_start(k);
}

/* It will not be used any more, and has its time to end. */
static void tell_to_end(struct keeper *k, const char *why)
{
	keeper_set_state(k, KEEPER_ENDING, why);
	if (!k->process)
		return;
	process_tell(k->process, SIGTERM);
	process_tell(k->process, SIGCONT); /* it may be stopped */
	double most = (double)k->host->config->stop_timeout / 1000; /* a signal at a bad moment stops Emacs in its own clean-up */
	keeper_after(k, &k->timer, k->spec->pool && most > pool_grace ? pool_grace : most);
}

static void drained(struct keeper *k)
{
	if (k->spec->pool) {
		tell_to_end(k, k->why);
		return;
	}
	keeper_set_state(k, KEEPER_ENDING, k->why);
	k->host->part(k->host->data, k);
}

void keeper_parted(struct keeper *k, const char *refusal)
{
	char why[WORKER_WHY_MAX];
	if (k->state != KEEPER_ENDING || !refusal)
		return;
	snprintf(why, sizeof why, "it goes on: %.400s", refusal);
	log_warning("%s: %s", k->name, why);
	k->again = false;
	keeper_set_state(k, KEEPER_UP, why);
	k->used = os_now();
	if (k->spec->idle_stop)
		keeper_after(k, &k->idle, (double)k->spec->idle_stop);
	answer_waits(k, NULL);
}

void keeper_unattended(struct keeper *k)
{
	if (k->state != KEEPER_ENDING || k->spec->pool)
		return;
	k->unattended = true;
	keeper_after(k, &k->timer, (double)k->host->config->stop_timeout / 1000);
}

void keeper_stop(struct keeper *k, bool again, const char *why)
{
	struct worker *w = keeper_worker(k);
	switch (k->state) {
	case KEEPER_OFF:
	case KEEPER_FOREIGN:
	case KEEPER_ENDING:
		k->again = again && k->state == KEEPER_ENDING;
		return;
	case KEEPER_PAUSING:
	case KEEPER_CRASH_LOOP:
		keeper_set_state(k, KEEPER_OFF, why);
		answer_waits(k, "start_failed");
		return;
	case KEEPER_STARTING:
		k->again = again;
		keeper_set_state(k, KEEPER_ENDING, why);
		if (k->process)
			process_kill(k->process);
		else
			keeper_set_state(k, KEEPER_OFF, why);
		answer_waits(k, "start_failed");
		return;
	case KEEPER_UP:
	case KEEPER_DRAINING:
		k->again = again;
		if (k->state == KEEPER_DRAINING)
			return;
		if (w)
			pool_leave(w);
		keeper_set_state(k, KEEPER_DRAINING, why);
		if (keeper_busy(k))
			keeper_after(k, &k->timer, (double)k->host->config->drain_timeout / 1000);
		else
			drained(k);
	}
}

void keeper_replace(struct keeper *k, const char *why)
{
	struct worker *w = keeper_worker(k);
	if (!k->process || k->state == KEEPER_FOREIGN)
		return;
	log_warning("%s: killed and replaced: %s", k->name, why);
	if (w)
		pool_leave(w);
	k->again = k->state == KEEPER_UP;
	keeper_set_state(k, KEEPER_ENDING, why);
	process_kill(k->process);
}

void keeper_leaves(struct keeper *k)
{
	if (k->state == KEEPER_UP && k->process)
		keeper_set_state(k, KEEPER_ENDING, "somebody ends it");
}

/* --- its beginning --- */

static const char **environment_of(const struct fleet_spec *s, struct buf *text)
{
	size_t room = json_object_size(s->environment) + 3, n = 0;
	const char **list = calloc(room, sizeof *list), *name;
	size_t *at = calloc(room, sizeof *at);
	json_t *value;
	if (!list || !at)
		log_no_memory();
	at[n++] = buf_len(text);
	text_add(text, STARTED_MARK, sizeof STARTED_MARK);
	if (*s->runtime) {
		at[n++] = buf_len(text);
		text_format(text, "XDG_RUNTIME_DIR=%s", s->runtime);
		text_add(text, "", 1);
	}
	json_object_foreach(s->environment, name, value) {
		at[n++] = buf_len(text);
		text_put(text, name);
		if (json_is_string(value))
			text_format(text, "=%s", json_string_value(value));
		text_add(text, "", 1);
	}
	for (size_t i = 0; i < n; i++)
		list[i] = buf_data(text) + at[i];
	free(at);
	return list;
}

/* The log, locked: no other bridge starts the same meanwhile.  -1: errno and WHY. */
static int open_log(struct keeper *k, char why[TRUST_ERROR])
{
	k->lock = trust_open(k->log, O_WRONLY | O_CREAT | O_APPEND, TRUST_PRIVATE, why);
	if (k->lock < 0)
		return -1;
	if (flock(k->lock, LOCK_EX | LOCK_NB) != 0 || ftruncate(k->lock, 0) != 0) {
		snprintf(why, TRUST_ERROR, "its log %.200s cannot be written: %s", k->log, strerror(errno));
		return -1;
	}
	return trust_open(k->log, O_WRONLY | O_APPEND, TRUST_PRIVATE, why);
}

static bool launch(struct keeper *k, int log, char why[LAUNCH_ERROR])
{
	const struct fleet_spec *s = k->spec;
	struct launch launch;
	struct buf text = {0};
	errno = 0;
	if (!launch_emacs(&launch, k->host->config, k->name, s->init, strcmp(s->mode, "batch") == 0, why))
		return false;
	const char **environment = environment_of(s, &text);
	k->process = process_start(k->host->loop,
				   &(struct os_program){.argv = launch.argv, .folder = *s->workspace ? s->workspace : NULL, .log = log,
							.environment = environment, .memory = s->memory * MIB, .cpu = s->cpu,
							.files = s->files, .with_us = s->pool},
				   on_end, k);
	if (!k->process)
		launch_failed(k->host->config, k->log, why);
	int error = errno;
	free(environment);
	buf_finish(&text);
	launch_finish(&launch);
	errno = error;
	return k->process != NULL;
}

static void begin(struct keeper *k)
{
	char home[SERVICE_HOME_MAX], why[LAUNCH_ERROR] = "", reason[TRUST_ERROR];
	int log = -1;
	bool ours = false;
	k->begun = os_now();
	k->ready = 0;
	k->pid = 0;
	k->calls = k->good = 0;
	k->starts++;
	k->stale = false;
	bool there = service_home(home, reason);
	if (there) {
		snprintf(k->log, sizeof k->log, "%s/%s.log", home, k->name);
		log = open_log(k, reason);
	}
	if (!there || (log < 0 && errno != EWOULDBLOCK)) {
		ours = launch_short(errno);
		launch_refused(k->host->config, reason, why);
	}
	if (!*why && log >= 0 && !launch(k, log, why))
		ours = launch_short(errno);
	if (log >= 0)
		close(log);
	if (*why) {
		unlock(k);
		k->state = KEEPER_STARTING;
		*k->log = 0; /* nothing of this start is in it */
		failed(k, "start_failed", why, ours);
		return;
	}
	k->pid = k->process ? process_pid(k->process) : 0;
	keeper_set_state(k, KEEPER_STARTING, k->process ? "" : "another bridge starts it");
	keeper_after(k, &k->timer, (double)k->host->config->start_timeout);
}

/* Who serves under that name already was not started by us in this life. */
static bool adopt(struct keeper *k, struct worker *w)
{
	enum os_process now = w && w->listed && w->state != WORKER_GONE ? os_process_state(w->pid) : OS_PROCESS_GONE;
	if (now == OS_PROCESS_GONE || now == OS_PROCESS_ZOMBIE || w->pid == k->pid) /* who dies may still be connected to for a moment */
		return false;
	bool ours = os_process_mark(w->pid, STARTED_MARK) == OS_MARK_YES;
	k->process = process_watch(k->host->loop, w->pid, on_end, k);
	if (!k->process)
		return false;
	k->pid = w->pid;
	k->calls = 0;
	k->begun = k->ready = k->used = os_now();
	keeper_set_state(k, ours ? KEEPER_UP : KEEPER_FOREIGN, ours ? "it ran already, started by a bridge" : "it ran already: it may be a person's, and is not ended");
	answer_waits(k, NULL);
	return true;
}

void keeper_start(struct keeper *k)
{
	if (k->state != KEEPER_OFF && k->state != KEEPER_PAUSING && k->state != KEEPER_CRASH_LOOP)
		return;
	if (k->state == KEEPER_CRASH_LOOP)
		k->ends_count = 0;
	if (k->spec->pool || !adopt(k, keeper_worker(k)))
		begin(k);
}

void keeper_wait(struct keeper *k, struct keeper_wait *w)
{
	w->keeper = k;
	TAILQ_INSERT_TAIL(&k->waits, w, link);
	keeper_start(k);
}

void keeper_unwait(struct keeper_wait *w)
{
	if (w->keeper)
		TAILQ_REMOVE(&w->keeper->waits, w, link);
	w->keeper = NULL;
}

/* Who is lost may have been ended by them. */
static void describe_limits(const struct fleet_spec *s, char *text, size_t room)
{
	char memory[80] = "", cpu[80] = "";
	*text = 0;
	if (s->memory)
		snprintf(memory, sizeof memory, "%ld MiB of memory (the setting memory)", s->memory);
	if (s->cpu)
		snprintf(cpu, sizeof cpu, "%ld s of processor time in its life (cpu)", s->cpu);
	if (s->memory || s->cpu)
		snprintf(text, room, " (it may have reached what it may take: %s%s%s)", memory, s->memory && s->cpu ? " and " : "", cpu);
}

void keeper_serves(struct keeper *k, struct worker *w)
{
	unlock(k);
	k->ready = k->used = os_now();
	if (!k->process) { /* the other bridge's */
		k->process = process_watch(k->host->loop, w->pid, on_end, k);
		k->pid = w->pid;
	}
	w->flight_max = k->spec->concurrency;
	describe_limits(k->spec, w->limits, sizeof w->limits);
	log_info("%s: serves after %.0f ms", k->name, (k->ready - k->begun) * 1000);
	keeper_set_state(k, KEEPER_UP, "");
	if (k->spec->idle_stop)
		keeper_after(k, &k->idle, (double)k->spec->idle_stop);
	answer_waits(k, NULL);
}

static void on_timer(EV_P_ ev_timer *timer, int revents)
{
	struct keeper *k = timer->data;
	char why[200];
	(void)loop;
	(void)revents;
	switch (k->state) {
	case KEEPER_STARTING:
		snprintf(why, sizeof why, "the Emacs \"%s\" was not ready within %ld s (the setting start_timeout)%s", k->name,
			 k->host->config->start_timeout, k->process ? " and was ended" : "; another bridge starts it");
		if (k->process) {
			process_kill(k->process);
			process_destroy(k->process);
			k->process = NULL;
		}
		unlock(k);
		failed(k, "start_timeout", why, false);
		break;
	case KEEPER_DRAINING:
		drained(k);
		break;
	case KEEPER_ENDING:
		if (k->unattended) {
			keeper_parted(k, "it was told to end and has not");
			break;
		}
		log_warning("%s: has not ended when it was told to and is killed", k->name);
		process_kill(k->process);
		break;
	case KEEPER_PAUSING:
	case KEEPER_CRASH_LOOP:
		keeper_start(k);
		break;
	case KEEPER_OFF:
	case KEEPER_UP:
	case KEEPER_FOREIGN:
		break;
	}
}

struct keeper *keeper_create(const struct keeper_host *host, const struct fleet_spec *spec, const char *name)
{
	struct keeper *k = calloc(1, sizeof *k);
	if (!k)
		log_no_memory();
	k->host = host;
	k->spec = spec;
	k->lock = -1;
	snprintf(k->name, sizeof k->name, "%s", name);
	TAILQ_INIT(&k->waits);
	ev_timer_init(&k->timer, on_timer, 0., 0.);
	k->timer.data = k;
	keeper_watch_init(k);
	return k;
}

void keeper_respec(struct keeper *k, const struct fleet_spec *spec)
{
	k->stale |= spec->pool && k->state != KEEPER_OFF && !fleet_spec_same(k->spec, spec);
	k->spec = spec;
}

void keeper_destroy(struct keeper *k)
{
	struct keeper_wait *w;
	if (!k)
		return;
	while ((w = TAILQ_FIRST(&k->waits)))
		keeper_unwait(w);
	keeper_stop_timer(k, &k->timer);
	keeper_watch_finish(k);
	if (k->process && (k->spec->pool || k->state == KEEPER_STARTING))
		process_kill(k->process);
	process_destroy(k->process);
	unlock(k);
	free(k);
}
