/* era.c - the dialects of MCP: told apart message by message, judged, answered. */
#include "test.h"

#include "mcp/era.h"
#include "mcp/jsonrpc.h"

#define MODERN "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\""
#define ABLE "\"io.modelcontextprotocol/clientCapabilities\":{}"

static struct request *enter(const char *method, const char *params)
{
	struct request *r = request_create();
	char line[2000];
	snprintf(line, sizeof line, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\"%s%s}", method, params ? ",\"params\":" : "", params ? params : "");
	r->text = line;
	r->text_len = strlen(line);
	assert_true(jsonrpc_parse(r));
	r->text = NULL;
	assert_int_equal(jsonrpc_read(r), JSONRPC_REQUEST);
	bool ok = era_enter(r);
	assert_int_equal(ok, r->fault == FAULT_NONE);
	return r;
}

static void refused(const char *method, const char *params, enum fault fault, const char *says)
{
	struct request *r = enter(method, params);
	assert_int_equal(r->fault, fault);
	assert_says(r->reason, says);
	request_destroy(r);
}

static void entered(const char *method, const char *params, enum era era, const char *client)
{
	struct request *r = enter(method, params);
	if (r->fault)
		fail_msg("%s", r->reason);
	assert_int_equal(r->era, era);
	assert_string_equal(r->method->name, method);
	if (client)
		assert_string_equal(r->client, client);
	request_destroy(r);
}

static void test_both_eras(void **state)
{
	(void)state;
	entered("tools/list", NULL, ERA_LEGACY, NULL);
	entered("tools/list", "{}", ERA_LEGACY, NULL);
	entered("tools/list", "{\"_meta\":{\"progressToken\":1}}", ERA_LEGACY, NULL);
	entered("ping", NULL, ERA_LEGACY, NULL);
	entered("initialize", "{\"protocolVersion\":\"2025-06-18\"}", ERA_LEGACY, NULL);
	entered("tools/list", "{\"_meta\":{" MODERN "," ABLE "}}", ERA_MODERN, "unknown");
	entered("server/discover", "{\"_meta\":{" MODERN "," ABLE ",\"io.modelcontextprotocol/clientInfo\":{\"name\":\"x\"}}}", ERA_MODERN, "x");
	entered("subscriptions/listen", "{\"_meta\":{" MODERN "," ABLE ",\"unknown/key\":[]}}", ERA_MODERN, NULL);
}

static void test_methods_of_the_other_era(void **state)
{
	(void)state;
	refused("initialize", "{\"_meta\":{" MODERN "," ABLE "}}", FAULT_METHOD, "initialize");
	refused("ping", "{\"_meta\":{" MODERN "," ABLE "}}", FAULT_METHOD, "ping");
	refused("subscriptions/listen", "{}", FAULT_METHOD, "subscriptions/listen");
	refused("resources/List", NULL, FAULT_METHOD, "resources/List");
	refused("resources/subscribe", "{\"_meta\":{" MODERN "," ABLE "}}", FAULT_METHOD, "resources/subscribe");
	refused("logging/setLevel", "{\"_meta\":{" MODERN "," ABLE "}}", FAULT_METHOD, "logging/setLevel");
	refused("tasks/get", "{}", FAULT_METHOD, "tasks/get");
	refused("tools/List", NULL, FAULT_METHOD, "tools/List");
	refused("notifications/cancelled", NULL, FAULT_INVALID, "no id");
}

static void test_what_a_modern_request_must_bring(void **state)
{
	(void)state;
	refused("tools/list", "{\"_meta\":{" MODERN "}}", FAULT_ENVELOPE, "clientCapabilities");
	refused("tools/list", "{\"_meta\":{" MODERN ",\"io.modelcontextprotocol/clientCapabilities\":[]}}", FAULT_ENVELOPE, "object");
	refused("tools/list", "{\"_meta\":{" MODERN "," ABLE ",\"io.modelcontextprotocol/logLevel\":\"loud\"}}", FAULT_PARAMS, "emergency");
	refused("server/discover", NULL, FAULT_PARAMS, "_meta");
	refused("server/discover", "{\"_meta\":{}}", FAULT_PARAMS, "protocolVersion");
	refused("server/discover", "{\"_meta\":{" ABLE "}}", FAULT_PARAMS, "protocolVersion");
	refused("tools/list", "{\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2099-01-01\"," ABLE "}}", FAULT_VERSION, "2099-01-01");
	refused("tools/list", "{\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2025-11-25\"," ABLE "}}", FAULT_VERSION, "2025-11-25");
	refused("tools/list", "{\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":7," ABLE "}}", FAULT_VERSION, "no string");
}

static void test_an_unspoken_version_names_those_that_are(void **state)
{
	struct request *r = enter("tools/list", "{\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2099-01-01\"," ABLE "}}");
	(void)state;
	assert_string_equal(json_string_value(json_object_get(r->data, "requested")), "2099-01-01");
	json_t *supported = json_object_get(r->data, "supported");
	assert_int_equal(json_array_size(supported), 1);
	assert_string_equal(json_string_value(json_array_get(supported, 0)), "2026-07-28");
	request_destroy(r);
}

