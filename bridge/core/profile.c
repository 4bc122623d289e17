/* profile.c - see profile.h */
#include "core/profile.h"
#include "config.h"
#include "core/guard.h"
#include "core/session.h"
#include "mcp/result.h"

#include <string.h>

static const char *const words[] = {"look", "elisp", "default", "full"};
enum { LOOK = 1, ELISP = 2, DEFAULT = 4, FULL = 8 };

static unsigned bit_of(const char *word)
{
	for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(words[i], word) == 0)
			return 1u << i;
	return 0;
}

/* A tool that does not say is in default, and all are in full. */
unsigned profile_of_tool(const json_t *definition)
{
	const json_t *each, *profiles = json_object_get(definition, "profiles");
	unsigned set = profiles ? FULL : FULL | DEFAULT;
	size_t i;
	json_array_foreach(profiles, i, each)
		if (json_is_string(each))
			set |= bit_of(json_string_value(each));
	return set;
}

/* The profile that PRINCIPAL's token has, if it has one. */
static bool of_token(const struct config *config, const char *principal, char word[CONFIG_WORD_MAX])
{
	size_t len = strlen(GUARD_NAMED);
	return principal && strncmp(principal, GUARD_NAMED, len) == 0 && config_pair(config->tokens, principal + len, word);
}

static bool of_name(const struct config *config, const char *client, char word[CONFIG_WORD_MAX])
{
	return client && config_pair(config->profiles, client, word);
}

unsigned profile_of_client(const struct config *config, const char *principal, const char *client)
{
	char word[CONFIG_WORD_MAX];
	unsigned set = bit_of(of_token(config, principal, word) ? word : config->profile);
	if (of_name(config, client, word))
		set |= bit_of(word);
	return set & ~(unsigned)FULL;
}

/* What core makes for a client has its session. */
static const char *principal_of(const struct request *r)
{
	return *r->principal || !r->session ? r->principal : r->session->principal;
}

unsigned profile_of_request(const struct request *r)
{
	if (r->session->ours)
		return 0;
	return profile_of_client(r->pipeline->config, principal_of(r), r->client);
}

bool profile_only_looks(unsigned set)
{
	return set & LOOK;
}

void profile_refuse(struct request *r, unsigned tool)
{
	const struct config *config = r->pipeline->config;
	char word[CONFIG_WORD_MAX];
	json_t *data = json_pack("{s:b}", "may_have_run", 0);
	if (of_name(config, r->client, word) && (bit_of(word) & ~tool))
		result_error(r, "not_allowed", data, "%s is not in the profile %s, which is all that a client called %s has (the setting profiles)",
			     r->tool, word, r->client);
	else if (of_token(config, principal_of(r), word))
		result_error(r, "not_allowed", data, "%s is not in the profile %s, which is all that clients with the token %s have (the setting tokens)",
			     r->tool, word, principal_of(r) + strlen(GUARD_NAMED));
	else
		result_error(r, "not_allowed", data, "%s is not in the profile %s, which is all that clients of this bridge have (its setting profile)",
			     r->tool, config->profile);
}
