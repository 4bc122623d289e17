/* tasks.c - see tasks.h.  A task is a record and, while it runs or asks, a request of our
 * own that flies in its place: the client's request was answered with the task's id.  A
 * tool that says itself when it becomes a task begins the same way; until then the client
 * waits for our request as for any call. */
#include "core/tasks.h"
#include "mcp/census.h"
#include "copy.h"
#include "core/calls.h"
#include "core/folder.h"
#include "core/pipeline.h"
#include "core/self.h"
#include "core/session.h"
#include "core/task_record.h"
#include "log.h"
#include "mcp/era.h"
#include "mcp/jsonrpc.h"
#include "mcp/result.h"
#include "mcp/text.h"
#include "os.h"
#include "share.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tasks {
	struct pipeline *pipeline; /* borrowed */
	struct store *store;       /* borrowed */
	struct outlet outlet;      /* of our own requests */
	struct session *session;   /* owned; theirs too */
	TAILQ_HEAD(, task_record) all; /* owned */
	long count;
	ev_timer sweep;            /* the next one expires */
};

/* A client's request whose task begins: gone when the request is. */
struct task_creation {
	struct task task;
	struct tasks *tasks; /* borrowed */
	char id[TASK_ID];
};

struct task_announcement {
	struct tasks *tasks; /* borrowed */
	char id[TASK_ID];
};

static struct tasks *tasks_of(const struct request *r)
{
	return r->pipeline->tasks;
}

/* --- who may --- */

static bool declared(const struct request *r)
{
	return r->era == ERA_MODERN
	       && json_object_get(json_object_get(r->capabilities, "extensions"), era_key_tasks) != NULL;
}

static bool refuse_undeclared(struct request *r, const char *what)
{
	return request_fail(r, FAULT_CAPABILITY, json_pack("{s:{s:{s:{}}}}", "requiredCapabilities", "extensions", era_key_tasks),
			    "%s needs a client that declares the extension %s", what, era_key_tasks);
}

bool tasks_wanted(struct request *r, const struct tool *tool)
{
	if (tool->may_task && r->pipeline->tasks && declared(r))
		return true;
	if (!tool->must_task)
		return false;
	if (r->pipeline->tasks && r->era == ERA_MODERN)
		return refuse_undeclared(r, tool->name);
	result_error(r, "needs_tasks", json_pack("{s:b}", "may_have_run", 0),
		     "%s takes so long that it is offered as a task only: call it through the gateway (efrit-bridge serve), by a client "
		     "that knows protocol version 2026-07-28 and the tasks extension",
		     tool->name);
	return false;
}

static struct task_record *find(struct request *r, const char *id)
{
	struct task_record *t;
	TAILQ_FOREACH(t, &tasks_of(r)->all, link)
		if (t->announced && strcmp(t->id, id) == 0 && session_owns(r->session, t->principal))
			return t;
	return NULL;
}

static long count_of(const struct tasks *all, const struct session *s)
{
	const struct task_record *t;
	long n = 0;
	TAILQ_FOREACH(t, &all->all, link)
		n += session_owns(s, t->principal);
	return n;
}

/* --- keeping --- */

static void forget(struct tasks *all, struct task_record *t)
{
	TAILQ_REMOVE(&all->all, t, link);
	all->count--;
	if (t->call) {
		t->call->owner = NULL;
		pipeline_cancel(t->call, "the task is not wanted any more");
	}
	task_record_destroy(t);
}

/* DONE may be NULL. */
static void keep(struct tasks *all, const struct task_record *t, void (*done)(void *, bool), void *data)
{
	struct buf body = {0};
	task_record_write(t, &body);
	all->store->ops->put(all->store, &(struct store_record){"task", t->id, task_record_expires(t), buf_data(&body), buf_len(&body)}, done, data);
	buf_finish(&body);
}

