/* plain.c - see plain.h */
#include "plain.h"
#include "log.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The character at P and, returned, its bytes; 0: UTF-8 has none such. */
static size_t decode(const unsigned char *p, unsigned *code)
{
	static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;
	*code = n < 2 ? p[0] : p[0] & (0x7Fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return 0;
		*code = *code << 6 | (p[i] & 0x3F);
	}
	return n && *code >= least[n] && *code <= 0x10FFFF && (*code & 0xFFFFF800) != 0xD800 ? n : 0;
}

/* Does it command a terminal (C1), end a line, turn the direction of what follows, or hide? */
static bool is_odd(unsigned code)
{
	return (code >= 0x7F && code < 0xA0) || code == 0xAD || code == 0x61C || code == 0x180E || code == 0x200B || code == 0x200E || code == 0x200F
	       || (code >= 0x2028 && code <= 0x202E) || (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF
	       || (code >= 0xFFF9 && code <= 0xFFFB) || (code >= 0xE0000 && code <= 0xE007F);
}

char *plain_text(const char *text, char *room, size_t size)
{
	size_t n = 0;
	for (const unsigned char *p = (const unsigned char *)text; *p;) {
		unsigned code;
		size_t len = decode(p, &code);
		if (n + (len ? len : 1) >= size)
			break;
		if (!len || is_odd(code))
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

void plain_print(const char *text, FILE *out)
{
	if (!isatty(fileno(out))) {
		fputs(text, out);
		return;
	}
	char *copy = strdup(text), *p = copy;
	if (!copy)
		log_no_memory();
	while (*p) {
		size_t len = strcspn(p, "\n\t");
		char end = p[len], *next = p + len + (end != 0);
		p[len] = 0;
		fputs(plain_text(p, p, len + 1), out);
		if (end)
			fputc(end, out);
		p = next;
	}
	free(copy);
}
