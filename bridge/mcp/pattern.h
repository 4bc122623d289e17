/* pattern.h - the regular expressions of a JSON Schema: ECMA-262 on PCRE2, with
 * bounded work.  Pure functions, any thread. */
#ifndef MCP_PATTERN_H
#define MCP_PATTERN_H

#include <stddef.h>

struct pattern;

struct pattern *pattern_compile(const char *text, char **error); /* NULL: *error is malloc'd */
void pattern_destroy(struct pattern *pattern);                   /* NULL is fine */

enum pattern_match { PATTERN_NO, PATTERN_YES, PATTERN_TOO_MUCH };

/* Searches SUBJECT (UTF-8).  Takes what the search cost from *budget; TOO_MUCH when
 * one search, or the budget, is exhausted. */
enum pattern_match pattern_search(const struct pattern *pattern, const char *subject, size_t len, size_t *budget);

#endif
