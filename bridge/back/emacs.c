/* emacs.c - see emacs.h */
#include "back/emacs_impl.h"
#include "log.h"
#include "mcp/text.h"
#include "os.h"
#include "wire/socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert((int)REQUEST_TIMEOUT == (int)WIRE_TIMEOUT_DEFAULT, "one time-out of calls that bring none");
_Static_assert((int)PRIORITY_BATCH == (int)WIRE_BATCH && (int)PRIORITIES == (int)WIRE_PRIORITIES, "one order of priorities");
_Static_assert((int)REQUEST_TOOL_MAX == (int)WIRE_TOOL_MAX && (int)REQUEST_CLIENT_MAX == (int)WIRE_CLIENT_MAX, "one length of names");
_Static_assert((int)WORKER_NAME_MAX == (int)RUNTIME_NAME_MAX, "one length of instance names");
_Static_assert((int)REQUEST_INSTANCE_MAX == (int)RUNTIME_NAME_MAX, "one length of instance names");

enum { UNSENT_MAX = 4 * 1024 * 1024 }; /* bytes Emacs has not read yet at which no more calls are sent */

static void connect_now(struct emacs *e);

static struct emacs *of(struct worker *w)
{
	return (struct emacs *)(void *)w; /* worker is the first member */
}

void emacs_send_frame(struct emacs *e, enum wire_type type, uint64_t id, const char *data, size_t len)
{
	if (e->plug.fd < 0)
		return;
	if (!wire_put(&e->plug.out, (uint8_t)type, 0, id, data, len))
		log_no_memory();
	plug_wake(&e->plug);
}

/* --- coming and going --- */

void emacs_complain(struct emacs *e, const char *why)
{
	if (strcmp(e->logged, why) != 0)
		log_warning("%s: %s", e->worker.name, why);
	snprintf(e->logged, sizeof e->logged, "%s", why);
}

static void retry_after(struct emacs *e, double seconds)
{
	ev_timer_stop(e->loop, &e->retry);
	ev_timer_set(&e->retry, seconds, 0.);
	ev_timer_start(e->loop, &e->retry);
}

static void retry_later(struct emacs *e)
{
	retry_after(e, e->pause);
	e->pause = e->pause * 2 < (double)e->config->retry_max ? e->pause * 2 : (double)e->config->retry_max;
}

/* Nobody is there: what waits is told so. */
static void be_gone(struct emacs *e, const char *why)
{
	char sentence[WORKER_WHY_MAX + WORKER_NAME_MAX + 64];
	snprintf(sentence, sizeof sentence, "the Emacs \"%s\" is gone: %s", e->worker.name, why);
	service_set_state(&e->worker, WORKER_GONE, why);
	e->worker.on_lost(&e->worker, sentence);
}

static void hide(struct emacs *e, const char *why)
{
	ev_timer_stop(e->loop, &e->retry);
	e->pause = 1;
	e->worker.listed = false;
	be_gone(e, why);
}

static void drop_asks(struct emacs *e)
{
	struct ask *ask;
	while ((ask = TAILQ_FIRST(&e->asks))) {
		e->worker.ops->drop(&e->worker, ask);
		ask->on_answer(ask, NULL, 0);
	}
}

/* The connection is closed: says so to everybody who waits, and looks whether it comes back. */
static void lose(struct emacs *e, const char *why)
{
	char reason[WORKER_WHY_MAX], sentence[WORKER_WHY_MAX + WORKER_NAME_MAX + WORKER_LIMITS_MAX + 64];
	bool was_linked = e->worker.linked;
	ev_timer_stop(e->loop, &e->hello);
	ev_timer_stop(e->loop, &e->tick);
	e->worker.linked = e->worker.clogged = false;
	snprintf(reason, sizeof reason, "%s", *e->parting ? e->parting : why);
	service_set_state(&e->worker, WORKER_GONE, reason);
	snprintf(sentence, sizeof sentence, "the Emacs \"%s\" went away: %s%s", e->worker.name, reason, e->worker.limits);
	drop_asks(e);
	e->worker.on_lost(&e->worker, sentence);
	if (e->news || (was_linked && !e->refused_us && !e->ending))
		retry_after(e, 0.);
	else
		retry_later(e);
}

