/* service.c - see service.h */
#include "back/service_impl.h"
#include "copy.h"
#include "log.h"
#include "mcp/closer.h"
#include "mcp/result.h"
#include "os.h"
#include "wire/runtime.h"
#include "share.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)SERVICE_HOME_MAX == (int)RUNTIME_PATH_MAX && (int)WORKER_WHY_MAX == (int)RUNTIME_ERROR, "one length of paths and sentences");

enum {
	START = 256 * 1024,  /* bytes of a result a worker sends without being granted any */
	WINDOW = 768 * 1024, /* bytes it may be ahead of the client */
	PIECE = 128 * 1024,  /* bytes that are worth a grant */
};

struct service *service_create(const struct config *config)
{
	struct service *s = calloc(1, sizeof *s);
	if (!s)
		log_no_memory();
	s->config = config;
	s->places = copy_text("");
	s->trouble = copy_text("");
	s->line_policy = (struct line_policy){config->queue_max, config->queue_bytes, config->queue_client, share_of(config, config->queue_max), (double)config->queue_age / 1000};
	TAILQ_INIT(&s->workers);
	TAILQ_INIT(&s->pools);
	return s;
}

void service_destroy(struct service *s)
{
	struct worker *w;
	if (!s)
		return;
	while (pool_first(s))
		pool_destroy(pool_first(s));
	while ((w = TAILQ_FIRST(&s->workers)))
		service_remove(w);
	free(s->places);
	free(s->trouble);
	free(s);
}

void service_on_hash(struct service *s, void (*on_hash)(void *data, struct worker *), void *data)
{
	s->on_hash = on_hash;
	s->data = data;
}

void service_on_state(struct service *s, void (*on_state)(void *data, struct worker *), void *data)
{
	size_t i = 0;
	while (i < SERVICE_LISTENERS && s->on_state[i].on_state)
		i++;
	assert(i < SERVICE_LISTENERS);
	s->on_state[i] = (struct state_listener){on_state, data};
}

void service_on_ended(struct service *s, void (*on_ended)(void *data, struct worker *, struct request *, enum service_end), void *data)
{
	size_t i = 0;
	while (i < SERVICE_LISTENERS && s->on_ended[i].on_ended)
		i++;
	assert(i < SERVICE_LISTENERS);
	s->on_ended[i] = (struct end_listener){on_ended, data};
}

void service_deafen(struct service *s, const void *data)
{
	size_t kept = 0;
	for (size_t i = 0; i < SERVICE_LISTENERS; i++)
		if (s->on_state[i].data != data)
			s->on_state[kept++] = s->on_state[i];
	while (kept < SERVICE_LISTENERS)
		s->on_state[kept++] = (struct state_listener){NULL, NULL};
	kept = 0;
	for (size_t i = 0; i < SERVICE_LISTENERS; i++)
		if (s->on_ended[i].data != data)
			s->on_ended[kept++] = s->on_ended[i];
	while (kept < SERVICE_LISTENERS)
		s->on_ended[kept++] = (struct end_listener){NULL, NULL};
}

void service_on_note(struct service *s, void (*on_note)(void *data, struct worker *, const char *json, size_t len), void *data)
{
	s->on_note = on_note;
	s->note_data = data;
}

static json_t *about(const struct worker *w, bool may_have_run)
{
	return json_pack("{s:s,s:b}", w->ops->key, w->name, "may_have_run", may_have_run);
}

enum { TITLE_MAX = WORKER_NAME_MAX + 32 };

/* `the Emacs "main"', or `the gateway', of which there is one. */
static const char *title(const struct worker *w, char text[TITLE_MAX])
{
	bool named = strcmp(w->ops->key, "instance_id") == 0;
	snprintf(text, TITLE_MAX, named ? "%s \"%s\"" : "%s", w->ops->noun, w->name);
	return text;
}

static void set_flying(struct worker *w, struct request *r, bool flying)
{
	r->flying = flying;
	r->worker = flying ? w : NULL;
	if (flying)
		TAILQ_INSERT_TAIL(&w->flying, r, of_worker);
	else
		TAILQ_REMOVE(&w->flying, r, of_worker);
	w->flying_count += flying ? 1 : -1;
}

static bool has_room(const struct worker *w)
{
	return w->linked && !w->clogged && w->flying_count < (w->flight_max ? w->flight_max : w->service->config->flight_max);
}

/* One client leaves room for others, who then need not wait for its calls to end: Emacs takes
 * its calls and theirs in turn. */
