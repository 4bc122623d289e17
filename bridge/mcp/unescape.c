/* unescape.c - see unescape.h */
#include "mcp/unescape.h"
#include "log.h"
#include "mcp/text.h"

#include <string.h>

/* What a letter after a backslash stands for. */
static const char meaning[256] = {
	['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};

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
	if (u->escape == 1) {
		if (c == 'u') {
			u->escape = 2;
			u->code = 0;
			return true;
		}
		u->escape = 0;
		if (!meaning[(unsigned char)c] || u->high)
			return false;
		text_add(out, &meaning[(unsigned char)c], 1);
		return true;
	}
	int value = digit(c);
	if (value < 0)
		return false;
	u->code = u->code << 4 | (unsigned)value;
	return ++u->escape < 6 || take_code(u, out);
}

#define EACH(c) (UINT64_C(0x0101010101010101) * (c))

/* Copies bytes up to the first quote or backslash, eight at a time, to TO, which has room for
 * eight more than LEN.  How many these are. */
static size_t copy_plain(char *to, const char *data, size_t len)
{
	size_t i = 0;
	for (uint64_t v; len - i >= 8; i += 8) {
		memcpy(&v, data + i, 8);
		memcpy(to + i, &v, 8);
		uint64_t quote = v ^ EACH('"'), slash = v ^ EACH('\\');
		uint64_t odd = (((quote - EACH(1)) & ~quote) | ((slash - EACH(1)) & ~slash)) & EACH(0x80);
		if (!odd)
			continue;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		return i + (size_t)__builtin_ctzll(odd) / 8; /* what lies before the first is right */
#else
		break;
#endif
	}
	for (; i < len && data[i] != '"' && data[i] != '\\'; i++)
		to[i] = data[i];
	return i;
}

/* Plain bytes and escapes of one letter, which nearly all is made of; stops before all else. */
static size_t run(const char *data, size_t len, struct buf *out)
{
	size_t at = 0;
	if (!buf_reserve(out, len + 8))
		log_no_memory();
	char *to = buf_room(out);
	for (;;) {
		size_t n = copy_plain(to, data + at, len - at);
		to += n;
		at += n;
		if (len - at < 2 || data[at] != '\\' || !meaning[(unsigned char)data[at + 1]])
			break;
		*to++ = meaning[(unsigned char)data[at + 1]];
		at += 2;
	}
	buf_filled(out, (size_t)(to - buf_room(out)));
	return at;
}

size_t unescape_feed(struct unescape *u, const char *data, size_t len, struct buf *out)
{
	size_t at = 0;
	while (at < len && !u->ended && !u->wrong) {
		if (u->escape) {
			u->wrong = !take(u, data[at], out);
			at += !u->wrong;
			continue;
		}
		if (!u->high)
			at += run(data + at, len - at, out);
		if (at == len)
			break;
		if (data[at] == '\\')
			u->escape = 1;
		else if (u->high)
			u->wrong = true;
		else
			u->ended = true;
		at += !u->wrong;
	}
	return at;
}
