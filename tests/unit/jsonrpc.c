/* jsonrpc.c - the envelope of JSON-RPC, and the parsing cases of JSONTestSuite as lines
 * of a client: y_ is JSON, n_ is refused, i_ may be either and nothing breaks. */
#include "test.h"

#include "mcp/jsonrpc.h"

#include <dirent.h>
#include <unistd.h>

static struct request *parse(const char *text, size_t len)
{
	struct request *r = request_create();
	char *line = malloc(len ? len : 1); /* of exactly that size: a sanitizer sees a byte too far */
	assert_non_null(line);
	memcpy(line, text, len);
	r->text = line;
	r->text_len = len;
	bool ok = jsonrpc_parse(r);
	assert_int_equal(ok, r->fault == FAULT_NONE);
	assert_int_equal(ok, r->reason == NULL);
	r->text = NULL;
	free(line);
	return r;
}

static struct request *read_line(const char *text, enum jsonrpc_kind want)
{
	struct request *r = parse(text, strlen(text));
	if (!r->fault) {
		enum jsonrpc_kind kind = jsonrpc_read(r);
		if (kind != want)
			fail_msg("%d, not %d: %s", kind, want, text);
	}
	return r;
}

static void is(const char *text, enum jsonrpc_kind kind, const char *id, const char *name)
{
	struct request *r = read_line(text, kind);
	assert_int_equal(r->fault, FAULT_NONE);
	if (id)
		assert_string_equal(r->id, id);
	else
		assert_null(r->id);
	if (name)
		assert_string_equal(r->name, name);
	request_destroy(r);
}

static void is_bad(const char *text, enum fault fault, const char *says)
{
	struct request *r = read_line(text, JSONRPC_BAD);
	assert_int_equal(r->fault, fault);
	assert_says(r->reason, says);
	request_destroy(r);
}

static void test_envelopes(void **state)
{
	(void)state;
	is("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", JSONRPC_REQUEST, "1", "ping");
	is(" {\"method\":\"a/b\",\"params\":{\"x\":[]},\"id\":\"q\\\"\\u00e9\",\"jsonrpc\":\"2.0\"} \r", JSONRPC_REQUEST, "\"q\\\"\xC3\xA9\"", "a/b");
	is("{\"jsonrpc\":\"2.0\",\"id\":-9223372036854775808,\"method\":\"m\"}", JSONRPC_REQUEST, "-9223372036854775808", "m");
	is("{\"jsonrpc\":\"2.0\",\"id\":\"\",\"method\":\"m\"}", JSONRPC_REQUEST, "\"\"", "m");
	is("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}", JSONRPC_NOTIFICATION, NULL, "notifications/initialized");
	is("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", JSONRPC_RESPONSE, NULL, NULL);
	is("{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{}}", JSONRPC_RESPONSE, NULL, NULL);
}

static void test_bad_envelopes(void **state)
{
	(void)state;
	is_bad("{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"m\"}", FAULT_INVALID, "id");
	is_bad("{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"m\"}", FAULT_INVALID, "id");
	is_bad("{\"jsonrpc\":\"2.0\",\"id\":[1],\"method\":\"m\"}", FAULT_INVALID, "id");
	is_bad("{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"m\"}", FAULT_INVALID, "id");
	is_bad("{\"id\":1,\"method\":\"m\"}", FAULT_INVALID, "2.0");
	is_bad("{\"jsonrpc\":2.0,\"id\":1,\"method\":\"m\"}", FAULT_INVALID, "2.0");
	is_bad("{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"m\"}", FAULT_INVALID, "2.0");
	is_bad("{\"jsonrpc\":\"2.0\",\"id\":1}", FAULT_INVALID, "method");
	is_bad("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}", FAULT_INVALID, "method");
	is_bad("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\\u0000b\"}", FAULT_INVALID, "method");
	is_bad("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":[1]}", FAULT_PARAMS, "object");
	is_bad("{}", FAULT_INVALID, "2.0");
	is_bad("3", FAULT_INVALID, "object");
	is_bad("\"text\"", FAULT_INVALID, "object");
	is_bad("null", FAULT_INVALID, "object");
	is_bad("", FAULT_PARSE, "JSON");
	is_bad("{", FAULT_PARSE, "JSON");
	is_bad("{}{}", FAULT_PARSE, "JSON");
	struct request *r = parse("{}\0", 3);
	assert_int_equal(r->fault, FAULT_PARSE);
	request_destroy(r);
	r = parse("{\"a\":1\0}", 8); /* jansson alone would take it */
	assert_int_equal(r->fault, FAULT_PARSE);
	assert_says(r->reason, "byte 7");
	request_destroy(r);
	is_bad("{\"a\":1,\"a\":2}", FAULT_PARSE, "JSON");
	is_bad("{\"id\":18446744073709551616}", FAULT_PARSE, "JSON");
	is_bad("\xFF\xFE", FAULT_PARSE, "JSON");
	is_bad("{\"a\":\"\xC0\x80\"}", FAULT_PARSE, "JSON");
	is_bad("{\"a\":\"\\ud800\"}", FAULT_PARSE, "JSON");
	is_bad("{\"jsonrpc\":\"2.0\",\"id\":\"\\u0000\",\"method\":1}", FAULT_INVALID, "method");
}

