/* pipeline.c - the road.  Inward from top to bottom, outward from bottom to top:
 *
 *   front/stdio.c        pipeline_take                    outlet->deliver, more
 *     parse              parse_enter    mcp/jsonrpc.c     parse_leave: result or fault -> text
 *     era                session_enter  mcp/era*.c        session_leave
 *     guard              guard_enter                      guard_leave
 *     route              router_enter                     on_resume: the answer is there
 *   back/service.c       service_submit                   request->resume
 *   back/emacs.c         CALL                             RESULT, REFUSED, or it is lost
 *
 * A stage answers early by DONE.  No stage calls another. */
#include "core/pipeline.h"
#include "back/service.h"
#include "copy.h"
#include "core/annals.h"
#include "core/bulk.h"
#include "core/catalogue.h"
#include "core/deadline.h"
#include "core/folder.h"
#include "core/guard.h"
#include "core/profile.h"
#include "core/handles.h"
#include "core/lobby.h"
#include "core/openapi.h"
#include "core/self.h"
#include "core/session.h"
#include "core/tasks.h"
#include "log.h"
#include "mcp/census.h"
#include "mcp/closer.h"
#include "mcp/era.h"
#include "mcp/headers.h"
#include "mcp/jsonrpc.h"
#include "mcp/seal.h"
#include "mcp/text.h"
#include "os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

_Static_assert((int)PIPELINE_WHY_MAX == (int)CENSUS_WHY_MAX, "one length of reasons");

struct stage {
	const char *name;
	enum verdict (*enter)(struct request *);
	void (*leave)(struct request *); /* NULL: nothing to do on the way back */
};

static enum verdict parse_enter(struct request *r);
static void parse_leave(struct request *r);

static const struct stage road[] = {
	{"parse", parse_enter, parse_leave},
	{"era", session_enter, session_leave},
	{"guard", guard_enter, guard_leave},
	{"route", router_enter, NULL},
};
enum { STAGES = sizeof road / sizeof road[0], TRACK = 256, BIG = 32 * 1024 };
static const double tidy_pause = 1; /* seconds in which memory is given back once */

static enum verdict parse_enter(struct request *r)
{
	if (r->fault || (r->text && !jsonrpc_parse(r)))
		return DONE;
	r->text = NULL;
	if (json_is_array(r->message) && !r->parent)
		return batch_enter(r);
	switch (jsonrpc_read(r)) {
	case JSONRPC_RESPONSE:
		asking_take(r->session, r->message);
		r->silent = true;
		return DONE;
	case JSONRPC_NOTIFICATION:
		r->silent = r->fault != FAULT_NONE;
		return r->silent ? DONE : NEXT;
	case JSONRPC_REQUEST:
		return NEXT;
	default:
		return DONE;
	}
}

/* Of a call that others of the kind were around: its number for logs, who ran it, how long it
 * waited for that.  Members of _meta, each with a comma before it; empty for what went straight
 * from a pipe to its Emacs. */
static void track(const struct request *r, char text[TRACK])
{
	int n = 0;
	text[0] = 0;
	if (!r->method || r->method->id != METHOD_TOOLS_CALL || !(*r->principal || r->pool || r->waited > 0))
		return;
	n = snprintf(text, TRACK, ",\"efrit-mcp/request\":\"%08lx-%llu\"", (unsigned long)r->pipeline->birth, (unsigned long long)r->number);
	if (r->tries)
		snprintf(text + n, (size_t)(TRACK - n), ",\"efrit-mcp/instance\":\"%s\",\"efrit-mcp/queue_ms\":%.3f", r->instance, r->waited * 1000);
}

static void parse_leave(struct request *r)
{
	char tracked[TRACK];
	struct buf members = {0};
	if (r->silent)
		return;
	if (!r->fault && json_is_array(r->message)) { /* a batch: its elements are whole already */
		text_put(&r->head, "[");
		r->tail = "]";
		return;
	}
	if (!r->fault) {
		track(r, tracked);
		era_members(r, r->pipeline->config->list_ttl, tracked, &members);
	}
	jsonrpc_wrap(r, &members);
	buf_finish(&members);
}

static void tell_dropped(struct request *r)
{
	if (!r->settled && r->outlet->dropped)
		r->outlet->dropped(r->outlet, r);
}

