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
		for (uint64_t v[4]; end - p >= 32; p += 32) {
			memcpy(v, p, 32);
			if ((v[0] | v[1] | v[2] | v[3]) & HIGH)
				break;
		}
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
	char text[15]; /* 11 at most */
	unsigned char len;
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

enum { STEP = 16 }; /* bytes that are read and written at once */

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
static bool plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

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

/* Is one of the STEP bytes no ASCII? */
static bool high(const unsigned char *p)
{
	uint64_t v[STEP / 8];
	memcpy(v, p, STEP);
	return (v[0] | v[1]) & HIGH;
}

enum { WORST = STEP * (int)sizeof(struct escape) }; /* bytes that STEP bytes may become, and those stored behind them */

/* The STEP bytes at P with the odd ones of MASK, all ASCII, escaped; as many more may be read.
 * The masks of the odd bytes are known, so that no step waits for the one before. */
static char *put_step(char *to, const unsigned char *p, unsigned mask, const struct escape *table)
{
	unsigned from = 0;
	do {
		unsigned at = (unsigned)__builtin_ctz(mask);
		const struct escape *e = &table[p[at]];
		memcpy(to, p + from, STEP);
		to += at - from;
		memcpy(to, e, sizeof *e);
		to += e->len;
		from = at + 1;
		mask &= mask - 1;
	} while (mask);
	memcpy(to, p + from, STEP);
	return to + (STEP - from);
}

/* All of what is ASCII and has twice STEP bytes before its end; *to has room for the worst of one step. */
static const unsigned char *put_ascii(char **to, const char *limit, const unsigned char *p, const unsigned char *end, const struct escape *table)
{
	while (end - p >= 2 * STEP && *to <= limit) {
		unsigned mask = copy_step(*to, p);
		if (mask && high(p))
			break;
		*to = mask ? put_step(*to, p, mask, table) : *to + STEP;
		p += STEP;
	}
	return p;
}

/* One character; false: what is there is none. */
static bool put_character(char **to, const unsigned char **p, const unsigned char *end, const struct escape *table)
{
	size_t n = utf8_length(*p, end);
	if (n == 1) {
		memcpy(*to, &table[**p], sizeof *table);
		*to += table[**p].len;
	} else {
		memcpy(*to, n ? (const char *)*p : "\xEF\xBF\xBD", n ? n : 3);
		*to += n ? n : 3;
	}
	*p += n ? n : 1;
	return n > 0;
}

bool json_put_escaped(struct buf *out, bool nested, const char *text, size_t len, bool *lossy)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + len;
	const struct escape *table = escapes[nested];
	while (p < end) {
		size_t left = (size_t)(end - p);
		if (!buf_reserve(out, left + (left > 4096 ? left / 8 : 0) + 2 * WORST))
			return false;
		char *to = buf_room(out), *limit = out->mem + out->cap - WORST;
		while (p < end && to <= limit) {
			p = put_ascii(&to, limit, p, end, table);
			for (int i = 0; i < STEP && p < end && to <= limit; i++)
				if (!put_character(&to, &p, end, table) && lossy)
					*lossy = true;
		}
		buf_filled(out, (size_t)(to - buf_room(out)));
	}
	return true;
}

typedef unsigned char lanes __attribute__((vector_size(STEP)));

/* How many bytes each of these becomes more than one. */
static lanes growth(lanes v)
{
	lanes control = (lanes)(v < 0x20) | (lanes)(v == 0x7F), letter = (lanes)(v >= 8) & (lanes)(v <= 13) & (lanes)(v != 11);
	lanes marked = (lanes)(v == '"') | (lanes)(v == '\\');
	return (control & 5) - (letter & 4) + (marked & 1);
}

size_t json_escaped_length(const char *text, size_t len)
{
	enum { ROUNDS = 48 }; /* of at most 5: no lane overflows */
	size_t total = len, i = 0;
	while (len - i >= STEP) {
		lanes sum = {0}, v;
		for (int n = 0; n < ROUNDS && len - i >= STEP; n++, i += STEP) {
			memcpy(&v, text + i, STEP);
			sum += growth(v);
		}
		for (int n = 0; n < STEP; n++)
			total += sum[n];
	}
	for (; i < len; i++)
		total += (unsigned char)text[i] < 0x80 ? escapes[0][(unsigned char)text[i]].len - 1u : 0;
	return total;
}

bool json_put_string(struct buf *out, const char *text, size_t len, bool *lossy)
{
	return buf_add(out, "\"", 1) && json_put_escaped(out, false, text, len, lossy) && buf_add(out, "\"", 1);
}
