/* check.h - one run of schema_check: where it is, what it may still spend, the first
 * failure.  Shared by check.c (the run, in-place schemas) and keywords.c (the
 * keywords that look at a value); nobody else includes it. */
#ifndef MCP_CHECK_H
#define MCP_CHECK_H

#include "mcp/schema_impl.h"
#include "mcp/schema_value.h"

/* Where in the instance we are, from the inside out. */
struct spot {
	const struct spot *up;
	const char *key; /* NULL: index counts */
	size_t index;
};

/* The resources entered on the way here, for $dynamicRef. */
struct scope {
	const struct scope *up;
	const struct resource *resource;
};

/* Which members or items of the instance some schema has looked at. */
struct seen {
	unsigned char *bits; /* owned; NULL: nobody wants to know */
	size_t count;
};

struct check {
	const struct schema *schema;
	const struct scope *scope;
	size_t budget;
	int depth, quiet;   /* quiet: a failure here is no failure of the whole */
	const char *broken; /* static text: the check itself had to be given up */
	char *pointer, *reason; /* owned; the first failure */
};

struct at {
	const struct node *node;
	const json_t *instance;
	const struct spot *spot;
	struct seen *seen;
};

/* A failure is written as open, any printing into the stream, close. */
struct check_sentence {
	char *text;
	size_t size;
	FILE *out;
};

bool check_open(struct check_sentence *s, struct check *c); /* false: nobody would read it, fail in silence */
bool check_close(struct check_sentence *s, struct check *c, const struct spot *spot); /* always false */

/* Fails with FORMAT and, when GOT is not NULL, "got" and that value.  Always false. */
bool check_fail(struct check *c, const struct spot *spot, const json_t *got, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

bool check_give_up(struct check *c, const char *why); /* the whole check ends; WHY is static; always false */
bool check_spend(struct check *c, size_t work);       /* false: given up */
void check_mark(struct seen *seen, size_t i);

/* SEEN, when not NULL, learns what SCHEMA evaluated of INSTANCE, if it fits. */
bool check_eval(struct check *c, const json_t *schema, const json_t *instance, const struct spot *spot, struct seen *seen);

/* The same without a failure of the whole: for schemas that need not fit. */
bool check_fits(struct check *c, const json_t *schema, const json_t *instance, const struct spot *spot, struct seen *seen);

check_fn check_ref, check_dynamic_ref, check_all_of, check_any_of, check_one_of, check_not, check_if;

#endif