static void tell_listeners(struct tasks *all, const struct task_record *t)
{
	struct session *s;
	struct request *r;
	size_t i;
	json_t *id;
	struct buf shown = {0};
	TAILQ_FOREACH(s, &all->pipeline->sessions, of_pipeline) {
		TAILQ_FOREACH(r, &s->unanswered, of_session)
			json_array_foreach(r->listens_tasks, i, id)
				if (r->listens && strcmp(json_string_value(id), t->id) == 0 && session_owns(s, t->principal)) {
					buf_eat(&shown, buf_len(&shown));
					task_record_show(t, &shown);
					changes_tell_listener(r, "notifications/tasks", &shown);
				}
	}
	buf_finish(&shown);
}

static void set_status(struct tasks *all, struct task_record *t, enum task_status status)
{
	if (task_record_ended(t))
		return;
	t->status = status;
	t->updated = os_clock();
	if (!t->announced)
		return;
	keep(all, t, NULL, NULL);
	tell_listeners(all, t);
}

static void watch_expiry(struct tasks *all)
{
	struct task_record *t;
	int64_t first = INT64_MAX, now = os_clock();
	TAILQ_FOREACH(t, &all->all, link)
		if (task_record_expires(t) < first)
			first = task_record_expires(t);
	ev_timer_stop(all->pipeline->loop, &all->sweep);
	if (first == INT64_MAX)
		return;
	ev_timer_set(&all->sweep, first > now ? (double)(first - now) / 1000 + 0.001 : 0.001, 0.);
	ev_timer_start(all->pipeline->loop, &all->sweep);
}

static void on_sweep(EV_P_ ev_timer *timer, int revents)
{
	struct tasks *all = timer->data;
	struct task_record *t, *next;
	int64_t now = os_clock();
	(void)loop;
	(void)revents;
	for (t = TAILQ_FIRST(&all->all); t; t = next) {
		next = TAILQ_NEXT(t, link);
		if (task_record_expires(t) > now)
			continue;
		all->store->ops->remove(all->store, "task", t->id);
		forget(all, t);
	}
	watch_expiry(all);
}

/* --- the call that flies for a task --- */

static void end_call(struct task_record *t)
{
	struct request *call = t->call;
	t->call = NULL;
	call->owner = NULL;
	pipeline_settle(call);
}

static void keep_fault(struct task_record *t, const struct request *call)
{
	t->error = json_pack("{s:i,s:s}", "code", jsonrpc_number(call), "message", call->reason);
	if (call->data)
		json_object_set(t->error, "data", call->data);
	json_decref(t->message);
	t->message = json_string(call->reason);
}

/* It has its answer.  Who still waits for it as for a plain call gets that. */
static void on_deliver(struct outlet *outlet, struct request *call)
{
	struct task_record *t = call->owner;
	struct request *r = t ? t->creator : NULL;
	(void)outlet;
	if (!t) {
		pipeline_settle(call);
		return;
	}
	struct tasks *all = tasks_of(call);
	if (r && !t->announcing) {
		struct buf reply = call->reply;
		call->reply = r->reply;
		r->reply = reply;
		r->ended = true;
		r->failed = call->failed;
		if (call->fault) {
			r->own_fault = jsonrpc_number(call);
			request_fail(r, FAULT_OWN, json_incref(call->data), "%s", call->reason);
		}
		end_call(t);
		forget(all, t);
		pipeline_resume(r);
		return;
	}
	if (!call->fault && (long)buf_len(&call->reply) > all->pipeline->config->task_result_max)
		result_error(call, "result_too_large", json_pack("{s:s}", "instance_id", call->instance),
			     "the result of the task is over %ld bytes, too much to keep; ask for less with max_chars, or call without tasks",
			     all->pipeline->config->task_result_max);
	if (call->fault)
		keep_fault(t, call);
	else
		text_add(&t->result, buf_data(&call->reply), buf_len(&call->reply));
	enum task_status status = call->fault ? TASK_FAILED : TASK_COMPLETED;
	end_call(t);
	set_status(all, t, status);
}

static void start(struct task_record *t)
{
	t->started = true;
	if (!calls_again(t->call, t->answers, t->state))
		t->call->resume(t->call);
}

