/* top_source.h - where top takes what it shows from: the gateway, asked through its Unix socket,
 * or, where none runs, the instances themselves.  main_top.c alone calls. */
#ifndef TOP_SOURCE_H
#define TOP_SOURCE_H

#include "config.h"

#include <ev.h>
#include <jansson.h>

struct top_source;

/* NULL: said in the log. */
struct top_source *top_source_create(struct ev_loop *, struct config *);
void top_source_destroy(struct top_source *);

/* {"at": seconds, "gateway": its health or null, "instances": [...], "pools": [...], "why": text}, a new
 * reference.  Runs the loop until the answers are there, some seconds at most. */
json_t *top_source_look(struct top_source *);

#endif
