/* keeper_watch.c - while a declared Emacs serves: is it stuck, used up, or not used at all?
 * See keeper_impl.h. */
#include "core/keeper_impl.h"
#include "mcp/census.h"
#include "back/pool.h"
#include "core/self.h"

#include <stdio.h>
#include <string.h>

enum { MIB = 1024 * 1024 };
static const double look_every = 1; /* seconds */

static void release(struct keeper *k)
{
	struct worker *w = keeper_worker(k);
	if (w && k->held_from)
		pool_join(k->held_from, w);
	k->held_from = NULL;
}

static void ask_whether_stuck(struct keeper *k)
{
	struct worker *w = keeper_worker(k);
	if (!w || !w->linked || k->ask.worker)
		return;
	buf_finish(&k->ask.question);
	buf_finish(&k->ask.answer);
	k->ask.kind = ASK_STATUS;
	w->ops->ask(w, &k->ask, NULL, (double)k->host->config->status_timeout / 1000);
}

void keeper_on_worker(struct keeper *k, struct worker *w)
{
	if (k->state == KEEPER_STARTING && w->state == WORKER_READY
	    && (!k->process || w->pid == process_pid(k->process) || os_process_mark(w->pid, STARTED_MARK) == OS_MARK_YES))
		keeper_serves(k, w);
	if (k->state != KEEPER_UP || !k->spec->replace_stuck)
		return;
	if (w->state == WORKER_READY && k->held_from && !k->ask.worker) {
		ask_whether_stuck(k); /* it was away when it should have been asked */
		return;
	}
	if (w->state == WORKER_BLOCKED && !ev_is_active(&k->stuck))
		keeper_after(k, &k->stuck, (double)k->host->config->stuck_timeout / 1000);
	else if (w->state == WORKER_READY && !k->stuck_request)
		keeper_stop_timer(k, &k->stuck);
}

/* A form that was asked to stop has stuck_grace once more; then its Emacs goes. */
static void on_told(struct ask *ask, const char *json, size_t len)
{
	struct keeper *k = ask->owner;
	json_t *state = json ? census_load(json, len, 0, NULL) : NULL, *running = json_object_get(state, "running");
	json_int_t number = json_object_get(running, "stopping") ? json_integer_value(json_object_get(running, "request")) : 0;
	json_decref(state);
	if (k->state != KEEPER_UP)
		return;
	if (number && number == k->stuck_request) {
		keeper_replace(k, "a form could not be stopped");
		return;
	}
	k->stuck_request = number;
	if (number)
		keeper_after(k, &k->stuck, (double)k->host->config->stuck_grace / 1000);
	else
		release(k);
}

/* It was to be stopped; then it may run still. */
static bool was_stopped(const struct request *r)
{
	static const char *const words[] = {"\"timeout\\\"", "\"cancelled\\\"", "\"interrupted\\\""};
	bool found = r->settled;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		found |= buf_len(&r->reply) && memmem(buf_data(&r->reply), buf_len(&r->reply), words[i], strlen(words[i]));
	return found;
}

void keeper_on_failed(struct keeper *k, struct worker *w, const struct request *r)
{
	if (k->state != KEEPER_UP || !k->spec->replace_stuck || !k->process || k->stuck_request || !w->linked || !was_stopped(r))
		return;
	if (w->pool) { /* nothing more is sent to it meanwhile */
		k->held_from = w->pool;
		pool_leave(w);
	}
	ask_whether_stuck(k);
}

static void on_stuck(EV_P_ ev_timer *timer, int revents)
{
	struct keeper *k = timer->data;
	const struct worker *w = keeper_worker(k);
	(void)loop;
	(void)revents;
	if (w && w->state == WORKER_BLOCKED) {
		char why[WORKER_WHY_MAX];
		snprintf(why, sizeof why, "it was silent for too long: %.400s", w->why);
		keeper_replace(k, why);
	} else if (k->stuck_request) {
		ask_whether_stuck(k);
	}
}

static bool is_used_up(struct keeper *k, char *why, size_t room)
{
	double now = os_now();
	if (!k->spec->pool)
		return false;
	snprintf(why, room, "it has answered %ld calls (recycle_calls)", k->calls);
	if (k->spec->recycle_calls && k->calls >= k->spec->recycle_calls)
		return true;
	if (!k->spec->recycle_memory || now - k->looked < look_every)
		return false;
	k->looked = now;
	long memory = os_process_memory(k->pid) / MIB;
	snprintf(why, room, "it takes %ld MiB (recycle_memory)", memory);
	return memory >= k->spec->recycle_memory;
}

/* Its reply is a text within a text. */
static bool ran_out(const struct request *r)
{
	static const char word[] = "\"memory_exhausted\\\"";
	return r->failed && buf_len(&r->reply) && memmem(buf_data(&r->reply), buf_len(&r->reply), word, sizeof word - 1);
}

void keeper_on_ended(struct keeper *k, struct worker *w, const struct request *r)
{
	char why[100];
	k->used = os_now();
	k->calls++;
	k->good += r->received && !r->failed;
	if (k->state == KEEPER_UP && k->spec->pool && ran_out(r))
		keeper_stop(k, true, "no memory was left for it");
	else if (k->state == KEEPER_UP && (k->stale || is_used_up(k, why, sizeof why)))
		keeper_stop(k, true, k->stale ? "it is declared otherwise now" : why);
	else if (k->state == KEEPER_DRAINING && !w->flying_count && !w->line.count)
		keeper_after(k, &k->timer, 0.); /* the answer goes out first */
}

static void on_idle(EV_P_ ev_timer *timer, int revents)
{
	struct keeper *k = timer->data;
	double left = k->used + (double)k->spec->idle_stop - os_now();
	(void)loop;
	(void)revents;
	if (keeper_busy(k))
		left = (double)k->spec->idle_stop;
	if (left > 0)
		keeper_after(k, &k->idle, left);
	else
		keeper_stop(k, false, "it was not used for idle_stop");
}

void keeper_watch_init(struct keeper *k)
{
	ev_timer_init(&k->stuck, on_stuck, 0., 0.);
	ev_timer_init(&k->idle, on_idle, 0., 0.);
	k->stuck.data = k->idle.data = k;
	k->ask.on_answer = on_told;
	k->ask.owner = k;
}

void keeper_watch_stop(struct keeper *k)
{
	keeper_stop_timer(k, &k->stuck);
	keeper_stop_timer(k, &k->idle);
	if (k->ask.worker)
		k->ask.worker->ops->drop(k->ask.worker, &k->ask);
	k->stuck_request = 0;
	k->held_from = NULL;
}

void keeper_watch_finish(struct keeper *k)
{
	keeper_watch_stop(k);
	buf_finish(&k->ask.question);
	buf_finish(&k->ask.answer);
}