static void on_plug_end(struct plug *plug, const char *why)
{
	struct emacs *e = (struct emacs *)(void *)((char *)plug - offsetof(struct emacs, plug));
	lose(e, why);
}

void emacs_distrust(struct worker *w, const char *why)
{
	struct emacs *e = of(w);
	if (e->ending)
		return;
	snprintf(e->parting, sizeof e->parting, "it broke the contract of the wire (%s)", why);
	emacs_complain(e, e->parting);
	e->ending = true;
	if (e->plug.fd >= 0)
		plug_end(&e->plug, e->parting);
}

static void on_hello_late(EV_P_ ev_timer *timer, int revents)
{
	struct emacs *e = timer->data;
	char why[WORKER_WHY_MAX];
	(void)loop;
	(void)revents;
	service_explain(&e->worker, why);
	service_set_state(&e->worker, WORKER_BLOCKED, why);
	if (!e->news)
		return;
	plug_close(&e->plug); /* somebody else may have taken its place in the folder */
	connect_now(e);
}

static void on_retry(EV_P_ ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	connect_now(timer->data);
}

/* The socket is there and somebody listens; is it us, and does it speak? */
static void greet(struct emacs *e)
{
	uid_t uid;
	if (!socket_peer(e->plug.fd, &uid, &e->worker.pid) || uid != geteuid()) {
		char why[WORKER_WHY_MAX];
		snprintf(why, sizeof why, "its socket is served by another user (%ld) and not by you: it is not used", (long)uid);
		emacs_complain(e, why);
		plug_close(&e->plug);
		service_set_state(&e->worker, WORKER_GONE, why);
		retry_later(e);
		return;
	}
	os_process_folder(e->worker.pid, e->worker.folder, sizeof e->worker.folder);
	struct buf hello = {0};
	text_format(&hello, "{\"version\":\"" EFRIT_MCP_VERSION "\",\"pid\":%ld,\"client\":\"efrit-bridge\"}", (long)getpid());
	emacs_send_frame(e, WIRE_HELLO, 0, buf_data(&hello), buf_len(&hello));
	buf_finish(&hello);
	ev_timer_set(&e->hello, (double)e->config->hello_timeout / 1000, 0.);
	ev_timer_start(e->loop, &e->hello);
	service_set_state(&e->worker, WORKER_STARTING, "it was greeted and has not answered yet");
}

static enum plug_result try_folders(struct emacs *e, char error[RUNTIME_ERROR])
{
	char path[RUNTIME_PATH_MAX];
	for (int i = 0; i < RUNTIME_FOLDERS; i++) {
		if (!(e->seen & 1u << i) || !runtime_socket_path(e->folders[i], e->worker.name, path, error))
			continue;
		enum plug_result result = plug_open(&e->plug, path);
		snprintf(error, RUNTIME_ERROR, "%s cannot be connected to: %s", path, strerror(errno));
		e->folder = i;
		if (result != PLUG_REFUSED)
			return result;
	}
	return PLUG_REFUSED;
}

static void connect_now(struct emacs *e)
{
	char error[RUNTIME_ERROR] = "no socket of its name is there any more";
	ev_timer_stop(e->loop, &e->retry);
	e->refused_us = e->ending = e->news = e->better = false;
	ledger_destroy(e->ledger);
	e->ledger = NULL;
	e->plug.takes = true;
	e->parting[0] = 0;
	switch (try_folders(e, error)) {
	case PLUG_OPEN:
		e->worker.listed = true;
		greet(e);
		return;
	case PLUG_REFUSED: /* a file left behind by an Emacs that died is no instance */
		hide(e, error);
		return;
	case PLUG_BUSY:
		e->worker.listed = true;
		service_set_state(&e->worker, WORKER_BLOCKED, "it takes no more connections; its process may be stopped");
		break;
	case PLUG_ERROR:
		e->worker.listed = true;
		be_gone(e, error);
		emacs_complain(e, error);
		break;
	}
	retry_later(e);
}

/* The first folder wins, also when its Emacs started later; but not in the middle of a call. */
void emacs_move(struct emacs *e)
{
	if (!e->better || e->worker.flying_count || !TAILQ_EMPTY(&e->asks))
		return;
	ev_timer_stop(e->loop, &e->hello);
	ev_timer_stop(e->loop, &e->tick);
	e->worker.linked = e->worker.clogged = false;
	plug_close(&e->plug);
	connect_now(e);
}

