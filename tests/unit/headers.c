/* headers.c - what HTTP repeats of the body. */
#include "test.h"

#include "mcp/headers.h"

static void decodes(const char *value, const char *text)
{
	char *got = headers_decode(value);
	if (!got != !text || (got && strcmp(got, text) != 0))
		fail_msg("%s is %s", value, got ? got : "nothing");
	free(got);
}

static void test_decoding(void **state)
{
	(void)state;
	decodes("plain", "plain");
	decodes("", "");
	decodes("=?base64?SGVsbG8=?=", "Hello");
	decodes("=?base64?" "?=", "");
	decodes("=?base64?w6k=?=", "\303\251");
	decodes("=?base64?SGVsbG8?=", NULL);  /* no padding */
	decodes("=?base64?SGVsbG9=?=", NULL); /* bits left over */
	decodes("=?base64?SGVs*G8=?=", NULL);
	decodes("=?base64?=AAA?=", NULL);
	decodes("=?base64?AA==AAAA?=", NULL);
	decodes("=?base64?AA==?=", NULL);     /* a NUL */
	decodes("=?base64?/w==?=", NULL);     /* no UTF-8 */
	decodes("=?base64?SGVsbG8=", "=?base64?SGVsbG8=");
	decodes("=?BASE64?SGVsbG8=?=", "=?BASE64?SGVsbG8=?=");
	decodes("=?base64?=", "=?base64?=");
}

static enum fault params(const char *schema, const char *arguments, const char *name, const char *value)
{
	struct http_param param = {name, value};
	struct http_said said = {.params = &param, .params_count = name ? 1 : 0};
	struct request *r = request_create();
	json_t *s = json_loads(schema, 0, NULL), *a = json_loads(arguments, JSON_DECODE_ANY, NULL);
	assert_true(s && a);
	r->http = &said;
	r->era = ERA_MODERN;
	bool good = headers_params(r, s, a);
	enum fault fault = r->fault;
	assert_int_equal(good, !fault);
	json_decref(s);
	json_decref(a);
	request_destroy(r);
	return fault;
}

static void test_parameters(void **state)
{
	static const char schema[] = "{\"properties\":{\"region\":{\"type\":\"string\",\"x-mcp-header\":\"Region\"},\"n\":{\"type\":\"integer\"},"
				     "\"in\":{\"properties\":{\"deep\":{\"type\":\"integer\",\"x-mcp-header\":\"Deep\"}}}}}";
	(void)state;
	assert_int_equal(params(schema, "{\"region\":\"eu\"}", "region", "eu"), FAULT_NONE);
	assert_int_equal(params(schema, "{\"region\":\"eu\"}", "REGION", "=?base64?ZXU=?="), FAULT_NONE);
	assert_int_equal(params(schema, "{\"region\":\"eu\"}", "Region", "us"), FAULT_HEADER);
	assert_int_equal(params(schema, "{\"region\":\"eu\"}", "Region", "EU"), FAULT_HEADER);
	assert_int_equal(params(schema, "{\"region\":\"eu\"}", "Region", "=?base64?ZXU?="), FAULT_HEADER);
	assert_int_equal(params(schema, "{\"region\":\"eu\"}", NULL, NULL), FAULT_HEADER);
	assert_int_equal(params(schema, "{\"region\":null}", NULL, NULL), FAULT_NONE);
	assert_int_equal(params(schema, "{\"region\":null}", "Region", "eu"), FAULT_HEADER);
	assert_int_equal(params(schema, "{}", NULL, NULL), FAULT_NONE);
	assert_int_equal(params(schema, "{}", "Region", "eu"), FAULT_HEADER);
	assert_int_equal(params(schema, "{}", "Other", "eu"), FAULT_NONE);
	assert_int_equal(params(schema, "{\"in\":{\"deep\":7}}", "Deep", "7"), FAULT_NONE);
	assert_int_equal(params(schema, "{\"in\":{\"deep\":7}}", "Deep", "7.0"), FAULT_NONE);
	assert_int_equal(params(schema, "{\"in\":{\"deep\":7}}", "Deep", "8"), FAULT_HEADER);
	assert_int_equal(params(schema, "{\"in\":{\"deep\":7}}", "Deep", "seven"), FAULT_HEADER);
	assert_int_equal(params(schema, "{\"in\":{\"deep\":7}}", NULL, NULL), FAULT_HEADER);
	assert_int_equal(params(schema, "{\"in\":7}", NULL, NULL), FAULT_NONE);
}

static void test_versions(void **state)
{
	struct http_said said = {0};
	(void)state;
	assert_false(headers_claim_modern(NULL));
	assert_false(headers_claim_modern(&said));
	said.version = "2025-11-25";
	assert_false(headers_claim_modern(&said));
	said.version = "2026-07-28";
	assert_true(headers_claim_modern(&said));
	said.version = "2027-01-01";
	assert_true(headers_claim_modern(&said));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decoding), cmocka_unit_test(test_parameters), cmocka_unit_test(test_versions),
	};
	return RUN(tests);
}
