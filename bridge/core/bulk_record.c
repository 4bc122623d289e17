/* bulk_record.c - see bulk_record.h */
#include "core/bulk_record.h"
#include "mcp/census.h"
#include "log.h"
#include "mcp/text.h"
#include "os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {"waiting", "running", "success", "error", "lost", "skipped"};

struct bulk *bulk_record_create(json_t *forms)
{
	size_t count = json_array_size(forms);
	struct bulk *b = calloc(1, sizeof *b + count * sizeof b->list[0]);
	if (!b)
		log_no_memory();
	b->forms = json_incref(forms);
	b->count = count;
	b->begun = os_now();
	for (size_t i = 0; i < count; i++)
		b->list[i].bulk = b;
	return b;
}

void bulk_record_destroy(struct bulk *b)
{
	for (size_t i = 0; i < b->count; i++)
		buf_finish(&b->list[i].answer);
	json_decref(b->forms);
	free(b);
}

static size_t ended(const struct bulk *b)
{
	size_t n = 0;
	for (int s = FORM_SUCCESS; s <= FORM_SKIPPED; s++)
		n += b->ended[s];
	return n;
}

bool bulk_record_ended(const struct bulk *b)
{
	return ended(b) == b->count;
}

void bulk_record_set(struct form *f, enum form_status status)
{
	struct bulk *b = f->bulk;
	if (f->status == FORM_STARTED)
		b->running--;
	if (status == FORM_STARTED)
		b->running++;
	else if (status >= FORM_SUCCESS)
		b->ended[status]++;
	f->status = status;
	if (bulk_record_ended(b))
		b->took = os_now() - b->begun;
}

/* --- what became of a form --- */

enum form_status bulk_record_take(struct form *f, const char *result, size_t len)
{
	json_t *told = census_load(result, len, JSON_ALLOW_NUL, NULL);
	json_t *text = json_object_get(json_array_get(json_object_get(told, "content"), 0), "text");
	json_t *inner = json_is_string(text) ? census_load(json_string_value(text), json_string_length(text), JSON_ALLOW_NUL, NULL) : NULL;
	bool failed = json_is_true(json_object_get(told, "isError"));
	enum form_status status = !failed ? FORM_SUCCESS : json_is_true(json_object_get(inner, "may_have_run")) ? FORM_LOST : FORM_FAILED;
	buf_eat(&f->answer, buf_len(&f->answer));
	if (json_is_object(inner))
		text_add(&f->answer, json_string_value(text), json_string_length(text)); /* as it was made */
	else if (json_is_string(text))
		text_json(&f->answer, text);
	else
		text_add(&f->answer, result, len);
	json_decref(inner);
	json_decref(told);
	return status;
}

void bulk_record_error(struct form *f, const char *code, const char *sentence, bool may_have_run)
{
	json_t *said = json_pack("{s:s,s:s,s:s,s:b}", "status", "error", "error", sentence, "error_code", code, "may_have_run", may_have_run);
	buf_eat(&f->answer, buf_len(&f->answer));
	text_json(&f->answer, said);
	json_decref(said);
}

/* --- shown --- */

static void show_form(const struct form *f, size_t number, struct buf *out)
{
	text_format(out, "{\"form\":%zu,\"status\":\"%s\"", number, words[f->status]);
	if (*f->instance)
		text_format(out, ",\"instance_id\":\"%s\"", f->instance);
	if (f->status >= FORM_SUCCESS && f->status <= FORM_FAILED)
		text_format(out, ",\"queue_seconds\":%.4f,\"run_seconds\":%.4f", f->queued, f->ran);
	if (buf_len(&f->answer)) {
		text_put(out, ",\"answer\":");
		text_add(out, buf_data(&f->answer), buf_len(&f->answer));
	}
	text_put(out, "}");
}

bool bulk_record_good(const struct bulk *b)
{
	return b->ended[FORM_SUCCESS] || !bulk_record_ended(b);
}

