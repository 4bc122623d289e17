/* unescape.c - see unescape.h */
#include "mcp/unescape.h"
#include "mcp/text.h"

#include <string.h>

static void put_character(struct buf *out, unsigned code)
{
	char c[4];
	size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
	for (size_t i = n - 1; i > 0; i--, code >>= 6)
		c[i] = (char)(0x80 | (code & 0x3F));
	c[0] = (char)(leads[n] | code);
	text_add(out, c, n);
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A \u with all its digits. */
static bool take_code(struct unescape *u, struct buf *out)
{
	bool low = u->code >= 0xDC00 && u->code <= 0xDFFF, high = u->code >= 0xD800 && u->code <= 0xDBFF;
	u->escape = 0;
	if (low != (u->high != 0))
		return false;
	if (high)
		u->high = u->code;
	else
		put_character(out, low ? 0x10000 + ((u->high - 0xD800) << 10) + (u->code - 0xDC00) : u->code);
	if (low)
		u->high = 0;
	return true;
}

/* One byte of an escape. */
static bool take(struct unescape *u, char c, struct buf *out)
{
	static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	if (u->escape == 1) {
		const char *at = c ? strchr(letters, c) : NULL;
		if (c == 'u') {
			u->escape = 2;
			u->code = 0;
			return true;
		}
		u->escape = 0;
		if (!at || u->high)
			return false;
		text_add(out, &meant[at - letters], 1);
		return true;
	}
	int value = digit(c);
	if (value < 0)
		return false;
	u->code = u->code << 4 | (unsigned)value;
	return ++u->escape < 6 || take_code(u, out);
}

/* Bytes before the first quote or backslash. */
static size_t plain(const char *data, size_t len)
{
	const char *quote = memchr(data, '"', len);
	const char *backslash = memchr(data, '\\', quote ? (size_t)(quote - data) : len);
	return backslash ? (size_t)(backslash - data) : quote ? (size_t)(quote - data) : len;
}

size_t unescape_feed(struct unescape *u, const char *data, size_t len, struct buf *out)
{
	size_t at = 0;
	while (at < len && !u->ended && !u->wrong) {
		if (u->escape) {
			u->wrong = !take(u, data[at], out);
			at += !u->wrong;
		} else if (data[at] == '\\') {
			u->escape = 1;
			at++;
		} else if (u->high) {
			u->wrong = true;
		} else if (data[at] == '"') {
			u->ended = true;
			at++;
		} else {
			size_t n = plain(data + at, len - at);
			text_add(out, data + at, n);
			at += n;
		}
	}
	return at;
}
