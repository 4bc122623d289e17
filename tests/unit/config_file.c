/* config_file.c - the configuration file, in whatever state: what is good counts, what is
 * not is refused with the file and the line, and nothing of it is taken for good. */
#include "config_text.h"

#include <sys/stat.h>
#include <unistd.h>

static void good(const char *text, long queue_max)
{
	bool taken = take(text);
	if (!taken)
		fail_msg("%s: %s", text, error);
	assert_null(error);
	assert_int_equal(config.queue_max, queue_max);
}

/* The complaint names the file and says WHY. */
static void bad(const char *text, const char *why)
{
	if (take(text))
		fail_msg("taken: %s", text);
	assert_says(error, path);
	assert_says(error, why);
}

static void test_good_ones(void **state)
{
	(void)state;
	good("{}", 1000);
	good("{\"queue_max\": 3}", 3);
	good("  {\r\n\t\"queue_max\"\r\n:\r\n4\r\n}\r\n\r\n", 4);
	good("\xEF\xBB\xBF{\"queue_max\": 5}\n", 5);
	good("{\"queue_max\": \"6\", \"log_level\": \"error\"}", 6); /* as in the environment */
	assert_string_equal(config.log_level, "error");
	good("{\"que\\u0075e_max\": 7}", 7);
	good("{\"instance\": \"\xC3\xA4\"}", 7);
	assert_string_equal(config.instance, "\xC3\xA4");
}

static void test_bad_ones(void **state)
{
	static const struct { const char *text, *why; } cases[] = {
		{"", "line 1: no JSON"},
		{"\n\n", "no JSON"},
		{"\xEF\xBB\xBF", "no JSON"},
		{"{\"queue_max\": 1", "no JSON"},
		{"{\n  \"queue_max\": 1,\n}", "line 3: no JSON"},
		{"// mine\n{}", "line 1: no JSON"},
		{"{}\n{}", "line 2: no JSON"},
		{"{\"queue_max\": 1,\n \"queue_max\": 2}", "duplicate"},
		{"[1]", "must be an object"},
		{"\"queue_max\"", "no JSON"},
		{"{\n\"queue_max\": 0}", "line 2: queue_max is 0; it must be from 1"},
		{"{\"queue_max\": -1}", "must be from 1"},
		{"{\"queue_max\": 1.5}", "a number or a string"},
		{"{\"queue_max\": 1e400}", "no JSON"},
		{"{\"queue_max\": 99999999999999999999}", "no JSON"},
		{"{\"queue_max\": \"\"}", "must be a number of calls"},
		{"{\"queue_max\": \" 3 \"}", "must be a number of calls"},
		{"{\"queue_max\": true}", "a number or a string"},
		{"{\"queue_max\": null}", "a number or a string"},
		{"{\"queue_max\": {\"queue_max\": 3}}", "a number or a string"},
		{"{\"queu_max\": 3}", "did you mean queue_max"},
		{"{\"\": 3}", "there is no setting"},
		{"{\"QUEUE_MAX\": 3}", "there is no setting"},
		{"{\"log_level\": \"loud\"}", "error, warning, info or debug"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		bad(cases[i].text, cases[i].why);
	assert_int_equal(config.queue_max, 1000);
}

static void test_the_line(void **state)
{
	(void)state;
	bad("{\r\n\"folders\": \"\\\"queue_max\\\": {\",\r\n\"queue_max\": 0\r\n}", "line 3: queue_max");
	bad("{\"instance\":\n\"queue_max\",\n\n\"queue_max\":\n0}", "line 4: queue_max");
}

static void test_no_text(void **state)
{
	static const char with_nul[] = "{\"queue_max\": 3}\0{";
	(void)state;
	put(with_nul, sizeof with_nul - 1);
	assert_false(config_file(&config, path, &error));
	assert_says(error, "no JSON");
	assert_int_equal(config.queue_max, 1000);
}

static void test_too_long(void **state)
{
	size_t len = 1024 * 1024;
	char *text = malloc(len);
	(void)state;
	assert_non_null(text);
	memset(text, ' ', len);
	memcpy(text, "{}", 2);
	put(text, len - 1);
	assert_true(config_file(&config, path, &error));
	FILE *file = fopen(path, "a");
	assert_non_null(file);
	assert_true(fputs("  ", file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_false(config_file(&config, path, &error));
	assert_says(error, "too large");
	free(text);
}

static void test_no_file(void **state)
{
	char link_to[160];
	(void)state;
	assert_false(config_file(&config, path, &error));
	assert_says(error, "cannot be read");
	free(error);
	error = NULL;
	assert_false(config_file(&config, folder, &error)); /* a folder */
	assert_says(error, "cannot be read");
	free(error);
	error = NULL;
	snprintf(link_to, sizeof link_to, "%s/link", folder);
	assert_int_equal(symlink("config.json", link_to), 0);
	assert_false(config_file(&config, link_to, &error)); /* a link to nothing, which was named */
	assert_says(error, "cannot be read");
	good("{\"queue_max\": 8}", 8);
	assert_true(config_file(&config, link_to, &error));
}

/* Where nobody names it: below the home of settings, and no file is no complaint. */
static void test_its_place(void **state)
{
	char file[160];
	(void)state;
	assert_int_equal(setenv("XDG_CONFIG_HOME", folder, 1), 0);
	assert_true(config_file(&config, NULL, &error));
	snprintf(file, sizeof file, "%s/efrit-mcp", folder);
	assert_int_equal(mkdir(file, 0700), 0);
	assert_true(config_file(&config, NULL, &error));
	snprintf(path, sizeof path, "%s/efrit-mcp/config.json", folder);
	put("{\"queue_max\": 9}", 16);
	assert_true(config_file(&config, NULL, &error));
	assert_int_equal(config.queue_max, 9);
	assert_int_equal(setenv("XDG_CONFIG_HOME", "relative", 1), 0);
	assert_int_equal(setenv("HOME", "relative", 1), 0);
	assert_null(config_place());
	assert_true(config_file(&config, NULL, &error));
	assert_int_equal(unsetenv("XDG_CONFIG_HOME"), 0);
	assert_int_equal(setenv("HOME", folder, 1), 0);
	char *place = config_place();
	snprintf(file, sizeof file, "%s/.config/efrit-mcp/config.json", folder);
	assert_string_equal(place, file);
	free(place);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_good_ones),
		IN_FOLDER(test_bad_ones),
		IN_FOLDER(test_the_line),
		IN_FOLDER(test_no_text),
		IN_FOLDER(test_too_long),
		IN_FOLDER(test_no_file),
		IN_FOLDER(test_its_place),
	};
	return RUN(tests);
}
