/* runs.c - see runs.h.  A block of bytes becomes masks of 64 bits, a bit a byte, and what is asked of
 * all of them is asked of the masks. */
#include "mcp/runs.h"
#include "mcp/text.h"

#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

const char runs_meaning[256] = {
	['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};

enum { BLOCK = 64 };

typedef signed char lanes __attribute__((vector_size(16)));

struct block {
	lanes v[BLOCK / 16];
};

/* A bit for each lane that is -1; the first one's is the lowest.  All are -1 or 0. */
static inline uint64_t bits(lanes v)
{
#ifdef __SSE2__
	return (unsigned)_mm_movemask_epi8((__m128i)v);
#else
	uint64_t half[2], all = 0;
	memcpy(half, &v, sizeof half);
	for (int i = 0; i < 2; i++) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		half[i] = __builtin_bswap64(half[i]);
#endif
		all |= ((half[i] & UINT64_C(0x8080808080808080)) * UINT64_C(0x0002040810204081) >> 56) << i * 8;
	}
	return all;
#endif
}

/* A bit for each byte of the block that is C; that is less than C, where bytes over 0x7F are negative. */
static inline uint64_t equal(const struct block *b, signed char c)
{
	return bits(b->v[0] == c) | bits(b->v[1] == c) << 16 | bits(b->v[2] == c) << 32 | bits(b->v[3] == c) << 48;
}

static inline uint64_t less(const struct block *b, signed char c)
{
	return bits(b->v[0] < c) | bits(b->v[1] < c) << 16 | bits(b->v[2] < c) << 32 | bits(b->v[3] < c) << 48;
}

/* How much of the block with its HIGH bytes is whole sequences of UTF-8: up to one that goes on behind it.
 * Where something is *wrong, up to the first high byte. */
static inline unsigned sequences(const struct block *b, uint64_t high, bool *wrong)
{
	uint64_t next = less(b, -64), first = high & ~next; /* 0xC0 */
	uint64_t three = first & ~less(b, -32), four = three & ~less(b, -16); /* 0xE0, 0xF0 */
	uint64_t wanted = first << 1 | three << 2 | four << 3;
	uint64_t bad = (wanted ^ next) | (first & less(b, -62)) | (four & ~less(b, -11)); /* 0xC2, 0xF5 */
	bad |= (equal(b, -32) << 1 & less(b, -96)) | (equal(b, -19) << 1 & ~less(b, -96)); /* 0xE0, 0xED; 0xA0 */
	bad |= (equal(b, -16) << 1 & less(b, -112)) | (equal(b, -12) << 1 & ~less(b, -112)); /* 0xF0, 0xF4; 0x90 */
	uint64_t cut = first >> 63 << 63 | three >> 62 << 62 | four >> 61 << 61;
	*wrong = bad != 0;
	return bad ? (unsigned)__builtin_ctzll(high) : cut ? (unsigned)__builtin_ctzll(cut) : BLOCK;
}

/* The bytes that a backslash before them makes part of an escape; *carry: the block begins,
 * afterwards the next one does, with such a byte. */
static inline uint64_t escaped(uint64_t slash, uint64_t *carry)
{
	const uint64_t even = UINT64_C(0x5555555555555555);
	slash &= ~*carry;
	uint64_t follows = slash << 1 | *carry, sum;
	*carry = __builtin_add_overflow(slash & ~even & ~follows, slash, &sum);
	return (even ^ sum << 1) & follows;
}

/* 16 bytes at a time: up to 15 more than LEN are read and written. */
static inline char *copy(char *to, const char *from, unsigned len)
{
	for (unsigned i = 0; i < len; i += 16)
		memcpy(to + i, from + i, 16);
	return to + len;
}

/* Where the block must stop, BLOCK: nowhere; *ended: it goes no further from there. */
static inline unsigned limit(const struct block *b, uint64_t letters, bool *ended)
{
	uint64_t high = less(b, 0), ends = (equal(b, '"') & ~letters) | (less(b, 0x20) & ~high);
	unsigned stop = high ? sequences(b, high, ended) : BLOCK, end = ends ? (unsigned)__builtin_ctzll(ends) : BLOCK;
	if (end >= stop)
		return stop;
	*ended = true;
	return end;
}

/* Whole blocks; TO may be NULL. */
static inline size_t blocks(char **to, const char *data, size_t len)
{
	uint64_t carry = 0;
	bool ended = false;
	size_t i = 0;
	char *out = to ? *to : NULL;
	while (len - i >= BLOCK + 16 && !ended) {
		struct block b;
		memcpy(&b, data + i, BLOCK);
		unsigned from = (unsigned)carry; /* the letter of an escape that was copied with the block before */
		uint64_t slash = equal(&b, '\\'), letters = escaped(slash, &carry), starts = slash & ~letters;
		unsigned stop = limit(&b, letters, &ended);
		if (stop < BLOCK) {
			starts &= (UINT64_C(1) << stop) - 1;
			carry = 0;
		}
		for (; starts; starts &= starts - 1) {
			unsigned at = (unsigned)__builtin_ctzll(starts);
			char means = runs_meaning[(unsigned char)data[i + at + 1]];
			if (!means) {
				stop = at;
				carry = 0;
				ended = true;
				break;
			}
			if (to) {
				out = copy(out, data + i + from, at - from);
				*out++ = means;
			}
			from = at + 2;
		}
		if (to && from < stop)
			out = copy(out, data + i + from, stop - from);
		i += stop;
	}
	if (to)
		*to = out;
	return i + carry;
}

/* One character or short escape; 0: it is neither. */
static inline size_t one(char **to, const char *data, size_t len)
{
	unsigned char c = (unsigned char)data[0];
	size_t n = c < 0x80 ? 1 : text_sequence(data, len);
	char means = c != '\\' ? (char)c : len > 1 ? runs_meaning[(unsigned char)data[1]] : 0;
	if (!n || !means || c < 0x20 || c == '"')
		return 0;
	if (to && n > 1)
		memcpy(*to, data, n);
	else if (to)
		**to = means;
	if (to)
		*to += n;
	return n + (c == '\\');
}

static inline size_t run(char **to, const char *data, size_t len)
{
	enum { PATIENCE = 32 }; /* characters one by one before blocks are tried again */
	size_t i = 0, n;
	for (;;) {
		i += blocks(to, data + i, len - i);
		for (int k = 0; k < PATIENCE || len - i < BLOCK + 16; k++) {
			if (i == len || !(n = one(to, data + i, len - i)))
				return i;
			i += n;
		}
	}
}

size_t runs_skip(const char *data, size_t len)
{
	return run(NULL, data, len);
}

size_t runs_copy(char **to, const char *data, size_t len)
{
	return run(to, data, len);
}

bool runs_begin(unsigned char lead, unsigned *left, unsigned char *lowest, unsigned char *highest)
{
	*left = lead >= 0xC2 && lead < 0xE0 ? 1 : lead >= 0xE0 && lead < 0xF0 ? 2 : lead >= 0xF0 && lead < 0xF5 ? 3 : 0;
	*lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
	*highest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
	return *left > 0;
}