/* Every prefix of a good message is refused, and the id of a bad one is kept for its answer. */
static void test_cut_messages(void **state)
{
	static const char line[] = "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"m\",\"params\":{\"x\":[1.5e3,\"\\u00e9\",true,null]}}";
	(void)state;
	for (size_t len = 0; len < sizeof line - 1; len++) {
		struct request *r = parse(line, len);
		assert_int_equal(r->fault, FAULT_PARSE);
		request_destroy(r);
	}
	struct request *r = read_line("{\"jsonrpc\":\"1.0\",\"id\":7,\"method\":\"m\"}", JSONRPC_BAD);
	assert_string_equal(r->id, "7");
	request_destroy(r);
}

static void peek(const char *text, const char *want)
{
	size_t len = strlen(text);
	char *exact = malloc(len ? len : 1);
	assert_non_null(exact);
	memcpy(exact, text, len);
	char *id = jsonrpc_peek_id(exact, len);
	if (want && id)
		assert_string_equal(id, want);
	if ((want == NULL) != (id == NULL))
		fail_msg("%s: %s", text, id ? id : "no id");
	free(id);
	free(exact);
}

static void test_the_id_of_what_is_too_long(void **state)
{
	static const char whole[] = "{\"jsonrpc\":\"2.0\", \"method\" : \"m\",\"id\": \"a\\\"b\" ,\"params\":{";
	const size_t known = (size_t)(strstr(whole, "\" ,") - whole) + 2; /* the byte behind the id too */
	char cut[sizeof whole];
	(void)state;
	peek("{\"id\":12,\"x", "12");
	peek("{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"params\":{\"a", "\"x\"");
	peek(whole, "\"a\\\"b\"");
	peek("{\"id\":-3,", "-3");
	peek("{\"id\":12", NULL); /* 12 may be the beginning of 123 */
	peek("{\"id\":1.5,", NULL);
	peek("{\"id\":null,", NULL);
	peek("{\"id\":{},", NULL);
	peek("{\"params\":{\"id\":3},\"id\":4,", NULL); /* not seen at once */
	peek("{\"method\":\"\\\"id\\\":5,\",\"id\":6,", "6");
	peek("[{\"id\":12,", NULL);
	peek("", NULL);
	peek("{\"i", NULL);
	for (size_t len = 0; len < sizeof whole - 1; len++) {
		memcpy(cut, whole, len);
		cut[len] = 0;
		peek(cut, len >= known ? "\"a\\\"b\"" : NULL);
	}
}

static void wrapped(struct request *r, const char *member, const char *want)
{
	struct buf members = {0};
	assert_true(buf_add(&members, member, strlen(member)));
	jsonrpc_wrap(r, &members);
	struct buf line = {0};
	assert_true(buf_add(&line, buf_data(&r->head), buf_len(&r->head)));
	assert_true(buf_add(&line, buf_data(&r->reply), buf_len(&r->reply)));
	assert_true(buf_add(&line, r->tail, strlen(r->tail)));
	assert_true(buf_add(&line, "", 1));
	assert_string_equal(buf_data(&line), want);
	buf_finish(&line);
	buf_finish(&members);
	request_destroy(r);
}

