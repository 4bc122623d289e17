/* profile.h - which tools a client has: those of the setting profile, of its token and of
 * the name it gives itself.  A set of profiles is a number with a bit for each; a tool must
 * be in all of them.  core alone calls; bridge loop only. */
#ifndef PROFILE_H
#define PROFILE_H

#include "request.h"

struct config;

enum { PROFILE_SETS = 16 }; /* 0: no restraint */

unsigned profile_of_tool(const json_t *definition); /* those it is in */

/* What a client has; PRINCIPAL as core/guard.c says it, CLIENT as it calls itself, either may be NULL. */
unsigned profile_of_client(const struct config *, const char *principal, const char *client);
unsigned profile_of_request(const struct request *);
bool profile_only_looks(unsigned set); /* who has that has nothing that acts */

/* Answers R, whose tool is not in all of WANTED: names the profile and where it is set. */
void profile_refuse(struct request *r, unsigned tool);

#endif