/* Back along the stages that it has entered, and out. */
void pipeline_resume(struct request *r)
{
	while (r->stage) {
		const struct stage *stage = &road[--r->stage];
		if (stage->leave)
			stage->leave(r);
	}
	if (r->silent) {
		tell_dropped(r);
		pipeline_settle(r);
	} else
		r->outlet->deliver(r->outlet, r);
}

void pipeline_run(struct request *r)
{
	while (r->stage < STAGES) {
		enum verdict verdict = road[r->stage++].enter(r);
		if (verdict == WAIT) {
			r->http = NULL;
			if (!r->settled) /* it may have been answered already */
				progress_start(r);
			return;
		}
		if (verdict == DONE)
			break;
	}
	pipeline_resume(r);
}

/* libc keeps the memory of a big message after it is freed; most messages are small, so it goes back to the system. */
static void on_tidy(EV_P_ ev_timer *timer, int revents)
{
	(void)loop;
	(void)timer;
	(void)revents;
	os_give_back();
}

static void bury(struct request *r)
{
	if (!r->settled || r->flying || r->dead)
		return;
	if (r->text_len + r->received > BIG && !ev_is_active(&r->pipeline->tidy)) {
		ev_timer_set(&r->pipeline->tidy, tidy_pause, 0.);
		ev_timer_start(r->pipeline->loop, &r->pipeline->tidy);
	}
	r->dead = true;
	TAILQ_INSERT_TAIL(&r->pipeline->dead, r, of_session);
	turn_want(&r->pipeline->reaper);
}

static void reap(void *data)
{
	struct pipeline *p = data;
	struct request *r;
	while ((r = TAILQ_FIRST(&p->dead))) {
		TAILQ_REMOVE(&p->dead, r, of_session);
		self_destroy(r->task);
		asking_destroy(r);
		request_destroy(r);
	}
}

static void settle(struct request *r, const char *reason)
{
	if (r->settled)
		return;
	r->settled = true;
	r->http = NULL;
	progress_stop(r);
	deadline_stop(r);
	guard_leave(r);
	session_forget(r);
	self_drop(r);
	asking_drop(r);
	large_drop(r);
	service_cancel(r, reason);
	if (r->parent)
		batch_forget(r);
	bury(r);
}

void pipeline_settle(struct request *r)
{
	settle(r, "nobody waits for the answer any more");
}

void pipeline_cancel(struct request *r, const char *reason)
{
	if (r->streaming && !r->parent) { /* the front has it: an open line must still become whole */
		r->silent = true;
		if (!r->broken)
			r->broken = copy_text("the request was cancelled");
		r->outlet->more(r->outlet, r);
		return;
	}
	tell_dropped(r);
	settle(r, reason);
}

static struct request *adopt(struct session *s, struct request *r)
{
	r->pipeline = s->pipeline;
	r->session = s;
	r->outlet = s->outlet;
	r->number = ++s->pipeline->numbers;
	r->null_id = s->legacy;
	r->priority = PRIORITY_NORMAL;
	r->born = r->clock = os_now();
	r->resume = pipeline_resume;
	r->noted = progress_note;
	r->release = bury;
	return r;
}

struct request *pipeline_new(struct session *s)
{
	return adopt(s, request_create());
}

struct request *pipeline_read(const char *text, size_t len)
{
	struct request *r = request_create();
	r->text = text;
	r->text_len = len;
	r->resume = NULL;
	if (jsonrpc_parse(r))
		r->text = NULL;
	return r;
}

static void look(const json_t *message, struct manner *m)
{
	json_t *method = json_object_get(message, "method");
	const char *name = json_string_value(method);
	m->modern |= era_is_modern(json_object_get(message, "params"));
	m->initialize |= name && strcmp(name, "initialize") == 0;
	m->request |= json_object_get(message, "id") && method;
}

struct manner pipeline_manner(const struct request *r, const struct http_said *http)
{
	struct manner m = {0};
	json_t *element;
	size_t i;
	if (json_is_array(r->message))
		json_array_foreach(r->message, i, element)
			look(element, &m);
	else
		look(r->message, &m);
	m.modern |= headers_claim_modern(http);
	m.initialize &= !m.modern;
	return m;
}

