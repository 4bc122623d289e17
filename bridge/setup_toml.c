/* setup_toml.c - see setup_toml.h */
#include "setup_toml.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Where a line begins: inside a string of several lines (its quote), or inside brackets. */
struct inside {
	char quote;
	int depth;
};

static bool is_triple(const char *p, char quote)
{
	return p[0] == quote && p[1] == quote && p[2] == quote;
}

static const char *skip_quoted(const char *p, struct inside *in) /* at its first quote */
{
	char quote = *p;
	if (is_triple(p, quote)) {
		in->quote = quote;
		return p + 3;
	}
	for (p++; *p && *p != quote && *p != '\n'; p++)
		if (*p == '\\' && quote == '"' && p[1])
			p++;
	return *p == quote ? p + 1 : p;
}

/* The beginning of the next line. */
static const char *next_line(const char *p, struct inside *in)
{
	while (*p && *p != '\n') {
		if (in->quote && is_triple(p, in->quote)) {
			p += strspn(p, (char[]){in->quote, 0}); /* up to two of them may belong to the text */
			in->quote = 0;
		} else if (in->quote) {
			p += *p == '\\' && in->quote == '"' && p[1] && p[1] != '\n' ? 2 : 1;
		} else if (*p == '#') {
			p += strcspn(p, "\n");
		} else if (*p == '"' || *p == '\'') {
			p = skip_quoted(p, in);
		} else {
			in->depth += *p == '[' || *p == '{' ? 1 : *p == ']' || *p == '}' ? -1 : 0;
			p++;
		}
	}
	return *p ? p + 1 : p;
}

/* P behind WORD, bare or quoted, and the space around it; NULL: something else is there. */
static const char *behind(const char *p, const char *word)
{
	size_t len = strlen(word);
	p += strspn(p, " \t");
	char quote = *p == '"' || *p == '\'' ? *p++ : 0;
	if (strncmp(p, word, len) != 0)
		return NULL;
	p += len;
	if (quote && *p++ != quote)
		return NULL;
	if (!quote && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", *p) && *p)
		return NULL;
	return p + strspn(p, " \t");
}

enum line { LINE_OTHER, LINE_OURS, LINE_INLINE };

/* *section: inside [KEY]; *top: before the first header. */
static enum line judge(const char *line, const char *key, const char *name, bool *section, bool *top)
{
	const char *p = line + strspn(line, " \t"), *q;
	if (*p == '[') {
		*top = *section = false;
		q = behind(p + 1 + (p[1] == '['), key);
		*section = q && *q == ']';
		q = q && *q == '.' ? behind(q + 1, name) : NULL;
		return q && *q == ']' ? LINE_OURS : LINE_OTHER; /* a table inside ours says nothing of the program */
	}
	if (*section && behind(p, name))
		return LINE_INLINE;
	q = *top ? behind(p, key) : NULL;
	return q && (*q == '.' || *q == '=') ? LINE_INLINE : LINE_OTHER;
}

/* The string at P, decoded, malloc'd, its end in *END; NULL: another kind of value. */
static char *toml_string(const char *p, const char **end)
{
	struct inside in = {0};
	if ((*p != '"' && *p != '\'') || is_triple(p, *p))
		return NULL;
	*end = skip_quoted(p, &in);
	if (*p == '\'')
		return setup_edit_compose("%.*s", (int)(*end - p - 2), p + 1);
	json_t *text = json_loadb(p, (size_t)(*end - p), JSON_DECODE_ANY, NULL); /* TOML has more escapes: then it is not ours */
	char *made = text ? setup_edit_compose("%s", json_string_value(text)) : NULL;
	json_decref(text);
	return made;
}

/* The program of our table, whose header is at LINE. */
static enum setup_edit judge_table(const char *old, const char *line, const char *key, const char *name, const char *bridge, char **out)
{
	struct inside in = {0};
	const char *value, *end;
	enum setup_edit result = SETUP_REFUSED;
	char *command = NULL;
	for (line = next_line(line, &in); *line && !command; line = next_line(line, &in)) {
		if (!in.quote && !in.depth && line[strspn(line, " \t")] == '[')
			break;
		value = in.quote || in.depth ? NULL : behind(line, "command");
		if (value && *value == '=')
			command = toml_string(value + 1 + strspn(value + 1, " \t"), &end);
		if (command)
			value += 1 + strspn(value + 1, " \t");
		if (command && strcmp(command, bridge) == 0)
			result = SETUP_THERE;
		else if (command && setup_edit_is_ours(command)) {
			char *quoted = setup_edit_quote(bridge);
			*out = setup_edit_splice(old, value, end, quoted);
			free(quoted);
			result = SETUP_DONE;
		}
	}
	if (result == SETUP_REFUSED)
		*out = setup_edit_compose("it has a table [%s.%s] already, with another program; change its command to %s", key, name, bridge);
	free(command);
	return result;
}

enum setup_edit setup_toml_edit(const char *old, const char *key, const char *name, const char *table, const char *bridge, char **out)
{
	bool section = false, top = true;
	struct inside in = {0};
	for (const char *line = old; *line; line = next_line(line, &in)) {
		switch (in.quote || in.depth > 0 ? LINE_OTHER : judge(line, key, name, &section, &top)) {
		case LINE_OURS:
			return judge_table(old, line, key, name, bridge, out);
		case LINE_INLINE:
			*out = setup_edit_compose("it names %s in another way than by a table; add %s there by hand", key, name);
			return SETUP_REFUSED;
		case LINE_OTHER:
			break;
		}
	}
	if (in.quote || in.depth) {
		*out = setup_edit_compose("it is no TOML: a string or a bracket is not closed");
		return SETUP_REFUSED;
	}
	size_t len = strlen(old);
	*out = setup_edit_compose("%s%s%s%s", old, len && old[len - 1] != '\n' ? "\n" : "", len ? "\n" : "", table);
	return SETUP_DONE;
}
