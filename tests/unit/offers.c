/* offers.c - which URIs a form stands for, and who hears of a change. */
#include "test.h"

#include "core/offers.h"

#include <time.h>

static void test_forms(void **state)
{
	static const struct { const char *form, *uri; bool fits; } cases[] = {
		{"test://a", "test://a", true},
		{"test://a", "test://b", false},
		{"test://a", "test://aa", false},
		{"test://t/{id}/data", "test://t/123/data", true},
		{"test://t/{id}/data", "test://t//data", false},
		{"test://t/{id}/data", "test://t/1/2/data", false},
		{"test://t/{+id}/data", "test://t/1/2/data", true},
		{"test://t/{id}", "test://t/x?y", false},
		{"test://t/{id}?q={q}", "test://t/x?q=y", true},
		{"f://{a}-{b}", "f://1-2-3", true},
		{"f://{a}-{b}", "f://1", false},
		{"f://{a}{b}", "f://1", false},
		{"f://{a}{b}", "f://12", true},
		{"f://{", "f://{", true}, /* no variable: itself */
		{"f://{a b}", "f://{a b}", true},
		{"f://{a b}", "f://x", false},
		{"", "", true},
		{"{+all}", "anything/at?all#", true},
		{"{+all}", "", false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (offers_uri_fits(cases[i].form, cases[i].uri) != cases[i].fits)
			fail_msg("%s %s", cases[i].form, cases[i].uri);
}

/* Many variables that can share a text in many ways end all the same. */
static void test_a_form_without_end(void **state)
{
	char form[2048] = "x:", uri[4096] = "x:";
	(void)state;
	for (int i = 0; i < 200; i++)
		strcat(form, "{+a}");
	strcat(form, "!");
	memset(uri + 2, 'a', 3000);
	assert_false(offers_uri_fits(form, uri));
}

static void test_who_hears(void **state)
{
	(void)state;
	assert_true(offers_means("test://a", "test://a", "one"));
	assert_true(offers_means("test://a?instance_id=one", "test://a", "one"));
	assert_true(offers_means("test://a?x=1&instance_id=one", "test://a?x=1", "one"));
	assert_false(offers_means("test://a?instance_id=two", "test://a", "one"));
	assert_false(offers_means("test://b", "test://a", "one"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_a_form_without_end),
		cmocka_unit_test(test_who_hears),
	};
	return RUN(tests);
}
