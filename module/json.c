/* json.c - see json.h */
#include "json.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

enum { STEP = 16 }; /* bytes that copy_plain reads and writes at once */

#ifdef __SSE2__
/* A bit for each of the 16 bytes at P that is not written as it is; all are copied. */
static unsigned copy_step(char *to, const unsigned char *p)
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	_mm_storeu_si128((__m128i *)(void *)to, v);
	__m128i low = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20)); /* signed: bytes over 0x7F are low too */
	__m128i odd = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
	return (unsigned)_mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(odd, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7F)))));
}
#else
static unsigned copy_step(char *to, const unsigned char *p)
{
	unsigned mask = 0;
	for (unsigned i = 0; i < STEP; i++) {
		to[i] = (char)p[i];
		mask |= (unsigned)!plain(p[i]) << i;
	}
	return mask;
}
#endif

/* Copies up to the first byte that is not written as it is; TO has room for STEP bytes
 * more than there are.  Returns how many were copied. */
static size_t copy_plain(char *to, const unsigned char *p, const unsigned char *end)
{
	const unsigned char *from = p;
	unsigned mask;
	for (; end - p >= STEP; p += STEP, to += STEP)
		if ((mask = copy_step(to, p)))
			return (size_t)(p - from) + (unsigned)__builtin_ctz(mask);
	while (p < end && plain(*p))
		*to++ = (char)*p++;
	return (size_t)(p - from);
}

bool json_put_escaped(struct buf *out, bool nested, const char *text, size_t len, bool *lossy)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + len;
	if (!buf_reserve(out, len + (len > 4096 ? len / 8 : 0) + STEP))
		return false;
	while (p < end) {
		if (out->cap - out->tail < (size_t)(end - p) + STEP && !buf_reserve(out, (size_t)(end - p) + STEP))
			return false;
		char *to = buf_room(out);
		size_t n = copy_plain(to, p, end);
		p += n;
		to += n;
		if (p < end && *p < 0x80) {
			const struct escape *e = &escapes[nested][*p++];
			memcpy(to, e->text, sizeof e->text);
			n += e->len;
		} else if (p < end) {
			size_t m = utf8_length(p, end);
			memcpy(to, m ? (const char *)p : "\xEF\xBF\xBD", m ? m : 3);
			n += m ? m : 3;
			p += m ? m : 1;
			if (!m && lossy)
				*lossy = true;
		}
		buf_filled(out, n);
	}
	return true;
}

bool json_put_string(struct buf *out, const char *text, size_t len, bool *lossy)
{
	return buf_add(out, "\"", 1) && json_put_escaped(out, false, text, len, lossy) && buf_add(out, "\"", 1);
}
