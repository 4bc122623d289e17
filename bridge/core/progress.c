/* progress.c - what a client hears of a call while it is under way: a heartbeat for those
 * that gave a progressToken, the numbers and messages of the form itself, its log.  Numbers
 * only grow.  Nothing after the answer. */
#include "back/worker.h"
#include "mcp/census.h"
#include "core/calls.h"
#include "core/session.h"
#include "mcp/era.h"
#include "mcp/text.h"
#include "os.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SAID_MAX = 2000 }; /* characters of messages told at once */
static const double small = 0.001; /* what a heartbeat adds: it counts nothing */

/* VALUE, or a little more than what was told last. */
static double larger(const struct request *r, double value, double total)
{
	double least = r->progressed + (isfinite(total) && total > r->progressed ? (total - r->progressed) * small : small);
	if (least <= r->progressed) /* so large that a little is nothing */
		least = nextafter(r->progressed, INFINITY);
	return r->progressed < 0 || value > r->progressed ? value : least;
}

static void put_number(struct buf *out, double value)
{
	char text[40];
	snprintf(text, sizeof text, "%.15g", value);
	text_put(out, text);
}

/* TOTAL: NAN when there is none. */
static void tell(struct request *r, double value, double total, const char *message)
{
	struct buf params = {0};
	r->progressed = larger(r, value, total);
	r->spoke = os_now();
	text_format(&params, "{\"progressToken\":%s,\"progress\":", r->token);
	put_number(&params, r->progressed);
	if (isfinite(total) && total >= r->progressed) {
		text_put(&params, ",\"total\":");
		put_number(&params, total);
	}
	if (message && r->version >= VERSION_2025_03_26) {
		text_put(&params, ",\"message\":");
		text_quote(&params, message);
	}
	text_put(&params, "}");
	changes_notify(r->session, r, "notifications/progress", text_string(&params));
	buf_finish(&params);
}

static void tell_log(struct request *r, const char *level, const json_t *data, const char *logger)
{
	json_t *params = json_pack("{s:s,s:O}", "level", level, "data", data);
	if (logger)
		json_object_set_new(params, "logger", json_string(logger));
	struct buf text = {0};
	text_json(&text, params);
	changes_notify(r->session, r, "notifications/message", text_string(&text));
	buf_finish(&text);
	json_decref(params);
}

static void tell_said(struct request *r)
{
	if (!buf_len(&r->said))
		return;
	if (r->token) {
		tell(r, r->progressed < 0 ? 0 : r->progressed, NAN, text_string(&r->said));
	} else {
		json_t *text = json_stringn(buf_data(&r->said), buf_len(&r->said));
		r->spoke = os_now();
		if (text)
			tell_log(r, "info", text, "message");
		json_decref(text);
	}
	buf_eat(&r->said, buf_len(&r->said));
}

static double interval_of(const struct request *r)
{
	return (double)r->pipeline->config->progress_interval / 1000;
}

/* From now on a beat every interval, or the next one after SECONDS. */
static void set_timer(struct request *r, double seconds)
{
	ev_timer_stop(r->pipeline->loop, &r->progress);
	ev_timer_set(&r->progress, seconds, 0.);
	ev_timer_start(r->pipeline->loop, &r->progress);
}

static void beat(struct request *r)
{
	struct buf words = {0};
	double seconds = os_now() - r->born;
	if (asking_waits(r))
		text_format(&words, "waiting for the client's answer for %.0f s", seconds);
	else
		text_format(&words, "%s %s for %.0f s", r->flying ? "running on" : "waiting for", r->worker ? r->worker->name : "Emacs", seconds);
	tell(r, r->progressed < 0 ? 0 : r->progressed, NAN, text_string(&words));
	buf_finish(&words);
}

static void on_progress(EV_P_ ev_timer *timer, int revents)
{
	struct request *r = timer->data;
	(void)loop;
	(void)revents;
	if (buf_len(&r->said))
		tell_said(r);
	else if (r->token)
		beat(r);
	if (r->token)
		set_timer(r, interval_of(r));
}

void progress_start(struct request *r)
{
	if (r->listens)
		return;
	ev_timer_init(&r->progress, on_progress, 0., 0.);
	r->progress.data = r;
	if (r->token)
		set_timer(r, interval_of(r));
}

void progress_stop(struct request *r)
{
	if (ev_is_active(&r->progress))
		ev_timer_stop(r->pipeline->loop, &r->progress);
}

/* Messages of a short while are told together, and those of a short call not at all: its
 * answer has them. */
static void keep_said(struct request *r, const char *text)
{
	double now = os_now(), least = (double)r->pipeline->config->progress_least / 1000;
	double from = r->spoke > r->born ? r->spoke : r->born;
	bool empty = !buf_len(&r->said);
	if (buf_len(&r->said) + strlen(text) <= SAID_MAX)
		text_format(&r->said, "%s%s", empty ? "" : "\n", text);
	if (now - from >= least)
		tell_said(r);
	else if (empty)
		set_timer(r, least - (now - from));
}

void progress_note(struct request *r, const char *json, size_t len)
{
	json_t *note = census_load(json, len, JSON_REJECT_DUPLICATES, NULL);
	json_t *progress = json_object_get(note, "progress"), *total = json_object_get(note, "total");
	json_t *level = json_object_get(note, "level"), *data = json_object_get(note, "data");
	const char *said = json_string_value(json_object_get(note, "said"));
	if (json_is_integer(json_object_get(note, "size"))) {
		large_announced(r, (size_t)json_integer_value(json_object_get(note, "size")));
	} else if (json_is_number(progress) && r->token) {
		tell(r, json_number_value(progress), json_is_number(total) ? json_number_value(total) : NAN,
		     json_string_value(json_object_get(note, "message")));
		set_timer(r, interval_of(r));
	} else if (level && data && r->log_level <= era_log_level(level) && era_log_level(level) != LOG_NOTHING) {
		tell_log(r, json_string_value(level), data, json_string_value(json_object_get(note, "logger")));
	} else if (said && (r->token || calls_tell_messages(r))) {
		keep_said(r, said);
	}
	json_decref(note);
}
