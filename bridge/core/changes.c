/* changes.c - who hears of changes: sessions of the old dialects, which are told all changes
 * of lists and of the resources they subscribed to, and open subscriptions/listen. */
#include "core/lobby.h"
#include "mcp/census.h"
#include "core/relay.h"
#include "core/session.h"
#include "core/tasks.h"
#include "mcp/era.h"
#include "mcp/jsonrpc.h"
#include "mcp/text.h"

#include <stdlib.h>
#include <string.h>

/* The lists as a listener names them and as they are told of. */
static const struct {
	const char *filter, *method;
	enum offer kind, also;
} lists[] = {
	{"toolsListChanged", "notifications/tools/list_changed", OFFER_TOOLS, OFFER_TOOLS},
	{"promptsListChanged", "notifications/prompts/list_changed", OFFER_PROMPTS, OFFER_PROMPTS},
	{"resourcesListChanged", "notifications/resources/list_changed", OFFER_RESOURCES, OFFER_TEMPLATES},
};
enum { LISTS = sizeof lists / sizeof lists[0], WATCH_MAX = 256 * 1024 /* bytes; what is over it is not told */ };
_Static_assert((int)OFFERS == (int)REQUEST_LISTS, "one number of lists");

void changes_notify(struct session *s, struct request *about, const char *method, const char *params)
{
	struct buf line = {0};
	while (about && about->parent)
		about = about->parent;
	jsonrpc_notification(&line, method, params);
	s->outlet->notify(s->outlet, about, buf_data(&line), buf_len(&line));
	buf_finish(&line);
}

/* MORE: members, each with a comma behind it. */
static void tell_listener(struct request *r, const char *method, const char *more)
{
	struct buf params = {0};
	text_format(&params, "{%s\"_meta\":{\"%s\":%s}}", more, era_key_subscription, r->id);
	changes_notify(r->session, r, method, text_string(&params));
	buf_finish(&params);
}

void changes_tell_listener(struct request *r, const char *method, struct buf *members)
{
	text_put(members, ",");
	tell_listener(r, method, text_string(members));
}

static void look(const struct pipeline *p, uint64_t now[REQUEST_LISTS]);

/* --- subscriptions/listen --- */

/* The strings of the array VALUE; NULL when it is none or over the limit. */
static json_t *strings_of(struct request *r, const char *name, json_t *value)
{
	size_t i;
	json_t *each, *made = json_array();
	json_array_foreach(value, i, each)
		if (json_is_string(each) && census_is_short(json_string_length(each)))
			json_array_append(made, each);
	if (json_is_array(value) && json_array_size(made) == json_array_size(value)
	    && (long)json_array_size(made) <= r->pipeline->config->subscriptions_max)
		return made;
	json_decref(made);
	request_fail(r, FAULT_PARAMS, NULL, "params.notifications.%s must be an array of at most %ld strings, of at most %ld bytes each", name,
		     r->pipeline->config->subscriptions_max, census_id_max());
	return NULL;
}

/* Each change looks at all of them, so a client has its number of them in all of its sessions together. */
static long subscriptions_of(const struct request *r)
{
	const struct session *s;
	const struct request *other;
	long n = 0;
	TAILQ_FOREACH(s, &r->pipeline->sessions, of_pipeline) {
		if (s != r->session && strcmp(s->principal, r->session->principal) != 0)
			continue;
		n += (long)json_object_size(s->subscribed);
		TAILQ_FOREACH(other, &s->unanswered, of_session)
			n += other != r ? (long)json_array_size(other->listens_uris) : 0;
	}
	return n;
}

static bool keep_uris(struct request *r, json_t *wanted, struct buf *honoured)
{
	json_t *uris = json_object_get(wanted, "resourceSubscriptions");
	if (!uris)
		return true;
	r->listens_uris = strings_of(r, "resourceSubscriptions", uris);
	if (!r->listens_uris)
		return false;
	if (subscriptions_of(r) + (long)json_array_size(r->listens_uris) > r->pipeline->config->subscriptions_max)
		return request_fail(r, FAULT_DENIED, NULL, "%ld resources are subscribed to already by this client, and %ld may be; end one of the subscriptions",
				    subscriptions_of(r), r->pipeline->config->subscriptions_max);
	text_format(honoured, "%s\"resourceSubscriptions\":", buf_len(honoured) ? "," : "");
	text_json(honoured, r->listens_uris);
	return true;
}

