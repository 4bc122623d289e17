/* schema_value.h - JSON values as a JSON Schema sees them: 1 and 1.0 are the same,
 * a string is counted in characters; and how they are shown to a person.  Pure
 * functions, any thread.  Only the schema files include it. */
#ifndef MCP_SCHEMA_VALUE_H
#define MCP_SCHEMA_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

bool schema_value_same(const json_t *a, const json_t *b);
uint64_t schema_value_hash(const json_t *v);
size_t schema_value_size(const json_t *v); /* how many values it is made of, itself included */
int schema_value_compare(const json_t *a, const json_t *b); /* numbers: <0, 0, >0 */
bool schema_value_whole(const json_t *v);                   /* an integer, or a number without fraction */
bool schema_value_multiple(const json_t *v, const json_t *of);
size_t schema_value_characters(const json_t *string);
bool schema_value_is(const json_t *v, const char *type);

void schema_value_quote(FILE *out, const char *text); /* "text", shortened, JSON's escapes */
void schema_value_show(FILE *out, const json_t *v);   /* 42, "text", an array of 3 */

/* The key of OBJECT that is most like NAME, or NULL when none is near. */
const char *schema_value_nearest(const json_t *object, const char *name);
const char *schema_value_nearest_in(const json_t *strings, const char *name); /* the same among an array's strings */

#endif
