/* express.h - short answers go from Lisp's thread straight to the socket, when nothing is
 * in front of them and nobody else has to hear of them: waking the loop to write for us
 * costs more than all the rest of a short call.  What the socket does not take at once
 * is the loop's to write.  Two threads, under a lock of its own. */
#ifndef EXPRESS_H
#define EXPRESS_H

#include "job.h"

#include <pthread.h>
#include <sys/types.h>

enum { EXPRESS_MAX = 32 * 1024 /* bytes of an answer that goes so */ };

struct express {
	pthread_mutex_t lock;
	struct lane {
		uint64_t peer; /* 0: free */
		int fd;        /* borrowed */
		bool open;     /* the loop has nothing half sent */
		struct buf rest; /* of an answer: to be sent before anything else */
	} lanes[WIRE_PEERS_MAX];
};

bool express_init(struct express *e); /* false: the system gives no lock */
void express_finish(struct express *e);

/* ---- the loop's side ---- */
void express_open(struct express *e, uint64_t peer, int fd); /* answers may go so from now on */
void express_close(struct express *e, uint64_t peer, struct buf *out); /* no more; the rest goes in front of OUT, NULL: away */
/* Like send(2), of what is to go to the peer: the rest, then OUT, both eaten.  The
 * lane is open again when all is gone. */
ssize_t express_write(struct express *e, uint64_t peer, int fd, struct buf *out);

/* ---- Lisp's side ---- */
enum express_sent { EXPRESS_NO, EXPRESS_ALL, EXPRESS_PART };
/* NO: it is to go the other way.  PART: wake the loop. */
enum express_sent express_send(struct express *e, const struct reply *reply);

#endif
