/* main_listen.h - the addresses at which the gateway takes connections: opened, taken over
 * from systemd or from the gateway before, handed on, closed.  main_gateway.c calls. */
#ifndef MAIN_LISTEN_H
#define MAIN_LISTEN_H

#include "config.h"
#include "front/http.h"

struct listeners;

struct listeners *listeners_create(struct ev_loop *, struct http *); /* borrowed */
void listeners_destroy(struct listeners *); /* closes what is open; removes no socket file */

/* A socket that somebody else opened, under the name it has in the setting; taken.  Before
 * listeners_open.  GIVEN: it is used whatever the setting says, and for TCP instead of it. */
void listeners_inherit(struct listeners *, const char *name, int fd, bool given);

/* Opens what the setting listen and SOCKET name and is not open, closes what they name no
 * more.  All or nothing: false, and *error (caller frees) says why. */
bool listeners_open(struct listeners *, const struct config *, const char *socket, char **error) __attribute__((warn_unused_result));

/* Makes each Unix socket again whose file is gone.  False: the first one that cannot be, and *error (caller frees)
 * says why, for example that another program listens there now. */
bool listeners_look(struct listeners *, char **error) __attribute__((warn_unused_result));

void listeners_start(struct listeners *); /* takes connections from now on */
void listeners_close(struct listeners *, bool unlink_files); /* only files that are still theirs */

void listeners_each(const struct listeners *, void (*visit)(void *data, const char *name, const char *url, int fd, bool given), void *data);

#endif
