/* waiters.c - questions of bridges that are answered later: how Emacs is, when that is
 * not known yet; that it is idle, when it is; how a stop went.  The loop's. */
#include "server_priv.h"

#include "json.h"

#include <stdlib.h>
#include <string.h>

/* Takes the text, and the waiter out of the list. */
static void answer(struct server *s, struct waiter *w, uint8_t type, struct buf *text)
{
	struct peer *p = server_peer(s, w->peer);
	TAILQ_REMOVE(&s->waiters, w, link);
	s->n_waiters--;
	if (p) {
		p->n_waiters--;
		peer_send_text(p, type, w->id, text);
	}
	buf_finish(text);
	free(w);
}

static void put_status(struct server *s, const bool *met, struct buf *text)
{
	if (!status_write(s, text, met))
		buf_finish(text);
}

static void put_outcome(uint64_t number, const char *outcome, const char *message, struct buf *text)
{
	bool ok = buf_printf(text, "{\"outcome\":\"%s\"", outcome)
		  && (!number || buf_printf(text, ",\"request\":%llu", (unsigned long long)number))
		  && buf_printf(text, ",\"message\":") && json_put_string(text, message, strlen(message), NULL)
		  && buf_printf(text, "}");
	if (!ok)
		buf_finish(text);
}

static void answer_status(struct server *s, struct waiter *w, const bool *met)
{
	struct buf text = {0};
	put_status(s, met, &text);
	answer(s, w, WIRE_STATE, &text);
}

static void answer_stop(struct server *s, struct waiter *w, const char *outcome, const char *message)
{
	struct buf text = {0};
	put_outcome(w->number, outcome, message, &text);
	answer(s, w, WIRE_INTERRUPTED, &text);
}

void waiters_stopped(struct server *s, uint64_t number, const char *outcome, const char *message)
{
	struct waiter *w, *next;
	for (w = TAILQ_FIRST(&s->waiters); w; w = next) {
		next = TAILQ_NEXT(w, link);
		if (w->kind == WAIT_STOP && w->number == number)
			answer_stop(s, w, outcome, message);
	}
}

static void set_timer(struct server *s, double after)
{
	ev_timer_stop(s->loop, &s->waiting);
	ev_timer_set(&s->waiting, after > 0.001 ? after : 0.001, 0);
	ev_timer_start(s->loop, &s->waiting);
}

void waiters_look(struct server *s)
{
	struct queue_view view;
	const char *state;
	double now = queue_now(), next_at = 0;
	struct waiter *w, *next;
	bool asks = false; /* somebody waits for news of Emacs */
	if (TAILQ_EMPTY(&s->waiters))
		return;
	queue_look(s->queue, &view);
	bool sure = status_of(s, &view, now, &state) == STATUS_SURE;
	bool idle = sure && strcmp(state, WIRE_IDLE) == 0 && !view.waiting;
	for (w = TAILQ_FIRST(&s->waiters); w; w = next) {
		next = TAILQ_NEXT(w, link);
		bool late = now >= w->deadline;
		if (w->kind == WAIT_STATUS && (sure || late)) {
			answer_status(s, w, NULL);
		} else if (w->kind == WAIT_IDLE && (idle || late)) {
			answer_status(s, w, &idle);
		} else if (w->kind == WAIT_STOP && late) {
			answer_stop(s, w, "not_stopped", "it was asked to stop and has not ended yet; efrit_status tells when it does");
		} else {
			asks = asks || w->kind != WAIT_STOP;
			next_at = !next_at || w->deadline < next_at ? w->deadline : next_at;
		}
	}
	if (asks && (!sure || view.rung)) { /* Emacs's next answer is news */
		queue_wake_on_ring(s->queue);
		server_ring(s);
	}
	if (next_at)
		set_timer(s, next_at - now);
}

void waiters_on_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	waiters_look(owner(t, struct server, waiting));
}

static void answer_now(struct server *s, struct peer *p, const struct waiter *w)
{
	struct buf text = {0};
	bool met = false;
	if (w->kind == WAIT_STOP)
		put_outcome(w->number, "not_stopped", "it is asked to stop; too many questions of this bridge wait to tell how that goes", &text);
	else
		put_status(s, w->kind == WAIT_IDLE ? &met : NULL, &text);
	peer_send_text(p, w->kind == WAIT_STOP ? WIRE_INTERRUPTED : WIRE_STATE, w->id, &text);
}

void waiters_add(struct server *s, struct peer *p, const struct waiter *what)
{
	struct waiter *w = p->n_waiters < SERVER_WAITERS_MAX ? malloc(sizeof *w) : NULL;
	if (!w) {
		answer_now(s, p, what);
		return;
	}
	*w = *what;
	p->n_waiters++;
	s->n_waiters++; /* before Emacs is looked at: an answer that goes past us now is seen then */
	TAILQ_INSERT_TAIL(&s->waiters, w, link);
	waiters_look(s);
}

void waiters_forget(struct server *s, struct peer *p)
{
	struct waiter *w, *next;
	for (w = TAILQ_FIRST(&s->waiters); w; w = next) {
		next = TAILQ_NEXT(w, link);
		if (w->peer == p->serial) {
			TAILQ_REMOVE(&s->waiters, w, link);
			s->n_waiters--;
			free(w);
		}
	}
	p->n_waiters = 0;
}
