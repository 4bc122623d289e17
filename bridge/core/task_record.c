/* task_record.c - see task_record.h */
#include "core/task_record.h"
#include "log.h"
#include "mcp/text.h"
#include "os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static const char *const words[] = {"working", "input_required", "completed", "failed", "cancelled"};

enum { RUNNING_MAX = 2 * 60 * 60 * 1000 }; /* ms: no call runs longer than an hour */

/* 122 bits of chance, as a UUID of version 4. */
static void make_id(char id[TASK_ID])
{
	unsigned char b[16];
	if (getrandom(b, sizeof b, 0) != (ssize_t)sizeof b)
		log_no_memory(); /* no source of chance */
	b[6] = (unsigned char)((b[6] & 0x0F) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
	snprintf(id, TASK_ID, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4], b[5],
		 b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

static struct task_record *make(void)
{
	struct task_record *t = calloc(1, sizeof *t);
	if (!t)
		log_no_memory();
	t->asked = json_object();
	t->keys = json_object();
	t->used = json_object();
	return t;
}

struct task_record *task_record_create(const char *principal, const struct config *config)
{
	struct task_record *t = make();
	make_id(t->id);
	snprintf(t->principal, sizeof t->principal, "%s", principal);
	t->created = t->updated = os_clock();
	t->ttl = config->task_ttl * 1000;
	t->poll = config->task_poll;
	return t;
}

void task_record_destroy(struct task_record *t)
{
	json_decref(t->message);
	json_decref(t->asked);
	json_decref(t->keys);
	json_decref(t->used);
	json_decref(t->answers);
	json_decref(t->state);
	json_decref(t->error);
	buf_finish(&t->result);
	free(t);
}

bool task_record_ended(const struct task_record *t)
{
	return t->status >= TASK_COMPLETED;
}

int64_t task_record_expires(const struct task_record *t)
{
	int64_t linger = t->updated + (int64_t)TASK_LINGER * 1000;
	if (t->status == TASK_WORKING)
		return t->updated + RUNNING_MAX;
	return t->created + t->ttl > linger ? t->created + t->ttl : linger;
}

/* --- shown --- */

static void put_time(struct buf *out, const char *key, int64_t ms)
{
	char text[32];
	struct tm tm;
	ms = os_clock_shown(ms);
	time_t seconds = (time_t)(ms / 1000);
	gmtime_r(&seconds, &tm);
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	text_format(out, ",\"%s\":\"%s.%03dZ\"", key, text, (int)(ms % 1000));
}

void task_record_show_head(const struct task_record *t, struct buf *out)
{
	text_format(out, "\"taskId\":\"%s\",\"status\":\"%s\"", t->id, words[t->status]);
	if (t->message) {
		text_put(out, ",\"statusMessage\":");
		text_json(out, t->message);
	}
	put_time(out, "createdAt", t->created);
	put_time(out, "lastUpdatedAt", t->updated);
	text_format(out, ",\"ttlMs\":%ld,\"pollIntervalMs\":%ld", t->ttl, t->poll);
}

static void put_result(const struct task_record *t, struct buf *out)
{
	if (t->status == TASK_COMPLETED && buf_len(&t->result)) {
		text_put(out, ",\"result\":");
		text_add(out, buf_data(&t->result), buf_len(&t->result));
	} else if (t->status == TASK_FAILED && t->error) {
		text_put(out, ",\"error\":");
		text_json(out, t->error);
	}
}

void task_record_show(const struct task_record *t, struct buf *out)
{
	task_record_show_head(t, out);
	if (t->status == TASK_INPUT_REQUIRED) {
		text_put(out, ",\"inputRequests\":");
		text_json(out, t->asked);
	}
	put_result(t, out);
}

/* --- kept --- */

void task_record_write(const struct task_record *t, struct buf *body)
{
	text_put(body, "{\"principal\":");
	text_quote(body, t->principal);
	text_format(body, ",\"status\":%d,\"created\":%lld,\"updated\":%lld,\"ttl\":%ld,\"poll\":%ld", (int)t->status, (long long)t->created,
		    (long long)t->updated, t->ttl, t->poll);
	if (t->message) {
		text_put(body, ",\"message\":");
		text_json(body, t->message);
	}
	put_result(t, body);
	text_put(body, "}");
}

static int64_t number(const json_t *from, const char *key)
{
	return json_integer_value(json_object_get(from, key));
}

struct task_record *task_record_read(const char *id, const char *body, size_t len)
{
	json_t *from = json_loadb(body, len, 0, NULL);
	const char *principal = json_string_value(json_object_get(from, "principal"));
	json_t *result = json_object_get(from, "result");
	if (!principal || strlen(id) >= TASK_ID || number(from, "status") < 0 || number(from, "status") > TASK_CANCELLED) {
		json_decref(from);
		return NULL;
	}
	struct task_record *t = make();
	snprintf(t->id, sizeof t->id, "%s", id);
	snprintf(t->principal, sizeof t->principal, "%s", principal);
	t->status = (enum task_status)number(from, "status");
	t->created = number(from, "created");
	t->updated = number(from, "updated");
	t->ttl = (long)number(from, "ttl");
	t->poll = (long)number(from, "poll");
	t->message = json_incref(json_object_get(from, "message"));
	t->error = json_incref(json_object_get(from, "error"));
	if (result)
		text_json(&t->result, result);
	t->announced = t->started = true;
	json_decref(from);
	return t;
}

/* --- questions --- */

static char *new_key(const struct task_record *t, const char *key)
{
	char *made = NULL;
	for (int i = 1; !made; i++) {
		int n = i == 1 ? asprintf(&made, "%s", key) : asprintf(&made, "%s-%d", key, i);
		if (n < 0)
			log_no_memory();
		if (json_object_get(t->used, made)) {
			free(made);
			made = NULL;
		}
	}
	return made;
}

void task_record_ask(struct task_record *t, const json_t *questions, json_t *state)
{
	const char *key;
	json_t *question;
	json_object_clear(t->asked);
	json_object_clear(t->keys);
	json_decref(t->answers);
	t->answers = json_object();
	json_decref(t->state);
	t->state = json_incref(state);
	json_object_foreach((json_t *)(void *)(size_t)questions, key, question) {
		char *made = new_key(t, key);
		json_object_set_new(t->used, made, json_true());
		json_object_set(t->asked, made, question);
		json_object_set_new(t->keys, made, json_string(key));
		free(made);
	}
}

bool task_record_answer(struct task_record *t, const json_t *responses)
{
	const char *key;
	json_t *response;
	bool any = false;
	json_object_foreach((json_t *)(void *)(size_t)responses, key, response) {
		const char *own = json_string_value(json_object_get(t->keys, key));
		if (!own || !json_object_get(t->asked, key))
			continue;
		json_object_set(t->answers, own, response);
		json_object_del(t->asked, key);
		any = true;
	}
	return any;
}