void pipeline_enter(struct session *s, struct outlet *outlet, const struct http_said *http, struct request *r)
{
	adopt(s, r);
	r->outlet = outlet;
	r->http = http;
	snprintf(r->principal, sizeof r->principal, "%s", http->principal);
	snprintf(s->principal, sizeof s->principal, "%s", http->principal);
	pipeline_run(r);
}

struct outlet *pipeline_outlet(struct request *r)
{
	while (r->parent)
		r = r->parent;
	return r->outlet;
}

const char *pipeline_principal(const struct session *s)
{
	return s->principal;
}

void pipeline_revoke(struct pipeline *p, pipeline_gone *gone, void *data, const char *why)
{
	if (p->tasks)
		tasks_revoke(p->tasks, gone, data, why);
	bulks_revoke(p->bulks, gone, data, why);
}

enum version pipeline_version(const struct session *s)
{
	return s->version;
}

struct guard *pipeline_guard(struct pipeline *p)
{
	return p->guard;
}

void pipeline_tools(struct pipeline *p, const char *principal, struct buf *out)
{
	const struct buf *list = catalogue_list(p->catalogue, profile_of_client(p->config, principal, NULL), VERSION_2026_07_28);
	if (!buf_add(out, buf_data(list), buf_len(list)))
		log_no_memory();
}

void pipeline_services(struct pipeline *p, const char *principal, struct buf *out)
{
	(void)principal;
	openapi_services(p->service, out);
}

void pipeline_openapi(struct pipeline *p, const char *principal, struct buf *out)
{
	openapi_write(p->catalogue, profile_of_client(p->config, principal, NULL), out);
}

/* Each is answered where it stands; what still flies is cancelled by its being settled. */
void pipeline_stop(struct session *s, const char *why)
{
	for (;;) {
		struct request *r, *chosen = NULL;
		TAILQ_FOREACH(r, &s->unanswered, of_session)
			if (!r->streaming && !r->ended && !r->listens)
				chosen = r;
		if (!chosen)
			return;
		request_fail(chosen, FAULT_INTERNAL, NULL, "%s; the request may have run: look before you try again", why);
		pipeline_resume(chosen);
	}
}

void pipeline_take(struct session *s, const char *text, size_t len)
{
	struct request *r = pipeline_new(s);
	r->text = text;
	r->text_len = len;
	pipeline_run(r);
}

void pipeline_take_long(struct session *s, const char *beginning, size_t len)
{
	struct request *r = pipeline_new(s);
	r->id = jsonrpc_peek_id(beginning, len);
	request_fail(r, FAULT_INVALID, NULL, "the message is over the limit of %ld bytes and was not read; send less at a time",
		     s->pipeline->config->request_max);
	r->stage = 1;
	pipeline_resume(r);
}

static enum pipeline_passed finish(struct request *r, const char *why, struct buf *out)
{
	struct buf note = {0};
	text_format(&note, "[cut off: %s]", why);
	closer_finish(r->closer, text_string(&note), out);
	buf_finish(&note);
	text_put(out, r->tail);
	return PIPELINE_END;
}

static void follow(struct request *r)
{
	if (r->closer)
		return;
	r->closer = malloc(sizeof *r->closer);
	if (!r->closer)
		log_no_memory();
	closer_init(r->closer);
}

enum pipeline_passed pipeline_pass(struct request *r, struct buf *out, size_t most)
{
	size_t n = buf_len(&r->reply) < most ? buf_len(&r->reply) : most;
	follow(r);
	if (n) {
		size_t good = closer_feed(r->closer, buf_data(&r->reply), n);
		text_add(out, buf_data(&r->reply), good);
		buf_eat(&r->reply, n);
		r->consumed += n;
		if (good < n) {
			if (r->worker)
				r->worker->ops->distrust(r->worker, "a result that is no JSON");
			return finish(r, "what Emacs sent is no JSON", out);
		}
		r->drained(r);
	}
	if (buf_len(&r->reply))
		return PIPELINE_SOME;
	if (r->broken)
		return finish(r, r->broken, out);
	if (!r->ended)
		return PIPELINE_WAIT;
	return finish(r, "what Emacs sent is not complete", out); /* adds nothing to a whole result */
}

void pipeline_cut(struct request *r, const char *why, struct buf *out)
{
	follow(r);
	finish(r, why, out);
}

/* What an instance had is not known while it is asked again; that takes hello_timeout at most. */
static void on_offers(void *data)
{
	struct pipeline *p = data;
	if (lobby_knows(p))
		changes_tell(p);
	else
		catalogue_tell_later(p->catalogue);
}

