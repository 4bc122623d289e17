/* check.c - see check.h.  A schema object's rules run in the table's order and the first
 * that fails speaks.  What was evaluated is remembered only where an unevaluated*
 * keyword occurs. */
#include "mcp/check.h"
#include "copy.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	BUDGET = 4 * 1000 * 1000, /* steps of work in one check, about half a second */
	DEPTH_MAX = 600,          /* schemas within schemas, followed references included */
	KEY_SHOWN = 200,          /* bytes of a key that a pointer repeats */
	SENTENCE = 10,            /* steps that telling a failure costs */
	REASON_MAX = 300,         /* bytes of a reason that another may still be added to */
};

/* --- failures --- */

static void put_pointer(FILE *out, const struct spot *spot)
{
	if (!spot)
		return;
	put_pointer(out, spot->up);
	fputc('/', out);
	if (!spot->key)
		fprintf(out, "%zu", spot->index);
	const char *s = spot->key;
	for (; s && *s && (s - spot->key < KEY_SHOWN || ((unsigned char)*s & 0xC0) == 0x80); s++)
		fputs(*s == '~' ? "~0" : *s == '/' ? "~1" : (char[]){*s, 0}, out);
	if (s && *s)
		fputs("...", out);
}

bool check_open(struct check_sentence *s, struct check *c)
{
	*s = (struct check_sentence){0};
	if (c->quiet || c->reason || c->broken || !check_spend(c, SENTENCE))
		return false;
	s->out = open_memstream(&s->text, &s->size);
	if (!s->out)
		abort();
	return true;
}

bool check_close(struct check_sentence *s, struct check *c, const struct spot *spot)
{
	if (fclose(s->out) != 0)
		abort();
	c->reason = s->text;
	size_t size;
	FILE *out = open_memstream(&c->pointer, &size);
	if (!out)
		abort();
	put_pointer(out, spot);
	if (fclose(out) != 0)
		abort();
	return false;
}

bool check_fail(struct check *c, const struct spot *spot, const json_t *got, const char *format, ...)
{
	struct check_sentence s;
	va_list ap;
	if (!check_open(&s, c))
		return false;
	va_start(ap, format);
	vfprintf(s.out, format, ap);
	va_end(ap);
	if (got) {
		fputs(", got ", s.out);
		schema_value_show(s.out, got);
	}
	return check_close(&s, c, spot);
}

bool check_give_up(struct check *c, const char *why)
{
	if (!c->broken)
		c->broken = why;
	return false;
}

bool check_spend(struct check *c, size_t work)
{
	if (c->broken)
		return false;
	if (work > c->budget)
		return check_give_up(c, "this takes more work to check than is allowed: send a smaller value");
	c->budget -= work;
	return true;
}

/* --- what was seen --- */

static struct seen seen_for(struct check *c, const json_t *instance)
{
	size_t count = json_object_size(instance) + json_array_size(instance);
	if (!c->schema->tracks || !count || !check_spend(c, count / 16))
		return (struct seen){0};
	struct seen seen = {calloc(count, 1), count};
	if (!seen.bits)
		abort();
	return seen;
}

void check_mark(struct seen *seen, size_t i)
{
	if (seen && i < seen->count)
		seen->bits[i] = 1;
}

static void merge(struct seen *into, const struct seen *from)
{
	for (size_t i = 0; into && i < from->count; i++)
		if (from->bits[i])
			check_mark(into, i);
}

/* --- one schema --- */

static bool run(struct check *c, const struct node *n, const json_t *instance, const struct spot *spot, struct seen *seen)
{
	struct scope scope = {c->scope, n->resource};
	const struct scope *before = c->scope;
	struct seen own = seen_for(c, instance);
	struct at at = {n, instance, spot, &own};
	bool ok = true;
	if (!before || before->resource != n->resource)
		c->scope = &scope;
	for (size_t i = 0; ok && i < n->rules_count; i++)
		ok = n->rules[i].check(c, &at, n->rules[i].value) && check_spend(c, 1);
	c->scope = before;
	if (ok)
		merge(seen, &own);
	free(own.bits);
	return ok;
}

bool check_eval(struct check *c, const json_t *schema, const json_t *instance, const struct spot *spot, struct seen *seen)
{
	if (!check_spend(c, 1))
		return false;
	if (json_is_true(schema))
		return true;
	if (json_is_false(schema))
		return check_fail(c, spot, instance, "no value is allowed here");
	if (c->depth >= DEPTH_MAX)
		return check_give_up(c, "the value, or the schema's references, go too deep to be checked");
	c->depth++;
	bool ok = run(c, schema_node(c->schema, schema), instance, spot, seen);
	c->depth--;
	return ok;
}

