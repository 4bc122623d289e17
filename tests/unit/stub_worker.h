/* stub_worker.h - workers that answer when the test says so, and requests for them.  For
 * tests of back/ only. */
#ifndef STUB_WORKER_H
#define STUB_WORKER_H

#include "back/service_impl.h"
#include "mcp/text.h"

static inline void stub_call(struct worker *w, struct request *r)
{
	(void)w;
	r->sent = r->queued;
}

static inline bool stub_unbegun(const struct worker *w, const struct request *r)
{
	(void)w;
	return r->begun_before; /* as the test says */
}

static inline void stub_cancel(struct worker *w, struct request *r, const char *reason)
{
	(void)w, (void)r, (void)reason;
}

static inline void stub_credit(struct worker *w, struct request *r, size_t bytes)
{
	(void)w, (void)r, (void)bytes;
}

static inline void stub_distrust(struct worker *w, const char *why)
{
	(void)w, (void)why;
}

static inline void stub_destroy(struct worker *w)
{
	w->on_lost(w, "the end");
	free(w);
}

static inline struct worker *stub_worker(struct service *s, const char *name)
{
	static const struct worker_ops ops = {
		.noun = "the Emacs", .key = "instance_id", .gone = "emacs_gone",
		.call = stub_call, .unbegun = stub_unbegun, .cancel = stub_cancel, .credit = stub_credit, .distrust = stub_distrust, .destroy = stub_destroy};
	struct worker *w = calloc(1, sizeof *w);
	w->ops = &ops;
	snprintf(w->name, sizeof w->name, "%s", name);
	service_add(s, w);
	w->listed = w->linked = true;
	w->state = WORKER_READY;
	return w;
}

/* Tells what became of it in owner: a bit of enum stub_end. */
enum stub_end { STUB_RESUMED = 1, STUB_RELEASED = 2 };

static inline void stub_resume(struct request *r)
{
	*(int *)r->owner |= STUB_RESUMED;
}

static inline void stub_release(struct request *r)
{
	*(int *)r->owner |= STUB_RELEASED;
}

static inline struct request *stub_request(uint64_t client, enum priority priority, int *end)
{
	struct request *r = request_create();
	r->client_key = client;
	r->priority = priority;
	r->resume = stub_resume;
	r->release = stub_release;
	r->owner = end; /* may be NULL where nothing is told */
	text_put(&r->arguments, "{}");
	return r;
}

static inline void stub_answer(struct worker *w, struct request *r)
{
	static const char reply[] = "{\"content\":[]}";
	r->received = sizeof reply - 1;
	text_put(&r->reply, reply);
	w->on_reply(w, r, true);
}

static inline void stub_refuse(struct worker *w, struct request *r)
{
	text_put(&r->reply, "{\"content\":[],\"isError\":true}");
	r->ended = true;
	w->on_refused(w, r);
}

#endif
