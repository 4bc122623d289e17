/* head.h - request line and headers of one HTTP request, read and found sane: llhttp is shown only what
 * syntax.c lets pass, and what it does not look at is looked at here.  Room front; pure, no socket. */
#ifndef FRONT_HEAD_H
#define FRONT_HEAD_H

#include "config.h"
#include "front/syntax.h"
#include "request.h"

#include <llhttp.h>

enum { HEAD_PARAMS = 32, HEAD_WHY_MAX = SYNTAX_WHY_MAX };

/* Strings are borrowed from text, or NULL. */
struct head {
	char *text;            /* owned */
	char *accepts;         /* owned; when the header Accept came in several lines */
	uint8_t method;        /* enum llhttp_method */
	bool http10, keep_alive, chunked, expects_continue;
	bool has_length;
	uint64_t length;       /* of the body, where it is known */
	char *path, *query;    /* query: after the ?, or NULL */
	const char *host, *origin, *authorization, *accept, *content_type, *content_encoding;
	const char *session, *last_event, *version, *mcp_method, *mcp_name, *ask_method;
	const char *range, *if_range, *if_none_match;
	struct http_param params[HEAD_PARAMS];
	size_t params_count;
	int status;            /* what is wrong with it, as HTTP says it; 0: nothing */
	char why[HEAD_WHY_MAX];
};

/* How far a head was looked at; zeros at first. */
struct head_scan {
	size_t at;   /* what of it was */
	size_t line; /* where the line begins that is not whole yet */
};

/* Bytes of the head at the front of TEXT, up to the empty line; 0: more must come.
 * A byte that may not be there, in a line that is whole or not: -1, and WHY says it. */
long head_measure(const char *text, size_t len, struct head_scan *, char why[HEAD_WHY_MAX]);

/* TEXT (taken) of LEN bytes is what head_measure measured.  Never NULL; ->status says what is wrong. */
struct head *head_read(char *text, size_t len, const struct config *config);
void head_destroy(struct head *);

bool head_accepts(const char *accept, const char *type); /* "application/json"; no header accepts all */
bool head_is_type(const char *content_type, const char *type);
bool head_query(const struct head *, const char *key, char *value, size_t size); /* of ?key=value, decoded */

#endif
