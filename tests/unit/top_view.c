/* top_view.c - what top shows fits, whatever it is told, and commands nothing. */
#include "test.h"

#include "top_view.h"

static json_t *look(double at, int done, const char *state)
{
	return json_pack("{s:f,s:n,s:[{s:s,s:i,s:s,s:{s:i,s:i,s:i},s:{s:s,s:s,s:i}},{s:s,s:s}],s:[{s:s}]}", "at", at, "gateway", "instances", "id",
			 "b\033[2J", "pid", 7, "state", state, "counts", "done", done, "failed", 1, "stopped", 0, "running", "tool", "t\r", "client",
			 "c\033", "for_ms", 1500, "id", "a", "state", "idle", "pools", "name", "p");
}

static void test_rates(void **state)
{
	json_t *first = look(10, 5, "running"), *second = look(12, 9, "running"), *restarted = look(13, 0, "running");
	(void)state;
	top_view_compare(first, NULL);
	assert_null(json_object_get(first, "per_second"));
	top_view_compare(second, first);
	assert_true(json_number_value(json_object_get(second, "per_second")) == 2);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(json_object_get(second, "clients"), "c\033"), "running")), 1);
	top_view_compare(restarted, second); /* its counts began anew: no rate, and none below zero */
	assert_true(json_number_value(json_object_get(restarted, "per_second")) == 0);
	json_decref(first);
	json_decref(second);
	json_decref(restarted);
}

static void test_sizes(void **state)
{
	json_t *l = look(10, 5, "blocked");
	(void)state;
	top_view_compare(l, NULL);
	for (int rows = 1; rows < 20; rows++)
		for (int columns = 1; columns < 130; columns += 7) {
			char *text = top_view_draw(l, rows, columns, "\n"), *line, *rest = text;
			int lines = 0;
			assert_null(strchr(text, '\033'));
			assert_null(strchr(text, '\r'));
			while ((line = strsep(&rest, "\n")) && rest) {
				assert_true(strlen(line) <= (size_t)columns);
				lines++;
			}
			assert_true(lines <= rows);
			free(text);
		}
	char *whole = top_view_draw(l, 0, 200, "\n");
	assert_true(strstr(whole, "blocked") < strstr(whole, "\na ")); /* what needs an eye comes first */
	free(whole);
	json_decref(l);
	l = json_object();
	top_view_compare(l, NULL);
	whole = top_view_draw(l, 0, 80, "\n");
	assert_says(whole, "0 instances");
	free(whole);
	json_decref(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_sizes),
	};
	return RUN(tests);
}
