/* store_mem.c - the store that forgets everything when the program ends. */
#include "copy.h"
#include "log.h"
#include "os.h"
#include "store/store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct record {
	TAILQ_ENTRY(record) link;
	char *kind, *id, *body; /* owned */
	size_t body_len;
	int64_t expires;
};

struct owed {
	TAILQ_ENTRY(owed) link;
	void (*done)(void *data, bool ok);
	void *data;
};

struct mem {
	struct store store; /* first member */
	struct ev_loop *loop; /* borrowed */
	TAILQ_HEAD(, record) records; /* owned */
	TAILQ_HEAD(, owed) owed;
	ev_timer later; /* tells from the loop, never from inside put */
};

static void forget(struct mem *m, struct record *r)
{
	TAILQ_REMOVE(&m->records, r, link);
	free(r->kind);
	free(r->id);
	free(r->body);
	free(r);
}

/* What has expired goes on the way. */
static struct record *find(struct mem *m, const char *kind, const char *id)
{
	struct record *r, *next, *found = NULL;
	int64_t now = os_clock();
	for (r = TAILQ_FIRST(&m->records); r; r = next) {
		next = TAILQ_NEXT(r, link);
		if (r->expires < now)
			forget(m, r);
		else if (strcmp(r->kind, kind) == 0 && strcmp(r->id, id) == 0)
			found = r;
	}
	return found;
}

static void remove_record(struct store *s, const char *kind, const char *id)
{
	struct mem *m = (struct mem *)(void *)s;
	struct record *r = find(m, kind, id);
	if (r)
		forget(m, r);
}

static void put(struct store *s, const struct store_record *what, void (*done)(void *data, bool ok), void *data)
{
	struct mem *m = (struct mem *)(void *)s;
	remove_record(s, what->kind, what->id);
	struct record *r = calloc(1, sizeof *r);
	struct owed *o = done ? calloc(1, sizeof *o) : NULL;
	if (!r || (done && !o))
		log_no_memory();
	r->kind = copy_text(what->kind);
	r->id = copy_text(what->id);
	r->body = copy_part(what->body, what->body_len);
	r->body_len = what->body_len;
	r->expires = what->expires;
	TAILQ_INSERT_TAIL(&m->records, r, link);
	if (!o)
		return;
	o->done = done;
	o->data = data;
	TAILQ_INSERT_TAIL(&m->owed, o, link);
	if (!ev_is_active(&m->later)) {
		ev_timer_set(&m->later, 0., 0.);
		ev_timer_start(m->loop, &m->later);
	}
}

static void on_later(EV_P_ ev_timer *timer, int revents)
{
	struct mem *m = timer->data;
	struct owed *o;
	(void)loop;
	(void)revents;
	while ((o = TAILQ_FIRST(&m->owed))) {
		TAILQ_REMOVE(&m->owed, o, link);
		o->done(o->data, true);
		free(o);
	}
}

static void each(struct store *s, const char *kind, void (*on_record)(void *data, const struct store_record *), void *data)
{
	struct mem *m = (struct mem *)(void *)s;
	struct record *r;
	int64_t now = os_clock();
	TAILQ_FOREACH(r, &m->records, link)
		if (strcmp(r->kind, kind) == 0 && r->expires >= now)
			on_record(data, &(struct store_record){r->kind, r->id, r->expires, r->body, r->body_len});
}

static void destroy(struct store *s)
{
	struct mem *m = (struct mem *)(void *)s;
	struct record *r;
	struct owed *o;
	ev_timer_stop(m->loop, &m->later);
	while ((r = TAILQ_FIRST(&m->records)))
		forget(m, r);
	while ((o = TAILQ_FIRST(&m->owed))) {
		TAILQ_REMOVE(&m->owed, o, link);
		free(o);
	}
	free(m);
}

struct store *store_mem_create(struct ev_loop *loop)
{
	static const struct store_ops ops = {put, remove_record, each, destroy};
	struct mem *m = calloc(1, sizeof *m);
	if (!m)
		log_no_memory();
	m->store.ops = &ops;
	m->loop = loop;
	TAILQ_INIT(&m->records);
	TAILQ_INIT(&m->owed);
	ev_timer_init(&m->later, on_later, 0., 0.);
	m->later.data = m;
	return &m->store;
}
