/* plain.c - text of others, for a terminal: it commands nothing and is cut between characters. */
#include "test.h"

#include "plain.h"

static void becomes(const char *text, size_t size, const char *wanted)
{
	char room[64];
	memset(room, 'X', sizeof room);
	assert_string_equal(plain_text(text, room, size), wanted);
	assert_int_equal(room[size], 'X');
}

static void test_plain(void **state)
{
	(void)state;
	becomes("", 1, "");
	becomes("abc", 4, "abc");
	becomes("abc", 3, "ab");
	becomes("abc", 1, "");
	becomes("a\033[2Jb\r\nc\177", 60, "a [2Jb  c?");
	becomes("\302\233 31m\302\205", 60, "? 31m?"); /* C1 */
	becomes("\233a\377\xC0\x80", 60, "?a???");
	becomes("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", 60, "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80");
	becomes("\xC3\xA4\xE2\x82\xAC", 5, "\xC3\xA4");
	becomes("\xE2\x82", 60, "??");
	becomes("\xED\xA0\x80|\xE0\x80\xAF|\xF0\x80\x80\x80|\xF4\x90\x80\x80|\xF8", 60, "???|???|????|????|?"); /* surrogate, too long, too large */
	becomes("a\xE2\x80\xAEtxt.exe\xE2\x80\xA8\xE2\x81\xA6\xEF\xBB\xBF", 60, "a?txt.exe???"); /* turned around, a line's end, hidden */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
	};
	return RUN(tests);
}