void emacs_seen(struct worker *w, unsigned folders)
{
	struct emacs *e = of(w);
	unsigned earlier = folders & ~e->seen & ((1u << e->folder) - 1);
	e->seen = folders;
	e->news = folders != 0;
	if (e->plug.fd >= 0) {
		e->better |= earlier != 0;
		emacs_move(e);
		return;
	}
	if (folders)
		connect_now(e);
	else if (w->listed)
		hide(e, *w->why ? w->why : "its socket was removed");
}

bool emacs_evictable(const struct worker *w)
{
	const struct emacs *e = (const struct emacs *)(const void *)w;
	return !w->listed && e->plug.fd < 0 && !w->flying_count && !w->line.count && TAILQ_EMPTY(&e->asks);
}

/* --- what is asked of it --- */

/* While calls fly: is it still there?  A call whose own time is long over on an Emacs
 * that says nothing is answered for it; an Emacs that is heard always answers itself. */
static void on_tick(EV_P_ ev_timer *timer, int revents)
{
	struct emacs *e = timer->data;
	double now = os_now(), interval = (double)e->config->ping_interval / 1000;
	char why[WORKER_WHY_MAX], sentence[WORKER_WHY_MAX + WORKER_NAME_MAX + 64];
	(void)revents;
	if (!e->worker.flying_count) {
		ev_timer_stop(loop, timer);
		return;
	}
	if (now - e->ticked > 2 * interval) /* it was us who slept */
		e->heard = now;
	e->ticked = now;
	if (buf_len(&e->plug.out) < WIRE_BLOCK)
		emacs_send_frame(e, WIRE_PING, ++e->numbers * 2 + 1, NULL, 0);
	if (now - e->heard < (double)e->config->silence / 1000)
		return;
	service_explain(&e->worker, why);
	service_set_state(&e->worker, WORKER_BLOCKED, why);
	snprintf(sentence, sizeof sentence, "the Emacs \"%s\" has not answered for %.0f s: %s", e->worker.name, now - e->heard, why);
	struct request *r, *next;
	for (r = TAILQ_FIRST(&e->worker.flying); r; r = next) {
		double own = request_timeout(r) + (double)e->config->call_margin;
		next = TAILQ_NEXT(r, of_worker);
		if ((now - r->sent) * 1000 >= own)
			service_give_up(&e->worker, r, "not_responding", sentence);
	}
}

static void call(struct worker *w, struct request *r)
{
	struct emacs *e = of(w);
	struct wire_call c = {
		.timeout_ms = request_left(r),
		.patient = r->patient,
		.priority = (uint8_t)r->priority,
		.tool = r->tool,
		.tool_len = strlen(r->tool),
		.client = r->client,
		.client_len = strlen(r->client),
		.context = buf_data(&r->context),
		.context_len = buf_len(&r->context),
		.arguments = buf_data(&r->arguments),
		.arguments_len = buf_len(&r->arguments),
	};
	if (!wire_put_call(&e->plug.out, emacs_wire_id(r), &c))
		log_no_memory(); /* its size was checked when it was taken in */
	plug_wake(&e->plug);
	r->sent = os_now();
	r->begun_before = e->ledger ? ledger_count(e->ledger) : 0;
	w->clogged = buf_len(&e->plug.out) > UNSENT_MAX;
	if (!ev_is_active(&e->tick)) {
		e->heard = e->ticked = r->sent;
		ev_timer_again(e->loop, &e->tick);
	}
}

/* The module writes a call down before Lisp begins it, and drops ours before it hangs up. */
static bool unbegun(const struct worker *w, const struct request *r)
{
	const struct emacs *e = (const struct emacs *)(const void *)w;
	return e->ledger && e->plug.hung_up && ledger_lacks(e->ledger, r->begun_before, e->peer, emacs_wire_id(r));
}

static double heard(const struct worker *w)
{
	return ((const struct emacs *)(const void *)w)->heard;
}

static void cancel(struct worker *w, struct request *r, const char *reason)
{
	emacs_send_frame(of(w), WIRE_CANCEL, emacs_wire_id(r), reason, strlen(reason));
}

/* The module begins no call whose time is over, and none whose cancellation is in the socket:
 * one that is not written down once that is there never runs. */
