/* guard.c - who may come in. */
#include "test.h"

#include "core/guard.h"

static struct config config;
static struct guard *guard;
static const char token[] = "abcdefghijklmnopqrstuvwxyz";

static enum guard_verdict visit(const char *host, const char *origin, const char *authorization)
{
	struct guard_visit v = {.host = host, .origin = origin, .authorization = authorization};
	enum guard_verdict verdict = guard_admit(guard, &v);
	assert_true(verdict == GUARD_WELCOME ? v.principal[0] && !v.why[0] : v.why[0] != 0);
	assert_null(strstr(v.why, token));
	return verdict;
}

static void test_tokens(void **state)
{
	static const char *const bad[] = {NULL, "", "Bearer", "Bearer ", "Bearer abc", "Bearer abcdefghijklmnopqrstuvwxy", "Basic abcdefghijklmnopqrstuvwxyz",
					  "Bearer abcdefghijklmnopqrstuvwxyzz", "Bearer abcdefghijklmnopqrstuvwxyz "};
	(void)state;
	assert_int_equal(visit("localhost", NULL, "Bearer abcdefghijklmnopqrstuvwxyz"), GUARD_WELCOME);
	assert_int_equal(visit("localhost", NULL, "bearer  abcdefghijklmnopqrstuvwxyz"), GUARD_WELCOME);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(visit("localhost", NULL, bad[i]), GUARD_TOKEN);
	guard_set_token(guard, NULL);
	assert_int_equal(visit("localhost", NULL, NULL), GUARD_WELCOME);
	guard_set_token(guard, "");
	assert_int_equal(visit("localhost", NULL, NULL), GUARD_TOKEN);
	guard_set_token(guard, token);
}

static void test_named_tokens(void **state)
{
	struct guard_visit v = {.host = "localhost", .authorization = "Bearer the token of alice"};
	char name[CONFIG_TOKEN_NAME + 1];
	(void)state;
	assert_true(guard_add_token(guard, "alice", "the token of alice"));
	assert_false(guard_add_token(guard, "a name that is longer than any", "x"));
	assert_false(guard_add_token(guard, "empty", "")); /* "Bearer " would be good */
	assert_int_equal(guard_admit(guard, &v), GUARD_WELCOME);
	assert_string_equal(v.principal, GUARD_NAMED "alice");
	assert_int_equal(visit("localhost", NULL, "Bearer the token of alic"), GUARD_TOKEN);
	v.authorization = "Bearer abcdefghijklmnopqrstuvwxyz";
	assert_int_equal(guard_admit(guard, &v), GUARD_WELCOME);
	assert_string_equal(v.principal, "token");
	for (int i = 1; i < CONFIG_PAIRS_MAX; i++) {
		snprintf(name, sizeof name, "t%d", i);
		assert_true(guard_add_token(guard, name, name));
	}
	assert_false(guard_add_token(guard, "more", "more"));
	guard_set_token(guard, token); /* those are others' now */
	assert_int_equal(visit("localhost", NULL, "Bearer the token of alice"), GUARD_TOKEN);
}

static void test_pairs(void **state)
{
	char name[CONFIG_NAME_MAX], word[CONFIG_WORD_MAX], *error;
	static const char list[] = " alice = look,claude code=full,a=b=c";
	(void)state;
	assert_true(config_pair(list, "alice", word));
	assert_string_equal(word, "look");
	assert_true(config_pair(list, "claude code", word));
	assert_string_equal(word, "full");
	assert_true(config_pair_at(list, 2, name, word));
	assert_string_equal(name, "a");
	assert_string_equal(word, "b=c");
	assert_false(config_pair_at(list, 3, name, word));
	assert_false(config_pair(list, "bob", word));
	assert_false(config_pair("", "", word));
	assert_false(config_pair("x,alice=look", "alice", word)); /* what cannot be read ends it */
	assert_true(config_check_profiles("it", "claude code=full, b=look", false, &error));
	assert_false(config_check_profiles("it", "claude code=full", true, &error));
	assert_non_null(strstr(error, "a token cannot be called"));
	free(error);
	assert_true(config_check_profiles("it", "", true, &error));
}

static void test_names(void **state)
{
	static const char *const good[] = {"localhost", "LOCALHOST:1", "127.0.0.1:80", "127.9.9.9", "[::1]", "[::1]:65535", "10.0.0.1:9", "a.example", "b.example:8"};
	static const char *const bad[] = {NULL, "", ":80", "evil", "localhost.evil", "127.0.0.1.evil", "[::1", "[::1]x", "localhost:x", "localhost:123456",
					  "10.0.0.2", "b.example:9", "128.0.0.1", "[::2]", "a.example.evil", "localhost@evil"};
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		if (visit(good[i], NULL, "Bearer abcdefghijklmnopqrstuvwxyz") != GUARD_WELCOME)
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (visit(bad[i], NULL, "Bearer abcdefghijklmnopqrstuvwxyz") != GUARD_HOST)
			fail_msg("%s", bad[i] ? bad[i] : "none");
}

static void test_pages(void **state)
{
	(void)state;
	assert_true(guard_origin_ok(guard, "http://localhost:3000"));
	assert_true(guard_origin_ok(guard, "https://127.0.0.1"));
	assert_true(guard_origin_ok(guard, "http://[::1]:1"));
	assert_true(guard_origin_ok(guard, "https://page.example"));
	assert_false(guard_origin_ok(guard, "https://page.example:8"));
	assert_false(guard_origin_ok(guard, "null"));
	assert_false(guard_origin_ok(guard, "http://localhost.evil"));
	assert_false(guard_origin_ok(guard, "file:///localhost"));
	assert_false(guard_origin_ok(guard, "localhost"));
	assert_int_equal(visit("localhost", "http://evil", "Bearer abcdefghijklmnopqrstuvwxyz"), GUARD_ORIGIN);
}

static void test_sockets_of_the_system(void **state)
{
	struct guard_visit v = {.local_socket = true, .uid = 42};
	(void)state;
	assert_int_equal(guard_admit(guard, &v), GUARD_WELCOME);
	assert_string_equal(v.principal, "uid:42");
	v = (struct guard_visit){.local_socket = true, .origin = "http://evil"};
	assert_int_equal(guard_admit(guard, &v), GUARD_ORIGIN);
}

static void test_addresses(void **state)
{
	char why[GUARD_WHY_MAX];
	(void)state;
	assert_true(guard_listen_ok("127.0.0.1", false, false, why));
	assert_true(guard_listen_ok("::1", false, false, why));
	assert_true(guard_listen_ok("0.0.0.0", true, true, why));
	assert_false(guard_listen_ok("0.0.0.0", true, false, why));
	assert_says(why, "token");
	assert_false(guard_listen_ok("::", false, true, why));
	assert_says(why, "TLS");
	assert_false(guard_listen_ok("192.168.1.1", false, false, why));
}

int main(void)
{
	char *error = NULL;
	config_init(&config);
	bool set = config_set(&config, "listen=127.0.0.1:1, 10.0.0.1:2", &error) && config_set(&config, "hosts=a.example,b.example:8", &error)
		   && config_set(&config, "origins=https://page.example", &error);
	guard = guard_create(&config);
	guard_set_token(guard, token);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens), cmocka_unit_test(test_named_tokens), cmocka_unit_test(test_pairs), cmocka_unit_test(test_names), cmocka_unit_test(test_pages),
		cmocka_unit_test(test_sockets_of_the_system), cmocka_unit_test(test_addresses),
	};
	int failed = set ? RUN(tests) : 1;
	guard_destroy(guard);
	config_finish(&config);
	return failed;
}
