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
	l->used = ev_now(l->http->loop);
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

static void count(const struct http *h, struct tally *of)
{
	const struct legacy *l;
	of->names = 0;
	for (int i = 0; i < LEGACY_TABLE; i++)
		TAILQ_FOREACH(l, &h->table[i], of_table)
			tally_add(of, l->principal);
}

/* Of the sessions of PRINCIPAL in which nothing runs, that which was not used for the longest; one whose client
 * listens goes after the others. */
static struct legacy *idle_of(struct http *h, const char *principal)
{
	struct legacy *l, *found = NULL;
	for (int i = 0; i < LEGACY_TABLE; i++)
		TAILQ_FOREACH(l, &h->table[i], of_table) {
			if (l->exchanges || strcmp(l->principal, principal) != 0)
				continue;
			bool listens = stream_is_shown(l->own), other = found && stream_is_shown(found->own);
			if (!found || (listens == other ? l->used < found->used : other))
				found = l;
		}
	return found;
}

/* One more of PRINCIPAL's: where there is no room, one that is idle goes, of its own or of who has the most. */
static bool make_room(struct exchange *e)
{
	struct http *h = e->http;
	long share = share_of(h->config, h->config->sessions_max);
	struct tally *all = &h->tally;
	count(h, all);
	bool own = tally_of(all, e->principal) >= share;
	if (!own && h->legacies < h->config->sessions_max)
		return true;
	struct legacy *l = idle_of(h, own ? e->principal : tally_most(all));
	if (!l && own)
		http_refuse(e, 429, 0, "Retry-After: 10\r\n", "%ld sessions of this client are in use, which is its share (the settings sessions_max and share)",
			    tally_of(all, e->principal));
	else if (!l)
		http_refuse(e, 503, 0, "Retry-After: 10\r\n", "%ld sessions are in use, which is the limit (the setting sessions_max)", h->legacies);
	if (!l)
		return false;
	log_info("a session of %s that was idle for %.0f s has ended: there was no room for another one", l->principal, ev_now(h->loop) - l->used);
	legacy_destroy(l);
	return true;
}

struct legacy *legacy_create(struct exchange *e, bool old)
{
	struct http *h = e->http;
	if (!make_room(e))
		return NULL;
	struct legacy *l = calloc(1, sizeof *l);
	if (!l)
		log_no_memory();
	l->http = h;
	l->used = ev_now(h->loop);
	l->old = old;
	l->outlet = (struct outlet){on_deliver, on_more, on_notify, NULL};
	snprintf(l->principal, sizeof l->principal, "%s", e->principal);
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
