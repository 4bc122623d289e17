/* closer.c - see closer.h */
#include "mcp/closer.h"
#include "mcp/runs.h"
#include "mcp/text.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

void closer_init(struct closer *c)
{
	*c = (struct closer){.kind = {'{'}, .depth = 1, .state = CLOSER_KEY, .first = true};
}

static bool key_is(const struct closer *c, const char *word)
{
	return c->key_len == strlen(word) && memcmp(c->key, word, c->key_len) == 0;
}

static bool open_one(struct closer *c, char kind)
{
	if (c->depth == CLOSER_DEPTH)
		return false;
	if (c->depth == 1)
		c->in_content = kind == '[' && key_is(c, "content");
	c->kind[c->depth++] = (unsigned char)kind;
	c->state = kind == '{' ? CLOSER_KEY : CLOSER_VALUE;
	c->first = true;
	return true;
}

static bool close_one(struct closer *c, char bracket)
{
	if (c->kind[c->depth - 1] != (bracket == '}' ? '{' : '['))
		return false;
	c->depth--;
	if (c->depth == 1)
		c->in_content = false;
	c->state = c->depth ? CLOSER_AFTER : CLOSER_DONE;
	c->first = false;
	return true;
}

static bool begin_string(struct closer *c, bool is_key)
{
	c->state = CLOSER_STRING;
	c->in_key = is_key;
	if (is_key)
		c->key_len = 0;
	c->first = false;
	return true;
}

static void end_string(struct closer *c)
{
	c->state = c->in_key ? CLOSER_COLON : CLOSER_AFTER;
	if (c->in_key && c->depth == 1 && key_is(c, "isError"))
		c->has_error = true;
}

static bool on_value(struct closer *c, char ch)
{
	if (ch == ']' && c->first && c->kind[c->depth - 1] == '[')
		return close_one(c, ch);
	if (ch == '"')
		return begin_string(c, false);
	if (ch == '{' || ch == '[')
		return open_one(c, ch);
	c->first = false;
	c->literal = ch == 't' ? "rue" : ch == 'f' ? "alse" : ch == 'n' ? "ull" : NULL;
	c->state = c->literal ? CLOSER_LITERAL : CLOSER_NUMBER;
	c->number = ch == '-' ? CLOSER_SIGN : ch == '0' ? CLOSER_ZERO : CLOSER_DIGITS;
	return c->literal || ch == '-' || isdigit((unsigned char)ch);
}

static bool on_after(struct closer *c, char ch)
{
	if (ch == ',') {
		c->state = c->kind[c->depth - 1] == '{' ? CLOSER_KEY : CLOSER_VALUE;
		return true;
	}
	return (ch == '}' || ch == ']') && close_one(c, ch);
}

static bool on_escape(struct closer *c, char ch)
{
	if (c->escape == 1) {
		c->escape = ch == 'u' ? 2 : 0;
		c->code = 0;
		return ch == 'u' || (!c->high && strchr("\"\\/bfnrt", ch) && ch);
	}
	if (!isxdigit((unsigned char)ch))
		return false;
	c->code = c->code << 4 | (unsigned)(isdigit((unsigned char)ch) ? ch - '0' : (ch | 32) - 'a' + 10);
	/* Refused at the first digit that cannot be: what was let through must stay finishable. */
	if (c->escape == 2 && c->high && c->code != 0xD)
		return false;
	if (c->escape == 3 && (c->code >= 0xDC && c->code < 0xE0) != c->high)
		return false;
	if (c->escape++ < 5)
		return true;
	c->escape = 0;
	c->high = c->code >= 0xD800 && c->code < 0xDC00;
	return true;
}

static bool on_string(struct closer *c, char ch)
{
	unsigned char u = (unsigned char)ch;
	if (c->in_key && (ch != '"' || c->escape)) {
		if (c->key_len < sizeof c->key)
			c->key[c->key_len] = ch;
		c->key_len++;
	}
	if (c->escape)
		return on_escape(c, ch);
	if (c->utf8) {
		bool fits = u >= c->lowest && u <= c->highest;
		c->utf8 -= fits;
		c->lowest = 0x80;
		c->highest = 0xBF;
		return fits;
	}
	if (ch == '\\') {
		c->escape = 1;
		return true;
	}
	if (c->high || u < 0x20)
		return false;
	if (ch == '"') {
		end_string(c);
		return true;
	}
	return u < 0x80 || runs_begin(u, &c->utf8, &c->lowest, &c->highest);
}

/* The number cannot end here. */
static bool dangling(const struct closer *c)
{
	return c->number == CLOSER_SIGN || c->number == CLOSER_POINT || c->number == CLOSER_E || c->number == CLOSER_ESIGN;
}

static bool on_number(struct closer *c, char ch)
{
	bool digit = isdigit((unsigned char)ch), whole = c->number == CLOSER_ZERO || c->number == CLOSER_DIGITS;
	if (digit && c->number == CLOSER_ZERO)
		return false;
	if (digit && c->number == CLOSER_SIGN)
		c->number = ch == '0' ? CLOSER_ZERO : CLOSER_DIGITS;
	else if (digit && c->number != CLOSER_DIGITS)
		c->number = c->number <= CLOSER_FRACTION ? CLOSER_FRACTION : CLOSER_EXPONENT;
	else if (ch == '.' && whole)
		c->number = CLOSER_POINT;
	else if ((ch == 'e' || ch == 'E') && (whole || c->number == CLOSER_FRACTION))
		c->number = CLOSER_E;
	else if ((ch == '+' || ch == '-') && c->number == CLOSER_E)
		c->number = CLOSER_ESIGN;
	else
		return digit;
	return true;
}