bool check_fits(struct check *c, const json_t *schema, const json_t *instance, const struct spot *spot, struct seen *seen)
{
	c->quiet++;
	bool ok = check_eval(c, schema, instance, spot, seen);
	c->quiet--;
	return ok && !c->broken;
}

/* --- keywords that hold schemas for the same value --- */

bool check_ref(struct check *c, const struct at *at, const json_t *value)
{
	(void)value;
	return check_eval(c, at->node->ref, at->instance, at->spot, at->seen);
}

bool check_dynamic_ref(struct check *c, const struct at *at, const json_t *value)
{
	const json_t *target = at->node->dynamic;
	(void)value;
	for (const struct scope *s = at->node->dynamic_name ? c->scope : NULL; s; s = s->up) { /* the outermost wins */
		const json_t *found = json_object_get(s->resource->dynamic, at->node->dynamic_name);
		if (found)
			target = found;
		if (!check_spend(c, 1))
			return false;
	}
	return check_eval(c, target, at->instance, at->spot, at->seen);
}

bool check_all_of(struct check *c, const struct at *at, const json_t *value)
{
	bool ok = true;
	for (size_t i = 0; ok && i < json_array_size(value); i++)
		ok = check_eval(c, json_array_get(value, i), at->instance, at->spot, at->seen);
	return ok;
}

/* Of several forms none fits: what to say?  The failure deepest in the value belongs to the
 * form that was meant; those at the same place are told together. */
static size_t depth_of(const char *pointer)
{
	size_t n = 0;
	for (; *pointer; pointer++)
		n += *pointer == '/';
	return n;
}

static void swap(char **a, char **b)
{
	char *x = *a;
	*a = *b;
	*b = x;
}

static void keep_better(struct check *c, char **pointer, char **reason)
{
	if (!*pointer || depth_of(c->pointer) > depth_of(*pointer)) {
		swap(pointer, &c->pointer);
		swap(reason, &c->reason);
	} else if (strcmp(c->pointer, *pointer) == 0 && strlen(*reason) < REASON_MAX && !strstr(*reason, c->reason)) {
		char *both = NULL;
		if (asprintf(&both, "%s; or %s", *reason, c->reason) < 0)
			abort();
		swap(reason, &both);
		free(both);
	}
	free(c->pointer);
	free(c->reason);
	c->pointer = c->reason = NULL;
}

/* How many of the schemas in FORMS fit, counting no further than ENOUGH.  None: it fails. */
static size_t count_forms(struct check *c, const struct at *at, const json_t *forms, size_t enough)
{
	char *pointer = NULL, *reason = NULL;
	size_t count = 0;
	bool speaks = !c->quiet && !c->reason;
	for (size_t i = 0; i < json_array_size(forms) && count < enough && !c->broken; i++) {
		if (check_eval(c, json_array_get(forms, i), at->instance, at->spot, at->seen))
			count++;
		else if (speaks && c->reason)
			keep_better(c, &pointer, &reason);
	}
	if (!count && speaks) {
		swap(&pointer, &c->pointer);
		swap(&reason, &c->reason);
	}
	free(pointer);
	free(reason);
	return count;
}

bool check_any_of(struct check *c, const struct at *at, const json_t *value)
{
	/* Where somebody asks what was evaluated, every form that fits counts. */
	return count_forms(c, at, value, c->schema->tracks ? SIZE_MAX : 1) > 0;
}

bool check_one_of(struct check *c, const struct at *at, const json_t *value)
{
	size_t n = count_forms(c, at, value, 2);
	if (n > 1)
		return check_fail(c, at->spot, at->instance, "expected exactly one of the allowed forms to fit, more than one does");
	return n == 1;
}

bool check_not(struct check *c, const struct at *at, const json_t *value)
{
	if (check_fits(c, value, at->instance, at->spot, NULL))
		return check_fail(c, at->spot, at->instance, "this value is excluded by the schema");
	return !c->broken;
}

bool check_if(struct check *c, const struct at *at, const json_t *value)
{
	bool yes = check_fits(c, value, at->instance, at->spot, at->seen);
	const json_t *next = json_object_get(at->node->schema, yes ? "then" : "else");
	return !c->broken && (!next || check_eval(c, next, at->instance, at->spot, at->seen));
}

/* --- the whole --- */

bool schema_check(const struct schema *schema, const json_t *instance, char **pointer, char **reason)
{
	struct check c = {.schema = schema, .budget = BUDGET};
	bool ok = check_eval(&c, schema->document, instance, NULL, NULL) && !c.broken;
	if (c.broken) {
		free(c.pointer);
		free(c.reason);
		c.pointer = copy_text("");
		c.reason = copy_text(c.broken);
	}
	*pointer = c.pointer;
	*reason = c.reason;
	return ok;
}
