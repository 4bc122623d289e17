/* fleet.h - all Emacs instances and pools that are declared: a keeper for each, workers of a
 * pool as its load wants them.  Only the gateway has one.  core and main call; bridge loop only. */
#ifndef FLEET_H
#define FLEET_H

#include "config.h"
#include "request.h"

struct fleet;
struct keeper;
struct worker;

/* PIPELINE is borrowed, outlives it, and is told of it.  Starts what is to be started. */
struct fleet *fleet_create(struct pipeline *);
void fleet_destroy(struct fleet *); /* kills pool workers that are left; NULL is fine */

/* The settings are others now: what is new is started, what is gone ends, what has changed
 * gets it with its next life, workers of pools when they are free. */
void fleet_reload(struct fleet *);

/* Ends what the gateway has started and nobody wants to keep.  ON_DONE comes once, from the
 * loop; HANDED_OVER: another gateway goes on with the instances. */
void fleet_end(struct fleet *, bool handed_over, void (*on_done)(void *data), void *data);

/* All of these accept NULL for the fleet: nothing is declared then. */
const char *fleet_serves(const struct fleet *, const char *name); /* the name an instance serves under; NAME itself if it is none */
struct keeper *fleet_keeper(const struct fleet *, const char *name); /* of an instance, by either name; NULL */
struct keeper *fleet_keeper_of(const struct fleet *, const struct worker *); /* of a worker of a pool too; NULL */
struct place;
long fleet_timeout(const struct fleet *, const struct place *);   /* s; 0: none is declared */
long fleet_priority(const struct fleet *, const struct worker *); /* 0 where none is declared */
bool fleet_may_batch(const struct fleet *, const struct worker *); /* it is kept here */

void fleet_tell(const struct keeper *, struct buf *out); /* members of a JSON object: ,"kept":... */
void fleet_tell_absent(const struct keeper *, struct buf *out); /* an object: its state, as far as the keeper knows it */
/* As objects, those that are not TOLD of already; how many. */
size_t fleet_absent(const struct fleet *, bool (*told)(const void *data, const char *name), const void *data, struct buf *out, bool comma);

#endif
