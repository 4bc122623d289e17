/* fuzz.h - what the harnesses of tests/fuzz share.  Each is one file with one
 * LLVMFuzzerTestOneInput: libFuzzer calls it (`make fuzz`), or replay.c with the
 * inputs of corpus/ (`make check`).  A harness says what must hold with must(). */
#ifndef FUZZ_H
#define FUZZ_H

#include "wire/buf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(what) ((what) ? (void)0 : fuzz_broken(__FILE__, __LINE__, #what))

__attribute__((noreturn)) static inline void fuzz_broken(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

/* The input, eaten from the front; zeros when it is over. */
struct input {
	const uint8_t *at;
	size_t left;
};

static inline uint8_t input_byte(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->at++;
}

/* Up to LEN bytes of it; *len is how many there are. */
static inline const char *input_bytes(struct input *in, size_t *len)
{
	const char *from = (const char *)in->at;
	if (*len > in->left)
		*len = in->left;
	in->at += *len;
	in->left -= *len;
	return from;
}

/* Of exactly that size, so that the address sanitizer sees a byte too far.  Caller frees. */
static inline char *input_copy(const char *data, size_t len)
{
	char *copy = malloc(len ? len : 1);
	must(copy);
	if (len)
		memcpy(copy, data, len);
	return copy;
}

/* Sizes of pieces, made from one byte of the input: all of 1, all at once, or changing. */
static inline size_t piece(uint8_t *seed, size_t left)
{
	size_t n = *seed == 0 ? left : *seed == 1 ? 1 : (size_t)1 + *seed % 61;
	if (*seed > 1)
		*seed = (uint8_t)(*seed * 5 + 3) | 2;
	return n < left ? n : left;
}

/* JSON that jansson can hold.  It refuses some that is well-formed: integers and reals
 * out of range, and keys with a NUL. */
static inline bool fuzz_is_json(const char *text, size_t len, bool *cannot_hold)
{
	json_error_t error;
	json_t *v = json_loadb(text, len, JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &error);
	enum json_error_code code = v ? json_error_unknown : json_error_code(&error);
	if (cannot_hold)
		*cannot_hold = !v && (code == json_error_numeric_overflow || code == json_error_null_byte_in_key);
	bool ok = v;
	json_decref(v);
	return ok;
}

#endif
