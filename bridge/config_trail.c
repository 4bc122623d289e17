/* config_trail.c - see config_trail.h */
#include "config_trail.h"
#include "copy.h"
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct config_trail {
	struct config_step *steps; /* owned */
	size_t count, room;
	enum config_layer layer;
	char *where; /* owned */
};

struct config_trail *config_trail_create(void)
{
	struct config_trail *t = calloc(1, sizeof *t);
	if (!t)
		log_no_memory();
	return t;
}

void config_trail_destroy(struct config_trail *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++) {
		free(t->steps[i].name);
		free(t->steps[i].value);
		free(t->steps[i].where);
	}
	free(t->steps);
	free(t->where);
	free(t);
}

void config_trail_at(struct config_trail *t, enum config_layer layer, const char *format, ...)
{
	va_list ap;
	if (!t)
		return;
	free(t->where);
	t->layer = layer;
	va_start(ap, format);
	if (vasprintf(&t->where, format, ap) < 0)
		log_no_memory();
	va_end(ap);
}

void config_trail_note(struct config_trail *t, const char *name, const char *value)
{
	if (!t)
		return;
	if (t->count == t->room) {
		t->room = t->room ? t->room * 2 : 64;
		t->steps = realloc(t->steps, t->room * sizeof *t->steps);
		if (!t->steps)
			log_no_memory();
	}
	t->steps[t->count++] = (struct config_step){t->layer, copy_text(name), copy_text(value), copy_text(t->where ? t->where : "")};
}

const struct config_step *config_trail_last(const struct config_trail *t, const char *name, const struct config_step *before)
{
	const struct config_step *step = before ? before : t->steps + t->count;
	while (step > t->steps)
		if (strcmp((--step)->name, name) == 0)
			return step;
	return NULL;
}