void bulk_record_show(const struct bulk *b, bool answers, struct buf *out)
{
	bool over = bulk_record_ended(b);
	text_format(out, "{\"status\":\"%s\"", !over ? "running" : b->ended[FORM_SUCCESS] == b->count ? "success"
					      : b->ended[FORM_SUCCESS] ? "partial" : "error");
	if (b->kept)
		text_format(out, ",\"job\":\"%s\"", b->id);
	text_format(out, ",\"sent_to\":\"%s\",\"forms\":%zu,\"succeeded\":%zu,\"failed\":%zu,\"lost\":%zu,\"skipped\":%zu,\"running\":%zu,"
			 "\"waiting\":%zu,\"seconds\":%.4f", b->place, b->count, b->ended[FORM_SUCCESS], b->ended[FORM_FAILED], b->ended[FORM_LOST],
		    b->ended[FORM_SKIPPED], b->running, b->count - ended(b) - b->running, over ? b->took : os_now() - b->begun);
	if (answers) {
		text_put(out, ",\"results\":[");
		for (size_t i = 0; i < b->count; i++) {
			if (i)
				text_put(out, ",");
			show_form(&b->list[i], i, out);
		}
		text_put(out, "]");
	}
	text_put(out, "}");
}

/* --- kept --- */

void bulk_record_write(const struct bulk *b, struct buf *body)
{
	json_t *all = json_pack("{s:s,s:s,s:s,s:O,s:b,s:b,s:b,s:I,s:I,s:i,s:I}", "principal", b->principal, "client", b->client, "place", b->place,
				"forms", b->forms, "sequential", b->sequential, "stop", b->stop, "idempotent", b->idempotent, "timeout",
				(json_int_t)b->timeout_ms, "max_chars", (json_int_t)b->max_chars, "priority", (int)b->priority, "created",
				(json_int_t)b->created);
	text_json(body, all);
	json_decref(all);
}

struct bulk *bulk_record_read(const char *id, const char *body, size_t len)
{
	const char *principal, *client, *place;
	json_t *forms, *all = json_loadb(body, len, JSON_ALLOW_NUL, NULL);
	int sequential, stop, idempotent, priority;
	json_int_t timeout, max_chars, created;
	struct bulk *b = NULL;
	if (json_unpack(all, "{s:s,s:s,s:s,s:o,s:b,s:b,s:b,s:I,s:I,s:i,s:I}", "principal", &principal, "client", &client, "place", &place,
			"forms", &forms, "sequential", &sequential, "stop", &stop, "idempotent", &idempotent, "timeout", &timeout, "max_chars",
			&max_chars, "priority", &priority, "created", &created) == 0
	    && json_is_array(forms) && strlen(id) < BULK_ID && priority >= 0 && priority < PRIORITIES) {
		b = bulk_record_create(forms);
		snprintf(b->id, sizeof b->id, "%s", id);
		snprintf(b->principal, sizeof b->principal, "%s", principal);
		snprintf(b->client, sizeof b->client, "%s", client);
		snprintf(b->place, sizeof b->place, "%s", place);
		b->sequential = sequential;
		b->stop = stop;
		b->idempotent = idempotent;
		b->timeout_ms = (long)timeout;
		b->max_chars = (long)max_chars;
		b->priority = (enum priority)priority;
		b->created = created;
		b->kept = true;
	}
	json_decref(all);
	return b;
}

void bulk_record_write_form(const struct form *f, struct buf *body)
{
	text_format(body, "{\"status\":%d,\"instance\":\"%s\",\"queued\":%.6f,\"ran\":%.6f,\"answer\":", (int)f->status, f->instance, f->queued,
		    f->ran);
	if (buf_len(&f->answer))
		text_add(body, buf_data(&f->answer), buf_len(&f->answer));
	else
		text_put(body, "null");
	text_put(body, "}");
}

bool bulk_record_read_form(struct form *f, const char *body, size_t len)
{
	json_t *all = json_loadb(body, len, JSON_ALLOW_NUL, NULL), *answer;
	const char *instance;
	int status;
	bool ok = json_unpack(all, "{s:i,s:s,s:F,s:F,s:o}", "status", &status, "instance", &instance, "queued", &f->queued, "ran", &f->ran,
			      "answer", &answer) == 0
		  && status >= FORM_WAITING && status <= FORM_SKIPPED;
	if (ok) {
		snprintf(f->instance, sizeof f->instance, "%s", instance);
		if (!json_is_null(answer))
			text_json(&f->answer, answer);
		bulk_record_set(f, (enum form_status)status);
	}
	json_decref(all);
	return ok;
}
