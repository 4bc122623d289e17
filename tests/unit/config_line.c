/* config_line.c - on which line a member stands: however deep, whatever looks like it. */
#include "test.h"

#include "config_line.h"

static int at(const char *text, const char *a, const char *b, const char *c)
{
	const char *keys[] = {a, b, c};
	return config_line(text, keys, c ? 3 : b ? 2 : a ? 1 : 0);
}

static void test_lines(void **state)
{
	static const char text[] = "\xEF\xBB\xBF{\n\"a\": {\"b\": \"a\", \"x\": [\n{\"b\": {\"c\": 1}}],\n\"\\u0063\":\n{\"d\": 2}},\n\"b\": {\n\"c\": {\r\n\"a\": 3}}}\n";
	(void)state;
	assert_int_equal(at(text, NULL, NULL, NULL), 1);
	assert_int_equal(at(text, "a", NULL, NULL), 2);
	assert_int_equal(at(text, "a", "b", NULL), 2);
	assert_int_equal(at(text, "a", "c", NULL), 4);
	assert_int_equal(at(text, "a", "c", "d"), 5);
	assert_int_equal(at(text, "b", NULL, NULL), 6);
	assert_int_equal(at(text, "b", "c", "a"), 8);
	assert_int_equal(at(text, "a", "x", "b"), 2); /* an array has no members: the deepest that is there */
	assert_int_equal(at(text, "a", "none", NULL), 2);
	assert_int_equal(at(text, "none", NULL, NULL), 1);
	assert_int_equal(at("[]", "a", NULL, NULL), 1);
	assert_int_equal(at("", "a", NULL, NULL), 1);
	assert_int_equal(at("{\"a\\\"\": 1,\n\"}\": {\"{\": 2},\n\"a\": 3}", "a", NULL, NULL), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
	};
	return RUN(tests);
}
