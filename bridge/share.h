/* share.h - how much of what all clients of the gateway have together one of them may take, and who has taken
 * the most.  Pure; anybody may call. */
#ifndef SHARE_H
#define SHARE_H

#include "config.h"

enum { SHARE_NAME = 48, SHARE_NAMES = 128 };

long share_of(const struct config *, long all); /* at least 1; of a few, all */

/* Counts by name.  Names beyond the first SHARE_NAMES are not counted. */
struct tally {
	struct {
		char name[SHARE_NAME];
		long count;
	} list[SHARE_NAMES];
	int names;
};

void tally_add(struct tally *, const char *name);
long tally_of(const struct tally *, const char *name);
const char *tally_most(const struct tally *); /* "" when it is empty */

#endif
