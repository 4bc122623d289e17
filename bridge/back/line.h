/* line.h - requests that wait for somebody who answers: bounded, the urgent ones first,
 * clients in turn.  What waits long gets its turn though more urgent ones keep coming, but
 * only now and then, so that it does not push them aside.  Pure: no clock, no loop of its
 * own.  back alone calls.  It borrows its requests; a request is in one line at most. */
#ifndef LINE_H
#define LINE_H

#include "request.h"

struct line_policy {
	long max, bytes; /* requests, and bytes of their arguments, in all */
	long client_max; /* requests of one client */
	long owner_max;  /* of all clients of one owner; 0: no other bound */
	double age;      /* seconds; who waits longer has a turn though it is less urgent */
};

struct lane; /* what waits of one client; by request::client_key and owner_key */

struct lane_turn {
	TAILQ_ENTRY(lane_turn) link;
	struct lane *lane;            /* borrowed: the one it is in */
	struct request_list waiting;  /* request::of_worker */
};
TAILQ_HEAD(lane_turns, lane_turn);

enum { LINE_LANES = 32 };

struct line {
	const struct line_policy *policy; /* borrowed */
	struct line_rank {
		struct lane_turns turns;      /* of clients with something in it; the first is next */
		struct request_list arrived;  /* request::of_line; the oldest first */
		long count;
		unsigned passed;              /* more urgent ones that went before one that waits too long */
	} ranks[PRIORITIES];
	struct lane *lanes[LINE_LANES];       /* owned; by the client's key, chained */
	long count, bytes;
};

enum line_room { LINE_ROOM, LINE_FULL, LINE_CLIENT_FULL };

void line_init(struct line *, const struct line_policy *); /* borrowed, outlives it */

enum line_room line_room(const struct line *, const struct request *);
void line_add(struct line *, struct request *, double now);
void line_return(struct line *, struct request *); /* to the front: it had its turn already */
void line_remove(struct line *, struct request *); /* it waits no more */

/* Takes the next one out, no less urgent than LEAST, of a client that may go now (MAY NULL:
 * all may).  NULL: there is none. */
struct request *line_next(struct line *, enum priority least, double now, bool (*may)(const void *data, uint64_t client), const void *data);
struct request *line_oldest(const struct line *);  /* that has waited longest; NULL: nobody waits */

#endif
