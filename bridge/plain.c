/* plain.c - see plain.h */
#include "plain.h"

/* Bytes of the character at P; 0: it is none, or one that commands (C1). */
static size_t length(const unsigned char *p)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	return n == 2 && p[0] == 0xC2 && p[1] < 0xA0 ? 0 : n;
}

char *plain_text(const char *text, char *room, size_t size)
{
	size_t n = 0;
	for (const unsigned char *p = (const unsigned char *)text; *p;) {
		size_t len = length(p);
		if (n + (len ? len : 1) >= size)
			break;
		if (!len || *p == 127)
			room[n++] = '?';
		else if (*p < 32)
			room[n++] = ' ';
		else
			for (size_t i = 0; i < len; i++)
				room[n++] = (char)p[i];
		p += len ? len : 1;
	}
	room[n] = 0;
	return room;
}
