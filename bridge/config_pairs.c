/* config_pairs.c - settings that are lists of NAME=WORD; see config.h */
#include "config.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

static const char *const profiles[] = {"look", "elisp", "default", "full"};

bool config_is_profile(const char *word)
{
	for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++)
		if (strcmp(profiles[i], word) == 0)
			return true;
	return false;
}

/* Without the blanks around it.  False: it does not fit. */
static bool put_part(char *to, size_t room, const char *from, size_t len)
{
	while (len && from[0] == ' ') {
		from++;
		len--;
	}
	while (len && from[len - 1] == ' ')
		len--;
	if (len >= room)
		return false;
	memcpy(to, from, len);
	to[len] = 0;
	return true;
}

/* The pair at P: its end; NULL: it is none. */
static const char *read_pair(const char *p, char name[CONFIG_NAME_MAX], char word[CONFIG_WORD_MAX])
{
	size_t len = strcspn(p, ",");
	const char *equals = memchr(p, '=', len);
	name[0] = word[0] = 0;
	if (!equals || !put_part(name, CONFIG_NAME_MAX, p, (size_t)(equals - p))
	    || !put_part(word, CONFIG_WORD_MAX, equals + 1, (size_t)(p + len - equals) - 1) || !*name)
		return NULL;
	return p + len + (p[len] == ',');
}

bool config_pair_at(const char *list, size_t n, char name[CONFIG_NAME_MAX], char word[CONFIG_WORD_MAX])
{
	while (list && *list)
		if ((list = read_pair(list, name, word)) && !n--)
			return true;
	return false;
}

bool config_pair(const char *list, const char *name, char word[CONFIG_WORD_MAX])
{
	char each[CONFIG_NAME_MAX];
	for (size_t i = 0; config_pair_at(list, i, each, word); i++)
		if (strcmp(each, name) == 0)
			return true;
	return false;
}

/* A token's name is that of its file, and part of what its client is called. */
static bool is_file_name(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_");
	return len && !name[len] && len <= CONFIG_TOKEN_NAME;
}

static bool is_second(const char *list, size_t n, const char *name)
{
	char each[CONFIG_NAME_MAX], word[CONFIG_WORD_MAX];
	for (size_t i = 0; i < n && config_pair_at(list, i, each, word); i++)
		if (strcmp(each, name) == 0)
			return true;
	return false;
}

bool config_check_profiles(const char *shown, const char *list, bool tokens, char **error)
{
	char name[CONFIG_NAME_MAX], word[CONFIG_WORD_MAX];
	size_t n = 0;
	for (const char *p = list; *p; n++) {
		const char *next = read_pair(p, name, word);
		if (!next)
			return config_complain(error, "%s: \"%.*s\" is not NAME=PROFILE", shown, (int)strcspn(p, ","), p);
		if (!config_is_profile(word))
			return config_complain(error, "%s: the profile of %s is \"%s\"; it must be look, elisp, default or full", shown, name, word);
		if (tokens && !is_file_name(name))
			return config_complain(error, "%s: a token cannot be called \"%s\": take up to %d of a-z, 0-9, - and _", shown, name, CONFIG_TOKEN_NAME);
		if (is_second(list, n, name))
			return config_complain(error, "%s: %s is there twice", shown, name);
		if (n >= CONFIG_PAIRS_MAX)
			return config_complain(error, "%s names more than %d", shown, CONFIG_PAIRS_MAX);
		p = next;
	}
	return true;
}
