/* share.c - see share.h */
#include "share.h"

#include <stdio.h>
#include <string.h>

long share_of(const struct config *config, long all)
{
	long rest = (long)((double)all * (double)(100 - config->share) / 100);
	return all - rest > 0 ? all - rest : 1;
}

static int place_of(const struct tally *t, const char *name)
{
	int i = 0;
	while (i < t->names && strcmp(t->list[i].name, name) != 0)
		i++;
	return i;
}

void tally_add(struct tally *t, const char *name)
{
	int i = place_of(t, name);
	if (i == SHARE_NAMES)
		return;
	if (i == t->names) {
		t->names++;
		snprintf(t->list[i].name, SHARE_NAME, "%s", name);
		t->list[i].count = 0;
	}
	t->list[i].count++;
}

long tally_of(const struct tally *t, const char *name)
{
	int i = place_of(t, name);
	return i < t->names ? t->list[i].count : 0;
}

const char *tally_most(const struct tally *t)
{
	int most = 0;
	for (int i = 1; i < t->names; i++)
		if (t->list[i].count > t->list[most].count)
			most = i;
	return t->names ? t->list[most].name : "";
}
