/* fleet_config.c - the sections "instances" and "pools": what they mean, and that whatever is
 * wrong in them is refused with the file, the line and the name that was probably meant. */
#include "config_text.h"

#include "fleet_config.h"

static bool take_alone(const char *text)
{
	config_finish(&config);
	config_init(&config);
	return take(text);
}

static void good(const char *text)
{
	if (!take_alone(text))
		fail_msg("%s: %s", text, error);
}

static void bad(const char *text, int line, const char *words)
{
	char where[200];
	snprintf(where, sizeof where, "%s, line %d: ", path, line);
	if (take_alone(text))
		fail_msg("%s was taken", text);
	assert_says(error, where);
	assert_says(error, words);
}

static void all_fields(void **state)
{
	(void)state;
	good("{\"log_level\":\"error\",\"instances\":{\"main\":{\"daemon\":\"work\",\"workspace\":\"/srv\",\"runtime\":\"/run/x\",\n"
	     "\"auto_start\":true,\"priority\":-3,\"timeout\":12,\"concurrency\":4,\"environment\":{\"A\":\"1\",\"B\":null},\n"
	     "\"init\":\"default\",\"mode\":\"daemon\",\"memory\":512,\"cpu\":60,\"files\":99,\"idle_stop\":5,\"keep\":true,\"replace_stuck\":true},\n"
	     "\"second\":{}},\"pools\":{\"batch\":{\"min\":1,\"max\":8,\"mode\":\"batch\",\"init\":\"/a.el\",\"recycle_calls\":10}}}");
	assert_int_equal(config.fleet->count, 3);
	const struct fleet_spec *s = fleet_config_find(config.fleet, "main");
	assert_non_null(s);
	assert_false(s->pool);
	assert_string_equal(s->daemon, "work");
	assert_string_equal(s->workspace, "/srv");
	assert_string_equal(s->runtime, "/run/x");
	assert_true(s->auto_start);
	assert_int_equal(s->priority, -3);
	assert_int_equal(s->timeout, 12);
	assert_int_equal(s->concurrency, 4);
	assert_int_equal(s->memory, 512);
	assert_int_equal(s->cpu, 60);
	assert_int_equal(s->files, 99);
	assert_int_equal(s->idle_stop, 5);
	assert_true(s->keep && s->replace_stuck);
	assert_string_equal(json_string_value(json_object_get(s->environment, "A")), "1");
	assert_true(json_is_null(json_object_get(s->environment, "B")));
	s = fleet_config_find(config.fleet, "second");
	assert_true(s && !s->auto_start && !s->replace_stuck && !s->pool);
	assert_string_equal(s->init, "none");
	s = fleet_config_find(config.fleet, "batch");
	assert_true(s && s->pool && s->replace_stuck && s->min == 1 && s->max == 8 && s->recycle_calls == 10);
	assert_null(fleet_config_find(config.fleet, "nobody"));
}

static void copies_and_changes(void **state)
{
	(void)state;
	good("{\"instances\":{\"a\":{\"timeout\":3,\"environment\":{\"A\":\"1\"}}}}");
	struct fleet_spec *kept = fleet_spec_copy(config.fleet->specs[0]);
	good("\n\n{\"instances\":{\"a\":{\"environment\":{\"A\":\"1\"},\"timeout\":3}}}");
	assert_true(fleet_spec_same(kept, config.fleet->specs[0]));
	good("{\"instances\":{\"a\":{\"environment\":{\"A\":\"2\"},\"timeout\":3}}}");
	assert_false(fleet_spec_same(kept, config.fleet->specs[0]));
	good("{\"instances\":{\"a\":{\"environment\":{\"A\":\"1\"},\"timeout\":3,\"init\":\"default\"}}}");
	assert_false(fleet_spec_same(kept, config.fleet->specs[0]));
	fleet_spec_destroy(kept);
}

static void refusals(void **state)
{
	(void)state;
	bad("{\n\"instances\": {\n\"a\": {\"timeout\": 3},\n\"b\": {\n\"wrokspace\": \"/\"}}}", 5, "instances.b.wrokspace is no field of an instance; did you mean workspace?");
	bad("{\"pools\":{\n\"a\":{\n\"auto_start\":true}}}", 3, "pools.a.auto_start is no field of a pool");
	bad("{\"instances\":{\n\"timeout\":{\"timeout\":1},\"x\":{\n\"timeout\":\"1\"}}}", 3, "instances.x.timeout must be a whole number from 0 to 3600 s");
	bad("{\"instances\":{\"x\":{\"timeout\":3601}}}", 1, "3600");
	bad("{\"instances\":{\"x\":{\"auto_start\":1}}}", 1, "true or false");
	bad("{\"instances\":{\"x\":{\"mode\":\"deamon\"}}}", 1, "one of: daemon batch");
	bad("{\"instances\":{\"x\":{\"mode\":\"daemon batch\"}}}", 1, "one of: daemon batch");
	bad("{\"instances\":{\"x\":{\"init\":7}}}", 1, "must be a string");
	bad("{\"instances\":{\"x\":{\"init\":\"a\\u0000b\"}}}", 1, "NUL");
	bad("{\"instances\":{\"x\":{\"mode\":\"batch\",\n\"init\":\"default\"}}}", 2, "mode batch");
	bad("{\"instances\":{\"x\":{\n\"workspace\":\"here\"}}}", 2, "absolute");
	bad("{\"instances\":{\"x\":{\"daemon\":\"a/b\"}}}", 1, "instances.x.daemon");
	bad("{\"instances\":{\n\"a/b\":{}}}", 2, "is no name");
	bad("{\"instances\":{\"x\":{\"environment\":{\n\"A=\":\"1\"}}}}", 2, "is no name of a variable");
	bad("{\"instances\":{\"x\":{\"environment\":{\n\"A\":1}}}}", 2, "instances.x.environment.A must be a string");
	bad("{\"instances\":{\"x\":{\"environment\":[]}}}", 1, "must be an object");
	bad("{\"instances\":{\"x\":1}}", 1, "must be an object");
	bad("{\"instances\":[]}", 1, "must be an object");
	bad("{\"instances\":{\"x\":{}},\n\"pools\":{\n\"x\":{}}}", 3, "declared twice");
	bad("{\"pools\":{\"x\":{\"min\":3,\"max\":2}}}", 1, "pools.x.min is more than max");
	bad("{\"pools\":{\"x\":{\"max\":0}}}", 1, "from 1 to 256 workers");
	bad("{\"instnaces\":{}}", 1, "did you mean instances?");
	bad("{\"instances\":{\"a\":{},\n\"a\":{}}}", 2, "duplicate");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_fields, begin, end),
		cmocka_unit_test_setup_teardown(copies_and_changes, begin, end),
		cmocka_unit_test_setup_teardown(refusals, begin, end),
	};
	return RUN(tests);
}
