/* census.h - how many values a text of JSON holds and how deep they lie, counted before a tree is built of
 * it: a tree takes some fifty times the memory of "[],", and its time.  Who parses what others wrote loads it here.
 * The limits are those of the settings, for the whole program; none before they are set. */
#ifndef CENSUS_H
#define CENSUS_H

#include <jansson.h>
#include <stdbool.h>

enum { CENSUS_WHY_MAX = 120 };

void census_set(long values, long depth, long id); /* values_max, depth_max and id_max */

enum census { CENSUS_FINE, CENSUS_MANY, CENSUS_DEEP };

/* The bound that the text exceeds; WHY says it. */
enum census census_judge(const char *text, size_t len, char why[CENSUS_WHY_MAX]);

/* As json_loadb.  NULL too for what is not fine; ERROR, which may be NULL, says why. */
json_t *census_load(const char *text, size_t len, size_t flags, json_error_t *error);

/* An id, a token, a URI or the like, LEN bytes of which are kept and repeated. */
bool census_is_short(size_t len);
long census_id_max(void);

#endif
