/* config_trail.h - where each setting was found and what it overruled, noted while the layers
 * are read: for those who ask why a setting is what it is.  Knows no setting by itself.
 * config*.c and cli.c write it, main_config.c reads it.  A NULL trail notes nothing. */
#ifndef CONFIG_TRAIL_H
#define CONFIG_TRAIL_H

#include <stddef.h>

struct config_trail;

enum config_layer { CONFIG_OF_FILE, CONFIG_OF_ENVIRONMENT, CONFIG_OF_FLAG };

struct config_step {
	enum config_layer layer;
	char *name, *value, *where; /* owned by the trail; where: for people */
};

struct config_trail *config_trail_create(void);
void config_trail_destroy(struct config_trail *);

/* What is noted from now on was found there. */
void config_trail_at(struct config_trail *, enum config_layer, const char *format, ...) __attribute__((format(printf, 3, 4)));
void config_trail_note(struct config_trail *, const char *name, const char *value);

/* The latest step of NAME before the step BEFORE (NULL: of all); NULL: there is none. */
const struct config_step *config_trail_last(const struct config_trail *, const char *name, const struct config_step *before);

#endif
