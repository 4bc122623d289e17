/* bulk_keep.c - see bulk_impl.h: batches in the store.  The order is one record, each form
 * that was begun another; what is put within one turn is one transaction. */
#include "core/bulk_impl.h"
#include "log.h"
#include "os.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the store is asked, and for which form. */
struct mark {
	struct bulks *all; /* borrowed */
	char id[BULK_ID];
	size_t form;
	void (*kept)(struct bulk *, bool ok);
	void (*kept_form)(struct form *, bool ok);
};

static int64_t expiry(const struct bulk *b)
{
	return os_clock() + (int64_t)b->all->pipeline->config->batch_ttl * 1000;
}

static struct mark *mark_of(const struct bulk *b)
{
	struct mark *m = calloc(1, sizeof *m);
	if (!m)
		log_no_memory();
	m->all = b->all;
	memcpy(m->id, b->id, sizeof m->id);
	return m;
}

static void on_put(void *data, bool ok)
{
	struct mark *m = data;
	struct bulk *b = bulk_find(m->all, m->id);
	if (b && m->kept)
		m->kept(b, ok);
	else if (b && m->kept_form)
		m->kept_form(&b->list[m->form], ok);
	free(m);
}

static void put(const struct bulk *b, const char *kind, const char *id, const struct buf *body, struct mark *m)
{
	b->all->store->ops->put(b->all->store, &(struct store_record){kind, id, expiry(b), buf_data(body), buf_len(body)}, m ? on_put : NULL, m);
}

void bulk_keep(struct bulk *b, void (*done)(struct bulk *, bool ok))
{
	struct buf body = {0};
	struct mark *m = mark_of(b);
	m->kept = done;
	bulk_record_write(b, &body);
	put(b, "batch", b->id, &body, m);
	buf_finish(&body);
}

void bulk_keep_form(struct form *f, void (*done)(struct form *, bool ok))
{
	struct buf body = {0};
	struct mark *m = done ? mark_of(f->bulk) : NULL;
	char id[BULK_ID + 24];
	size_t number = (size_t)(f - f->bulk->list);
	if (m) {
		m->form = number;
		m->kept_form = done;
	}
	snprintf(id, sizeof id, "%s/%zu", f->bulk->id, number);
	bulk_record_write_form(f, &body);
	put(f->bulk, "form", id, &body, m);
	buf_finish(&body);
}

void bulk_remove_kept(struct bulk *b)
{
	char id[BULK_ID + 24];
	for (size_t i = 0; i < b->count; i++) {
		snprintf(id, sizeof id, "%s/%zu", b->id, i);
		b->all->store->ops->remove(b->all->store, "form", id);
	}
	b->all->store->ops->remove(b->all->store, "batch", b->id);
}

void bulk_watch_sweep(struct bulks *all)
{
	if (all->kept && !ev_is_active(&all->sweep)) {
		ev_timer_set(&all->sweep, (double)all->pipeline->config->batch_ttl / 4 + 0.1, 0.);
		ev_timer_start(all->pipeline->loop, &all->sweep);
	}
}

void bulk_on_sweep(EV_P_ ev_timer *timer, int revents)
{
	struct bulks *all = timer->data;
	struct bulk *b, *next;
	(void)loop;
	(void)revents;
	for (b = TAILQ_FIRST(&all->all); b; b = next) {
		next = TAILQ_NEXT(b, link);
		if (b->kept && bulk_record_ended(b) && os_now() - b->begun - b->took > (double)all->pipeline->config->batch_ttl) {
			bulk_remove_kept(b);
			bulk_forget(b);
		}
	}
	bulk_watch_sweep(all);
}

/* --- read again --- */

static void on_record(void *data, const struct store_record *record)
{
	struct bulks *all = data;
	struct bulk *b;
	if (bulk_find(all, record->id)) /* ours, taken since we began */
		return;
	b = bulk_record_read(record->id, record->body, record->body_len);
	if (!b) {
		log_warning("the batch %s in the store cannot be read", record->id);
		return;
	}
	b->all = all;
	b->read = true;
	for (const char *c = b->principal; *c; c++)
		b->client_key = b->client_key * 31 + (unsigned char)*c;
	all->kept++;
	TAILQ_INSERT_TAIL(&all->all, b, link);
}

static void on_form(void *data, const struct store_record *record)
{
	struct bulks *all = data;
	const char *slash = strchr(record->id, '/');
	char id[BULK_ID] = "";
	if (slash && slash - record->id < BULK_ID)
		memcpy(id, record->id, (size_t)(slash - record->id));
	struct bulk *b = bulk_find(all, id);
	size_t number = slash ? (size_t)strtoul(slash + 1, NULL, 10) : 0;
	if (b && !b->read)
		return;
	if (!b || number >= b->count || b->list[number].status != FORM_WAITING
	    || !bulk_record_read_form(&b->list[number], record->body, record->body_len))
		log_warning("the form %s of a batch in the store cannot be read", record->id);
}

/* What was begun has no answer, and never will: it may have run. */
static void settle_begun(struct bulk *b)
{
	for (size_t i = 0; i < b->count; i++) {
		struct form *f = &b->list[i];
		if (f->status != FORM_STARTED)
			continue;
		if (b->idempotent) {
			bulk_record_set(f, FORM_WAITING);
			continue;
		}
		bulk_record_error(f, "gateway_ended", "the gateway ended when the form had been begun; it may have run: look before you run it again", true);
		bulk_end_form(f, FORM_LOST);
	}
}

void bulks_resume(struct bulks *all)
{
	struct bulk *b;
	if (!all->store || all->resumed)
		return;
	all->resumed = true;
	all->store->ops->each(all->store, "batch", on_record, all);
	all->store->ops->each(all->store, "form", on_form, all);
	TAILQ_FOREACH(b, &all->all, link)
		if (b->read)
			settle_begun(b);
	bulk_watch_sweep(all);
	bulk_run_all(all);
}