static bool may_fly(const void *worker, uint64_t client)
{
	const struct worker *w = worker;
	const struct request *r;
	long most = (w->service->config->flight_max * 3 + 3) / 4, own = 0;
	if (w->flying_count < most)
		return true;
	TAILQ_FOREACH(r, &w->flying, of_worker)
		own += r->client_key == client;
	return own < most;
}

void service_send(struct worker *w, struct request *r)
{
	set_flying(w, r, true);
	r->tries++;
	if (w->pool)
		pool_sent(w, r);
	w->ops->call(w, r);
	if (!r->again && !r->pool)
		buf_finish(&r->arguments);
}

static void leave_line(struct worker *w, struct request *r)
{
	line_remove(&w->line, r);
	r->worker = NULL;
}

static void pump(struct worker *w)
{
	while (w->line.count && has_room(w)) {
		double now = os_now();
		struct request *r = line_next(&w->line, PRIORITY_BATCH, now, may_fly, w);
		if (!r)
			return;
		r->waited += now - r->queued;
		service_send(w, r);
	}
}

/* It may take more: first what was given to it alone. */
static void on_room(struct worker *w)
{
	pump(w);
	if (w->pool)
		pool_room(w);
}

static void land(struct worker *w, struct request *r, bool good, enum service_end how)
{
	set_flying(w, r, false);
	if (w->pool)
		pool_ended(w, r, good);
	for (size_t i = 0; i < SERVICE_LISTENERS && w->service->on_ended[i].on_ended; i++)
		w->service->on_ended[i].on_ended(w->service->on_ended[i].data, w, r, how);
}

/* It is judged as a whole before anything of it goes on. */
static bool collects(const struct request *r)
{
	return r->parent || r->whole || r->faulted || r->asks || (r->failed && r->exact);
}

/* Grants what keeps the sender busy: the first MiB is collected, after that only what
 * the client has taken is replaced. */
static void grant(struct worker *w, struct request *r)
{
	size_t collect = (size_t)w->service->config->collect_max;
	size_t want = r->settled || collects(r) ? r->received + WINDOW : r->consumed + WINDOW;
	size_t early = r->received + WINDOW < collect ? r->received + WINDOW : collect;
	if (want < early)
		want = early;
	if (want <= r->allowed || (want - r->allowed < PIECE && r->received < r->allowed))
		return;
	w->ops->credit(w, r, want - r->allowed);
	r->allowed = want;
}

static void on_drained(struct request *r)
{
	if (r->worker && r->flying)
		grant(r->worker, r);
}

/* The reply is there or will never be: hands it outward.  Flying no more. */
void service_hand_over(struct request *r)
{
	r->ended = true;
	if (r->settled)
		r->release(r);
	else if (r->grown)
		r->grown(r);
	else if (r->streaming)
		r->outlet->more(r->outlet, r);
	else
		r->resume(r);
}

/* It is passed on undecoded, but one bad line would spoil the client's whole conversation. */
static bool is_json(const struct request *r)
{
	struct closer closer;
	size_t len = buf_len(&r->reply) - 1;
	closer_init(&closer);
	return closer_feed(&closer, buf_data(&r->reply) + 1, len) == len && closer_done(&closer);
}

static void disown(struct worker *w, struct request *r)
{
	static const char why[] = "a result that is no JSON";
	char who[TITLE_MAX];
	w->ops->distrust(w, why);
	result_error(r, "bad_answer", about(w, true), "%s sent %s; the call has run", title(w, who), why);
}

static void on_reply(struct worker *w, struct request *r, bool last)
{
	if (r->settled)
		buf_eat(&r->reply, buf_len(&r->reply));
	if (last) {
		bool good = r->settled || r->grown || r->streaming || is_json(r);
		land(w, r, good, SERVICE_ANSWERED);
		if (!good)
			disown(w, r);
		service_hand_over(r);
		on_room(w);
		return;
	}
	if (!r->settled && r->grown) {
		r->grown(r);
	} else if (!r->settled && r->streaming) {
		r->outlet->more(r->outlet, r);
	} else if (!r->settled && !collects(r) && r->received >= (size_t)w->service->config->collect_max) {
		r->streaming = true;
		r->resume(r);
	}
	if (r->flying) /* what was called may have cut it short, but it still flies */
		grant(w, r);
}

static void on_refused(struct worker *w, struct request *r)
{
	land(w, r, r->settled || r->hopeless, SERVICE_UNRUN); /* what was cancelled is refused too */
	if (!pool_again(r, w))
		service_hand_over(r);
	on_room(w);
}

