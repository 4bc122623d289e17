/* syntax.c - see syntax.h */
#include "front/syntax.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { T = SYNTAX_TOKEN, U = SYNTAX_TARGET, V = SYNTAX_VALUE, N = SYNTAX_NAME, X = SYNTAX_HEX };

const unsigned char syntax_class[256] = {
	['\t'] = V, [' '] = V,
	['0' ... '9'] = T | U | V | N | X, ['A' ... 'F'] = T | U | V | N | X, ['G' ... 'Z'] = T | U | V | N,
	['a' ... 'f'] = T | U | V | N | X, ['g' ... 'z'] = T | U | V | N,
	['-'] = T | U | V | N, ['.'] = T | U | V | N, ['_'] = T | U | V | N, ['~'] = T | U | V | N,
	['!'] = T | U | V | N, ['$'] = T | U | V | N, ['&'] = T | U | V | N, ['\''] = T | U | V | N, ['*'] = T | U | V | N, ['+'] = T | U | V | N,
	['%'] = T | U | V | N,
	['('] = U | V | N, [')'] = U | V | N, [','] = U | V | N, [';'] = U | V | N, ['='] = U | V | N,
	[':'] = U | V, ['@'] = U | V, ['/'] = U | V, ['?'] = U | V, ['['] = U | V, [']'] = U | V,
	['#'] = T | V, ['^'] = T | V, ['`'] = T | V, ['|'] = T | V,
	['"'] = V, ['<'] = V, ['>'] = V, ['\\'] = V, ['{'] = V, ['}'] = V, [0x80 ... 0xFF] = V,
};

static size_t span(const char *text, size_t len, int class)
{
	size_t n = 0;
	while (n < len && syntax_is(text[n], class))
		n++;
	return n;
}

static bool wrong(char why[SYNTAX_WHY_MAX], const char *words)
{
	snprintf(why, SYNTAX_WHY_MAX, "%s", words);
	return false;
}

/* Each % begins two digits, and no byte is zero. */
static bool percents(const char *text, size_t len)
{
	for (const char *p = text, *end = text + len; (p = memchr(p, '%', (size_t)(end - p))); p++)
		if (end - p < 3 || !syntax_is(p[1], X) || !syntax_is(p[2], X) || (p[1] == '0' && p[2] == '0'))
			return false;
	return true;
}

static bool is_version(const char *text, size_t len)
{
	return len == 8 && memcmp(text, "HTTP/", 5) == 0 && text[5] >= '0' && text[5] <= '9' && text[6] == '.' && text[7] >= '0' && text[7] <= '9';
}

bool syntax_request_line(const char *line, size_t len, char why[SYNTAX_WHY_MAX])
{
	size_t method = span(line, len, T);
	if (!method || method == len || line[method] != ' ')
		return wrong(why, "that is no HTTP request; HTTP/1.1 is spoken here");
	const char *target = line + method + 1;
	size_t left = len - method - 1, n = span(target, left, U);
	if (n == left && n)
		return wrong(why, "the request line names no version; HTTP/1.1 is spoken here");
	if (!n || target[n] != ' ')
		return wrong(why, "the request target has a byte that must be written with % there, or none at all");
	if (!percents(target, n))
		return wrong(why, "the request target has a % without two digits, or a NUL");
	return is_version(target + n + 1, left - n - 1) || wrong(why, "the request line does not end with HTTP/1.1");
}

bool syntax_header_line(const char *line, size_t len, char why[SYNTAX_WHY_MAX])
{
	size_t name = span(line, len, T);
	if (name && name < len && line[name] == ':')
		return true;
	if (*line == ' ' || *line == '\t')
		return wrong(why, "a header goes on in the next line; that is obsolete and not read");
	if (*line == ':')
		return wrong(why, "a header without a name");
	if (name < len && (line[name] == ' ' || line[name] == '\t'))
		return wrong(why, "a blank in the name of a header, or before its colon");
	return wrong(why, name < len ? "a header's name has a byte that is of no name" : "a header without a colon");
}

static bool is_port(const char *text, size_t len)
{
	long port = 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || (port = port * 10 + text[i] - '0') > 65535)
			return false;
	}
	return true;
}

/* An address in brackets, which inet_pton judges where it matters. */
static size_t bracketed(const char *text, size_t len)
{
	size_t n = 1;
	while (n < len && (syntax_is(text[n], X) || text[n] == ':' || text[n] == '.'))
		n++;
	return n > 2 && n < len && text[n] == ']' ? n + 1 : 0;
}

bool syntax_host(const char *text, size_t len)
{
	size_t n = len && *text == '[' ? bracketed(text, len) : span(text, len, N);
	return n && percents(text, n) && (n == len || (text[n] == ':' && is_port(text + n + 1, len - n - 1)));
}
