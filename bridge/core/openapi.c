/* openapi.c - see openapi.h */
#include "back/pool.h"
#include "core/openapi.h"
#include "log.h"
#include "mcp/text.h"

static const char head[] =
	"{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"efrit-mcp\",\"version\":\"" EFRIT_MCP_VERSION "\",\"description\":"
	"\"The tools of running Emacs instances, for programs that do not speak MCP.\"},"
	"\"security\":[{\"token\":[]}],"
	"\"components\":{\"securitySchemes\":{\"token\":{\"type\":\"http\",\"scheme\":\"bearer\"}},\"schemas\":{"
	"\"Result\":{\"type\":\"object\",\"properties\":{\"content\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}},"
	"\"isError\":{\"type\":\"boolean\"}},\"required\":[\"content\"]},"
	"\"Error\":{\"type\":\"object\",\"properties\":{\"error\":{\"type\":\"string\"},\"error_code\":{\"type\":\"string\"}},"
	"\"required\":[\"error\"]}}},\"paths\":{";

#define GET(path, words) \
	"\"" path "\":{\"get\":{\"summary\":\"" words "\",\"responses\":{\"200\":{\"description\":\"JSON\"," \
	"\"content\":{\"application/json\":{}}}}}}"

static const char fixed[] =
	GET("/api/v1/tools", "the tools with their schemas") ","
	GET("/api/v1/services", "the services and how many workers each has") ","
	GET("/api/v1/instances", "the Emacs instances and what they do") ","
	GET("/api/v1/openapi.json", "this description") ","
	"\"/api/v1/results/{id}\":{\"get\":{\"summary\":\"a long result that was kept, or with the header Range a part of it\",\"parameters\":["
	"{\"name\":\"id\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}}],\"responses\":{"
	"\"200\":{\"description\":\"all of it\",\"content\":{\"text/plain\":{}}},\"206\":{\"description\":\"that range\",\"content\":{\"text/plain\":{}}},"
	"\"404\":{\"description\":\"it is not kept, or not any more, or not yours\"},\"416\":{\"description\":\"the range is behind its end\"}}}}";

static const char responses[] =
	"\"responses\":{\"200\":{\"description\":\"the result of the tool\",\"content\":{\"application/json\":{\"schema\":"
	"{\"$ref\":\"#/components/schemas/Result\"}}}}"
#define STATUS(number, words) ",\"" number "\":{\"description\":\"" words "\"}"
	STATUS("400", "the arguments are no JSON or do not fit the schema")
	STATUS("401", "no token, or a wrong one")
	STATUS("404", "there is no such tool or instance")
	STATUS("409", "several instances run and none was named")
	STATUS("413", "the arguments are too long")
	STATUS("422", "the tool ran and failed; the body is its result")
	STATUS("429", "too many calls wait")
	STATUS("503", "no Emacs, or it does not respond")
	STATUS("504", "its time was over")
	STATUS("507", "the result is too long to be kept now")
#undef STATUS
	"}";

static void write_tool(const json_t *tool, struct buf *out)
{
	const char *name = json_string_value(json_object_get(tool, "name"));
	const char *about = json_string_value(json_object_get(tool, "description"));
	text_format(out, ",\"/api/v1/tools/%s\":{\"post\":{\"operationId\":\"%s\",\"description\":", name, name);
	text_quote(out, about ? about : "");
	text_put(out, ",\"requestBody\":{\"content\":{\"application/json\":{\"schema\":");
	text_json(out, json_object_get(tool, "inputSchema"));
	text_put(out, "}}},");
	text_put(out, responses);
	text_put(out, "}}");
}

void openapi_write(struct catalogue *c, unsigned wanted, struct buf *out)
{
	const struct buf *list = catalogue_list(c, wanted, VERSION_2026_07_28);
	json_t *all = json_loadb(buf_data(list), buf_len(list), JSON_ALLOW_NUL, NULL), *tool;
	size_t i;
	text_put(out, head);
	text_put(out, fixed);
	json_array_foreach(json_object_get(all, "tools"), i, tool)
		write_tool(tool, out);
	text_put(out, "}}");
	json_decref(all);
}

static void write_pool(const struct pool *p, struct buf *out)
{
	struct pool_load l;
	pool_load(p, &l);
	text_format(out, "{\"name\":\"%s\",\"workers\":%ld,\"idle\":%ld,\"running\":%ld,\"waiting\":{\"interactive\":%ld,\"normal\":%ld,"
		    "\"batch\":%ld},\"oldest_ms\":%.0f}", pool_name(p), l.workers, l.idle, l.flying, l.waiting[PRIORITY_INTERACTIVE],
		    l.waiting[PRIORITY_NORMAL], l.waiting[PRIORITY_BATCH], l.oldest * 1000);
}

void openapi_services(const struct service *s, struct buf *out)
{
	long workers = 0, ready = 0, waiting = 0, flying = 0;
	for (struct worker *w = service_first(s); w; w = service_next(w)) {
		workers += w->listed;
		ready += w->listed && w->state == WORKER_READY;
		waiting += w->line.count;
		flying += w->flying_count;
	}
	text_format(out, "{\"services\":[{\"name\":\"efrit\",\"kind\":\"emacs\",\"workers\":%ld,\"ready\":%ld,\"waiting\":%ld,"
		    "\"flying\":%ld,\"places\":", workers, ready, waiting, flying);
	text_quote(out, service_places(s));
	text_put(out, "}],\"pools\":[");
	for (struct pool *p = pool_first(s); p; p = pool_next(p)) {
		write_pool(p, out);
		if (pool_next(p))
			text_put(out, ",");
	}
	text_put(out, "]}");
}
