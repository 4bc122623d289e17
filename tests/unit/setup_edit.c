/* setup_edit.c - our server into configurations as people and editors leave them: every
 * foreign byte stays, and what cannot be changed safely is refused with a reason. */
#include "test.h"

#include "setup_edit.h"

#include <jansson.h>

#define BRIDGE "/opt/efrit/build/efrit-bridge"
#define ENTRY "{\"command\": \"" BRIDGE "\", \"args\": []}"
#define TABLE "[mcp_servers.emacs]\ncommand = \"" BRIDGE "\"\nargs = []\n"
#define MARK "\xEF\xBB\xBF"

static char *out;
static enum setup_edit result;

static void json(const char *old)
{
	free(out);
	result = setup_edit_json(old, "mcpServers", "emacs", ENTRY, BRIDGE, &out);
}

static void toml(const char *old)
{
	free(out);
	result = setup_edit_toml(old, "mcp_servers", "emacs", TABLE, BRIDGE, &out);
}

static void refused(const char *why)
{
	assert_int_equal(result, SETUP_REFUSED);
	assert_says(out, why);
}

/* OLD's bytes are all there, in their order, in one or two pieces. */
static void keeps(const char *old)
{
	size_t head = 0, tail = 0, len = strlen(old), now = strlen(out);
	while (head < len && old[head] == out[head])
		head++;
	while (tail < len - head && old[len - 1 - tail] == out[now - 1 - tail])
		tail++;
	if (head + tail != len)
		fail_msg("of %s this was made: %s", old, out);
}

/* Done; all was kept; our server is there, and COUNT members stand beside or around it. */
static void added(const char *old, size_t members, size_t servers)
{
	json_error_t error;
	assert_int_equal(result, SETUP_DONE);
	keeps(old);
	size_t skip = strncmp(out, MARK, 3) == 0 ? 3 : 0;
	json_t *all = json_loads(out + skip, JSON_REJECT_DUPLICATES, &error);
	if (!all)
		fail_msg("%s, line %d: %s", error.text, error.line, out);
	json_t *list = json_object_get(all, "mcpServers");
	assert_int_equal(json_object_size(all), members);
	assert_int_equal(json_object_size(list), servers);
	assert_string_equal(json_string_value(json_object_get(json_object_get(list, "emacs"), "command")), BRIDGE);
	json_decref(all);
}

static void test_nothing_there(void **state)
{
	static const char *const nothing[] = {"", " ", "\n", "\r\n\t\n"};
	(void)state;
	for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++) {
		json(nothing[i]);
		added("", 1, 1);
		assert_int_equal(out[strlen(out) - 1], '\n');
	}
}

static void test_others_are_there(void **state)
{
	static const struct { const char *text; size_t members, servers; } cases[] = {
		{"{\"mcpServers\":{\"a\":{\"command\":\"x\"}}}", 1, 2},
		{"{\n  \"mcpServers\": {\n    \"a\": {}\n  }\n}\n", 1, 2},
		{"{\"z\":1.50,\"a\":[1e3,\"}{\\\"\"]}", 3, 1},
		{"  {\"mcpServers\" : {\"a\":{}} , \"b\":null}", 2, 2},
		{"{\"a\":{\"mcpServers\":{\"emacs\":{\"command\":\"other\"}}}}", 2, 1}, /* not at the top: another's */
		{"{\"mcpServers\":{\"a\":{\"emacs\":{\"command\":\"other\"}}}}", 1, 2},
		{"{\"a\":\"mcpServers\",\"b\":\"\\\"emacs\\\": {\"}", 3, 1},
		{"{\"a\":{},\"b\":[],\"c\":true}", 4, 1},
		{"{\"mcp\\u0053ervers\":{\"a\":{}}}", 1, 2}, /* the same key, written otherwise */
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		json(cases[i].text);
		added(cases[i].text, cases[i].members, cases[i].servers);
	}
	json("{\"mcpServers\": {}}");
	assert_int_equal(result, SETUP_DONE);
	assert_says(out, BRIDGE);
	json("{ }");
	assert_int_equal(result, SETUP_DONE);
	assert_says(out, BRIDGE);
}

