/* share.c - what one may take of what all have, and who has the most. */
#include "test.h"

#include "share.h"

static void test_share(void **state)
{
	struct config c;
	(void)state;
	config_init(&c);
	assert_int_equal(share_of(&c, 1000), 900);
	assert_int_equal(share_of(&c, 9), 9); /* of a few, all */
	assert_int_equal(share_of(&c, 1), 1);
	c.share = 1;
	assert_int_equal(share_of(&c, 10), 1);
	c.share = 100;
	assert_int_equal(share_of(&c, 10), 10);
	assert_int_equal(share_of(&c, 1099511627776), 1099511627776);
	config_finish(&c);
}

static void test_tally(void **state)
{
	static struct tally t;
	char name[16];
	(void)state;
	assert_string_equal(tally_most(&t), "");
	tally_add(&t, "a");
	tally_add(&t, "b");
	tally_add(&t, "b");
	assert_string_equal(tally_most(&t), "b");
	assert_int_equal(tally_of(&t, "b"), 2);
	assert_int_equal(tally_of(&t, "c"), 0);
	for (int i = 0; i < 2 * SHARE_NAMES; i++) {
		snprintf(name, sizeof name, "n%d", i);
		tally_add(&t, name);
	}
	assert_int_equal(t.names, SHARE_NAMES);
	tally_add(&t, "a");
	assert_int_equal(tally_of(&t, "a"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_tally),
	};
	return RUN(tests);
}
