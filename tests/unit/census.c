/* census.c - what a message holds, counted before it is parsed. */
#include "test.h"

#include "mcp/census.h"

static bool within(const char *text)
{
	char why[CENSUS_WHY_MAX] = "";
	bool good = census_judge(text, strlen(text), why) == CENSUS_FINE;
	assert_true(good == !*why);
	return good;
}

static void test_values(void **state)
{
	(void)state;
	census_set(6, 100, 100);
	assert_true(within("[1,2,3,4,5]"));
	assert_false(within("[1,2,3,4,5,6]"));
	assert_true(within("{\"a\":1,\"b\":2}"));
	assert_false(within("{\"a\":1,\"b\":2,\"c\":3}"));
	assert_true(within("\",,,,,,,,,,[[[[[{{{{:::\\\",,,\\\\\""));
	assert_false(within("\"\\\\\",,,,,,,,,,"));
	assert_true(within("\",,,,,,,,,,\\\\\\\""));
	assert_true(within("[]]]]]]]]]]]"));
	assert_false(within("[[],[],[],[]]"));
}

static void test_depth(void **state)
{
	(void)state;
	census_set(100, 3, 100);
	assert_true(within("[[[],[]],[{}]]"));
	assert_false(within("[[[[]]]]"));
	assert_false(within("{\"a\":[{\"b\":[1]}]}"));
	assert_true(within("[\"[[[[\"]"));
	assert_true(within("]]]]]][[["));
}

static void test_load(void **state)
{
	static const char many[] = "[1,2,3,4,5,6,7]";
	json_error_t error;
	(void)state;
	census_set(6, 100, 5);
	assert_null(census_load(many, sizeof many - 1, 0, &error));
	assert_says(error.text, "more than 6 values");
	assert_null(census_load(many, sizeof many - 1, 0, NULL));
	json_t *good = census_load(many + 13, 1, JSON_DECODE_ANY, NULL);
	assert_int_equal(json_integer_value(good), 7);
	json_decref(good);
	assert_true(census_is_short(5) && !census_is_short(6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_load),
	};
	return RUN(tests);
}
