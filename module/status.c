/* status.c - what the thread says of Emacs without asking Lisp: the STATE frame of
 * WIRE.md, and the answer for a job that could not be stopped. */
#include "child.h"
#include "json.h"
#include "server_priv.h"

#include <stdio.h>
#include <string.h>

static const double BLOCKED_AFTER = 0.1; /* seconds a ring may go unanswered */

enum status_known status_of(struct server *s, const struct queue_view *v, double now, const char **state)
{
	bool late = v->rung && now - v->rung_at >= BLOCKED_AFTER;
	(void)s;
	if (v->running)
		*state = v->prompting ? WIRE_PROMPTING : WIRE_RUNNING;
	else if (!v->heard_at)
		*state = WIRE_STARTING;
	else
		*state = late ? WIRE_BLOCKED : WIRE_IDLE;
	return v->running || late || (!v->rung && now - v->heard_at < BLOCKED_AFTER) ? STATUS_SURE : STATUS_UNSURE;
}

static bool put_text(struct buf *out, const char *key, const char *text)
{
	return buf_printf(out, ",\"%s\":", key) && json_put_string(out, text, strlen(text), NULL);
}

static long long ms(double seconds)
{
	return seconds > 0 ? (long long)(seconds * 1000) : 0;
}

/* False: there is nothing to say. */
static bool explain(char why[STATUS_REASON_MAX], const struct queue_view *v, const char *state, bool child, const char *command)
{
	const size_t size = STATUS_REASON_MAX;
	if (strcmp(state, WIRE_STARTING) == 0)
		snprintf(why, size, "Emacs has not yet answered since it started; its init file may still be loading");
	else if (strcmp(state, WIRE_RUNNING) == 0 && v->job.stop)
		snprintf(why, size, "%s for %s is being stopped%s%s", v->tool, v->client,
			 v->job.obstacle[0] ? "; what stands in the way: " : "", v->job.obstacle);
	else if (strcmp(state, WIRE_RUNNING) == 0)
		snprintf(why, size, "%s for %s runs%s%s", v->tool, v->client, child ? "; the youngest child process of Emacs: " : "",
			 child ? command : "");
	else if (strcmp(state, WIRE_PROMPTING) == 0)
		snprintf(why, size, "%s for %s has asked a question; efrit_prompt shows, answers or aborts it", v->tool, v->client);
	else if (strcmp(state, WIRE_BLOCKED) == 0)
		snprintf(why, size, "Emacs does not answer: a command of the person, a timer or a filter keeps it busy%s%s",
			 child ? ", or it waits for its child process " : "", child ? command : "");
	else
		return false;
	return true;
}

static bool put_why(struct buf *out, const struct queue_view *v, const char *state, bool child, const char *command)
{
	char why[STATUS_REASON_MAX];
	return !explain(why, v, state, child, command) || put_text(out, "why", why);
}

bool status_reason(struct server *s, char reason[STATUS_REASON_MAX])
{
	struct queue_view v;
	const char *state;
	char command[160] = "", named[200];
	pid_t child = 0;
	queue_look(s->queue, &v);
	status_of(s, &v, queue_now(), &state);
	bool has_child = child_youngest(s->lisp_tid, &child, command);
	snprintf(named, sizeof named, "%ld (%s)", (long)child, command);
	if (!explain(reason, &v, state, has_child, named))
		snprintf(reason, STATUS_REASON_MAX, "Emacs answers, but had no time for it");
	return v.running || strcmp(state, WIRE_IDLE) == 0;
}

static bool put_running(struct buf *out, const struct queue_view *v, double now)
{
	if (!v->running)
		return buf_printf(out, ",\"running\":null");
	bool ok = buf_printf(out, ",\"running\":{\"request\":%llu", (unsigned long long)v->job.number)
		  && put_text(out, "tool", v->tool) && put_text(out, "client", v->client)
		  && buf_printf(out, ",\"for_ms\":%lld,\"timeout_ms\":%u", ms(now - v->job.started_at), v->job.timeout_ms);
	if (ok && v->job.stop)
		ok = put_text(out, "stopping", job_stop_word(v->job.stop));
	return ok && buf_printf(out, "}");
}

