/* unescape.c - see unescape.h */
#include "mcp/unescape.h"
#include "log.h"
#include "mcp/runs.h"
#include "mcp/text.h"

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
		if (!runs_meaning[(unsigned char)c] || u->high)
			return false;
		text_add(out, &runs_meaning[(unsigned char)c], 1);
		return true;
	}
	int value = digit(c);
	if (value < 0)
		return false;
	u->code = u->code << 4 | (unsigned)value;
	return ++u->escape < 6 || take_code(u, out);
}

/* A byte that is no part of an escape. */
static bool take_plain(struct unescape *u, char c, struct buf *out)
{
	unsigned char byte = (unsigned char)c;
	if (u->utf8) {
		bool fits = byte >= u->lowest && byte <= u->highest;
		u->utf8 -= fits;
		u->lowest = 0x80;
		u->highest = 0xBF;
		text_add(out, &c, fits);
		return fits;
	}
	if (c == '\\') {
		u->escape = 1;
		return true;
	}
	if (u->high || byte < 0x20 || (byte >= 0x80 && !runs_begin(byte, &u->utf8, &u->lowest, &u->highest)))
		return false;
	u->ended = c == '"';
	if (!u->ended)
		text_add(out, &c, 1);
	return true;
}

static size_t run(const char *data, size_t len, struct buf *out)
{
	if (!buf_reserve(out, len + RUNS_ROOM))
		log_no_memory();
	char *to = buf_room(out);
	size_t n = runs_copy(&to, data, len);
	buf_filled(out, (size_t)(to - buf_room(out)));
	return n;
}

size_t unescape_feed(struct unescape *u, const char *data, size_t len, struct buf *out)
{
	size_t at = 0;
	while (at < len && !u->ended && !u->wrong) {
		if (!u->escape && !u->high && !u->utf8)
			at += run(data + at, len - at, out);
		if (at == len)
			break;
		u->wrong = !(u->escape ? take(u, data[at], out) : take_plain(u, data[at], out));
		at += !u->wrong;
	}
	return at;
}
