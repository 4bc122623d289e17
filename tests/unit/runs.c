/* runs.c - blocks of a JSON string mean what its bytes mean one by one, wherever they begin,
 * with the processor's vectors and without. */
#include "test.h"

#include "mcp/text.h"
#include "mcp/unescape.h"

/* The same file as it is where there is no SSE2. */
#undef __SSE2__
#define runs_skip portable_skip
#define runs_copy portable_copy
#define runs_begin portable_begin
#define runs_meaning portable_meaning
#include "../../bridge/mcp/runs.c"
#undef runs_skip
#undef runs_copy
#undef runs_begin
#undef runs_meaning
size_t runs_skip(const char *data, size_t len);
size_t runs_copy(char **to, const char *data, size_t len);

/* Does nothing that needs no thought begin there? */
static bool thought(const char *at, size_t len)
{
	unsigned char c = (unsigned char)*at;
	if (c == '\\')
		return len < 2 || !strchr("\"\\/bfnrt", at[1]) || !at[1];
	return c == '"' || c < 0x20 || (c >= 0x80 && !text_sequence(at, len));
}

static void copied(size_t (*how)(char **to, const char *data, size_t len), const char *data, size_t len, size_t n, const struct buf *want)
{
	char *room = malloc(len + RUNS_ROOM), *to = room, *exact = malloc(len ? len : 1); /* the sanitizer sees what is beyond */
	assert_non_null(room);
	assert_non_null(exact);
	memcpy(exact, data, len);
	assert_int_equal(how(&to, exact, len), n);
	assert_int_equal(to - room, buf_len(want));
	assert_memory_equal(room, buf_data(want), buf_len(want));
	free(exact);
	free(room);
}

static void judge(const char *data, size_t len)
{
	struct unescape u = {0};
	struct buf want = {0};
	size_t n = runs_skip(data, len);
	assert_true(n <= len && (n == len || thought(data + n, len - n)));
	for (size_t i = 0; i < n; i++) /* one byte at a time no block is seen */
		assert_int_equal(unescape_feed(&u, data + i, 1, &want), 1);
	assert_false(u.wrong || u.ended || u.escape || u.utf8 || u.high);
	assert_int_equal(portable_skip(data, len), n);
	copied(runs_copy, data, len, n, &want);
	copied(portable_copy, data, len, n, &want);
	buf_finish(&want);
}

static void test_noise(void **state)
{
	/* Each is whole; how often something is odd differs from round to round. */
	static const char *const parts[] = {"a", "plain words", "\\n", "\\\"", "\\\\", "\\\\\\\\", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xE0\xA0\x80",
					    "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF", "\xF0\x90\x80\x80", "\x7F", "/", "\\/"};
	static const char *const odd[] = {"\"", "\\u0041", "\n", "\\x", "\xC3", "\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80",
					  "\xC0\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\\", "\\\xC3\xA9", "\\\n"};
	unsigned seed = 11;
	(void)state;
	for (int i = 0; i < 20 * 1000; i++) {
		char text[700];
		size_t len = 0, most = (size_t)rand_r(&seed) % 600;
		int kinds = 1 + rand_r(&seed) % 16, rare = 3 << rand_r(&seed) % 8;
		while (len < most) {
			bool is_odd = rand_r(&seed) % rare == 0;
			const char *part = is_odd ? odd[rand_r(&seed) % 16] : parts[rand_r(&seed) % kinds];
			memcpy(text + len, part, strlen(part));
			len += strlen(part);
		}
		judge(text, len);
	}
}

/* Every pair of neighbours at every place of a block. */
static void test_places(void **state)
{
	static const char *const all[] = {"\\\"", "\\\\", "\\\\\"", "\"", "\\u00e9", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xC3", "\xE2\x82", "\xF0\x9F\x98",
					  "\xA9", "\n", "\\\n", "\\\xC3\xA9", "\xC3\\n", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF4\x90\x80\x80"};
	char text[220];
	(void)state;
	for (size_t k = 0; k < sizeof all / sizeof *all; k++)
		for (size_t at = 0; at < 140; at++)
			for (int high = 0; high < 2; high++) {
				memset(text, 'x', sizeof text);
				if (high)
					memcpy(text + 20, "\xC3\xA9", 2);
				memcpy(text + at, all[k], strlen(all[k]));
				judge(text, sizeof text);
				judge(text, at + strlen(all[k]));
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_places),
	};
	return RUN(tests);
}
