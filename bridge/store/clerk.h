/* clerk.h - one thread that carries out orders, so that the loop never waits for a disk:
 * they are done as they were given, and the loop is told of each.  When the clerk is
 * destroyed it first does what it has.  store_sqlite.c and spool.c call; bridge loop only,
 * but for `work`. */
#ifndef CLERK_H
#define CLERK_H

#include <ev.h>
#include <stdbool.h>
#include <sys/queue.h>

/* First member of an order of the user's own. */
struct clerk_order {
	TAILQ_ENTRY(clerk_order) link;
	void *data;     /* who is told */
	bool forgotten; /* by clerk_forget; the loop's alone */
};
TAILQ_HEAD(clerk_list, clerk_order);

struct clerk_user {
	bool together; /* all that wait are one piece of work; else each by itself */
	void (*work)(void *data, const struct clerk_list *); /* the thread; the list stays as it is */
	void (*tell)(struct clerk_order *); /* the loop, unless it was forgotten; it may give and forget */
	void (*free)(struct clerk_order *);
};

struct clerk;

/* USER lives as long as it.  NULL: the thread could not be started, errno says why. */
struct clerk *clerk_create(struct ev_loop *, const struct clerk_user *user, void *data);
void clerk_give(struct clerk *, struct clerk_order *); /* the order is the clerk's from here on */
void clerk_forget(struct clerk *, const void *data);   /* nothing is told to DATA any more */
void clerk_destroy(struct clerk *); /* what was given is done before; nobody is told any more; NULL is fine */

#endif
