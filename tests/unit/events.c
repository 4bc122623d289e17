/* events.c - what happened, a line each: names that would spoil it, the oldest go first. */
#include "test.h"

#include "events.h"

static struct events events;

__attribute__((format(printf, 1, 2))) static void add(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	events_add(&events, format, ap);
	va_end(ap);
}

static const char *taken(void)
{
	static struct buf out;
	events_take(&events, &out);
	assert_true(buf_add(&out, "", 1));
	return buf_data(&out);
}

static void test_lines_with_their_time(void **state)
{
	int hour, minute, second, millisecond, end = 0;
	(void)state;
	assert_string_equal(taken(), "");
	add("request %d done", 1);
	const char *text = taken();
	assert_int_equal(sscanf(text, "%2d:%2d:%2d.%3d %n", &hour, &minute, &second, &millisecond, &end), 4);
	assert_string_equal(text + end, "request 1 done\n");
	assert_string_equal(taken(), "");
}

static void test_no_line_from_outside(void **state)
{
	char name[600];
	(void)state;
	add("bridge (%s)", "evil\n12:00:00.000 request 1\x7F\x1B[2J");
	const char *text = taken();
	assert_says(text, "bridge (evil 12:00:00.000 request 1  [2J)\n");
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	memset(name, 0xC3, sizeof name); /* two bytes a character: it is cut between them */
	for (size_t i = 1; i < sizeof name; i += 2)
		name[i] = (char)0xA4;
	name[sizeof name - 1] = 0;
	add("%s", name);
	text = taken();
	assert_int_equal((strlen(text) - strlen("12:00:00.000 \n")) % 2, 0);
}

static void test_the_oldest_go_first(void **state)
{
	(void)state;
	for (int i = 0; i < 20000; i++)
		add("event number %d", i);
	const char *text = taken();
	assert_true(strlen(text) <= EVENTS_MAX && strlen(text) >= EVENTS_MAX / 2 - 100);
	assert_says(text, "event number 19999\n");
	assert_null(strstr(text, "event number 0\n"));
	int first = 0;
	assert_int_equal(sscanf(text + strlen("12:00:00.000 "), "event number %d", &first), 1); /* whole lines */
	for (int i = first; i < 20000; i++) {
		text = strchr(text, ' ') + 1;
		assert_int_equal(atoi(text + strlen("event number ")), i);
		text = strchr(text, '\n') + 1;
	}
}

static int setup(void **state)
{
	(void)state;
	return events_init(&events) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	events_finish(&events);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_lines_with_their_time), TEST(test_no_line_from_outside), TEST(test_the_oldest_go_first)};
	return RUN(tests);
}
