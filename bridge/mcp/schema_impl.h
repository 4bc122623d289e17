/* schema_impl.h - what schema.c (compiling) and check.c, keywords.c (checking) share.
 * Nobody else includes it.  A compiled schema is the deep copy of the document
 * plus one node for each schema object in it, found by the object's address. */
#ifndef MCP_SCHEMA_IMPL_H
#define MCP_SCHEMA_IMPL_H

#include "mcp/pattern.h"
#include "mcp/schema.h"

struct check; /* one run of schema_check */
struct at;    /* where that run is */

typedef bool check_fn(struct check *check, const struct at *at, const json_t *value);

/* What a keyword's value must look like. */
enum shape {
	SHAPE_SCHEMA,      /* a schema */
	SHAPE_SCHEMAS,     /* a non-empty array of schemas */
	SHAPE_SCHEMA_MAP,  /* an object of schemas */
	SHAPE_PATTERN_MAP, /* an object of schemas whose keys are patterns */
	SHAPE_NUMBER,
	SHAPE_POSITIVE, /* a number over 0 */
	SHAPE_COUNT,    /* a whole number, 0 or more */
	SHAPE_FLAG,
	SHAPE_TEXT,
	SHAPE_TEXTS,     /* an array of strings */
	SHAPE_TEXTS_MAP, /* an object of arrays of strings */
	SHAPE_TYPE,      /* a type's name or an array of them */
	SHAPE_LIST,      /* an array of anything */
	SHAPE_ANY,
};

struct keyword {
	const char *name;
	enum shape shape;
	check_fn *check; /* NULL: another keyword's function looks at it */
};

extern const struct keyword schema_keywords[]; /* in the order they are checked; ends with a NULL name */

struct resource {
	struct resource *next;
	char *uri;       /* owned; absolute, without fragment */
	json_t *dynamic; /* owned; $dynamicAnchor name -> schema; NULL when there is none */
};

struct rule {
	check_fn *check;
	const json_t *value; /* borrowed from the document */
};

struct node {
	const json_t *schema; /* borrowed from the document */
	struct resource *resource;
	const json_t *ref;           /* where $ref leads */
	const json_t *dynamic;       /* where $dynamicRef leads when nothing in the dynamic scope says otherwise */
	const char *dynamic_name;    /* the name to look for in the dynamic scope; NULL: none */
	struct pattern *pattern;     /* owned */
	struct pattern **properties; /* owned; of patternProperties, in its order */
	size_t properties_count;
	struct rule *rules; /* owned */
	size_t rules_count;
};

struct schema {
	json_t *document; /* owned */
	struct resource *resources;
	json_t *places; /* owned; "uri" or "uri#anchor" -> schema */
	struct node **nodes, **slots; /* in the order found; by hash of the schema's address */
	size_t nodes_count, slots_count;
	bool tracks; /* an unevaluated* keyword occurs: remember what was evaluated */
};

struct node *schema_node(const struct schema *schema, const json_t *object); /* NULL: not a schema of it */

#endif
