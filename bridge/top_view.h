/* top_view.h - what top shows, as lines for a terminal of a given size.  Pure.  main_top.c
 * alone calls. */
#ifndef TOP_VIEW_H
#define TOP_VIEW_H

#include <jansson.h>

/* Adds "per_second" to LOOK and its instances, and "clients": who has how much running.  BEFORE may be
 * NULL: then there are no rates yet. */
void top_view_compare(json_t *look, const json_t *before);

/* ROWS lines of at most COLUMNS columns, each ended by EOL; ROWS 0: as many as there are.  Caller frees. */
char *top_view_draw(const json_t *look, int rows, int columns, const char *eol);

#endif