static void test_what_editors_leave(void **state)
{
	static const char returns[] = "{\r\n  \"mcpServers\": {\r\n    \"a\": {}\r\n  }\r\n}\r\n";
	static const char marked[] = MARK "{\"a\": 1}";
	(void)state;
	json(returns);
	added(returns, 1, 2);
	for (const char *p = out; (p = strchr(p, '\n')); p++)
		assert_int_equal(p[-1], '\r');
	assert_null(strstr(out, "\r\r"));
	json(marked);
	added(marked, 2, 1);
	assert_memory_equal(out, MARK, 3);
	json("{\"a\": 1}"); /* no newline at the end: none is added */
	added("{\"a\": 1}", 2, 1);
	assert_int_equal(out[strlen(out) - 1], '}');
	json(MARK);
	assert_int_equal(result, SETUP_DONE);
	assert_memory_equal(out, MARK "{", 4);
}

static void test_ours_is_there(void **state)
{
	(void)state;
	json("{\"mcpServers\":{\"emacs\":" ENTRY "}}");
	assert_int_equal(result, SETUP_THERE);
	json(MARK "{\"mcpServers\":\r\n{\"\\u0065macs\":" ENTRY "}}\r\n");
	assert_int_equal(result, SETUP_THERE);
	/* Moved: the program alone is another one. */
	json("{\"mcpServers\":{\"emacs\":{\"args\":[\"command\",\"-s\"],\"env\":{\"command\":\"x\"},\"command\":\"/old/efrit-bridge\",\"b\":2}}}");
	assert_int_equal(result, SETUP_DONE);
	assert_string_equal(out, "{\"mcpServers\":{\"emacs\":{\"args\":[\"command\",\"-s\"],\"env\":{\"command\":\"x\"},\"command\":\"" BRIDGE "\",\"b\":2}}}");
}