static struct request *answered(const char *id, const char *reply)
{
	struct request *r = request_create();
	r->id = id ? strdup(id) : NULL;
	assert_true(buf_add(&r->reply, reply, strlen(reply)));
	return r;
}

static void test_answers(void **state)
{
	(void)state;
	wrapped(answered("1", "{}"), "", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
	wrapped(answered("\"a\"", "{\"x\":1}"), "", "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"result\":{\"x\":1}}");
	wrapped(answered("1", "{}"), "\"m\":2", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"m\":2}}");
	wrapped(answered("1", "{\"x\":1}"), "\"m\":2", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"m\":2,\"x\":1}}");
}

static void test_faults(void **state)
{
	static const struct {
		enum fault fault;
		int number;
	} all[] = {{FAULT_PARSE, -32700}, {FAULT_INVALID, -32600}, {FAULT_METHOD, -32601},
		   {FAULT_PARAMS, -32602}, {FAULT_INTERNAL, -32603}, {FAULT_VERSION, -32022}};
	char want[200];
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct request *r = answered("1", "{\"half\":");
		request_fail(r, all[i].fault, NULL, "it is \"%s\"\n", "so");
		request_fail(r, FAULT_INTERNAL, json_object(), "the first reason stays");
		snprintf(want, sizeof want, "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":%d,\"message\":\"it is \\\"so\\\"\\n\"}}", all[i].number);
		wrapped(r, "\"m\":2", want);
	}
	struct request *r = answered(NULL, "");
	r->null_id = true;
	request_fail(r, FAULT_PARSE, json_pack("{s:i}", "at", 3), "x");
	wrapped(r, "", "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"x\",\"data\":{\"at\":3}}}");
	r = answered(NULL, "");
	request_fail(r, FAULT_PARSE, NULL, "bytes \xFF\x01 here");
	wrapped(r, "", "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,\"message\":\"bytes \xEF\xBF\xBD\\u0001 here\"}}");
}

static char *slurp(const char *folder, const char *file, size_t *len)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", folder, file);
	FILE *in = fopen(path, "rb");
	char *data = malloc(1 << 20);
	assert_non_null(in);
	assert_non_null(data);
	*len = fread(data, 1, 1 << 20, in);
	fclose(in);
	return data;
}

/* What the suite calls JSON and we do not take: one key twice, for the two ends might not mean
 * the same; a NUL in a key, which no message of ours has. */
static bool is_refused_on_purpose(const char *name)
{
	return strncmp(name, "y_object_duplicated_key", 23) == 0 || strcmp(name, "y_object_escaped_null_in_key.json") == 0;
}

static void test_json_test_suite(void **state)
{
	const char *folder = getenv("JSON_TEST_SUITE") ? getenv("JSON_TEST_SUITE") : "../shared/data/JSONTestSuite/test_parsing";
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int seen = 0, wrong = 0;
	(void)state;
	if (!dir) {
		printf("SKIP: no JSONTestSuite in %s: JSON_TEST_SUITE names its folder test_parsing\n", folder);
		skip();
	}
	while ((entry = readdir(dir))) {
		size_t len;
		if (!strstr(entry->d_name, ".json"))
			continue;
		char *data = slurp(folder, entry->d_name, &len);
		struct request *r = parse(data, len);
		bool is_json = r->fault != FAULT_PARSE;
		if ((entry->d_name[0] == 'y' && !is_json && !is_refused_on_purpose(entry->d_name)) || (entry->d_name[0] == 'n' && !r->fault)) {
			printf("%s is %s\n", entry->d_name, is_json ? "taken" : r->reason);
			wrong++;
		}
		if (!r->fault)
			jsonrpc_read(r);
		free(jsonrpc_peek_id(data, len));
		seen++;
		request_destroy(r);
		free(data);
	}
	closedir(dir);
	printf("%d cases of JSONTestSuite\n", seen);
	assert_true(seen > 300);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_envelopes),
		cmocka_unit_test(test_bad_envelopes),
		cmocka_unit_test(test_cut_messages),
		cmocka_unit_test(test_the_id_of_what_is_too_long),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_json_test_suite),
	};
	return RUN(tests);
}
