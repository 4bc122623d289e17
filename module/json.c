/* json.c - see json.h */
#include "json.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Length of the UTF-8 sequence at P (RFC 3629: no overlong forms, no surrogates,
 * nothing over U+10FFFF); 0: not one. */
static size_t utf8_length(const unsigned char *p, const unsigned char *end)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xC2 && p[0] < 0xE0 ? 2 : p[0] >= 0xE0 && p[0] < 0xF0 ? 3 : p[0] >= 0xF0 && p[0] < 0xF5 ? 4 : 0;
	if (!n || (size_t)(end - p) < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] >= 0xA0) || (p[0] == 0xF0 && p[1] < 0x90)
	    || (p[0] == 0xF4 && p[1] >= 0x90))
		return 0;
	return n;
}

/* Eight bytes at a time. */
#define EACH(c) (UINT64_C(0x0101010101010101) * (c))
#define HIGH EACH(0x80)

/* How much of the text is UTF-8. */
static size_t utf8_span(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + len;
	size_t n;
	while (p < end) {
		for (uint64_t v; end - p >= 8; p += 8) {
			memcpy(&v, p, 8);
			if (v & HIGH)
				break;
		}
		if (p == end || !(n = utf8_length(p, end)))
			break;
		p += n;
	}
	return (size_t)((const char *)p - text);
}

bool json_is_utf8(const char *text, size_t len)
{
	return utf8_span(text, len) == len;
}

size_t json_cut(const char *text, size_t len, size_t max)
{
	if (len <= max)
		return len;
	while (max && ((unsigned char)text[max] & 0xC0) == 0x80)
		max--;
	return max;
}

bool json_put_utf8(struct buf *out, const char *text, size_t len)
{
	for (;;) {
		size_t n = utf8_span(text, len);
		if (!buf_add(out, text, n))
			return false;
		if (n == len)
			return true;
		if (!buf_add(out, "\xEF\xBF\xBD", 3))
			return false;
		text += n + 1;
		len -= n + 1;
	}
}

/* How each ASCII byte is written in a string, and in a string of a JSON text that is itself a string. */
static struct escape {
	unsigned char len;
	char text[11];
} escapes[2][128];

__attribute__((constructor)) static void fill_escapes(void)
{
	static const char names[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	for (int c = 0; c < 128; c++) {
		struct escape *once = &escapes[0][c], *twice = &escapes[1][c];
		const char *at = c ? strchr(names, c) : NULL;
		if (at)
			once->len = (unsigned char)snprintf(once->text, sizeof once->text, "\\%c", letters[at - names]);
		else if (c < 0x20 || c == 0x7F)
			once->len = (unsigned char)snprintf(once->text, sizeof once->text, "\\u%04x", (unsigned)c);
		else
			once->text[once->len++] = (char)c;
		for (int i = 0; i < once->len; i++) {
			if (once->text[i] == '"' || once->text[i] == '\\')
				twice->text[twice->len++] = '\\';
			twice->text[twice->len++] = once->text[i];
		}
	}
}

static bool plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

/* Where the first byte after P is that is not written as it is: eight at a time, a byte
 * that sets its high bit in one of the terms is not plain. */
static const unsigned char *skip_plain(const unsigned char *p, const unsigned char *end)
{
	for (uint64_t v; end - p >= 8; p += 8) {
		memcpy(&v, p, 8);
		uint64_t quote = v ^ EACH('"'), slash = v ^ EACH('\\'), del = v ^ EACH(0x7F);
		if ((v | ((v - EACH(0x20)) & ~v) | ((quote - EACH(1)) & ~quote) | ((slash - EACH(1)) & ~slash)
		     | ((del - EACH(1)) & ~del)) & HIGH)
			break;
	}
	while (p < end && plain(*p))
		p++;
	return p;
}

bool json_put_escaped(struct buf *out, bool nested, const char *text, size_t len, bool *lossy)
{
	enum { SLACK = 16 }; /* the longest escape */
	const unsigned char *p = (const unsigned char *)text, *end = p + len;
	size_t n;
	if (!buf_reserve(out, len + (len > 4096 ? len / 8 : 0) + SLACK))
		return false;
	while (p < end) {
		const unsigned char *run = p;
		while ((p = skip_plain(p, end)) < end && *p >= 0x80 && (n = utf8_length(p, end)))
			p += n;
		if (!buf_reserve(out, (size_t)(end - run) + SLACK))
			return false;
		memcpy(buf_room(out), run, (size_t)(p - run));
		buf_filled(out, (size_t)(p - run));
		if (p == end)
			break;
		static const struct escape replacement = {3, "\xEF\xBF\xBD"};
		const struct escape *e = *p < 0x80 ? &escapes[nested][*p] : &replacement;
		memcpy(buf_room(out), e->text, sizeof e->text);
		buf_filled(out, e->len);
		if (*p >= 0x80 && lossy)
			*lossy = true;
		p++;
	}
	return true;
}

bool json_put_string(struct buf *out, const char *text, size_t len, bool *lossy)
{
	return buf_add(out, "\"", 1) && json_put_escaped(out, false, text, len, lossy) && buf_add(out, "\"", 1);
}
