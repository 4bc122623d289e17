/* handles.c - see handles.h */
#include "core/handles.h"
#include "core/pipeline.h"
#include "log.h"
#include "os.h"
#include "share.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct handles {
	struct pipeline *pipeline; /* borrowed */
	struct spool *spool;       /* borrowed */
	TAILQ_HEAD(handle_list, handle) list; /* owned */
	struct handle_list made;   /* handle::of_all; also those that come, and those that are only held */
	long count;                /* also of those that are not listed any more, but held */
	size_t bytes;
	ev_timer sweep;            /* the next one expires */
};

static void destroy(struct handle *h)
{
	TAILQ_REMOVE(&h->all->made, h, of_all);
	h->all->count--;
	h->all->bytes -= h->size;
	h->all->spool->ops->close(h->file);
	free(h);
}

static void unlist(struct handle *h)
{
	TAILQ_REMOVE(&h->all->list, h, link);
	h->listed = false;
	if (!h->held)
		destroy(h);
}

/* All are kept for the same time, so the first expires first; unless that setting changed. */
static void watch_expiry(struct handles *all)
{
	double first = 0;
	struct handle *h;
	TAILQ_FOREACH(h, &all->list, link)
		if (h->ready && (first <= 0 || h->expires < first))
			first = h->expires;
	ev_timer_stop(all->pipeline->loop, &all->sweep);
	if (first <= 0)
		return;
	double left = first - os_now();
	ev_timer_set(&all->sweep, left > 0 ? left + 0.001 : 0.001, 0.);
	ev_timer_start(all->pipeline->loop, &all->sweep);
}

static void on_sweep(EV_P_ ev_timer *timer, int revents)
{
	struct handles *all = timer->data;
	struct handle *h, *next;
	double now = os_now();
	(void)loop;
	(void)revents;
	for (h = TAILQ_FIRST(&all->list); h; h = next) {
		next = TAILQ_NEXT(h, link);
		if (h->ready && h->expires <= now)
			unlist(h);
	}
	watch_expiry(all);
}

struct handles *handles_create(struct pipeline *p, struct spool *spool)
{
	struct handles *all = calloc(1, sizeof *all);
	if (!all || sodium_init() < 0)
		log_no_memory();
	all->pipeline = p;
	all->spool = spool;
	TAILQ_INIT(&all->list);
	TAILQ_INIT(&all->made);
	ev_timer_init(&all->sweep, on_sweep, 0., 0.);
	all->sweep.data = all;
	return all;
}

void handles_destroy(struct handles *all)
{
	struct handle *h;
	if (!all)
		return;
	ev_timer_stop(all->pipeline->loop, &all->sweep);
	while ((h = TAILQ_FIRST(&all->list)))
		unlist(h);
	free(all);
}

static void make_id(char id[HANDLE_ID + 1])
{
	unsigned char bytes[HANDLE_ID / 2];
	randombytes_buf(bytes, sizeof bytes);
	sodium_bin2hex(id, HANDLE_ID + 1, bytes, sizeof bytes);
}

static struct handle *refuse(struct handles *all, size_t size, char **why)
{
	const struct config *c = all->pipeline->config;
	if (asprintf(why, "%ld long results of %zu bytes are kept already and this one would be one more, of up to %zu (large_count is %ld,"
		     " large_total %ld bytes); each is kept for %ld s: ask for less, or wait", all->count, all->bytes, size, c->large_count,
		     c->large_total, c->large_ttl) < 0)
		log_no_memory();
	return NULL;
}

/* Of what is kept for all, some is left for others than PRINCIPAL.  One result may take what there is. */
static bool is_over(const struct handles *all, const char *principal, size_t size)
{
	const struct config *c = all->pipeline->config;
	const struct handle *h;
	long count = 0;
	size_t bytes = 0;
	TAILQ_FOREACH(h, &all->made, of_all) {
		bool own = strcmp(h->principal, principal) == 0;
		count += own;
		bytes += own ? h->size : 0;
	}
	return count >= share_of(c, c->large_count) || (count && bytes + size > (size_t)share_of(c, c->large_total));
}

static struct handle *refuse_share(const struct handles *all, char **why)
{
	if (asprintf(why, "as many long results of this client are kept as may be (the settings large_count, large_total and share); each is kept for %ld s: "
		     "ask for less, or wait", all->pipeline->config->large_ttl) < 0)
		log_no_memory();
	return NULL;
}

struct handle *handles_make(struct handles *all, const char *principal, size_t size, char **why)
{
	const struct config *c = all->pipeline->config;
	if (all->count >= c->large_count || size > (size_t)c->large_total || all->bytes > (size_t)c->large_total - size)
		return refuse(all, size, why);
	if (is_over(all, principal, size))
		return refuse_share(all, why);
	struct handle *h = calloc(1, sizeof *h);
	if (!h)
		log_no_memory();
	h->all = all;
	make_id(h->id);
	snprintf(h->principal, sizeof h->principal, "%s", principal);
	h->file = all->spool->ops->create(all->spool, size);
	h->size = size;
	h->held = 1;
	TAILQ_INSERT_TAIL(&all->made, h, of_all);
	all->count++;
	all->bytes += size;
	return h;
}

void handles_keep(struct handle *h, size_t size, const char *digest)
{
	h->all->bytes = h->all->bytes - h->size + size;
	h->size = size;
	snprintf(h->digest, sizeof h->digest, "%s", digest);
	h->expires = os_now() + (double)h->all->pipeline->config->large_ttl;
	h->ready = h->listed = true;
	TAILQ_INSERT_TAIL(&h->all->list, h, link);
	watch_expiry(h->all);
}

struct handle *handles_find(struct handles *all, const char *id, const char *principal)
{
	struct handle *h;
	if (strlen(id) != HANDLE_ID)
		return NULL;
	TAILQ_FOREACH(h, &all->list, link)
		if (sodium_memcmp(h->id, id, HANDLE_ID) == 0 && strcmp(h->principal, principal) == 0) {
			h->held++;
			return h;
		}
	return NULL;
}

void handles_release(struct handle *h, void *data)
{
	h->all->spool->ops->forget(h->all->spool, data);
	if (!--h->held && !h->listed)
		destroy(h);
}

void handles_add(struct handle *h, struct buf *bytes, spool_done *done, void *data)
{
	h->all->spool->ops->add(h->file, bytes, done, data);
}

void handles_finish(struct handle *h, spool_done *done, void *data)
{
	h->all->spool->ops->finish(h->file, done, data);
}

void handles_read(struct handle *h, size_t at, size_t len, spool_done *done, void *data)
{
	h->all->spool->ops->read(h->file, at, len, done, data);
}

/* --- what fronts see of it --- */

struct handle *pipeline_result(struct pipeline *p, const char *id, const char *principal, size_t *size, const char **digest)
{
	struct handle *h = p->handles ? handles_find(p->handles, id, principal) : NULL;
	if (h) {
		*size = h->size;
		*digest = h->digest;
	}
	return h;
}

void pipeline_result_read(struct handle *h, size_t at, size_t len, void (*done)(void *data, int error, const char *bytes, size_t len), void *data)
{
	handles_read(h, at, len, done, data);
}

int pipeline_result_file(struct handle *h)
{
	return h->all->spool->ops->descriptor(h->file);
}

void pipeline_release(struct handle *h, void *data)
{
	if (h)
		handles_release(h, data);
}
