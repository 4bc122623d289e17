/* syntax.h - which bytes HTTP/1.1 allows where (RFC 9112, RFC 9110, RFC 3986), to the letter: two that read a
 * request differently can be played off against each other.  Room front; pure. */
#ifndef FRONT_SYNTAX_H
#define FRONT_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>

enum { SYNTAX_WHY_MAX = 160 };

enum {
	SYNTAX_TOKEN = 1,  /* of a token: methods, names of headers */
	SYNTAX_TARGET = 2, /* of a request target */
	SYNTAX_VALUE = 4,  /* of a header's value: no control character but the tab */
	SYNTAX_NAME = 8,   /* of a host's name */
	SYNTAX_HEX = 16,
};
extern const unsigned char syntax_class[256];

static inline bool syntax_is(char c, int class)
{
	return (syntax_class[(unsigned char)c] & class) != 0;
}

/* A line of a head without its line end.  False: WHY says what is wrong. */
bool syntax_request_line(const char *line, size_t len, char why[SYNTAX_WHY_MAX]) __attribute__((warn_unused_result));
bool syntax_header_line(const char *line, size_t len, char why[SYNTAX_WHY_MAX]) __attribute__((warn_unused_result));

bool syntax_host(const char *text, size_t len); /* HOST or HOST:PORT */

#endif
