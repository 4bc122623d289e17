/* era_legacy.c - protocol versions 2024-11-05 to 2025-11-25: initialize opens a session. */
#include "mcp/era.h"
#include "mcp/text.h"

#include <string.h>

static const char *const versions[] = {
	[VERSION_2024_11_05] = "2024-11-05",
	[VERSION_2025_03_26] = "2025-03-26",
	[VERSION_2025_06_18] = "2025-06-18",
	[VERSION_2025_11_25] = "2025-11-25",
};

/* A client that tries the modern way without its envelope is told what is missing; it
 * then takes initialize. */
static json_t *missing(const struct request *r)
{
	if (!json_is_object(json_object_get(r->params, "_meta")))
		return json_pack("{s:{s:[s]}}", "envelope", "missing", "_meta");
	return json_pack("{s:{s:[s,s]}}", "envelope", "missing", era_key_version, era_key_capabilities);
}

bool era_legacy_enter(struct request *r)
{
	if (r->method && r->method->id == METHOD_DISCOVER)
		return request_fail(r, FAULT_PARAMS, missing(r), "%s needs params._meta with %s and %s", r->name,
				    era_key_version, era_key_capabilities);
	return true;
}

enum version era_legacy_negotiate(const json_t *params)
{
	const char *asked = json_string_value(json_object_get(params, "protocolVersion"));
	for (int v = VERSION_2024_11_05; asked && v <= VERSION_2025_11_25; v++)
		if (strcmp(versions[v], asked) == 0)
			return (enum version)v;
	return VERSION_2025_11_25;
}

void era_legacy_initialize(enum version version, struct buf *reply)
{
	text_format(reply,
		    "{\"protocolVersion\":\"%s\",\"capabilities\":{\"tools\":{\"listChanged\":true},"
		    "\"resources\":{\"subscribe\":true,\"listChanged\":true},\"prompts\":{\"listChanged\":true},\"logging\":{}%s},"
		    "\"serverInfo\":{\"name\":\"efrit-mcp\",\"version\":\"" EFRIT_MCP_VERSION "\"},\"instructions\":",
		    versions[version], version >= VERSION_2025_03_26 ? ",\"completions\":{}" : "");
	text_quote(reply, era_instructions);
	text_put(reply, "}");
}