static bool keep_lists(struct request *r, json_t *wanted, struct buf *honoured)
{
	for (int i = 0; i < LISTS; i++) {
		if (!json_is_true(json_object_get(wanted, lists[i].filter)))
			continue;
		r->listens_to |= 1u << i;
		text_format(honoured, "%s\"%s\":true", buf_len(honoured) ? "," : "", lists[i].filter);
	}
	return true;
}

static long open_listens(const struct session *s)
{
	const struct request *other;
	long open = 0;
	TAILQ_FOREACH(other, &s->unanswered, of_session)
		open += other->listens;
	return open;
}

/* It stays unanswered: its answer is the end of the subscription. */
enum verdict changes_listen(struct request *r)
{
	json_t *wanted = json_object_get(r->params, "notifications");
	struct buf honoured = {0}, members = {0};
	long open = open_listens(r->session);
	if (!json_is_object(wanted))
		request_fail(r, FAULT_PARAMS, NULL,
			     "params.notifications must be an object, for example {\"toolsListChanged\":true}");
	else if (open >= r->pipeline->config->listens_max)
		request_fail(r, FAULT_INTERNAL, NULL, "%ld subscriptions are open already; cancel one of them", open);
	else if (keep_lists(r, wanted, &honoured) && keep_uris(r, wanted, &honoured) && tasks_listen(r, wanted, &honoured))
		r->listens = true;
	if (r->listens) {
		request_forget_message(r);
		if (r->listens_uris)
			changes_watch(r->pipeline);
		look(r->pipeline, r->knows);
		text_format(&members, "\"notifications\":{%s},", text_string(&honoured));
		tell_listener(r, "notifications/subscriptions/acknowledged", text_string(&members));
		tasks_listened(r);
	}
	buf_finish(&members);
	buf_finish(&honoured);
	return r->listens ? WAIT : DONE;
}

/* --- resources/subscribe --- */

enum verdict changes_subscribe(struct request *r, bool on)
{
	struct session *s = r->session;
	const char *uri = json_string_value(json_object_get(r->params, "uri"));
	char *plain = NULL;
	struct worker *w = NULL;
	if (!uri)
		request_fail(r, FAULT_PARAMS, NULL, "params.uri must be the URI of a resource");
	else if (!census_is_short(strlen(uri)))
		request_fail(r, FAULT_PARAMS, NULL, "params.uri is longer than %ld bytes", census_id_max());
	else if (on && subscriptions_of(r) >= s->pipeline->config->subscriptions_max)
		request_fail(r, FAULT_INTERNAL, NULL, "%ld resources are subscribed to already; unsubscribe from one of them",
			     s->pipeline->config->subscriptions_max);
	else if (on && (w = offers_resource(r, uri, &plain)) && w == relay_worker(r->pipeline))
		request_fail(r, FAULT_PARAMS, json_pack("{s:s}", "uri", uri),
			     "only the gateway has the resource %.200s, and changes there are not told here: read it again when you need it, "
			     "or subscribe at the gateway itself", uri);
	else if (on && w) {
		if (!s->subscribed)
			s->subscribed = json_object();
		json_object_set_new(s->subscribed, uri, json_true());
	} else if (!on)
		json_object_del(s->subscribed, uri);
	free(plain);
	if (!r->fault) {
		changes_watch(s->pipeline);
		text_put(&r->reply, "{}");
		r->ended = true;
	}
	return DONE;
}

/* --- changes --- */

/* What KNOWS holds of LIST is another one now: it is noted that this is told. */
static bool outdated(uint64_t knows[REQUEST_LISTS], int list, const uint64_t now[REQUEST_LISTS])
{
	enum offer kinds[2] = {lists[list].kind, lists[list].also};
	bool is = false;
	for (int i = 0; i < 2; i++) {
		is |= knows[kinds[i]] && knows[kinds[i]] != now[kinds[i]];
		if (knows[kinds[i]])
			knows[kinds[i]] = now[kinds[i]];
	}
	return is;
}

