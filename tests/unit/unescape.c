/* unescape.c - a JSON string in pieces becomes the text that jansson reads, however it is cut. */
#include "test.h"

#include "mcp/text.h"
#include "mcp/unescape.h"

#include <jansson.h>

/* Feeds TEXT up to CUT, then the rest; what was of the string. */
static size_t feed(struct unescape *u, const char *text, size_t cut, struct buf *out)
{
	size_t len = strlen(text), n;
	memset(u, 0, sizeof *u);
	n = unescape_feed(u, text, cut, out);
	if (n < cut)
		return n;
	return n + unescape_feed(u, text + cut, len - cut, out);
}

static void as_jansson_reads_it(void **state)
{
	static const char *const all[] = {
		"\"", "plain\"", "\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "a\\u00e9b\\u20ACc\"", "\\ud83d\\ude00\"", "x\\uD83D\\uDE00\\ud800\\udc00\\uDBFF\\uDFFFy\"",
		"\\u0000mid\\u0000\"", "\xC3\xA9\xF0\x9F\x98\x80\\u007f\"", "\\\\u0041\"", "\\u0800\\uffff\\u07ff\"",
	};
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct buf json = {0};
		text_format(&json, "\"%s", all[i]);
		json_t *value = json_loadb(buf_data(&json), buf_len(&json), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		assert_non_null(value);
		for (size_t cut = 0; cut <= strlen(all[i]); cut++) {
			struct unescape u;
			struct buf out = {0};
			assert_int_equal(feed(&u, all[i], cut, &out), strlen(all[i]));
			assert_true(u.ended);
			assert_false(u.wrong);
			assert_int_equal(buf_len(&out), json_string_length(value));
			assert_memory_equal(buf_data(&out), json_string_value(value), buf_len(&out));
			buf_finish(&out);
		}
		json_decref(value);
		buf_finish(&json);
	}
}

static void what_is_no_escape(void **state)
{
	static const char *const all[] = {
		"\\x\"", "\\u12g4\"", "\\ud83d\"", "\\ud83dx\"", "\\ud83d\\n\"", "\\ud83d\\u0041\"", "\\ude00\"", "\\ud83d\\ud83d\\ude00\"",
	};
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		for (size_t cut = 0; cut <= strlen(all[i]); cut++) {
			struct unescape u;
			struct buf out = {0};
			feed(&u, all[i], cut, &out);
			assert_true(u.wrong);
			assert_false(u.ended);
			buf_finish(&out);
		}
}

static void it_stops_behind_the_quote(void **state)
{
	struct unescape u = {0};
	struct buf out = {0};
	(void)state;
	assert_int_equal(unescape_feed(&u, "ab\"}]}", 6, &out), 3);
	assert_true(u.ended);
	assert_int_equal(unescape_feed(&u, "}]}", 3, &out), 0);
	assert_int_equal(buf_len(&out), 2);
	buf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_jansson_reads_it),
		cmocka_unit_test(what_is_no_escape),
		cmocka_unit_test(it_stops_behind_the_quote),
	};
	return RUN(tests);
}
