/* migrate_request.c - see migrate_request.h */
#include "migrate_request.h"
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { CHARS_MAX = 16000000, TIMEOUT_MAX = 3600, TIMEOUT = 30 };
static const char version[] = "1.0.0"; /* of requests and answers; there was no other one */

static const char *text_at(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* The answer's file is called after it, so it must not lead elsewhere. */
static bool take_id(struct migrate_request *r, char **error)
{
	const char *text = json_string_value(r->id);
	if (json_is_integer(r->id))
		snprintf(r->name, sizeof r->name, "%" JSON_INTEGER_FORMAT, json_integer_value(r->id));
	else if (text && *text && strlen(text) <= MIGRATE_ID_MAX && !strchr(text, '/'))
		snprintf(r->name, sizeof r->name, "%s", text);
	else {
		r->id = NULL;
		return config_complain(error, "its id is missing, is too long, or has a slash");
	}
	return true;
}

bool migrate_request_read(const char *text, size_t len, struct migrate_request *r, char **error)
{
	static const char *const types[] = {"eval", "command", "chat", "status"};
	json_error_t where;
	*r = (struct migrate_request){.all = json_loadb(text, len, 0, &where)};
	if (!json_is_object(r->all))
		return config_complain(error, r->all ? "it is no object of JSON" : "it is no JSON: %s, line %d", where.text, where.line);
	json_t *options = json_object_get(r->all, "options");
	const char *is = text_at(r->all, "version");
	r->id = json_object_get(r->all, "id");
	r->type = text_at(r->all, "type");
	r->content = text_at(r->all, "content");
	r->instance = text_at(r->all, "instance_id");
	r->timeout = json_number_value(json_object_get(options, "timeout"));
	r->return_context = json_is_true(json_object_get(options, "return_context"));
	if (!take_id(r, error))
		return false;
	if (!is || strcmp(is, version) != 0)
		return config_complain(error, "its version is %s, not %s", is ? is : "missing", version);
	if (!r->content)
		return config_complain(error, "it has no content");
	for (size_t i = 0; r->type && i < sizeof types / sizeof types[0]; i++)
		if (strcmp(types[i], r->type) == 0)
			return true;
	return config_complain(error, "its type is %s, none of eval, command, chat and status", r->type ? r->type : "missing");
}

void migrate_request_finish(struct migrate_request *r)
{
	json_decref(r->all);
	*r = (struct migrate_request){0};
}

json_t *migrate_request_arguments(const struct migrate_request *r, const char *instance, double timeout)
{
	double seconds = r->timeout > 0 ? r->timeout : timeout > 0 ? timeout : TIMEOUT;
	json_t *arguments = json_pack("{s:s,s:s,s:f,s:i,s:s}", "type", r->type, "content", r->content, "timeout",
				      seconds > TIMEOUT_MAX ? TIMEOUT_MAX : seconds, "max_chars", CHARS_MAX, "observe", "none");
	if (r->return_context)
		json_object_set_new(arguments, "return_context", json_true());
	if (instance)
		json_object_set_new(arguments, "instance_id", json_string(instance));
	return arguments;
}

static json_t *begin(const json_t *id, const char *status)
{
	char now[32];
	struct tm tm;
	time_t t = time(NULL);
	gmtime_r(&t, &tm);
	strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_pack("{s:O,s:s,s:s,s:s}", "id", id, "version", version, "timestamp", now, "status", status);
}

json_t *migrate_request_answer(const json_t *id, const json_t *said, const char *instance)
{
	static const char *const kept[] = {"result", "error", "error_code", "execution_time", "context", "output", "truncated"};
	const char *status = text_at(said, "status"), *code = text_at(said, "error_code");
	bool good = status && strcmp(status, "success") == 0, late = code && strcmp(code, "timeout") == 0;
	json_t *answer = begin(id, good ? "success" : late ? "timeout" : "error");
	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
		json_object_set(answer, kept[i], json_object_get(said, kept[i]));
	if (!good && !json_object_get(answer, "error"))
		json_object_set_new(answer, "error", json_string("it was not understood what Emacs answered"));
	if (instance)
		json_object_set_new(answer, "instance_id", json_string(instance));
	return answer;
}

json_t *migrate_request_failure(const json_t *id, const char *code, const char *why)
{
	json_t *answer = begin(id, "error");
	json_object_set_new(answer, "error", json_string(why));
	json_object_set_new(answer, "error_code", json_string(code));
	return answer;
}

bool migrate_request_did_not_run(const json_t *said)
{
	static const char *const codes[] = {"no_instance", "unknown_instance", "ambiguous_instance", "unknown_tool", "queue_full",
					    "client_queue_full"};
	const char *code = text_at(said, "error_code");
	if (json_is_false(json_object_get(said, "may_have_run")))
		return true;
	for (size_t i = 0; code && i < sizeof codes / sizeof codes[0]; i++)
		if (strcmp(codes[i], code) == 0)
			return true;
	return false;
}
