/* headers.h - what HTTP says besides the body, held against the body (2026-07-28): the
 * body is what counts, a header that says something else is refused.  A request that did
 * not come over HTTP agrees with everything.  Pure functions; era_*.c and core call. */
#ifndef HEADERS_H
#define HEADERS_H

#include "request.h"

bool headers_claim_modern(const struct http_said *); /* MCP-Protocol-Version is 2026-07-28 or later */

/* False: r->fault says what does not agree.  First those that are there, then those missing. */
bool headers_agree(struct request *r, const char *version) __attribute__((warn_unused_result));
bool headers_there(struct request *r) __attribute__((warn_unused_result));

/* Mcp-Param-<name>, for the properties of SCHEMA that have x-mcp-header. */
bool headers_params(struct request *r, const json_t *schema, const json_t *arguments) __attribute__((warn_unused_result));

/* The text that a header stands for: "=?base64?...?=" is decoded.  NULL: it cannot be. */
char *headers_decode(const char *value); /* caller frees */

/* A copy of what HTTP said, for a request that enters its stage again later; NULL of NULL. */
struct http_said *headers_keep(const struct http_said *);
void headers_forget(struct http_said *); /* of headers_keep; NULL is fine */

#endif
