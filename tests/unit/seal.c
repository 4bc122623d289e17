/* seal.c - what a client carries for us: it comes back as it was, or not at all. */
#include "test.h"

#include "mcp/seal.h"

#include <sys/stat.h>
#include <unistd.h>

#define ABOUT "local\ntools/call\n{}"

static char *closed(struct seal *s, const char *text, const char *about, long seconds)
{
	return seal_close(s, text, strlen(text), about, strlen(about), seconds);
}

static void opens_to(struct seal *s, const char *sealed, const char *about, const char *text)
{
	char *opened = seal_open(s, sealed, about, strlen(about));
	if (text)
		assert_string_equal(opened, text);
	else
		assert_null(opened);
	free(opened);
}

static void test_round_trip(void **state)
{
	struct seal *s = seal_create("");
	(void)state;
	for (size_t len = 0; len < 40; len++) {
		char text[41] = {0};
		memset(text, 'x', len);
		char *sealed = closed(s, text, ABOUT, 10);
		assert_null(strstr(sealed, "xxx")); /* nobody reads it */
		assert_int_equal(strspn(sealed, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), strlen(sealed));
		opens_to(s, sealed, ABOUT, text);
		free(sealed);
	}
	seal_destroy(s);
}

static void test_each_character_counts(void **state)
{
	struct seal *s = seal_create(""), *other = seal_create("");
	char *sealed = closed(s, "{\"state\":7}", ABOUT, 10);
	size_t len = strlen(sealed);
	(void)state;
	for (size_t i = 0; i < len; i++) {
		char kept = sealed[i];
		sealed[i] = kept == 'A' ? 'B' : 'A';
		opens_to(s, sealed, ABOUT, NULL);
		sealed[i] = kept;
	}
	opens_to(s, sealed, ABOUT " ", NULL);
	opens_to(s, sealed, "someone\ntools/call\n{}", NULL);
	opens_to(other, sealed, ABOUT, NULL);
	opens_to(s, "", ABOUT, NULL);
	opens_to(s, "no base64!", ABOUT, NULL);
	char longer[512];
	snprintf(longer, sizeof longer, "%s-TAMPERED", sealed);
	opens_to(s, longer, ABOUT, NULL);
	for (size_t i = 1; i < len; i++) { /* cut off */
		memcpy(longer, sealed, i);
		longer[i] = 0;
		opens_to(s, longer, ABOUT, NULL);
	}
	opens_to(s, sealed, ABOUT, "{\"state\":7}");
	free(sealed);
	seal_destroy(s);
	seal_destroy(other);
}

static void test_it_ends(void **state)
{
	struct seal *s = seal_create("");
	char *sealed = closed(s, "old", ABOUT, -2);
	(void)state;
	opens_to(s, sealed, ABOUT, NULL);
	free(sealed);
	seal_destroy(s);
}

/* With a file the key outlives the program; without a safe one it is not used. */
static void test_the_key_in_a_file(void **state)
{
	char folder[] = "/tmp/efrit-seal-XXXXXX", path[64];
	struct stat st;
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/key", folder);
	struct seal *s = seal_create(path);
	char *sealed = closed(s, "kept", ABOUT, 10);
	seal_destroy(s);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size, 32);
	s = seal_create(path);
	opens_to(s, sealed, ABOUT, "kept");
	seal_destroy(s);
	assert_int_equal(chmod(path, 0644), 0);
	s = seal_create(path);
	opens_to(s, sealed, ABOUT, NULL);
	seal_destroy(s);
	free(sealed);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0); /* nothing else was left there */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_each_character_counts),
		cmocka_unit_test(test_it_ends),
		cmocka_unit_test(test_the_key_in_a_file),
	};
	return RUN(tests);
}