static void test_what_is_refused(void **state)
{
	static const struct { const char *text, *why; } cases[] = {
		{"// mine\n{}", "by hand"},
		{"{\n  /* mine */\n}", "by hand"},
		{"{\"a\": 1,}", "by hand"},
		{"{\"a\": 1", "no JSON"},
		{"{} {}", "no JSON"},
		{"{\"a\": 1, \"a\": 2}", "duplicate"},
		{"{\"mcpServers\": {\"b\": {}, \"b\": {}}}", "duplicate"},
		{"{\"a\": \"\xFF\"}", "no JSON"},
		{"[]", "no object"},
		{"[\"mcpServers\"]", "no object"},
		{"{\"mcpServers\": []}", "mcpServers is no object"},
		{"{\"mcpServers\": null}", "mcpServers is no object"},
		{"{\"mcpServers\": {\"emacs\": \"x\"}}", "emacs is no object"},
		{"{\"mcpServers\": {\"emacs\": {}}}", "not efrit-bridge"},
		{"{\"mcpServers\": {\"emacs\": {\"command\": \"/usr/bin/my-efrit-bridge\"}}}", "not efrit-bridge"},
		{"{\"mcpServers\": {\"emacs\": {\"command\": [\"efrit-bridge\"]}}}", "not efrit-bridge"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		json(cases[i].text);
		refused(cases[i].why);
	}
}

static void appended(const char *old, const char *between)
{
	char *want = setup_edit_compose("%s%s%s", old, between, TABLE);
	toml(old);
	assert_int_equal(result, SETUP_DONE);
	assert_string_equal(out, want);
	free(want);
}

static void test_toml_added(void **state)
{
	(void)state;
	appended("", "");
	appended("model = \"m\"\n", "\n");
	appended("model = \"m\" # no newline at the end", "\n\n");
	appended("[mcp_servers.emacs_two]\ncommand = \"" BRIDGE "\"\n", "\n"); /* another one with our program */
	appended("[mcp_servers.\"emacs.two\"]\n", "\n");
	appended("[other]\nemacs = 1\nmcp_servers.emacs = 2\n", "\n"); /* inside another table */
	appended("[mcp_servers.emacs.env]\nA = \"1\"\n", "\n");
	/* What is in a string or a list is no header and no key. */
	appended("a = \"\"\"\n[mcp_servers.emacs]\ncommand = \"x\"\n\"\"\"\n", "\n");
	appended("a = '''\n[mcp_servers]\nemacs = { }\n'''\n", "\n");
	appended("a = [\n  [1, 2],\n  \"[mcp_servers.emacs]\", # ]\n]\n", "\n");
	appended("# [mcp_servers.emacs]\n", "\n");
}

static void test_toml_keeps_its_ends(void **state)
{
	static const char *const returns = "a = 1\r\n[b]\r\nc = 2\r\n";
	(void)state;
	toml(returns);
	assert_int_equal(result, SETUP_DONE);
	keeps(returns);
	assert_says(out, "c = 2\r\n\r\n[mcp_servers.emacs]\r\ncommand = \"" BRIDGE "\"\r\nargs = []\r\n");
	toml(MARK "[mcp_servers.emacs]\r\ncommand = \"" BRIDGE "\"\r\n");
	assert_int_equal(result, SETUP_THERE);
	toml(MARK "a = 1\n");
	assert_int_equal(result, SETUP_DONE);
	assert_string_equal(out, MARK "a = 1\n\n" TABLE);
}

static void test_toml_is_there(void **state)
{
	static const char *const there[] = {
		TABLE,
		"[ mcp_servers . emacs ] # mine\nargs = []\ncommand = '" BRIDGE "' # it\n",
		"[mcp_servers.'emacs']\n\"command\"=\"\\u002fopt/efrit/build/efrit-bridge\"\n",
		"a = 1\n[\"mcp_servers\".\"emacs\"]\nargs = [\n  \"command = 1\",\n]\ncommand = \"" BRIDGE "\"",
	};
	(void)state;
	for (size_t i = 0; i < sizeof there / sizeof there[0]; i++) {
		toml(there[i]);
		if (result != SETUP_THERE)
			fail_msg("%d, not there: %s", result, there[i]);
	}
	/* Moved: the program alone is another one. */
	toml("[mcp_servers.emacs]\nargs = [\"-s\"]\ncommand =  '/old/efrit-bridge' # it\n[b]\nc = 1");
	assert_int_equal(result, SETUP_DONE);
	assert_string_equal(out, "[mcp_servers.emacs]\nargs = [\"-s\"]\ncommand =  \"" BRIDGE "\" # it\n[b]\nc = 1");
}

static void test_toml_refused(void **state)
{
	static const struct { const char *text, *why; } cases[] = {
		{"[mcp_servers.emacs]\ncommand = \"other\"\n", "another program"},
		{"[mcp_servers.emacs]\n[mcp_servers.b]\ncommand = \"" BRIDGE "\"\n", "another program"}, /* not ours */
		{"[mcp_servers.emacs]\nurl = \"http://x/" BRIDGE "\"\n", "another program"},
		{"[mcp_servers.emacs]\ncommand = \"" BRIDGE "-old\"\n", "another program"},
		{"[mcp_servers.emacs]\ncommand = \"\"\"" BRIDGE "\"\"\"\n", "another program"},
		{"mcp_servers.emacs = { command = \"x\" }\n", "by hand"},
		{"mcp_servers = { }\n", "by hand"},
		{"a = [\n  [1],\n]\nmcp_servers.emacs.command = \"x\"\n", "by hand"},
		{"[mcp_servers]\nemacs = { command = \"x\" }\n", "by hand"},
		{"[mcp_servers]\na.b = \"\"\"\n[c]\n\"\"\"\nemacs.command = \"x\"\n", "by hand"},
		{"a = \"\"\"\nopen\n", "not closed"},
		{"a = [\n", "not closed"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		toml(cases[i].text);
		if (result != SETUP_REFUSED)
			fail_msg("%d, not refused: %s -> %s", result, cases[i].text, out ? out : "");
		refused(cases[i].why);
	}
}

static int forget(void **state)
{
	(void)state;
	free(out);
	out = NULL;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_nothing_there, forget),
		cmocka_unit_test_teardown(test_others_are_there, forget),
		cmocka_unit_test_teardown(test_what_editors_leave, forget),
		cmocka_unit_test_teardown(test_ours_is_there, forget),
		cmocka_unit_test_teardown(test_what_is_refused, forget),
		cmocka_unit_test_teardown(test_toml_added, forget),
		cmocka_unit_test_teardown(test_toml_keeps_its_ends, forget),
		cmocka_unit_test_teardown(test_toml_is_there, forget),
		cmocka_unit_test_teardown(test_toml_refused, forget),
	};
	return RUN(tests);
}
