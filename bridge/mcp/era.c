/* era.c - see era.h */
#include "mcp/era.h"
#include "mcp/census.h"
#include "mcp/headers.h"
#include "mcp/text.h"

#include <string.h>

static const struct method methods[] = {
#define METHOD(id, name, modern, legacy, notification, cacheable) \
	{METHOD_##id, name, modern, legacy, notification, cacheable},
#include "mcp/methods.def"
#undef METHOD
};

/* Clients cut it at 2 KB, so what matters most comes first. */
const char era_instructions[] =
	"These tools act inside the running Emacs of a person: its buffers, its Lisp, its screen. "
	"Emacs is theirs first: do not steal focus, and put back what you change.\n"
	"- efrit_execute evaluates Lisp (type \"eval\") and answers with the value, what was printed, new messages, changed "
	"buffers and a brief view of the editor. A form gets `timeout` seconds (default 30); then it is stopped, and the "
	"answer says so.\n"
	"- When unsure what Emacs is doing, ask efrit_status. It answers at once, also while Emacs is busy: what runs, for "
	"how long, what waits, whether a prompt is open.\n"
	"- efrit_interrupt stops what runs now; cancelling a request stops that request. efrit_wait waits until Emacs is idle "
	"or shows a text; do not poll.\n"
	"- Several Emacs instances may run: efrit_list_instances names them; pass instance_id to choose one.\n"
	"- Errors are data: an error result names the Lisp error and carries a backtrace or an error_code with what to do. "
	"\"may_have_run\": true means look before you try again.\n"
	"- A form that asks the person something fails at once and returns the question: pass the answer as an argument "
	"instead, or let it ask your user (ask_client). emacs_ask_user asks the person; declined means no.\n"
	"- Builds and tests go through emacs_run, which the person sees; emacs_job waits for the end.\n";

bool era_is_modern(const json_t *params)
{
	return json_object_get(json_object_get(params, "_meta"), era_key_version) != NULL;
}

const struct method *era_method(const char *name)
{
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
		if (strcmp(methods[i].name, name) == 0)
			return &methods[i];
	return NULL;
}

int era_log_level(const json_t *word)
{
	static const char *const words[] = {"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"};
	const char *level = json_string_value(word);
	for (int i = 0; level && i < LOG_NOTHING; i++)
		if (strcmp(words[i], level) == 0)
			return i;
	return LOG_NOTHING;
}

void era_keep_name(char to[REQUEST_CLIENT_MAX + 1], const json_t *client_info)
{
	const char *name = json_string_value(json_object_get(client_info, "name"));
	if (!name || !*name)
		name = "unknown";
	size_t len = strnlen(name, REQUEST_CLIENT_MAX + 1);
	if (len > REQUEST_CLIENT_MAX)
		for (len = REQUEST_CLIENT_MAX; len && ((unsigned char)name[len] & 0xC0) == 0x80; len--)
			;
	memcpy(to, name, len);
	to[len] = 0;
}

bool era_enter(struct request *r)
{
	json_t *token = json_object_get(json_object_get(r->params, "_meta"), "progressToken");
	if (json_is_string(token) && !census_is_short(json_string_length(token))) /* each notification would repeat it */
		return request_fail(r, FAULT_PARAMS, NULL, "the progressToken is longer than %ld bytes", census_id_max());
	if (json_is_string(token) || json_is_integer(token))
		r->token = text_dump(token);
	r->era = era_is_modern(r->params) || headers_claim_modern(r->http) ? ERA_MODERN : ERA_LEGACY;
	r->method = era_method(r->name);
	if (!(r->era == ERA_MODERN ? era_modern_enter(r) : era_legacy_enter(r)))
		return false;
	if (r->method && r->method->notification)
		return request_fail(r, FAULT_INVALID, NULL, "%s is a notification: it takes no id", r->name);
	if (r->method && (r->era == ERA_MODERN ? r->method->modern : r->method->legacy))
		return true;
	return request_fail(r, FAULT_METHOD, NULL, "there is no method %.100s%s", r->name,
			    !r->method ? "" : r->era == ERA_MODERN ? " in protocol version 2026-07-28"
								   : " before protocol version 2026-07-28");
}

void era_members(const struct request *r, long list_ttl, const char *track, struct buf *out)
{
	if (r->era == ERA_MODERN)
		era_modern_members(r, list_ttl, track, out);
	else if (*track)
		text_format(out, "\"_meta\":{%s}", track + 1);
}