static void on_note(void *p, struct worker *w, const char *json, size_t len)
{
	changes_note(p, w, json, len);
}

void pipeline_heed(struct pipeline *p)
{
	census_set(p->config->values_max, p->config->depth_max, p->config->id_max);
}

bool pipeline_too_much(const char *text, size_t len, char why[PIPELINE_WHY_MAX])
{
	return census_judge(text, len, why) == CENSUS_MANY;
}

json_t *pipeline_load(const char *text, size_t len, size_t flags, json_error_t *error)
{
	return census_load(text, len, flags, error);
}

struct pipeline *pipeline_create(struct ev_loop *loop, const struct config *config, struct service *service)
{
	struct pipeline *p = calloc(1, sizeof *p);
	if (!p)
		log_no_memory();
	p->loop = loop;
	p->config = config;
	p->service = service;
	pipeline_heed(p);
	if (getrandom(&p->birth, sizeof p->birth, 0) != (ssize_t)sizeof p->birth)
		log_no_memory(); /* no source of chance */
	TAILQ_INIT(&p->sessions);
	TAILQ_INIT(&p->dead);
	ev_timer_init(&p->tidy, on_tidy, 0., 0.);
	turn_init(&p->reaper, loop, reap, p);
	p->catalogue = catalogue_create(loop, config, service, on_offers, p);
	service_on_note(service, on_note, p);
	p->seal = seal_create(config->state_key);
	p->starter = starter_create(p);
	p->lobby = lobby_create(p);
	p->guard = guard_create(config);
	p->bulks = bulks_create(p);
	return p;
}

void pipeline_use_store(struct pipeline *p, struct store *store)
{
	p->tasks = tasks_create(p, store);
	bulks_use_store(p->bulks, store);
	p->store = store;
	p->annals = annals_create(p);
}

void pipeline_resume_batches(struct pipeline *p)
{
	bulks_resume(p->bulks);
	if (p->annals)
		annals_use_store(p->annals, p->store);
}

void pipeline_rest(struct pipeline *p, void (*on_rested)(void *data), void *data)
{
	bulks_rest(p->bulks, on_rested, data);
}

void pipeline_use_spool(struct pipeline *p, struct spool *spool)
{
	p->handles = handles_create(p, spool);
}

void pipeline_use_outer(struct pipeline *p, struct service *outer)
{
	p->outer = outer;
	catalogue_use_outer(p->catalogue, outer);
}

void pipeline_destroy(struct pipeline *p)
{
	if (!p)
		return;
	bulks_destroy(p->bulks);
	tasks_destroy(p->tasks);
	annals_destroy(p->annals);
	handles_destroy(p->handles);
	reap(p);
	turn_stop(&p->reaper);
	ev_timer_stop(p->loop, &p->tidy);
	lobby_destroy(p->lobby);
	starter_destroy(p->starter);
	guard_destroy(p->guard);
	catalogue_destroy(p->catalogue);
	seal_destroy(p->seal);
	free(p);
}

struct session *pipeline_open(struct pipeline *p, struct outlet *outlet)
{
	return session_create(p, outlet);
}

void pipeline_identify(struct session *s, const char *principal)
{
	snprintf(s->principal, sizeof s->principal, "%s", principal);
}

void pipeline_place(struct session *s, const char *folder)
{
	free(s->folder);
	free(s->folder_members);
	s->folder = copy_text(folder);
	s->folder_members = folder_members(NULL, folder);
}

void pipeline_close(struct session *s)
{
	struct request *r;
	if (!s)
		return;
	s->closing = true;
	while ((r = TAILQ_FIRST(&s->unanswered)))
		pipeline_settle(r);
	session_destroy(s);
}

bool pipeline_busy(const struct session *s)
{
	struct request *r;
	TAILQ_FOREACH(r, &s->unanswered, of_session)
		if (!r->listens)
			return true;
	return false;
}

void pipeline_end_listens(struct session *s)
{
	struct request *r, *next;
	for (r = TAILQ_FIRST(&s->unanswered); r; r = next) {
		next = TAILQ_NEXT(r, of_session);
		if (!r->listens)
			continue;
		text_put(&r->reply, "{}");
		r->ended = true;
		r->resume(r);
	}
}
