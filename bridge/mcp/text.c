/* text.c - see text.h */
#include "mcp/text.h"
#include "log.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_add(struct buf *b, const char *data, size_t len)
{
	if (!buf_add(b, data, len))
		log_no_memory();
}

void text_put(struct buf *b, const char *words)
{
	text_add(b, words, strlen(words));
}

void text_format(struct buf *b, const char *format, ...)
{
	char *made;
	va_list ap;
	va_start(ap, format);
	int n = vasprintf(&made, format, ap);
	va_end(ap);
	if (n < 0)
		log_no_memory();
	text_add(b, made, (size_t)n);
	free(made);
}

const char *text_string(struct buf *b)
{
	if (!buf_reserve(b, 1))
		log_no_memory();
	*buf_room(b) = 0;
	return buf_data(b);
}

static int on_chunk(const char *data, size_t len, void *b)
{
	text_add(b, data, len);
	return 0;
}

void text_json(struct buf *b, const json_t *value)
{
	if (json_dump_callback(value, on_chunk, b, JSON_COMPACT | JSON_ENCODE_ANY) != 0)
		log_no_memory();
}

char *text_dump(const json_t *value)
{
	char *made = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	if (!made)
		log_no_memory();
	return made;
}

void text_base64(struct buf *b, const char *data, size_t len)
{
	size_t room = sodium_base64_encoded_len(len, sodium_base64_VARIANT_ORIGINAL);
	if (!buf_reserve(b, room))
		log_no_memory();
	sodium_bin2base64(buf_room(b), room, (const unsigned char *)data, len, sodium_base64_VARIANT_ORIGINAL);
	buf_filled(b, room - 1); /* not its end */
}

size_t text_sequence(const char *data, size_t len)
{
	const unsigned char *p = (const unsigned char *)data;
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;
	if (n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] >= 0xA0) || (p[0] == 0xF0 && p[1] < 0x90)
	    || (p[0] == 0xF4 && p[1] >= 0x90))
		return 0;
	return n;
}

static void escape_one(struct buf *b, unsigned char c)
{
	switch (c) {
	case '"':
		text_put(b, "\\\"");
		break;
	case '\\':
		text_put(b, "\\\\");
		break;
	case '\n':
		text_put(b, "\\n");
		break;
	case '\t':
		text_put(b, "\\t");
		break;
	case '\r':
		text_put(b, "\\r");
		break;
	default:
		text_format(b, "\\u%04x", c);
	}
}

void text_escape(struct buf *b, const char *data, size_t len)
{
	const unsigned char *p = (const unsigned char *)data, *end = p + len, *plain = p;
	while (p < end) {
		size_t n = text_sequence((const char *)p, (size_t)(end - p));
		if (n && *p >= 0x20 && *p != '"' && *p != '\\') {
			p += n;
			continue;
		}
		text_add(b, (const char *)plain, (size_t)(p - plain));
		if (n)
			escape_one(b, *p);
		else
			text_put(b, "\xEF\xBF\xBD");
		plain = ++p;
	}
	text_add(b, (const char *)plain, (size_t)(p - plain));
}

void text_quote(struct buf *b, const char *words)
{
	text_put(b, "\"");
	text_escape(b, words, strlen(words));
	text_put(b, "\"");
}
