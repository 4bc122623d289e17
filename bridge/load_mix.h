/* load_mix.h - which requests a load test sends, in which shares.  Pure.  main_load.c calls. */
#ifndef LOAD_MIX_H
#define LOAD_MIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOAD_KINDS = 16, LOAD_SHARE_MAX = 1000 };

struct load_mix {
	size_t count;
	struct load_kind {
		const char *name, *tool, *arguments, *doc; /* of load.def */
		long share;
		char *request; /* owned; as HTTP */
		size_t len;
	} kinds[LOAD_KINDS];
	long shares; /* of all */
	uint64_t seed;
};

/* TEXT is "eval:8,list:2"; NULL: the list alone.  INSTANCE (NULL: none is named) gets them.  False: *error (caller frees). */
bool load_mix_init(struct load_mix *, const char *text, const char *instance, const char *token, char **error)
	__attribute__((warn_unused_result));
void load_mix_finish(struct load_mix *);

double load_mix_chance(struct load_mix *);      /* from 0 to under 1, the same ones each time */
size_t load_mix_next(struct load_mix *);        /* of kinds, by their shares */

#endif
