/* json.c - strings as JSON: every byte, every kind of broken UTF-8, cuts. */
#include "test.h"

#include "json.h"

#include <jansson.h>

static const char *put(const char *text, size_t len, bool *lossy)
{
	static struct buf b;
	buf_finish(&b);
	*lossy = false;
	assert_true(json_put_string(&b, text, len, lossy));
	assert_true(buf_add(&b, "", 1));
	return buf_data(&b);
}

static void expect(const char *text, size_t len, const char *json, bool is_lossy)
{
	bool lossy;
	assert_string_equal(put(text, len, &lossy), json);
	assert_int_equal(lossy, is_lossy);
	assert_int_equal(json_is_utf8(text, len), !is_lossy);
	if (!is_lossy)
		assert_int_equal(json_escaped_length(text, len) + 2, strlen(json));
}

static void test_escapes(void **state)
{
	(void)state;
	expect("", 0, "\"\"", false);
	expect("plain text /~", 13, "\"plain text /~\"", false);
	expect("\"\\\b\f\n\r\t", 7, "\"\\\"\\\\\\b\\f\\n\\r\\t\"", false);
	expect("\0\1\x1F\x7F", 4, "\"\\u0000\\u0001\\u001f\\u007f\"", false);
	expect("a\0b", 3, "\"a\\u0000b\"", false);
}

/* Another reader gets back what was put in. */
static void test_each_byte_comes_back(void **state)
{
	(void)state;
	for (int c = 0; c < 0x80; c++) {
		char text[3] = {'<', (char)c, '>'};
		bool lossy;
		json_t *back = json_loads(put(text, 3, &lossy), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		assert_non_null(back);
		assert_int_equal(json_string_length(back), 3);
		assert_memory_equal(json_string_value(back), text, 3);
		assert_false(lossy);
		json_decref(back);
	}
}

static void test_utf8_passes(void **state)
{
	static const char *const good[] = {"\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
					   "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80."};
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		char want[32];
		snprintf(want, sizeof want, "\"%s\"", good[i]);
		expect(good[i], strlen(good[i]), want, false);
	}
}

#define WHAT "\xEF\xBF\xBD"

static void test_what_is_no_utf8(void **state)
{
	static const char *const bad[] = {
		"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2.", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xED\xBF\xBF", "\xE2\x82", "\xE2\x82.",
		"\xE2", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xF0\x9F\x98", "\xF8\x88\x80\x80\x80", "\xFE", "\xFF"};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char text[32], want[64] = "\"a";
		snprintf(text, sizeof text, "a%sz", bad[i]);
		for (const char *c = bad[i]; *c; c++)
			strcat(want, (unsigned char)*c < 0x80 ? (char[]){*c, 0} : WHAT);
		strcat(want, "z\"");
		expect(text, strlen(text), want, true);
	}
	expect("\xC3\xA4\xFF\xC3\xA4", 5, "\"\xC3\xA4" WHAT "\xC3\xA4\"", true);
}

static void test_any_bytes_make_json(void **state)
{
	unsigned seed = 1;
	(void)state;
	for (int i = 0; i < 5000; i++) {
		size_t n = (size_t)(rand_r(&seed) % (i % 2 ? 25 : 200));
		char *text = malloc(n ? n : 1); /* its own, so that reading past the end is seen */
		bool lossy;
		int ascii = i % 3 ? 0xFF : 0x7F;
		for (size_t k = 0; k < n; k++)
			text[k] = (char)(rand_r(&seed) & ascii);
		const char *made = put(text, n, &lossy);
		if (!lossy)
			assert_int_equal(json_escaped_length(text, n) + 2, strlen(made));
		json_t *back = json_loads(put(text, n, &lossy), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		assert_non_null(back);
		assert_int_equal(lossy, !json_is_utf8(text, n));
		struct buf clean = {0};
		assert_true(json_put_utf8(&clean, text, n));
		assert_int_equal(buf_len(&clean), json_string_length(back));
		assert_memory_equal(buf_data(&clean), json_string_value(back), buf_len(&clean));
		buf_finish(&clean);
		json_decref(back);
		free(text);
	}
}

static void test_cuts(void **state)
{
	static const char text[] = "a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80z"; /* 1 2 3 4 1 */
	static const size_t want[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
	(void)state;
	for (size_t max = 0; max < sizeof want / sizeof *want; max++)
		assert_int_equal(json_cut(text, sizeof text - 1, max), want[max]);
	assert_int_equal(json_cut("", 0, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_each_byte_comes_back),
		cmocka_unit_test(test_utf8_passes),
		cmocka_unit_test(test_what_is_no_utf8),
		cmocka_unit_test(test_any_bytes_make_json),
		cmocka_unit_test(test_cuts),
	};
	return RUN(tests);
}