static void on_asks(struct request *call, json_t *questions, json_t *state)
{
	struct task_record *t = call->owner;
	struct request *r = t ? t->creator : NULL;
	if (!t)
		return;
	struct tasks *all = tasks_of(call);
	if (r && !t->announcing) {
		calls_question(r, questions, state);
		end_call(t);
		forget(all, t);
		pipeline_resume(r);
		return;
	}
	task_record_ask(t, questions, state);
	if (json_object_size(t->asked))
		set_status(all, t, TASK_INPUT_REQUIRED);
	else
		start(t);
}

static void announce(struct tasks *all, struct task_record *t);

static void on_noted(struct request *call, const char *json, size_t len)
{
	struct task_record *t = call->owner;
	json_t *note = census_load(json, len, JSON_REJECT_DUPLICATES, NULL);
	json_t *message = json_object_get(note, "message"), *said = json_object_get(note, "said");
	if (t && json_is_true(json_object_get(note, "task")) && t->creator && !t->announcing)
		announce(tasks_of(call), t);
	if (t && (json_is_string(message) || json_is_string(said))) {
		json_decref(t->message);
		t->message = json_incref(json_is_string(message) ? message : said);
		t->updated = os_clock();
	}
	json_decref(note);
}

/* Our own request, in the place of R. */
static struct request *make_call(struct tasks *all, struct request *r, const struct place *at, bool later)
{
	struct request *call = pipeline_new(all->session);
	call->method = r->method;
	call->era = r->era;
	call->version = r->version;
	call->timeout_ms = r->timeout_ms;
	call->patient = true;
	call->priority = r->priority;
	call->capabilities = json_incref(r->capabilities);
	folder_learn(r);
	call->folder = copy_text(r->folder ? r->folder : r->session->folder_members);
	call->log_level = LOG_NOTHING;
	call->token = copy_text("0"); /* what it says becomes the task's message */
	call->again = call->whole = true;
	call->may_become_task = later;
	call->asker = on_asks;
	call->noted = on_noted;
	call->resume = calls_answered;
	call->arguments = r->arguments;
	r->arguments = (struct buf){0};
	memcpy(call->tool, r->tool, sizeof call->tool);
	call->looks = r->looks;
	memcpy(call->client, r->client, sizeof call->client);
	snprintf(call->instance, sizeof call->instance, "%s", registry_name(at));
	call->client_key = calls_client_key(r);
	call->owner_key = calls_owner_key(r->session->principal);
	call->idempotent = r->idempotent;
	if (!call->token)
		log_no_memory();
	return call;
}

/* --- the beginning --- */

static struct task_record *by_id(struct tasks *all, const char *id)
{
	struct task_record *t;
	TAILQ_FOREACH(t, &all->all, link)
		if (strcmp(t->id, id) == 0)
			return t;
	return NULL;
}

/* The client that wanted it has gone before it knew of it. */
static void on_creator_gone(struct task *task)
{
	struct task_creation *c = (struct task_creation *)(void *)task;
	struct task_record *t = by_id(c->tasks, c->id);
	if (!t || !t->creator)
		return;
	t->creator = NULL;
	c->tasks->store->ops->remove(c->tasks->store, "task", t->id);
	forget(c->tasks, t);
}

static void on_creation_end(struct task *task)
{
	free(task);
}

static void put_created(struct request *r, const struct task_record *t)
{
	r->result_type = "task";
	text_put(&r->reply, "{");
	task_record_show_head(t, &r->reply);
	text_put(&r->reply, "}");
	r->ended = true;
}

/* It is safe: now the client is told, and the work begins unless it has begun. */
static void on_kept(void *data, bool ok)
{
	struct task_announcement *a = data;
	struct tasks *all = a->tasks;
	struct task_record *t = by_id(all, a->id);
	free(a);
	if (!t || !t->creator)
		return;
	struct request *r = t->creator;
	t->creator = NULL;
	if (!ok) {
		request_fail(r, FAULT_INTERNAL, NULL, "the task cannot be kept, so it was not begun: look at the gateway's log");
		forget(all, t);
		pipeline_resume(r);
		return;
	}
	t->announced = true;
	put_created(r, t);
	pipeline_resume(r);
	if (!t->started) {
		start(t);
		return;
	}
	keep(all, t, NULL, NULL); /* what has happened meanwhile: it may have ended */
	tell_listeners(all, t);
}