enum far { UNSENT, UNBEGUN, UNKNOWN }; /* how far a call came */

static void fail(struct request *r, const struct worker *w, const char *code, enum far far, const char *why)
{
	static const char *const words[] = {
		[UNSENT] = "the call was not sent and did not run",
		[UNBEGUN] = "the call was sent, but had not begun: it did not run",
		[UNKNOWN] = "the call was already sent and may have run: look before you try again"};
	if (r->streaming && !r->settled && !r->broken)
		r->broken = copy_text(why);
	else if (!r->settled) {
		r->grown = NULL; /* what there is of its result is of no use */
		r->faulted = r->asks = false;
		result_error(r, code, about(w, far == UNKNOWN), "%s; %s", why, words[far]);
	}
}

static void fail_waiting(struct worker *w, const char *code, const char *why)
{
	struct request *r;
	while ((r = line_oldest(&w->line))) {
		leave_line(w, r);
		fail(r, w, code, UNSENT, why);
		service_hand_over(r);
	}
}

static void on_lost(struct worker *w, const char *why)
{
	struct request *r;
	while ((r = TAILQ_FIRST(&w->flying))) {
		bool unbegun = w->ops->unbegun && w->ops->unbegun(w, r);
		land(w, r, true, unbegun ? SERVICE_UNRUN : SERVICE_LOST); /* to die is no failure of one that is there */
		if ((r->idempotent || unbegun) && pool_again(r, w))
			continue;
		fail(r, w, w->ops->gone, unbegun ? UNBEGUN : UNKNOWN, why);
		service_hand_over(r);
	}
	fail_waiting(w, w->ops->gone, why);
	if (w->pool)
		pool_room(w);
}

static void on_note(struct worker *w, struct request *r, const char *json, size_t len)
{
	if (!r && w->service->on_note)
		w->service->on_note(w->service->note_data, w, json, len);
	else if (r && !r->settled && !r->streaming && r->noted)
		r->noted(r, json, len);
}

static void on_hash(struct worker *w)
{
	if (w->service->on_hash)
		w->service->on_hash(w->service->data, w);
}

void service_add(struct service *s, struct worker *w)
{
	w->service = s;
	line_init(&w->line, &s->line_policy);
	TAILQ_INIT(&w->flying);
	w->on_reply = on_reply;
	w->on_refused = on_refused;
	w->on_lost = on_lost;
	w->on_hash = on_hash;
	w->on_note = on_note;
	w->on_room = on_room;
	TAILQ_INSERT_TAIL(&s->workers, w, of_service);
}

void service_remove(struct worker *w)
{
	pool_leave(w);
	TAILQ_REMOVE(&w->service->workers, w, of_service);
	w->ops->destroy(w);
}

struct worker *service_find(const struct service *s, const char *name)
{
	struct worker *w;
	TAILQ_FOREACH(w, &s->workers, of_service)
		if (strcmp(w->name, name) == 0)
			return w;
	return NULL;
}

struct worker *service_first(const struct service *s)
{
	return TAILQ_FIRST(&s->workers);
}

struct worker *service_next(const struct worker *w)
{
	return TAILQ_NEXT(w, of_service);
}

void service_begin(struct request *r)
{
	r->drained = on_drained;
	r->allowed = START;
}

/* Whether it may be given to W at all; if not, its reply says why. */
static bool acceptable(const struct worker *w, struct request *r)
{
	char who[TITLE_MAX], why[WORKER_WHY_MAX + TITLE_MAX + 64];
	bool gone = w->state == WORKER_GONE;
	if (!gone && (w->linked || w->state != WORKER_BLOCKED))
		return true;
	snprintf(why, sizeof why, "%s %s: %s", title(w, who), gone ? "is gone" : "does not answer", w->why);
	fail(r, w, gone ? w->ops->gone : "not_responding", UNSENT, why);
	return false;
}

bool service_submit(struct worker *w, struct request *r)
{
	if (!acceptable(w, r))
		return false;
	r->pool = NULL; /* this one it must be, though a pool had it before */
	service_begin(r);
	if (!w->line.count && has_room(w) && may_fly(w, r->client_key)) {
		service_send(w, r);
		return true;
	}
	enum line_room room = line_room(&w->line, r);
	if (room != LINE_ROOM) {
		char who[TITLE_MAX];
		result_error(r, "queue_full", json_pack("{s:s,s:b,s:i}", w->ops->key, w->name, "may_have_run", 0, "retry_after", 1),
			     "%ld calls%s wait for %s already; wait for some of them and try again",
			     room == LINE_FULL ? w->line.count : w->line.policy->client_max,
			     room == LINE_FULL ? "" : " of this client", title(w, who));
		return false;
	}
	line_add(&w->line, r, os_now());
	r->worker = w;
	pump(w);
	return true;
}

