/* migrate.c - what is read of requests and of instances.json, in whatever state. */
#include "test.h"

#include "migrate_request.h"
#include "migrate_settings.h"

static void bad(const char *text, const char *why, bool has_id)
{
	struct migrate_request r;
	char *error = NULL;
	assert_false(migrate_request_read(text, strlen(text), &r, &error));
	assert_says(error, why);
	assert_int_equal(r.id != NULL, has_id);
	migrate_request_finish(&r);
	free(error);
}

static void test_requests(void **state)
{
	static const char good[] = "{\"id\":\"a.b\",\"version\":\"1.0.0\",\"type\":\"eval\",\"content\":\"1\",\"options\":{\"timeout\":5000,\"return_context\":true}}";
	struct migrate_request r;
	char *error = NULL;
	(void)state;
	assert_true(migrate_request_read(good, sizeof good - 1, &r, &error));
	assert_string_equal(r.name, "a.b");
	json_t *arguments = migrate_request_arguments(&r, "work", 30);
	assert_true(json_number_value(json_object_get(arguments, "timeout")) == 3600);
	assert_string_equal(json_string_value(json_object_get(arguments, "instance_id")), "work");
	assert_true(json_is_true(json_object_get(arguments, "return_context")));
	json_decref(arguments);
	migrate_request_finish(&r);
	bad("", "no JSON", false);
	bad("[]", "no object", false);
	bad("{\"version\":\"1.0.0\"}", "its id", false);
	bad("{\"id\":\"\"}", "its id", false);
	bad("{\"id\":\"../x\"}", "its id", false);
	bad("{\"id\":1.5}", "its id", false);
	bad("{\"id\":7}", "version is missing", true);
	bad("{\"id\":\"a\",\"version\":\"2.0.0\",\"content\":\"\",\"type\":\"eval\"}", "2.0.0", true);
	bad("{\"id\":\"a\",\"version\":\"1.0.0\",\"type\":\"eval\"}", "no content", true);
	bad("{\"id\":\"a\",\"version\":\"1.0.0\",\"content\":\"\"}", "type is missing", true);
	bad("{\"id\":\"a\\u0000b\"}", "no JSON", false);
}

static json_t *said(const char *text)
{
	json_t *value = json_loads(text, 0, NULL);
	assert_non_null(value);
	return value;
}

static void test_answers(void **state)
{
	static const struct { const char *said; bool ran; const char *status; } cases[] = {
		{"{\"status\":\"success\",\"result\":\"1\"}", true, "success"},
		{"{\"status\":\"error\",\"error_code\":\"timeout\",\"error\":\"x\"}", true, "timeout"},
		{"{\"status\":\"error\",\"error_code\":\"void-variable\",\"error\":\"x\"}", true, "error"},
		{"{\"status\":\"error\",\"error_code\":\"emacs_gone\",\"may_have_run\":true}", true, "error"},
		{"{\"status\":\"error\",\"error_code\":\"emacs_gone\",\"may_have_run\":false}", false, "error"},
		{"{\"status\":\"error\",\"error_code\":\"queue_full\"}", false, "error"},
		{"{}", true, "error"},
	};
	json_t *id = json_string("a");
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		json_t *value = said(cases[i].said), *answer = migrate_request_answer(id, value, "main");
		assert_int_equal(migrate_request_did_not_run(value), !cases[i].ran);
		assert_string_equal(json_string_value(json_object_get(answer, "status")), cases[i].status);
		assert_string_equal(json_string_value(json_object_get(answer, "version")), "1.0.0");
		assert_true(json_is_string(json_object_get(answer, strcmp(cases[i].status, "success") ? "error" : "result")));
		json_decref(answer);
		json_decref(value);
	}
	json_decref(id);
}

static void test_settings(void **state)
{
	static const char text[] = "{\"instances\":{\"a b\":{\"queue_dir\":\"~/q\",\"workspace_dir\":\"rel\",\"timeout\":1e9,\"daemon_name\":\"d/e\",\"environment\":[]},"
				   "\"a-b\":{},\"c\":3},\"default_instance\":\"zz\",\"log_level\":3,\"port\":0,\"security\":7}";
	struct migrate_settings m;
	char *error = NULL;
	(void)state;
	assert_true(migrate_settings_read(text, sizeof text - 1, "/home/u", &m, &error));
	assert_int_equal(json_object_size(m.instances), 1); /* two names are the same here */
	json_t *one = json_object_get(m.instances, "a-b"), *queue = json_array_get(m.queues, 0);
	assert_string_equal(json_string_value(json_object_get(one, "daemon")), "d-e");
	assert_int_equal(json_integer_value(json_object_get(one, "timeout")), 3600);
	assert_null(json_object_get(one, "workspace"));
	assert_null(json_object_get(one, "environment"));
	assert_string_equal(json_string_value(json_object_get(queue, "folder")), "/home/u/q");
	assert_true(json_array_size(m.notes) >= 9);
	assert_int_equal(json_object_size(m.settings), 1);
	char *merged = migrate_settings_merge("{\r\n \"queue_max\": 3 }", &m, &error);
	assert_non_null(merged);
	assert_says(merged, "\"queue_max\": 3,");
	assert_says(merged, "\"a-b\": {");
	char *again = migrate_settings_merge(merged, &m, &error);
	assert_string_equal(again, merged);
	assert_null(migrate_settings_merge("{", &m, &error));
	assert_says(error, "line 1: no JSON");
	free(again);
	free(merged);
	free(error);
	migrate_settings_finish(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_settings),
	};
	return RUN(tests);
}