static void announce(struct tasks *all, struct task_record *t)
{
	struct task_announcement *a = calloc(1, sizeof *a);
	if (!a)
		log_no_memory();
	a->tasks = all;
	memcpy(a->id, t->id, sizeof a->id);
	t->announcing = true;
	keep(all, t, on_kept, a);
}

enum verdict tasks_submit(struct request *r, const struct place *at)
{
	struct tasks *all = tasks_of(r);
	struct task_creation *c = calloc(1, sizeof *c);
	json_t *state = NULL;
	bool later = r->may_become_task;
	if (!c)
		log_no_memory();
	long own = count_of(all, r->session), share = share_of(all->pipeline->config, all->pipeline->config->tasks_max);
	if (own >= share || all->count >= all->pipeline->config->tasks_max)
		request_fail(r, FAULT_DENIED, json_pack("{s:i}", "retry_after", 10), "%ld tasks are kept already%s; wait until some have expired",
			     own >= share ? own : all->count, own >= share ? " for this client" : "");
	calls_bind(r);
	if (r->fault || !calls_open_state(r, &state)) {
		free(c);
		return DONE;
	}
	struct task_record *t = task_record_create(r->session->principal, r->pipeline->config);
	t->call = make_call(all, r, at, later);
	t->call->owner = t;
	t->state = state;
	t->answers = json_is_object(json_object_get(r->params, "inputResponses"))
			     ? json_incref(json_object_get(r->params, "inputResponses")) : json_object();
	t->creator = r;
	TAILQ_INSERT_TAIL(&all->all, t, link);
	all->count++;
	watch_expiry(all);
	*c = (struct task_creation){.task = {on_creator_gone, on_creation_end}, .tasks = all};
	memcpy(c->id, t->id, sizeof c->id);
	r->task = &c->task;
	request_forget_message(r);
	if (!later) {
		announce(all, t);
		return WAIT;
	}
	start(t); /* which may have answered r already */
	return WAIT;
}

/* --- tasks/get, tasks/update, tasks/cancel --- */

static enum verdict get(struct request *r, const struct task_record *t)
{
	text_put(&r->reply, "{");
	task_record_show(t, &r->reply);
	text_put(&r->reply, "}");
	r->ended = true;
	return DONE;
}

static enum verdict update(struct request *r, struct task_record *t)
{
	json_t *responses = json_object_get(r->params, "inputResponses");
	if (!json_is_object(responses)) {
		request_fail(r, FAULT_PARAMS, NULL, "params.inputResponses must be an object with answers by the keys of inputRequests");
		return DONE;
	}
	text_put(&r->reply, "{}");
	r->ended = true;
	if (t->status != TASK_INPUT_REQUIRED || !task_record_answer(t, responses))
		return DONE;
	if (json_object_size(t->asked)) {
		set_status(tasks_of(r), t, TASK_INPUT_REQUIRED);
		return DONE;
	}
	set_status(tasks_of(r), t, TASK_WORKING);
	start(t);
	return DONE;
}

static void stop(struct tasks *all, struct task_record *t, const char *why)
{
	struct request *call = t->call;
	t->call = NULL;
	if (call) {
		call->owner = NULL;
		pipeline_cancel(call, why);
	}
	json_object_clear(t->asked);
	set_status(all, t, TASK_CANCELLED);
}

static enum verdict cancel(struct request *r, struct task_record *t)
{
	text_put(&r->reply, "{}");
	r->ended = true;
	if (!task_record_ended(t))
		stop(tasks_of(r), t, "the client cancelled the task");
	return DONE;
}

