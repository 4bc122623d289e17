/* http_session.c - sessions of clients older than 2026-07-28, by their id. */
#include "front/http_impl.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static unsigned slot(const char *id)
{
	unsigned h = 5381;
	for (; *id; id++)
		h = h * 33 + (unsigned char)*id;
	return h % LEGACY_TABLE;
}

static struct legacy *legacy_of(struct outlet *outlet)
{
	return (struct legacy *)(void *)((char *)outlet - offsetof(struct legacy, outlet));
}

/* Answers go to the exchange that asked; what comes here was asked by nobody any more. */
static void on_deliver(struct outlet *outlet, struct request *r)
{
	(void)outlet;
	pipeline_settle(r);
}

static void on_more(struct outlet *outlet, struct request *r)
{
	(void)outlet;
	(void)r;
}

static void on_notify(struct outlet *outlet, struct request *about, const char *line, size_t len)
{
	struct legacy *l = legacy_of(outlet);
	struct outlet *of_request = about ? pipeline_outlet(about) : outlet;
	if (of_request != outlet && !l->old)
		of_request->notify(of_request, about, line, len);
	else
		stream_put(l->own, line, len);
}

static void on_idle(EV_P_ ev_timer *timer, int revents)
{
	struct legacy *l = timer->data;
	(void)loop;
	(void)revents;
	if (timer->repeat > 0 && (l->exchanges || stream_is_shown(l->own)))
		return; /* it repeats */
	log_debug("a session has ended: nobody used it");
	legacy_destroy(l);
}

void legacy_touch(struct legacy *l)
{
	if (l->idle.repeat > 0)
		ev_timer_again(l->http->loop, &l->idle);
}

void legacy_expire(struct legacy *l)
{
	ev_timer_stop(l->http->loop, &l->idle);
	ev_timer_set(&l->idle, 0., 0.);
	ev_timer_start(l->http->loop, &l->idle);
}

/* 128 bits that nobody can guess. */
static void make_id(char id[LEGACY_ID + 1])
{
	unsigned char bytes[LEGACY_ID / 2];
	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		log_no_memory();
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(id + 2 * i, 3, "%02x", bytes[i]);
}

struct legacy *legacy_create(struct http *h, const char *principal, bool old)
{
	if (h->legacies >= h->config->sessions_max)
		return NULL;
	struct legacy *l = calloc(1, sizeof *l);
	if (!l)
		log_no_memory();
	l->http = h;
	l->old = old;
	l->outlet = (struct outlet){on_deliver, on_more, on_notify, NULL};
	snprintf(l->principal, sizeof l->principal, "%s", principal);
	make_id(l->id);
	TAILQ_INIT(&l->streams);
	l->own = stream_create(l);
	l->session = pipeline_open(h->pipeline, &l->outlet);
	ev_init(&l->idle, on_idle);
	l->idle.data = l;
	l->idle.repeat = (double)h->config->session_idle;
	ev_timer_again(h->loop, &l->idle);
	TAILQ_INSERT_TAIL(&h->table[slot(l->id)], l, of_table);
	h->legacies++;
	return l;
}

struct legacy *legacy_find(struct http *h, const char *id, const char *principal)
{
	struct legacy *l;
	TAILQ_FOREACH(l, &h->table[slot(id)], of_table)
		if (strcmp(l->id, id) == 0 && strcmp(l->principal, principal) == 0)
			return l;
	return NULL;
}

static struct exchange *exchange_in(const struct legacy *l)
{
	struct exchange *e;
	TAILQ_FOREACH(e, &l->http->open, of_http)
		if (e->legacy == l)
			return e;
	return NULL;
}

/* Those who wait for an answer of it are told.  The end of one may be that of others. */
static void end_exchanges(struct legacy *l)
{
	struct exchange *e;
	while ((e = exchange_in(l))) {
		if (e->conn && !e->streaming && e->waits)
			http_refuse(e, 404, -32001, "", "Session not found: it was ended");
		else
			answer_close(e);
	}
}

void legacy_destroy(struct legacy *l)
{
	struct stream *s;
	pipeline_stop(l->session, "the session was ended");
	end_exchanges(l);
	while ((s = TAILQ_FIRST(&l->streams)))
		stream_destroy(s);
	ev_timer_stop(l->http->loop, &l->idle);
	TAILQ_REMOVE(&l->http->table[slot(l->id)], l, of_table);
	l->http->legacies--;
	pipeline_close(l->session);
	free(l);
}
