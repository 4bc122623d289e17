/* era_modern.c - protocol version 2026-07-28: every request brings everything along. */
#include "mcp/era.h"
#include "mcp/headers.h"
#include "mcp/text.h"

#include <string.h>

#define KEY "io.modelcontextprotocol/"
static const char spoken[] = "2026-07-28";

const char era_key_version[] = KEY "protocolVersion";
const char era_key_capabilities[] = KEY "clientCapabilities";
const char era_key_client[] = KEY "clientInfo";
const char era_key_subscription[] = KEY "subscriptionId";
const char era_key_tasks[] = KEY "tasks";
const char era_key_folder[] = "efrit-mcp/folder";
const char era_key_started[] = "efrit-mcp/bridge-folder";

bool era_modern_enter(struct request *r)
{
	json_t *meta = json_object_get(r->params, "_meta");
	json_t *version = json_object_get(meta, era_key_version);
	json_t *capabilities = json_object_get(meta, era_key_capabilities);
	if (!version)
		return request_fail(r, FAULT_ENVELOPE, json_pack("{s:{s:[s]}}", "envelope", "missing", meta ? era_key_version : "_meta"),
				    "params._meta lacks %s, a string, and must have %s, an object", era_key_version,
				    era_key_capabilities);
	if (!capabilities)
		return request_fail(r, FAULT_ENVELOPE, json_pack("{s:{s:[s]}}", "envelope", "missing", era_key_capabilities),
				    "params._meta lacks %s, an object", era_key_capabilities);
	if (!json_is_object(capabilities))
		return request_fail(r, FAULT_ENVELOPE, NULL, "%s in params._meta must be an object", era_key_capabilities);
	if (!headers_agree(r, json_string_value(version)))
		return false;
	if (!json_is_string(version) || strcmp(json_string_value(version), spoken) != 0)
		return request_fail(r, FAULT_VERSION, json_pack("{s:[s],s:O}", "supported", spoken, "requested", version),
				    "protocol version %.40s is not spoken here; %s is",
				    json_is_string(version) ? json_string_value(version) : "(no string)", spoken);
	if (!headers_there(r))
		return false;
	json_t *level = json_object_get(meta, KEY "logLevel");
	r->log_level = era_log_level(level);
	if (level && r->log_level == LOG_NOTHING)
		return request_fail(r, FAULT_PARAMS, NULL,
				    KEY "logLevel must be debug, info, notice, warning, error, critical, alert or emergency");
	r->version = VERSION_2026_07_28;
	r->capabilities = json_incref(capabilities);
	era_keep_name(r->client, json_object_get(meta, era_key_client));
	return true;
}

void era_modern_members(const struct request *r, long list_ttl, const char *track, struct buf *out)
{
	text_format(out, "\"resultType\":\"%s\",", r->result_type ? r->result_type : "complete");
	text_put(out, "\"_meta\":{\"" KEY "serverInfo\":{\"name\":\"efrit-mcp\","
		      "\"version\":\"" EFRIT_MCP_VERSION "\"}");
	if (r->listens)
		text_format(out, ",\"%s\":%s", era_key_subscription, r->id);
	text_put(out, track);
	text_put(out, "}");
	if (r->method->cacheable && !r->result_type)
		text_format(out, ",\"ttlMs\":%ld,\"cacheScope\":\"private\"", list_ttl);
}

void era_modern_discover(struct buf *reply, bool tasks)
{
	text_format(reply,
		    "{\"supportedVersions\":[\"%s\"],\"capabilities\":{\"tools\":{\"listChanged\":true},"
		    "\"resources\":{\"subscribe\":true,\"listChanged\":true},\"prompts\":{\"listChanged\":true},"
		    "\"completions\":{},\"logging\":{}",
		    spoken);
	if (tasks)
		text_format(reply, ",\"extensions\":{\"%s\":{}}", era_key_tasks);
	text_put(reply, "},\"instructions\":");
	text_quote(reply, era_instructions);
	text_put(reply, "}");
}