static double state_since(struct server *s, const struct queue_view *v, const char *state, double now)
{
	if (v->running)
		return now - v->job.started_at;
	if (strcmp(state, WIRE_STARTING) == 0)
		return now - s->started_at;
	return strcmp(state, WIRE_BLOCKED) == 0 ? now - v->rung_at : 0;
}

bool status_write(struct server *s, struct buf *out, const bool *met)
{
	struct queue_view v;
	const char *state;
	char command[160] = "";
	pid_t child = 0;
	double now = queue_now();
	queue_look(s->queue, &v);
	status_of(s, &v, now, &state);
	bool busy = v.running || strcmp(state, WIRE_BLOCKED) == 0;
	bool has_child = busy && child_youngest(s->lisp_tid, &child, command);
	bool ok = buf_printf(out, "{\"instance\":\"%s\",\"pid\":%ld,\"state\":\"%s\",\"for_ms\":%lld", s->listening.name, (long)s->pid,
			     state, ms(state_since(s, &v, state, now)))
		  && put_why(out, &v, state, has_child, command) && put_text(out, "emacs_version", s->emacs_version)
		  && put_text(out, "version", s->version) && put_running(out, &v, now)
		  && buf_printf(out,
				",\"waiting\":%u,\"queue\":{\"interactive\":%u,\"normal\":%u,\"batch\":%u},\"watching\":%u,"
				"\"counts\":{\"done\":%llu,\"failed\":%llu,\"stopped\":%llu,\"refused\":%llu},\"peers\":%u,\"heartbeat_ms\":%lld",
				v.waiting, v.lanes[0], v.lanes[1], v.lanes[2], v.deferred, (unsigned long long)v.counts.done,
				(unsigned long long)v.counts.failed, (unsigned long long)v.counts.stopped,
				(unsigned long long)v.counts.refused, (unsigned)s->n_peers, v.heard_at ? ms(now - v.heard_at) : -1);
	ok = ok && buf_printf(out, ",\"prompt\":");
	if (!v.prompt[0])
		ok = ok && buf_printf(out, "null");
	else
		ok = ok && buf_printf(out, "{\"text\":") && json_put_string(out, v.prompt, strlen(v.prompt), NULL) && buf_printf(out, "}");
	if (has_child)
		ok = ok && buf_printf(out, ",\"child\":{\"pid\":%ld", (long)child) && put_text(out, "command", command) && buf_printf(out, "}");
	else
		ok = ok && buf_printf(out, ",\"child\":null");
	if (met)
		ok = ok && buf_printf(out, ",\"met\":%s", *met ? "true" : "false");
	return ok && buf_printf(out, "}");
}

bool status_stats(struct server *s, struct buf *out)
{
	return buf_printf(out, "{\"instance_id\":\"%s\",", s->listening.name) && queue_stats(s->queue, out) && buf_printf(out, "}");
}

bool status_failed(struct server *s, const struct job *job, struct buf *out, const char *code, const char *message)
{
	struct buf inner = {0};
	bool ok = buf_printf(&inner, "{\"status\":\"error\",\"error\":") && json_put_string(&inner, message, strlen(message), NULL)
		  && buf_printf(&inner, ",\"error_code\":\"%s\",\"instance_id\":\"%s\",\"request\":%llu,\"may_have_run\":true}", code,
				s->listening.name, (unsigned long long)job->number)
		  && buf_printf(out, "{\"content\":[{\"type\":\"text\",\"text\":")
		  && json_put_string(out, buf_data(&inner), buf_len(&inner), NULL) && buf_printf(out, "}],\"isError\":true}");
	buf_finish(&inner);
	return ok;
}
