/* load_mix.c - see load_mix.h */
#include "load_mix.h"
#include "config.h"
#include "copy.h"
#include "log.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct load_kind table[] = {
#define KIND(name, tool, arguments, doc) {name, tool, arguments, doc, 0, NULL, 0},
#include "load.def"
#undef KIND
};
enum { KNOWN = sizeof table / sizeof table[0] };

static bool unknown(const char *name, char **error)
{
	const char *names[KNOWN];
	char all[512] = "";
	for (size_t i = 0; i < KNOWN; i++) {
		names[i] = table[i].name;
		snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", table[i].name);
	}
	const char *near = config_nearest(name, names, KNOWN);
	return config_complain(error, "\"%s\" is no kind of request%s%s; there are: %s", name, near ? "; did you mean " : "", near ? near : "", all);
}

/* "NAME" or "NAME:SHARE". */
static bool take(struct load_mix *m, char *word, char **error)
{
	char *colon = strchr(word, ':'), *end = NULL;
	if (colon)
		*colon = 0;
	long share = colon ? strtol(colon + 1, &end, 10) : 1;
	if (colon && (*end || end == colon + 1 || share < 1 || share > LOAD_SHARE_MAX))
		return config_complain(error, "the share of %s must be a number from 1 to %d", word, LOAD_SHARE_MAX);
	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->kinds[i].name, word) == 0)
			return config_complain(error, "%s is there twice", word);
	for (size_t i = 0; i < KNOWN; i++)
		if (strcmp(table[i].name, word) == 0) {
			m->kinds[m->count] = table[i];
			m->kinds[m->count++].share = share;
			m->shares += share;
			return true;
		}
	return unknown(word, error);
}

static void compose(struct load_kind *k, const char *instance, const char *token)
{
	json_t *arguments = json_loads(k->arguments, 0, NULL);
	if (instance)
		json_object_set_new(arguments, "instance_id", json_string(instance));
	json_t *message = json_pack("{s:s,s:i,s:s,s:{s:s,s:o,s:{s:s,s:{}}}}", "jsonrpc", "2.0", "id", 1, "method", "tools/call", "params", "name",
				    k->tool, "arguments", arguments, "_meta", "io.modelcontextprotocol/protocolVersion", "2026-07-28",
				    "io.modelcontextprotocol/clientCapabilities");
	char *body = message ? json_dumps(message, JSON_COMPACT) : NULL;
	json_decref(message);
	int n = body ? asprintf(&k->request, "POST /mcp HTTP/1.1\r\nHost: localhost\r\n%s%s%sContent-Type: application/json\r\nAccept: application/json\r\n"
				"MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: %s\r\nContent-Length: %zu\r\n\r\n%s",
				*token ? "Authorization: Bearer " : "", token, *token ? "\r\n" : "", k->tool, strlen(body), body)
		     : -1;
	if (n < 0)
		log_no_memory();
	k->len = (size_t)n;
	free(body);
}

bool load_mix_init(struct load_mix *m, const char *text, const char *instance, const char *token, char **error)
{
	char *own = copy_text(text ? text : "list"), *rest = own, *word;
	bool good = true;
	*m = (struct load_mix){.seed = 1};
	_Static_assert((int)LOAD_KINDS >= (int)KNOWN, "there is room for all kinds");
	while (good && (word = strsep(&rest, ",")))
		good = take(m, word, error);
	free(own);
	for (size_t i = 0; good && i < m->count; i++)
		compose(&m->kinds[i], instance, token);
	return good;
}

void load_mix_finish(struct load_mix *m)
{
	for (size_t i = 0; i < m->count; i++) {
		if (m->kinds[i].request)
			explicit_bzero(m->kinds[i].request, m->kinds[i].len); /* the token is in it */
		free(m->kinds[i].request);
	}
	*m = (struct load_mix){0};
}

double load_mix_chance(struct load_mix *m)
{
	m->seed = m->seed * 6364136223846793005u + 1442695040888963407u;
	return (double)(m->seed >> 11) / (double)(1ull << 53);
}

size_t load_mix_next(struct load_mix *m)
{
	long at = (long)(load_mix_chance(m) * (double)m->shares);
	for (size_t i = 0; i < m->count; i++)
		if ((at -= m->kinds[i].share) < 0)
			return i;
	return 0;
}