void service_cancel(struct request *r, const char *reason)
{
	struct worker *w = r->worker;
	if (w && r->flying) {
		w->ops->cancel(w, r, reason);
		buf_eat(&r->reply, buf_len(&r->reply));
		grant(w, r);
	} else if (r->lane && w) {
		leave_line(w, r);
	} else if (r->lane) {
		pool_drop(r);
	}
}

void service_expire(struct request *r)
{
	struct worker *w = r->worker;
	char who[TITLE_MAX], why[WORKER_WHY_MAX + TITLE_MAX + 64];
	if (!w) {
		pool_expire(r);
		return;
	}
	bool silent = !w->linked || w->state != WORKER_READY;
	leave_line(w, r);
	if (silent)
		snprintf(why, sizeof why, "%s has not answered for %.1f s: %s", title(w, who), os_now() - r->clock, w->why);
	else
		snprintf(why, sizeof why, "the call waited for %.1f s, its whole time-out: %s has %ld calls in work and %ld more wait", os_now() - r->clock,
			 title(w, who), w->flying_count, w->line.count);
	fail(r, w, silent ? "not_responding" : "queue_timeout", UNSENT, why);
	service_hand_over(r);
}

void service_give_up(struct worker *w, struct request *r, const char *code, const char *why)
{
	if (r->settled || r->streaming)
		return;
	if (w->pool)
		pool_failed(w);
	fail(r, w, code, w->ops->withdraw && w->ops->withdraw(w, r) ? UNBEGUN : UNKNOWN, why);
	r->resume(r);
}

const char *service_state_word(enum worker_state state)
{
	static const char *const words[] = {"starting", "ready", "blocked", "gone"};
	return words[state];
}

void service_explain(const struct worker *w, char why[WORKER_WHY_MAX])
{
	switch (os_process_state(w->pid)) {
	case OS_PROCESS_STOPPED:
		snprintf(why, WORKER_WHY_MAX, "the process is stopped (SIGSTOP): kill -CONT %ld", (long)w->pid);
		break;
	case OS_PROCESS_ZOMBIE:
	case OS_PROCESS_GONE:
		snprintf(why, WORKER_WHY_MAX, "the process %ld has ended", (long)w->pid);
		break;
	case OS_PROCESS_UNKNOWN:
		snprintf(why, WORKER_WHY_MAX, "nothing more is known");
		break;
	case OS_PROCESS_ALIVE:
		snprintf(why, WORKER_WHY_MAX, "the process %ld runs but its module does not answer; the machine may be overloaded",
			 (long)w->pid);
	}
}

void service_set_state(struct worker *w, enum worker_state state, const char *why)
{
	bool changed = w->state != state;
	if (changed || strcmp(w->why, why) != 0)
		log_info("%s: %s%s%s", w->name, service_state_word(state), *why ? ": " : "", why);
	w->state = state;
	if (why != w->why) /* who keeps the reason passes it */
		snprintf(w->why, sizeof w->why, "%s", why);
	if (state == WORKER_BLOCKED && !w->linked) {
		char who[TITLE_MAX], sentence[WORKER_WHY_MAX + TITLE_MAX + 64];
		snprintf(sentence, sizeof sentence, "%s does not answer: %s", title(w, who), why);
		fail_waiting(w, "not_responding", sentence);
	}
	if (changed && w->pool)
		pool_room(w);
	for (size_t i = 0; changed && i < SERVICE_LISTENERS && w->service->on_state[i].on_state; i++)
		w->service->on_state[i].on_state(w->service->on_state[i].data, w);
}

void service_set_places(struct service *s, const char *places, const char *trouble)
{
	free(s->places);
	free(s->trouble);
	s->places = copy_text(places);
	s->trouble = copy_text(trouble);
}

const char *service_places(const struct service *s)
{
	return s->places;
}

const char *service_trouble(const struct service *s)
{
	return s->trouble;
}

bool service_name_valid(const char *name)
{
	return runtime_name_valid(name);
}

bool service_home(char folder[SERVICE_HOME_MAX], char error[WORKER_WHY_MAX])
{
	return runtime_make_folder(folder, error);
}