static void negotiates(const char *asked, const char *answered)
{
	struct buf reply = {0};
	char want[100];
	json_t *params = asked ? json_pack("{s:s}", "protocolVersion", asked) : NULL;
	era_legacy_initialize(era_legacy_negotiate(params), &reply);
	json_t *v = json_loadb(buf_data(&reply), buf_len(&reply), 0, NULL);
	assert_non_null(v);
	snprintf(want, sizeof want, "%s", answered);
	assert_string_equal(json_string_value(json_object_get(v, "protocolVersion")), want);
	assert_non_null(json_object_get(json_object_get(v, "capabilities"), "tools"));
	assert_non_null(json_object_get(json_object_get(v, "serverInfo"), "version"));
	json_decref(v);
	json_decref(params);
	buf_finish(&reply);
}

static void test_versions(void **state)
{
	(void)state;
	negotiates("2024-11-05", "2024-11-05");
	negotiates("2025-03-26", "2025-03-26");
	negotiates("2025-06-18", "2025-06-18");
	negotiates("2025-11-25", "2025-11-25");
	negotiates("2026-07-28", "2025-11-25"); /* never by initialize */
	negotiates("1999-01-01", "2025-11-25");
	negotiates(NULL, "2025-11-25");
}

static json_t *members_of(struct request *r)
{
	struct buf out = {0};
	assert_true(buf_add(&out, "{", 1));
	era_members(r, 1500, "", &out);
	assert_true(buf_add(&out, "}", 1));
	json_t *v = json_loadb(buf_data(&out), buf_len(&out), 0, NULL);
	assert_non_null(v);
	buf_finish(&out);
	request_destroy(r);
	return v;
}

static void test_what_a_result_carries(void **state)
{
	(void)state;
	json_t *v = members_of(enter("tools/list", "{\"_meta\":{" MODERN "," ABLE "}}"));
	assert_string_equal(json_string_value(json_object_get(v, "resultType")), "complete");
	assert_int_equal(json_integer_value(json_object_get(v, "ttlMs")), 1500);
	assert_non_null(json_object_get(v, "cacheScope"));
	assert_non_null(json_object_get(json_object_get(v, "_meta"), "io.modelcontextprotocol/serverInfo"));
	json_decref(v);
	v = members_of(enter("tools/call", "{\"_meta\":{" MODERN "," ABLE "}}"));
	assert_non_null(json_object_get(v, "resultType"));
	assert_null(json_object_get(v, "ttlMs"));
	json_decref(v);
	v = members_of(enter("tools/list", NULL));
	assert_int_equal(json_object_size(v), 0);
	json_decref(v);
}

static void test_discovery(void **state)
{
	struct buf reply = {0};
	(void)state;
	era_modern_discover(&reply, false);
	json_t *v = json_loadb(buf_data(&reply), buf_len(&reply), 0, NULL);
	assert_string_equal(json_string_value(json_array_get(json_object_get(v, "supportedVersions"), 0)), "2026-07-28");
	assert_string_equal(json_string_value(json_object_get(v, "instructions")), era_instructions);
	assert_true(strlen(era_instructions) < 2048); /* clients cut it there */
	json_decref(v);
	buf_finish(&reply);
}

static void test_progress_tokens(void **state)
{
	static const struct {
		const char *token, *kept;
	} all[] = {{"1", "1"}, {"\"a\\\"\"", "\"a\\\"\""}, {"0", "0"}, {"1.5", NULL}, {"null", NULL}, {"{}", NULL}};
	char params[100];
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		snprintf(params, sizeof params, "{\"_meta\":{\"progressToken\":%s}}", all[i].token);
		struct request *r = enter("tools/call", params);
		if (all[i].kept)
			assert_string_equal(r->token, all[i].kept);
		else
			assert_null(r->token);
		request_destroy(r);
	}
}

static void keeps(const char *name, size_t want)
{
	char to[REQUEST_CLIENT_MAX + 1];
	json_t *info = json_pack("{s:s}", "name", name);
	era_keep_name(to, info);
	assert_int_equal(strlen(to), want);
	assert_memory_equal(to, name, want);
	json_t *again = json_string(to); /* cut between characters */
	assert_non_null(again);
	json_decref(again);
	json_decref(info);
}

static void test_names_of_clients(void **state)
{
	char longer[600], to[REQUEST_CLIENT_MAX + 1];
	(void)state;
	keeps("claude-code", 11);
	memset(longer, 'x', 500);
	longer[500] = 0;
	keeps(longer, REQUEST_CLIENT_MAX);
	for (int i = 0; i < 100; i++)
		memcpy(longer + 3 * i, "\xE2\x82\xAC", 4);
	keeps(longer, REQUEST_CLIENT_MAX / 3 * 3);
	memmove(longer + 1, longer, 301);
	longer[0] = 'a';
	keeps(longer, 1 + (REQUEST_CLIENT_MAX - 1) / 3 * 3);
	era_keep_name(to, NULL);
	assert_string_equal(to, "unknown");
	json_t *odd = json_pack("{s:[]}", "name");
	era_keep_name(to, odd);
	assert_string_equal(to, "unknown");
	json_decref(odd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_eras),
		cmocka_unit_test(test_methods_of_the_other_era),
		cmocka_unit_test(test_what_a_modern_request_must_bring),
		cmocka_unit_test(test_an_unspoken_version_names_those_that_are),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_what_a_result_carries),
		cmocka_unit_test(test_discovery),
		cmocka_unit_test(test_progress_tokens),
		cmocka_unit_test(test_names_of_clients),
	};
	return RUN(tests);
}
