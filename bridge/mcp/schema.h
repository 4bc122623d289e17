/* schema.h - is this JSON value what that JSON Schema (2020-12) asks for?
 * Pure functions for any thread, one schema at a time.  Nothing is ever fetched:
 * a $ref reaches only what lies in the same document.  Depth and work are bounded,
 * so neither a hostile schema nor a hostile value can hold the bridge up.
 * `format` and the content keywords are annotations and never refuse. */
#ifndef MCP_SCHEMA_H
#define MCP_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>

struct schema; /* owns a deep copy of the document */

/* NULL when the document cannot be used: *error (malloc'd) is a sentence that says why. */
struct schema *schema_compile(const json_t *document, char **error);
void schema_destroy(struct schema *schema); /* NULL is fine */

/* False when INSTANCE does not fit: *pointer is the JSON pointer of the offending
 * value ("" is the whole) and *reason a sentence to act on, both malloc'd.  Both
 * are NULL when it fits. */
bool schema_check(const struct schema *schema, const json_t *instance, char **pointer, char **reason)
	__attribute__((warn_unused_result));

#endif
