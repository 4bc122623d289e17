/* job.c - see job.h */
#include "job.h"

#include "json.h"

#include <stdlib.h>
#include <string.h>

struct job *job_create(uint64_t peer, uint64_t id, const struct wire_call *call)
{
	struct job *job = calloc(1, sizeof *job);
	if (!job)
		return NULL;
	job->peer = peer;
	job->id = id;
	job->priority = call->priority;
	job->timeout_ms = call->timeout_ms ? call->timeout_ms : WIRE_TIMEOUT_DEFAULT;
	job->patient = call->patient;
	if (job->timeout_ms > WIRE_TIMEOUT_MAX)
		job->timeout_ms = WIRE_TIMEOUT_MAX;
	job->tool = strndup(call->tool, call->tool_len);
	job->client = strndup(call->client, call->client_len);
	job->arguments = malloc(call->arguments_len + 1);
	job->reply = calloc(1, sizeof *job->reply);
	job->context = call->context_len ? strndup(call->context, call->context_len) : NULL;
	job->context_len = call->context_len;
	if (!job->tool || !job->client || !job->arguments || !job->reply || (call->context_len && !job->context)) {
		job_destroy(job);
		return NULL;
	}
	memcpy(job->arguments, call->arguments, call->arguments_len);
	job->arguments[call->arguments_len] = 0;
	job->arguments_len = call->arguments_len;
	return job;
}

void job_destroy(struct job *job)
{
	if (!job)
		return;
	free(job->tool);
	free(job->client);
	free(job->arguments);
	free(job->context);
	reply_destroy(job->reply);
	free(job);
}

void reply_destroy(struct reply *reply)
{
	if (!reply)
		return;
	buf_finish(&reply->text);
	body_destroy(reply->rest);
	free(reply);
}

size_t reply_length(const struct reply *reply)
{
	return buf_len(&reply->text) + (reply->rest ? reply->rest->left : 0);
}

const char *job_stop_word(enum job_stop why)
{
	static const char *const words[] = {
		[STOP_NONE] = "stopped",	     [STOP_TIMEOUT] = "timeout",	 [STOP_CANCELLED] = "cancelled",
		[STOP_INTERRUPTED] = "interrupted", [STOP_CLIENT_GONE] = "client_gone", [STOP_EXIT] = "exit",
	};
	return words[why];
}

uint8_t job_wire_flag(enum job_outcome outcome)
{
	static const uint8_t flags[] = {
		[JOB_DONE] = 0, [JOB_FAILED] = WIRE_FAILED, [JOB_STOPPED] = WIRE_FAILED, [JOB_FAULT] = WIRE_FAULT, [JOB_ASKS] = WIRE_ASKS};
	return flags[outcome];
}

static void copy_text(char *to, size_t size, const char *from)
{
	size_t n = json_cut(from, strlen(from), size - 1);
	memset(to, 0, size);
	memcpy(to, from, n);
}

void job_ask_stop(struct job *job, enum job_stop why, const char *by)
{
	if (job->stop)
		return;
	job->stop = why;
	copy_text(job->by, sizeof job->by, by);
}

void job_set_obstacle(struct job *job, const char *obstacle)
{
	copy_text(job->obstacle, sizeof job->obstacle, obstacle ? obstacle : "");
}

double job_deadline(const struct job *job, double now)
{
	bool begun = job->state != JOB_WAITING && job->state != JOB_TAKEN;
	double from = !job->patient ? job->queued_at : begun ? job->started_at : now;
	return from + job->timeout_ms / 1000.0;
}

double job_left(const struct job *job, double now)
{
	double whole = job->timeout_ms / 1000.0, left = job_deadline(job, now) - now;
	return whole - left < 0.05 ? whole : left > 0.001 ? left : 0.001;
}

bool job_overdue(const struct job *job, double now)
{
	return !job->stop && job->state != JOB_ENDED && job_deadline(job, now) <= now;
}

struct reply *job_reply(struct job *job, struct buf *text, enum job_outcome outcome)
{
	struct reply *reply = job->reply;
	job->reply = NULL;
	reply->peer = job->peer;
	reply->id = job->id;
	reply->number = job->number;
	reply->outcome = outcome;
	reply->text = *text;
	*text = (struct buf){0};
	return reply;
}