static bool on_byte(struct closer *c, char ch)
{
	bool space = ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n';
	switch (c->state) {
	case CLOSER_STRING:
		return on_string(c, ch);
	case CLOSER_LITERAL:
		if (ch != *c->literal)
			return false;
		if (!*++c->literal)
			c->state = CLOSER_AFTER;
		return true;
	case CLOSER_NUMBER:
		if (isdigit((unsigned char)ch) || (strchr(".eE+-", ch) && ch))
			return on_number(c, ch);
		if (dangling(c))
			return false;
		c->state = CLOSER_AFTER;
		return space || on_after(c, ch);
	case CLOSER_VALUE:
		return space || on_value(c, ch);
	case CLOSER_KEY:
		return space || (ch == '"' && begin_string(c, true)) || (ch == '}' && c->first && close_one(c, ch));
	case CLOSER_COLON:
		if (ch == ':')
			c->state = CLOSER_VALUE;
		return space || ch == ':';
	case CLOSER_AFTER:
		return space || on_after(c, ch);
	case CLOSER_DONE:
		break;
	}
	return false;
}

size_t closer_feed(struct closer *c, const char *data, size_t len)
{
	struct closer before;
	for (size_t i = 0; i < len; i++) {
		if (c->state == CLOSER_STRING && !c->in_key && !c->escape && !c->utf8 && !c->high)
			i += runs_skip(data + i, len - i);
		if (i == len)
			break;
		memcpy(&before, c, offsetof(struct closer, kind));
		if (!on_byte(c, data[i])) {
			memcpy(c, &before, offsetof(struct closer, kind)); /* as if the byte had not come */
			return i;
		}
	}
	return len;
}

/* The rest of \u after DIGITS of its digits, so that it is a character that may stand alone. */
static void finish_code(struct closer *c, struct buf *out)
{
	unsigned digits = c->escape - 2;
	if (c->high) {
		text_put(out, &"dc00"[digits]);
		c->high = false;
		return;
	}
	/* A lone "dX" might be a surrogate: its half is then added below. */
	for (; digits < 4; digits++) {
		char d = digits == 2 ? '2' : '0';
		text_add(out, &d, 1);
		c->code = c->code << 4 | (unsigned)(d - '0');
	}
	c->high = c->code >= 0xD800 && c->code < 0xDC00;
}

static void finish_character(struct closer *c, struct buf *out)
{
	for (; c->utf8; c->utf8--, c->lowest = 0x80)
		text_add(out, (const char *)&c->lowest, 1);
	if (c->escape == 1)
		text_put(out, c->high ? "udc00" : "\\");
	if (c->escape == 1)
		c->high = false;
	else if (c->escape)
		finish_code(c, out);
	if (c->high)
		text_put(out, "\\udc00");
	c->high = false;
	c->escape = 0;
}

static void put_note(const char *note, struct buf *out)
{
	text_put(out, "{\"type\":\"text\",\"text\":");
	text_quote(out, note);
	text_put(out, "}");
}

/* Ends the key, value or comma that was cut; afterwards the innermost bracket may close.
 * True when the note found its place. */
static bool finish_member(struct closer *c, const char *note, struct buf *out)
{
	bool content = c->in_content && c->depth == 2, noted = false;
	if (c->state == CLOSER_STRING) {
		finish_character(c, out);
		noted = !c->in_key && key_is(c, "text");
		if (noted)
			text_escape(out, note, strlen(note));
		text_put(out, "\"");
		end_string(c);
	}
	if (c->state == CLOSER_LITERAL)
		text_put(out, c->literal);
	if (c->state == CLOSER_NUMBER && dangling(c))
		text_put(out, "0");
	if (c->state == CLOSER_KEY && !c->first)
		text_put(out, c->depth == 1 && !c->has_error ? "\"isError\":true" : "\"cut\":null");
	if (c->state == CLOSER_KEY && !c->first && c->depth == 1)
		c->has_error = true;
	if (c->state == CLOSER_COLON)
		text_put(out, ":");
	bool awaited = c->state == CLOSER_COLON || (c->state == CLOSER_VALUE && (!c->first || c->kind[c->depth - 1] == '{'));
	if (awaited && content) {
		put_note(note, out);
		noted = true;
	} else if (awaited) {
		text_put(out, c->depth == 1 && key_is(c, "isError") ? "true" : "null");
	}
	return noted;
}

void closer_finish(struct closer *c, const char *note, struct buf *out)
{
	if (c->state == CLOSER_DONE)
		return;
	bool noted = finish_member(c, note, out);
	for (; c->depth > 1; c->depth--) {
		if (c->depth == 2 && c->in_content && !noted) {
			if (!(c->first && c->kind[1] == '[' && c->state == CLOSER_VALUE))
				text_put(out, ",");
			put_note(note, out);
		}
		text_put(out, c->kind[c->depth - 1] == '{' ? "}" : "]");
		c->first = false;
	}
	if (!c->has_error)
		text_put(out, c->first ? "\"isError\":true" : ",\"isError\":true");
	text_put(out, "}");
	c->state = CLOSER_DONE;
}
