/* guard.h - who may come in: from where, under which name, with which token, and how
 * much at a time.  A stage of the road; over HTTP guard_admit is asked before, about
 * headers and peer, so that no body is read for nothing.  Knows no socket and no status. */
#ifndef GUARD_H
#define GUARD_H

#include "config.h"

#include <stdbool.h>

enum { GUARD_TOKEN_MAX = 256, GUARD_WHY_MAX = 320, GUARD_PRINCIPAL_MAX = 32 };

enum guard_verdict {
	GUARD_WELCOME,
	GUARD_HOST,   /* it was sent to a name that is not ours */
	GUARD_ORIGIN, /* a page of somebody else sent it */
	GUARD_TOKEN,  /* no token, or a wrong one */
};

struct guard;

/* What is known before the body; NULL: not said. */
struct guard_visit {
	bool local_socket;   /* a Unix socket: the system has said who it is */
	long uid;            /* then */
	const char *host, *origin, *authorization;
	bool open_door;      /* asks for nothing that is worth a token */
	char principal[GUARD_PRINCIPAL_MAX]; /* set when it is welcome */
	char why[GUARD_WHY_MAX];             /* set when it is not */
};

struct guard *guard_create(const struct config *); /* borrowed */
void guard_destroy(struct guard *);

/* The token that is asked for; NULL: none is.  It is copied, and never logged.  Those with a
 * name are good besides; who brings one is GUARD_NAMED and the name.  False: there are too many. */
#define GUARD_NAMED "token:"
void guard_set_token(struct guard *, const char *token); /* forgets those with a name */
bool guard_add_token(struct guard *, const char *name, const char *token) __attribute__((warn_unused_result));

void guard_principal_of(long uid, char principal[GUARD_PRINCIPAL_MAX]); /* of who uses a Unix socket, in whatever language */
/* The settings were read again since: what PRINCIPAL came in with is good no more, or gives less. */
bool guard_revoked(const struct guard *, const char *principal);

enum guard_verdict guard_admit(const struct guard *, struct guard_visit *);
/* One more request of PRINCIPAL is under way, until it is let go.  False: that would be more than its share. */
bool guard_hold(struct guard *, const char *principal) __attribute__((warn_unused_result));
void guard_let_go(struct guard *, const char *principal);
bool guard_origin_ok(const struct guard *, const char *origin);

/* May something listen on this address so?  False: why says why not. */
bool guard_listen_ok(const char *address, bool tls, bool token, char why[GUARD_WHY_MAX]) __attribute__((warn_unused_result));
bool guard_is_loopback(const char *address); /* a numeric address, or localhost */

#endif
