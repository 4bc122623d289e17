/* buf.c - see buf.h */
#include "buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { KEEP = 64 * 1024 }; /* bytes an empty buffer may hold on to */

void buf_finish(struct buf *b)
{
	if (!b)
		return;
	free(b->mem);
	*b = (struct buf){0};
}

bool buf_reserve(struct buf *b, size_t more)
{
	if (b->mem && b->cap - b->tail >= more)
		return true;
	if (b->head && b->cap - buf_len(b) >= more && b->head >= buf_len(b)) {
		memcpy(b->mem, b->mem + b->head, buf_len(b));
		b->tail -= b->head;
		b->head = 0;
		return true;
	}
	size_t len = buf_len(b);
	if (more > SIZE_MAX / 2 - len)
		return false;
	size_t want = len + more;
	size_t cap = b->cap < 512 ? 512 : b->cap;
	while (cap < want)
		cap += cap / 2 + 1;
	char *mem = b->head ? malloc(cap) : realloc(b->mem, cap);
	if (!mem)
		return false;
	if (!b->head) {
		b->mem = mem;
		b->cap = cap;
		return true;
	}
	if (len)
		memcpy(mem, b->mem + b->head, len);
	free(b->mem);
	*b = (struct buf){.mem = mem, .cap = cap, .head = 0, .tail = len};
	return true;
}

/* A page fault for each 4 KiB costs more than the copy. */
void buf_advise(const struct buf *b)
{
#ifdef MADV_HUGEPAGE
	enum { HUGE = 2 * 1024 * 1024 };
	uintptr_t from = ((uintptr_t)b->mem + HUGE - 1) & ~(uintptr_t)(HUGE - 1), to = ((uintptr_t)b->mem + b->cap) & ~(uintptr_t)(HUGE - 1);
	if (to > from)
		madvise((void *)from, to - from, MADV_HUGEPAGE);
#else
	(void)b;
#endif
}

bool buf_add(struct buf *b, const void *data, size_t len)
{
	if (!len)
		return true;
	if (!buf_reserve(b, len))
		return false;
	memcpy(b->mem + b->tail, data, len);
	b->tail += len;
	return true;
}

bool buf_digits(struct buf *b, unsigned long long n, unsigned least)
{
	char text[20];
	unsigned at = sizeof text;
	do
		text[--at] = (char)('0' + n % 10);
	while ((n /= 10) || (at && sizeof text - at < least));
	return buf_add(b, text + at, sizeof text - at);
}

bool buf_printf(struct buf *b, const char *format, ...)
{
	enum { SHORT = 64 }; /* most are */
	va_list ap;
	if (!buf_reserve(b, SHORT))
		return false;
	size_t room = b->cap - b->tail;
	va_start(ap, format);
	int n = vsnprintf(b->mem + b->tail, room, format, ap);
	va_end(ap);
	if (n < 0)
		return false;
	if ((size_t)n >= room) {
		if (!buf_reserve(b, (size_t)n + 1))
			return false;
		va_start(ap, format);
		vsnprintf(b->mem + b->tail, (size_t)n + 1, format, ap);
		va_end(ap);
	}
	b->tail += (size_t)n;
	return true;
}

void buf_eat(struct buf *b, size_t len)
{
	b->head += len;
	if (b->head < b->tail)
		return;
	b->head = b->tail = 0;
	if (b->cap > KEEP)
		buf_finish(b);
}