static void tell_session(struct session *s, const uint64_t now[REQUEST_LISTS])
{
	struct request *r;
	for (int i = 0; i < LISTS; i++) {
		if (s->initialized && outdated(s->knows, i, now))
			changes_notify(s, NULL, lists[i].method, NULL);
		TAILQ_FOREACH(r, &s->unanswered, of_session)
			if (r->listens && r->listens_to & 1u << i && outdated(r->knows, i, now))
				tell_listener(r, lists[i].method, "");
	}
}

static void look(const struct pipeline *p, uint64_t now[REQUEST_LISTS])
{
	for (int kind = 0; kind < OFFERS; kind++)
		now[kind] = offers_hash(p, (enum offer)kind);
}

/* A client hears of changes of lists it has not asked for too, once all instances have told
 * what they have: before that everything is new, and nothing is a change. */
static void begin(struct session *s, const uint64_t now[REQUEST_LISTS])
{
	for (int i = 0; i < REQUEST_LISTS && s->initialized && lobby_knows(s->pipeline); i++)
		if (!s->knows[i])
			s->knows[i] = now[i];
}

void changes_begin(struct session *s)
{
	uint64_t now[REQUEST_LISTS];
	look(s->pipeline, now);
	begin(s, now);
}

void changes_tell(struct pipeline *p)
{
	struct session *s;
	uint64_t now[REQUEST_LISTS];
	look(p, now);
	TAILQ_FOREACH(s, &p->sessions, of_pipeline) {
		tell_session(s, now);
		begin(s, now);
	}
	changes_watch(p); /* an instance may be new */
}

/* --- what is watched for them --- */

static void add_watch(json_t *set, const char *uri, const struct worker *w)
{
	char *plain = offers_plain(uri, w->name);
	if (plain)
		json_object_set_new(set, plain, json_true());
	free(plain);
}

static void watch(const struct pipeline *p, struct worker *w)
{
	struct session *s;
	struct request *r;
	const char *key;
	json_t *value, *set = json_object();
	size_t i;
	struct buf uris = {0};
	TAILQ_FOREACH(s, &p->sessions, of_pipeline) {
		json_object_foreach(s->subscribed, key, value)
			add_watch(set, key, w);
		TAILQ_FOREACH(r, &s->unanswered, of_session)
			json_array_foreach(r->listens_uris, i, value)
				add_watch(set, json_string_value(value), w);
	}
	text_put(&uris, "[");
	json_object_foreach(set, key, value) {
		if (buf_len(&uris) + 6 * strlen(key) > WATCH_MAX)
			break;
		text_put(&uris, buf_len(&uris) > 1 ? "," : "");
		text_quote(&uris, key);
	}
	text_put(&uris, "]");
	w->ops->watch(w, text_string(&uris));
	buf_finish(&uris);
	json_decref(set);
}

void changes_watch(struct pipeline *p)
{
	for (struct worker *w = service_first(p->service); w; w = service_next(w))
		if (w->ops->watch)
			watch(p, w);
}

static void tell_updated(struct session *s, struct request *listener, const char *uri)
{
	static const char method[] = "notifications/resources/updated";
	struct buf params = {0};
	text_put(&params, listener ? "\"uri\":" : "{\"uri\":");
	text_quote(&params, uri);
	text_put(&params, listener ? "," : "}");
	if (listener)
		tell_listener(listener, method, text_string(&params));
	else
		changes_notify(s, NULL, method, text_string(&params));
	buf_finish(&params);
}

static void updated(struct pipeline *p, const struct worker *w, const char *uri)
{
	struct session *s;
	struct request *r;
	const char *key;
	json_t *value;
	size_t i;
	TAILQ_FOREACH(s, &p->sessions, of_pipeline) {
		json_object_foreach(s->subscribed, key, value)
			if (offers_means(key, uri, w->name))
				tell_updated(s, NULL, key);
		TAILQ_FOREACH(r, &s->unanswered, of_session)
			json_array_foreach(r->listens_uris, i, value)
				if (r->listens && offers_means(json_string_value(value), uri, w->name))
					tell_updated(s, r, json_string_value(value));
	}
}

void changes_note(struct pipeline *p, const struct worker *w, const char *json, size_t len)
{
	json_t *note = census_load(json, len, JSON_REJECT_DUPLICATES, NULL);
	const char *uri = json_string_value(json_object_get(note, "updated"));
	if (uri)
		updated(p, w, uri);
	json_decref(note);
}
