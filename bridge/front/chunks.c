/* chunks.c - see chunks.h */
#include "front/chunks.h"
#include "front/syntax.h"

#include <ctype.h>

enum { DIGITS = 16 }; /* of a size; more would not fit */

/* The part that comes next.  EXTENSION: ;NAME=VALUE, with blanks around both signs. */
enum {
	SIZE, SIZE_BLANK, NAME_BLANK, NAME, NAME_AFTER, VALUE_BLANK, VALUE, QUOTED, QUOTED_PAIR, QUOTED_AFTER, VALUE_AFTER, SIZE_LF,
	DATA, DATA_CR, DATA_LF, TRAILER, TRAILER_NAME, TRAILER_VALUE, TRAILER_LF, LAST_LF, BAD,
};

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

static int digit(struct chunks *c, char byte)
{
	if (++c->digits > DIGITS)
		return BAD;
	c->left = c->left * 16 + (unsigned)(isdigit((unsigned char)byte) ? byte - '0' : tolower((unsigned char)byte) - 'a' + 10);
	return SIZE;
}

/* Behind a name or a value; BLANK: where one leads. */
static int after(char c, int on_blank)
{
	return c == ';' ? NAME_BLANK : c == '\r' ? SIZE_LF : blank(c) ? on_blank : BAD;
}

static int size_line(struct chunks *c, char byte)
{
	bool token = syntax_is(byte, SYNTAX_TOKEN);
	switch (c->state) {
	case SIZE:
		return syntax_is(byte, SYNTAX_HEX) ? digit(c, byte) : c->digits ? after(byte, SIZE_BLANK) : BAD;
	case SIZE_BLANK:
	case VALUE_AFTER:
		return blank(byte) ? c->state : byte == ';' ? NAME_BLANK : BAD;
	case NAME_BLANK:
		return blank(byte) ? NAME_BLANK : token ? NAME : BAD;
	case NAME:
		return token ? NAME : byte == '=' ? VALUE_BLANK : after(byte, NAME_AFTER);
	case NAME_AFTER:
		return blank(byte) ? NAME_AFTER : byte == '=' ? VALUE_BLANK : byte == ';' ? NAME_BLANK : BAD;
	case VALUE_BLANK:
		return blank(byte) ? VALUE_BLANK : byte == '"' ? QUOTED : token ? VALUE : BAD;
	case VALUE:
		return token ? VALUE : after(byte, VALUE_AFTER);
	case QUOTED:
		return byte == '"' ? QUOTED_AFTER : byte == '\\' ? QUOTED_PAIR : syntax_is(byte, SYNTAX_VALUE) ? QUOTED : BAD;
	case QUOTED_PAIR:
		return syntax_is(byte, SYNTAX_VALUE) ? QUOTED : BAD;
	case QUOTED_AFTER:
		return after(byte, VALUE_AFTER);
	default: /* SIZE_LF */
		return byte != '\n' ? BAD : c->left ? DATA : TRAILER;
	}
}

static int trailer(int state, char byte)
{
	bool token = syntax_is(byte, SYNTAX_TOKEN);
	switch (state) {
	case TRAILER:
		return byte == '\r' ? LAST_LF : token ? TRAILER_NAME : BAD;
	case TRAILER_NAME:
		return token ? TRAILER_NAME : byte == ':' ? TRAILER_VALUE : BAD;
	case TRAILER_VALUE:
		return syntax_is(byte, SYNTAX_VALUE) ? TRAILER_VALUE : byte == '\r' ? TRAILER_LF : BAD;
	default: /* TRAILER_LF */
		return byte == '\n' ? TRAILER : BAD;
	}
}

static int step(struct chunks *c, char byte)
{
	if (c->state < DATA)
		return size_line(c, byte);
	if (c->state == DATA_CR)
		return byte == '\r' ? DATA_LF : BAD;
	if (c->state == DATA_LF) {
		c->digits = 0;
		return byte == '\n' ? SIZE : BAD;
	}
	return trailer(c->state, byte);
}

enum chunks_verdict chunks_feed(struct chunks *c, const char *data, size_t len, struct buf *body, size_t most, size_t *used)
{
	for (size_t i = 0; i < len;) {
		if (c->state == DATA) {
			size_t n = len - i < c->left ? len - i : (size_t)c->left;
			if (!buf_add(body, data + i, n))
				return CHUNKS_NO_MEMORY;
			i += n;
			*used = i;
			c->left -= n;
			c->state = c->left ? DATA : DATA_CR;
			continue;
		}
		char byte = data[i++];
		*used = i;
		if (c->state == LAST_LF)
			return byte == '\n' ? CHUNKS_DONE : CHUNKS_BAD;
		if ((c->state = step(c, byte)) == BAD)
			return CHUNKS_BAD;
		if (c->left > most || buf_len(body) + c->left > most)
			return CHUNKS_LONG;
	}
	return CHUNKS_MORE;
}
