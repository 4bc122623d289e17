/* envelope.c - where the members of a message stand, and what is no message. */
#include "test.h"

#include "mcp/envelope.h"
#include "mcp/text.h"

static void finds_members(void **state)
{
	static const char text[] = " { \"jsonrpc\" : \"2.0\" , \"id\" : -7 ,\"result\":{\"a\\\"}\":[1,{\"b\":\"]}\\\\\"}],\"c\":null} } ";
	struct envelope e;
	(void)state;
	assert_true(envelope_read(text, strlen(text), &e));
	assert_true(envelope_is(e.id, "-7"));
	assert_true(envelope_is(e.result, "{\"a\\\"}\":[1,{\"b\":\"]}\\\\\"}],\"c\":null}"));
	assert_null(e.error.at);
	assert_null(e.method.at);
	assert_null(e.params.at);
	assert_true(envelope_read("{}", 2, &e));
	assert_null(e.id.at);
	assert_true(envelope_read("{\"id\":1,\"id\":2}", 15, &e));
	assert_true(envelope_is(e.id, "1"));
}

static void loads(void **state)
{
	static const char text[] = "{\"method\":\"x\",\"params\":{\"n\":[1,2]},\"error\":{]}";
	struct envelope e;
	(void)state;
	assert_true(envelope_read(text, strlen(text), &e));
	assert_null(envelope_load(e.error)); /* what it skips is not judged */
	static const char good[] = "{\"method\":\"x\",\"params\":{\"n\":[1,2]}}";
	assert_true(envelope_read(good, strlen(good), &e));
	json_t *params = envelope_load(e.params), *method = envelope_load(e.method);
	assert_int_equal(json_array_size(json_object_get(params, "n")), 2);
	assert_string_equal(json_string_value(method), "x");
	assert_null(envelope_load(e.result));
	json_decref(params);
	json_decref(method);
}

/* Every beginning of a message is none, and nothing is read behind its end. */
static void beginnings(void **state)
{
	static const char text[] = "{\"id\":\"a\\\\\",\"result\":{\"x\":[true,-1.5e3,\"\\\"\"],\"y\":{}},\"error\":7}";
	struct envelope e;
	(void)state;
	for (size_t len = 0; len < strlen(text); len++) {
		char *copy = malloc(len ? len : 1);
		memcpy(copy, text, len);
		assert_false(envelope_read(copy, len, &e));
		free(copy);
	}
	assert_true(envelope_read(text, strlen(text), &e));
	assert_true(envelope_is(e.error, "7"));
}

static void no_messages(void **state)
{
	static const char *const bad[] = {"", " ", "7", "[]", "[{}]", "\"{}\"", "{} {}", "{}x", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}",
					  "{\"a\" 1}", "{\"a\":1 \"b\":2}", "{\"a\":1}}"};
	struct envelope e;
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (envelope_read(bad[i], strlen(bad[i]), &e))
			fail_msg("%s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_members),
		cmocka_unit_test(loads),
		cmocka_unit_test(beginnings),
		cmocka_unit_test(no_messages),
	};
	return RUN(tests);
}
