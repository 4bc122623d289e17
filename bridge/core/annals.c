/* annals.c - see annals.h.  For each name a ring of minutes, of which an hour counts, and a
 * ring of hours, of which a day does.  Each slot has sums and a histogram of run times in
 * quarters of an octave, so that a p95 is right to 9%.  Only slots that have changed are
 * written, all at once and now and then: never for a call. */
#include "core/annals.h"
#include "back/pool.h"
#include "back/service.h"
#include "log.h"
#include "mcp/text.h"
#include "os.h"
#include "store/store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMES = 128, MINUTES = 60, HOURS = 24, MINUTE = 60, HOUR = 3600, ID_MAX = WORKER_NAME_MAX + 32 };

struct slot {
	int64_t number; /* of its minute or hour since 1970; 0: empty */
	int64_t done, failed, us;
	uint32_t times[TIMES]; /* by order_of */
	bool dirty;
};

struct annal {
	TAILQ_ENTRY(annal) link; /* annals::all; the one heard of last is first */
	char name[WORKER_NAME_MAX + 1];
	struct slot minutes[MINUTES], hours[HOURS];
};

struct annals {
	struct pipeline *pipeline; /* borrowed */
	struct store *store;       /* borrowed; NULL: not yet */
	TAILQ_HEAD(annal_list, annal) all; /* owned */
	long count;
	ev_timer timer;            /* runs while something is dirty and there is a store */
};

static int order_of(double us)
{
	int order = us < 1 ? 0 : (int)(log2(us) * 4);
	return order < TIMES ? order : TIMES - 1;
}

static double seconds_of(int order)
{
	return exp2((order + 0.5) / 4) / 1e6;
}

static struct annal *find(const struct annals *a, const char *name)
{
	struct annal *one;
	TAILQ_FOREACH(one, &a->all, link)
		if (strcmp(one->name, name) == 0)
			return one;
	return NULL;
}

/* The one heard of longest ago makes room; what the store has of it expires there. */
static struct annal *make(struct annals *a, const char *name)
{
	struct annal *one = find(a, name);
	if (one) {
		TAILQ_REMOVE(&a->all, one, link);
	} else {
		struct annal *last = TAILQ_LAST(&a->all, annal_list);
		if (a->count >= a->pipeline->config->history_instances && last) {
			TAILQ_REMOVE(&a->all, last, link);
			free(last);
			a->count--;
		}
		if (!(one = calloc(1, sizeof *one)))
			log_no_memory();
		snprintf(one->name, sizeof one->name, "%s", name);
		a->count++;
	}
	TAILQ_INSERT_HEAD(&a->all, one, link);
	return one;
}

static struct slot *slot_at(struct slot *ring, int size, int64_t number)
{
	struct slot *s = &ring[number % size];
	if (s->number != number)
		*s = (struct slot){.number = number};
	return s;
}

static void count(struct slot *s, double seconds, bool failed)
{
	*(failed ? &s->failed : &s->done) += 1;
	s->us += (int64_t)(seconds * 1e6);
	s->times[order_of(seconds * 1e6)]++;
	s->dirty = true;
}

static void note(struct annals *a, const char *name, double seconds, bool failed)
{
	struct annal *one = make(a, name);
	int64_t now = os_clock() / 1000;
	count(slot_at(one->minutes, MINUTES, now / MINUTE), seconds, failed);
	count(slot_at(one->hours, HOURS, now / HOUR), seconds, failed);
	if (a->store && !ev_is_active(&a->timer)) {
		ev_timer_set(&a->timer, (double)a->pipeline->config->history_interval, 0.);
		ev_timer_start(a->pipeline->loop, &a->timer);
	}
}

/* An Emacs runs one at a time, so it began when the one before had ended, if that was later. */
static void on_ended(void *data, struct worker *w, struct request *r, enum service_end how)
{
	double now = os_now(), from = r->sent > w->ended ? r->sent : w->ended;
	w->ended = now;
	if (how == SERVICE_UNRUN || !r->method) /* no client's: core/stopper.c asks */
		return;
	bool failed = how == SERVICE_LOST || r->failed || r->faulted;
	note(data, w->name, now - from, failed);
	if (r->pool)
		note(data, pool_name(r->pool), now - from, failed);
}

/* --- the store --- */

static void put_slot(struct annals *a, const char *kind, const char *name, struct slot *s, int64_t expires)
{
	char id[ID_MAX];
	struct buf body = {0};
	const char *comma = "";
	snprintf(id, sizeof id, "%lld %s", (long long)s->number, name);
	text_format(&body, "{\"done\":%lld,\"failed\":%lld,\"us\":%lld,\"times\":[", (long long)s->done, (long long)s->failed, (long long)s->us);
	for (int i = 0; i < TIMES; i++) {
		if (!s->times[i])
			continue;
		text_format(&body, "%s%d,%lu", comma, i, (unsigned long)s->times[i]);
		comma = ",";
	}
	text_put(&body, "]}");
	a->store->ops->put(a->store, &(struct store_record){kind, id, expires * 1000, buf_data(&body), buf_len(&body)}, NULL, NULL);
	buf_finish(&body);
	s->dirty = false;
}