static bool withdraw(struct worker *w, struct request *r)
{
	struct emacs *e = of(w);
	if (!e->ledger || r->patient)
		return false;
	cancel(w, r, "its time is over");
	plug_flush(&e->plug);
	return !buf_len(&e->plug.out) && ledger_lacks(e->ledger, r->begun_before, e->peer, emacs_wire_id(r));
}

static void credit(struct worker *w, struct request *r, size_t bytes)
{
	char amount[4];
	wire_store_u32(amount, (uint32_t)bytes);
	emacs_send_frame(of(w), WIRE_CREDIT, emacs_wire_id(r), amount, sizeof amount);
}

static void watch(struct worker *w, const char *uris)
{
	struct emacs *e = of(w);
	if (strcmp(buf_len(&e->watches) ? text_string(&e->watches) : "[]", uris) == 0)
		return;
	buf_finish(&e->watches);
	text_put(&e->watches, uris);
	e->watches_due = buf_len(&e->plug.out) > WIRE_BLOCK; /* it does not read: only the last ones are kept for it */
	if (w->linked && !e->watches_due)
		emacs_send_frame(e, WIRE_WATCH, 0, buf_data(&e->watches), buf_len(&e->watches));
}

static void on_ask_late(EV_P_ ev_timer *timer, int revents)
{
	struct ask *ask = timer->data;
	(void)loop;
	(void)revents;
	ask->worker->ops->drop(ask->worker, ask);
	ask->on_answer(ask, NULL, 0);
}

static void ask_it(struct worker *w, struct ask *ask, const char *payload, double timeout)
{
	struct emacs *e = of(w);
	ask->worker = w;
	ask->number = ++e->numbers * 2 + 1;
	TAILQ_INSERT_TAIL(&e->asks, ask, of_worker);
	ev_timer_init(&ask->timer, on_ask_late, timeout, 0.);
	ask->timer.data = ask;
	ev_timer_start(e->loop, &ask->timer);
	if (payload)
		text_put(&ask->question, payload);
	if (w->linked && buf_len(&e->plug.out) <= UNSENT_MAX) /* else it is late */
		dialogue_put_question(e, ask);
}

static void drop(struct worker *w, struct ask *ask)
{
	struct emacs *e = of(w);
	ev_timer_stop(e->loop, &ask->timer);
	TAILQ_REMOVE(&e->asks, ask, of_worker);
	ask->worker = NULL;
}

static void destroy(struct worker *w)
{
	struct emacs *e = of(w);
	drop_asks(e);
	w->on_lost(w, "the bridge ends");
	plug_flush(&e->plug); /* cancellations, as far as they go without waiting */
	plug_close(&e->plug);
	ev_timer_stop(e->loop, &e->hello);
	ev_timer_stop(e->loop, &e->tick);
	ev_timer_stop(e->loop, &e->retry);
	buf_finish(&e->watches);
	ledger_destroy(e->ledger);
	free(e);
}

static const struct worker_ops ops = {
	.noun = "the Emacs", .key = "instance_id", .gone = "emacs_gone",
	.call = call, .unbegun = unbegun, .withdraw = withdraw, .heard = heard, .cancel = cancel, .credit = credit, .ask = ask_it, .drop = drop, .watch = watch, .distrust = emacs_distrust, .destroy = destroy};

struct worker *emacs_create(struct ev_loop *loop, const struct config *config, struct service *service, const char *name,
			    char (*folders)[RUNTIME_PATH_MAX])
{
	struct emacs *e = calloc(1, sizeof *e);
	if (!e)
		log_no_memory();
	e->loop = loop;
	e->config = config;
	e->folders = folders;
	e->pause = 1;
	e->worker.ops = &ops;
	e->worker.state = WORKER_GONE;
	snprintf(e->worker.name, sizeof e->worker.name, "%s", name);
	TAILQ_INIT(&e->asks);
	plug_init(&e->plug, loop);
	e->plug.on_bytes = dialogue_on_bytes;
	e->plug.on_end = on_plug_end;
	e->plug.on_sent = dialogue_on_sent;
	ev_timer_init(&e->hello, on_hello_late, 0., 0.);
	ev_timer_init(&e->tick, on_tick, 0., (double)config->ping_interval / 1000);
	ev_timer_init(&e->retry, on_retry, 0., 0.);
	e->hello.data = e->tick.data = e->retry.data = e;
	service_add(service, &e->worker);
	return &e->worker;
}
