/* near.h - how much one word is like another, for who has mistyped one.  Pure. */
#ifndef NEAR_H
#define NEAR_H

#include <stddef.h>

enum { NEAR_LONGEST = 64 }; /* bytes of a word that is compared at all */

/* How many letters must be changed, added, left out or swapped with their neighbour to make A
 * of B; SIZE_MAX when one of them is too long. */
size_t near_distance(const char *a, const char *b);

#endif
