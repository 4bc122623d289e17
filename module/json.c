/* json.c - see json.h */
#include "json.h"

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

/* How much of the text is UTF-8. */
static size_t utf8_span(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + len;
	size_t n;
	while (p < end && (n = *p < 0x80 ? 1 : utf8_length(p, end)))
		p += n;
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

static bool plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != 0x7F;
}

static size_t escape(unsigned char c, char to[8])
{
	static const char names[] = "\"\\\b\f\n\r\t";
	static const char letters[] = "\"\\bfnrt";
	const char *at = c ? strchr(names, c) : NULL;
	if (at) {
		to[0] = '\\';
		to[1] = letters[at - names];
		return 2;
	}
	return (size_t)snprintf(to, 8, "\\u%04x", c);
}

bool json_put_escaped(struct buf *out, const char *text, size_t len, bool *lossy)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + len;
	if (!buf_reserve(out, len + 2))
		return false;
	while (p < end) {
		const unsigned char *run = p;
		size_t n = 1;
		while (p < end && (plain(*p) || (*p >= 0x80 && (n = utf8_length(p, end))))) {
			p += *p < 0x80 ? 1 : n;
		}
		if (!buf_add(out, run, (size_t)(p - run)))
			return false;
		if (p == end)
			break;
		char to[8];
		if (*p < 0x80) {
			if (!buf_add(out, to, escape(*p, to)))
				return false;
		} else {
			if (lossy)
				*lossy = true;
			if (!buf_add(out, "\xEF\xBF\xBD", 3))
				return false;
		}
		p++;
	}
	return true;
}

bool json_put_string(struct buf *out, const char *text, size_t len, bool *lossy)
{
	return buf_add(out, "\"", 1) && json_put_escaped(out, text, len, lossy) && buf_add(out, "\"", 1);
}