static void write_all(struct annals *a)
{
	struct annal *one;
	TAILQ_FOREACH(one, &a->all, link) {
		for (int i = 0; i < MINUTES; i++)
			if (one->minutes[i].dirty)
				put_slot(a, "minute", one->name, &one->minutes[i], (one->minutes[i].number + MINUTES + 1) * MINUTE);
		for (int i = 0; i < HOURS; i++)
			if (one->hours[i].dirty)
				put_slot(a, "hour", one->name, &one->hours[i], (one->hours[i].number + HOURS + 1) * HOUR);
	}
}

static void on_timer(EV_P_ ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	write_all(timer->data);
}

static void take(struct annals *a, const struct store_record *record, bool minutes)
{
	char *name;
	int64_t number = strtoll(record->id, &name, 10), now = os_clock() / 1000 / (minutes ? MINUTE : HOUR);
	json_t *body = json_loadb(record->body, record->body_len, 0, NULL), *times = json_object_get(body, "times");
	if (*name == ' ' && strlen(name + 1) <= WORKER_NAME_MAX && body && number <= now && number > now - (minutes ? MINUTES : HOURS)) {
		struct annal *one = make(a, name + 1);
		struct slot *s = minutes ? slot_at(one->minutes, MINUTES, number) : slot_at(one->hours, HOURS, number);
		s->done += json_integer_value(json_object_get(body, "done"));
		s->failed += json_integer_value(json_object_get(body, "failed"));
		s->us += json_integer_value(json_object_get(body, "us"));
		for (size_t i = 0; i + 1 < json_array_size(times); i += 2) {
			json_int_t order = json_integer_value(json_array_get(times, i));
			if (order >= 0 && order < TIMES)
				s->times[order] += (uint32_t)json_integer_value(json_array_get(times, i + 1));
		}
	}
	json_decref(body);
}

static void on_minute(void *data, const struct store_record *record)
{
	take(data, record, true);
}

static void on_hour(void *data, const struct store_record *record)
{
	take(data, record, false);
}

void annals_use_store(struct annals *a, struct store *store)
{
	store->ops->each(store, "minute", on_minute, a);
	store->ops->each(store, "hour", on_hour, a);
	a->store = store;
}

/* --- what is told --- */

static void add_slot(struct slot *sum, const struct slot *s, int64_t oldest)
{
	if (s->number < oldest)
		return;
	sum->done += s->done;
	sum->failed += s->failed;
	sum->us += s->us;
	for (int i = 0; i < TIMES; i++)
		sum->times[i] += s->times[i];
}

static double p95(const struct slot *s)
{
	int64_t all = s->done + s->failed, below = 0;
	int order = 0;
	while (order < TIMES - 1 && (below += s->times[order]) * 100 < all * 95)
		order++;
	return seconds_of(order);
}

static void tell_sum(const char *key, const struct slot *s, struct buf *out)
{
	int64_t all = s->done + s->failed;
	text_format(out, "\"%s\":{\"completed\":%lld,\"failed\":%lld,", key, (long long)s->done, (long long)s->failed);
	if (all)
		text_format(out, "\"average_seconds\":%.6f,\"p95_seconds\":%.6f}", (double)s->us / 1e6 / (double)all, p95(s));
	else
		text_put(out, "\"average_seconds\":null,\"p95_seconds\":null}");
}

bool annals_tell(const struct annals *a, const char *name, struct buf *out)
{
	const struct annal *one = a ? find(a, name) : NULL;
	struct slot hour = {0}, day = {0};
	int64_t now = os_clock() / 1000;
	if (!one)
		return false;
	for (int i = 0; i < MINUTES; i++)
		add_slot(&hour, &one->minutes[i], now / MINUTE - MINUTES + 1);
	for (int i = 0; i < HOURS; i++)
		add_slot(&day, &one->hours[i], now / HOUR - HOURS + 1);
	text_put(out, ",\"history\":{");
	tell_sum("last_hour", &hour, out);
	text_put(out, ",");
	tell_sum("last_day", &day, out);
	text_put(out, "}");
	return true;
}

/* --- the whole --- */

struct annals *annals_create(struct pipeline *p)
{
	struct annals *a = calloc(1, sizeof *a);
	if (!a)
		log_no_memory();
	a->pipeline = p;
	TAILQ_INIT(&a->all);
	ev_timer_init(&a->timer, on_timer, 0., 0.);
	a->timer.data = a;
	service_on_ended(p->service, on_ended, a);
	return a;
}

void annals_destroy(struct annals *a)
{
	struct annal *one;
	if (!a)
		return;
	ev_timer_stop(a->pipeline->loop, &a->timer);
	if (a->store)
		write_all(a);
	while ((one = TAILQ_FIRST(&a->all))) {
		TAILQ_REMOVE(&a->all, one, link);
		free(one);
	}
	free(a);
}