void tasks_revoke(struct tasks *all, pipeline_gone *gone, void *data, const char *why)
{
	struct task_record *t;
	TAILQ_FOREACH(t, &all->all, link)
		if (!t->creator && !task_record_ended(t) && gone(data, t->principal)) {
			json_decref(t->message);
			t->message = json_string(why);
			stop(all, t, why);
		}
}

enum verdict tasks_enter(struct request *r)
{
	const char *id = json_string_value(json_object_get(r->params, "taskId"));
	if (!declared(r)) {
		refuse_undeclared(r, r->method->name);
		return DONE;
	}
	struct task_record *t = id ? find(r, id) : NULL;
	if (!t) {
		request_fail(r, FAULT_PARAMS, NULL, id ? "there is no task %.100s, or it has expired" : "params.taskId must be a string%s",
			     id ? id : "");
		return DONE;
	}
	return r->method->id == METHOD_TASKS_GET ? get(r, t) : r->method->id == METHOD_TASKS_UPDATE ? update(r, t) : cancel(r, t);
}

/* --- subscriptions/listen --- */

bool tasks_listen(struct request *r, const json_t *wanted, struct buf *honoured)
{
	json_t *ids = json_object_get(wanted, "taskIds"), *id;
	size_t i;
	if (!ids || !r->pipeline->tasks)
		return true;
	if (!declared(r))
		return refuse_undeclared(r, "taskIds");
	if (!json_is_array(ids) || (long)json_array_size(ids) > r->pipeline->config->subscriptions_max)
		return request_fail(r, FAULT_PARAMS, NULL, "params.notifications.taskIds must be an array of at most %ld ids",
				    r->pipeline->config->subscriptions_max);
	r->listens_tasks = json_array();
	json_array_foreach(ids, i, id)
		if (json_is_string(id) && find(r, json_string_value(id)))
			json_array_append(r->listens_tasks, id);
	text_format(honoured, "%s\"taskIds\":", buf_len(honoured) ? "," : "");
	text_json(honoured, r->listens_tasks);
	return true;
}

void tasks_listened(struct request *r)
{
	size_t i;
	json_t *id;
	struct buf shown = {0};
	json_array_foreach(r->listens_tasks, i, id) {
		const struct task_record *t = find(r, json_string_value(id));
		if (!t || t->status == TASK_WORKING) /* its next change will be told */
			continue;
		buf_eat(&shown, buf_len(&shown));
		task_record_show(t, &shown);
		changes_tell_listener(r, "notifications/tasks", &shown);
	}
	buf_finish(&shown);
}

/* --- coming and going --- */

static void on_record(void *data, const struct store_record *record)
{
	struct tasks *all = data;
	struct task_record *t = task_record_read(record->id, record->body, record->body_len);
	if (!t) {
		log_warning("the task %s in the store cannot be read", record->id);
		return;
	}
	TAILQ_INSERT_TAIL(&all->all, t, link);
	all->count++;
	if (task_record_ended(t))
		return;
	t->error = json_pack("{s:i,s:s}", "code", -32603, "message", "the gateway was ended while the task went on; it may have run");
	json_object_clear(t->asked);
	set_status(all, t, TASK_FAILED);
}

struct tasks *tasks_create(struct pipeline *p, struct store *store)
{
	struct tasks *all = calloc(1, sizeof *all);
	if (!all)
		log_no_memory();
	all->pipeline = p;
	all->store = store;
	all->outlet.deliver = on_deliver;
	all->session = session_create(p, &all->outlet);
	TAILQ_INIT(&all->all);
	ev_timer_init(&all->sweep, on_sweep, 0., 0.);
	all->sweep.data = all;
	store->ops->each(store, "task", on_record, all);
	watch_expiry(all);
	return all;
}

void tasks_destroy(struct tasks *all)
{
	struct task_record *t;
	if (!all)
		return;
	ev_timer_stop(all->pipeline->loop, &all->sweep);
	while ((t = TAILQ_FIRST(&all->all)))
		forget(all, t);
	session_destroy(all->session);
	free(all);
}
