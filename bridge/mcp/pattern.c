/* pattern.c - see pattern.h */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "mcp/pattern.h"

#include <pcre2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 8192 }; /* bytes of a pattern */

struct pattern {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *context;
};

/* A search is tried with little allowance first, so that the budget pays for the
 * steps it really took and not for the most it might take. */
static const struct {
	uint32_t steps;
	size_t cost;
} allowance[] = {{1000, 20}, {20 * 1000, 400}, {400 * 1000, 8000}};

/* ECMA-262 spells the general categories out, PCRE2 does not know the long names. */
static const struct {
	const char *name, *is;
} categories[] = {
	{"Letter", "L"}, {"Cased_Letter", "L&"}, {"Uppercase_Letter", "Lu"}, {"Lowercase_Letter", "Ll"},
	{"Titlecase_Letter", "Lt"}, {"Modifier_Letter", "Lm"}, {"Other_Letter", "Lo"}, {"Mark", "M"},
	{"Nonspacing_Mark", "Mn"}, {"Spacing_Mark", "Mc"}, {"Enclosing_Mark", "Me"}, {"Number", "N"},
	{"Decimal_Number", "Nd"}, {"digit", "Nd"}, {"Letter_Number", "Nl"}, {"Other_Number", "No"},
	{"Punctuation", "P"}, {"punct", "P"}, {"Connector_Punctuation", "Pc"}, {"Dash_Punctuation", "Pd"},
	{"Open_Punctuation", "Ps"}, {"Close_Punctuation", "Pe"}, {"Initial_Punctuation", "Pi"},
	{"Final_Punctuation", "Pf"}, {"Other_Punctuation", "Po"}, {"Symbol", "S"}, {"Math_Symbol", "Sm"},
	{"Currency_Symbol", "Sc"}, {"Modifier_Symbol", "Sk"}, {"Other_Symbol", "So"}, {"Separator", "Z"},
	{"Space_Separator", "Zs"}, {"Line_Separator", "Zl"}, {"Paragraph_Separator", "Zp"}, {"Other", "C"},
	{"Control", "Cc"}, {"cntrl", "Cc"}, {"Format", "Cf"}, {"Surrogate", "Cs"}, {"Private_Use", "Co"},
	{"Unassigned", "Cn"},
};

/* AT stands behind "\p" or "\P"; writes the braces as PCRE2 wants them and returns what follows. */
static const char *put_property(FILE *out, const char *at)
{
	size_t len = strcspn(at, "}");
	if (*at != '{' || at[len] != '}')
		return at;
	const char *name = at + 1, *equals = memchr(name, '=', len - 1);
	bool general = equals && (strncmp(name, "gc=", 3) == 0 || strncmp(name, "General_Category=", 17) == 0);
	if (general)
		name = equals + 1;
	size_t name_len = (size_t)(at + len - name);
	for (size_t i = 0; i < sizeof categories / sizeof *categories; i++)
		if (strlen(categories[i].name) == name_len && strncmp(categories[i].name, name, name_len) == 0) {
			fprintf(out, "{%s}", categories[i].is);
			return at + len + 1;
		}
	fprintf(out, "{%.*s}", (int)name_len, name);
	return at + len + 1;
}

/* What ECMA-262 means and PCRE2 would read otherwise: \s is every Unicode space (while \d and \w
 * are ASCII in both), \S in a class cannot be spelled and stays PCRE2's; \cX; \p{LongName}. */
static const char *put_escape(FILE *out, const char *at, bool in_class)
{
	if (at[0] == 's' || (at[0] == 'S' && !in_class)) {
		const char *spaces = "\\s\\p{Z}\\uFEFF";
		fprintf(out, in_class ? "%s" : at[0] == 's' ? "[%s]" : "[^%s]", spaces);
		return at + 1;
	}
	if (at[0] == 'v') { /* one character, not PCRE2's class */
		fputs("\\x0B", out);
		return at + 1;
	}
	if (at[0] == 'a' || at[0] == 'e') { /* no escapes there */
		fputc(at[0], out);
		return at + 1;
	}
	fprintf(out, "\\%c", at[0]);
	return at[0] == 'p' || at[0] == 'P' ? put_property(out, at + 1) : at + 1;
}

static char *translate(const char *text)
{
	char *result = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&result, &size);
	if (!out)
		abort();
	bool in_class = false;
	while (*text) {
		if (text[0] == '\\' && text[1]) {
			text = put_escape(out, text + 1, in_class);
			continue;
		}
		if (in_class && *text == '[')
			fputc('\\', out); /* no POSIX classes there */
		in_class = in_class ? *text != ']' : *text == '[';
		fputc(*text++, out);
	}
	if (fclose(out) != 0)
		abort();
	return result;
}

static struct pattern *create(pcre2_code *code)
{
	struct pattern *p = calloc(1, sizeof *p);
	if (!p)
		abort();
	p->code = code;
	p->data = pcre2_match_data_create_from_pattern(code, NULL);
	p->context = pcre2_match_context_create(NULL);
	if (!p->data || !p->context)
		abort();
	return p;
}

struct pattern *pattern_compile(const char *text, char **error)
{
	PCRE2_UCHAR why[160] = "it is too long";
	int number = 0;
	PCRE2_SIZE offset = 0;
	pcre2_code *code = NULL;
	if (strlen(text) <= TEXT_MAX) {
		char *ours = translate(text);
		pcre2_compile_context *context = pcre2_compile_context_create(NULL);
		if (!context)
			abort();
		pcre2_set_compile_extra_options(context, PCRE2_EXTRA_ALT_BSUX);
		code = pcre2_compile((PCRE2_SPTR)ours, PCRE2_ZERO_TERMINATED,
				     PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALLOW_EMPTY_CLASS | PCRE2_MATCH_UNSET_BACKREF
					     | PCRE2_NEVER_BACKSLASH_C,
				     &number, &offset, context);
		pcre2_compile_context_free(context);
		free(ours);
		if (!code)
			pcre2_get_error_message(number, why, sizeof why);
	}
	if (code)
		return create(code);
	if (asprintf(error, "the pattern \"%.80s\" cannot be used: %s", text, (char *)why) < 0)
		abort();
	return NULL;
}

void pattern_destroy(struct pattern *pattern)
{
	if (!pattern)
		return;
	pcre2_match_context_free(pattern->context);
	pcre2_match_data_free(pattern->data);
	pcre2_code_free(pattern->code);
	free(pattern);
}

enum pattern_match pattern_search(const struct pattern *pattern, const char *subject, size_t len, size_t *budget)
{
	for (size_t i = 0; i < sizeof allowance / sizeof *allowance; i++) {
		size_t cost = allowance[i].cost + len / 16;
		if (*budget < cost)
			break;
		*budget -= cost;
		pcre2_set_match_limit(pattern->context, allowance[i].steps);
		pcre2_set_depth_limit(pattern->context, allowance[i].steps);
		int n = pcre2_match(pattern->code, (PCRE2_SPTR)subject, len, 0, 0, pattern->data, pattern->context);
		if (n >= 0)
			return PATTERN_YES;
		if (n == PCRE2_ERROR_NOMATCH)
			return PATTERN_NO;
		if (n != PCRE2_ERROR_MATCHLIMIT && n != PCRE2_ERROR_DEPTHLIMIT)
			break;
	}
	return PATTERN_TOO_MUCH;
}
