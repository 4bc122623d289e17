/* session.c - see session.h */
#include "core/session.h"
#include "core/guard.h"
#include "log.h"
#include "mcp/census.h"
#include "mcp/era.h"
#include "mcp/jsonrpc.h"
#include "mcp/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct session *session_create(struct pipeline *p, struct outlet *outlet)
{
	struct session *s = calloc(1, sizeof *s);
	if (!s)
		log_no_memory();
	s->pipeline = p;
	s->outlet = outlet;
	s->version = VERSION_2025_11_25; /* for clients that skip initialize */
	snprintf(s->client, sizeof s->client, "unknown");
	snprintf(s->principal, sizeof s->principal, "local");
	s->log_level = LOG_LEVEL_INFO;
	TAILQ_INIT(&s->unanswered);
	TAILQ_INIT(&s->questions);
	TAILQ_INSERT_TAIL(&p->sessions, s, of_pipeline);
	return s;
}

void session_destroy(struct session *s)
{
	TAILQ_REMOVE(&s->pipeline->sessions, s, of_pipeline);
	if (s->subscribed)
		changes_watch(s->pipeline);
	json_decref(s->capabilities);
	free(s->folder);
	free(s->folder_members);
	json_decref(s->subscribed);
	free(s);
}

bool session_owns(const struct session *s, const char *principal)
{
	char ours[GUARD_PRINCIPAL_MAX];
	guard_principal_of((long)geteuid(), ours);
	return strcmp(s->principal, principal) == 0 || (strcmp(principal, "local") == 0 && strcmp(s->principal, ours) == 0);
}

bool session_takes_batches(const struct session *s)
{
	return s->legacy && s->version == VERSION_2025_03_26;
}

static struct request *find(const struct session *s, const char *id)
{
	struct request *r;
	TAILQ_FOREACH(r, &s->unanswered, of_session)
		if (strcmp(r->id, id) == 0)
			return r;
	return NULL;
}

/* NULL too when several clients that share the session use that id. */
static struct request *find_one(const struct session *s, const char *id)
{
	struct request *r, *found = NULL;
	TAILQ_FOREACH(r, &s->unanswered, of_session)
		if (strcmp(r->id, id) == 0) {
			if (found)
				return NULL;
			found = r;
		}
	return found;
}

static void remember(struct session *s, struct request *r)
{
	TAILQ_INSERT_TAIL(&s->unanswered, r, of_session);
	s->unanswered_count++;
	r->unanswered = true;
}

void session_forget(struct request *r)
{
	if (!r->unanswered)
		return;
	TAILQ_REMOVE(&r->session->unanswered, r, of_session);
	if (r->listens_uris)
		changes_watch(r->pipeline);
	r->session->unanswered_count--;
	r->unanswered = false;
}

static void on_cancelled(struct session *s, const json_t *params)
{
	json_t *id = json_object_get(params, "requestId");
	const char *reason = json_string_value(json_object_get(params, "reason"));
	if (!json_is_string(id) && !json_is_integer(id))
		return;
	char *text = text_dump(id);
	struct request *r = find_one(s, text);
	free(text);
	if (r && r->method->id != METHOD_INITIALIZE)
		pipeline_cancel(r, reason && strlen(reason) < 1000 ? reason : "the client cancelled it");
}

/* Notifications are never answered, not even wrong ones. */
static enum verdict notification(struct request *r)
{
	struct session *s = r->session;
	const struct method *method = era_method(r->name);
	r->silent = true;
	if (!method || !method->notification)
		log_debug("the notification %.100s means nothing here", r->name);
	else if (method->id == METHOD_INITIALIZED) {
		s->initialized = s->legacy;
		changes_begin(s);
	} else if (method->id == METHOD_CANCELLED)
		on_cancelled(s, r->params);
	return DONE;
}

enum verdict session_enter(struct request *r)
{
	struct session *s = r->session;
	r->version = s->version;
	r->log_level = s->log_level;
	memcpy(r->client, s->client, sizeof r->client);
	if (!r->id)
		return notification(r);
	if (r->outlet == s->outlet && find(s, r->id)) /* over HTTP the exchange tells them apart */
		request_fail(r, FAULT_INVALID, NULL, "the id %.100s belongs to a request that is not answered yet", r->id);
	else if (s->unanswered_count >= s->pipeline->config->requests_max)
		request_fail(r, FAULT_INTERNAL, NULL, "%ld requests are unanswered already; wait for some of them",
			     s->unanswered_count);
	else if (era_enter(r))
		remember(s, r);
	return r->fault ? DONE : NEXT;
}

void session_leave(struct request *r)
{
	progress_stop(r);
}

enum verdict session_initialize(struct request *r)
{
	struct session *s = r->session;
	if (r->parent) {
		request_fail(r, FAULT_INVALID, NULL, "initialize cannot be part of a batch");
		return DONE;
	}
	json_t *capabilities = json_object_get(r->params, "capabilities");
	if (!census_is_short(json_dumpb(capabilities, NULL, 0, JSON_COMPACT))) { /* they are kept as long as the session */
		request_fail(r, FAULT_PARAMS, NULL, "the capabilities are longer than %ld bytes", census_id_max());
		return DONE;
	}
	s->legacy = true;
	s->initialized = false;
	s->version = era_legacy_negotiate(r->params);
	json_decref(s->capabilities);
	s->capabilities = json_incref(capabilities);
	era_keep_name(s->client, json_object_get(r->params, "clientInfo"));
	era_legacy_initialize(s->version, &r->reply);
	r->ended = true;
	return DONE;
}

enum verdict session_set_level(struct request *r)
{
	int level = era_log_level(json_object_get(r->params, "level"));
	if (level == LOG_NOTHING) {
		request_fail(r, FAULT_PARAMS, NULL,
			     "params.level must be debug, info, notice, warning, error, critical, alert or emergency");
		return DONE;
	}
	r->session->log_level = level;
	r->session->log_set = true;
	text_put(&r->reply, "{}");
	r->ended = true;
	return DONE;
}
