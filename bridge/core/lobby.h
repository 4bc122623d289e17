/* lobby.h - requests that wait until the Emacs instances that were found have told which
 * tools they have: the first list a client sees is whole, and a tool is called unknown
 * only when everybody was asked.  At most hello_timeout.  core alone calls; bridge loop only. */
#ifndef LOBBY_H
#define LOBBY_H

#include "core/stage.h"

struct lobby *lobby_create(struct pipeline *);
void lobby_destroy(struct lobby *); /* nobody may wait any more */

bool lobby_knows(const struct pipeline *); /* all that were found have told what they have */

/* True: it waits, and will enter the stage it is in again.  False: it is decided now. */
bool lobby_keeps(struct request *);
bool lobby_keeps_for_gateway(struct request *); /* the same, until a gateway that was found has told what it has */

/* R, whose task is gone, enters the stage it is in again.  MESSAGE, which PARAMS is in, and HTTP are taken. */
void lobby_send_in(struct request *, json_t *message, json_t *params, struct http_said *http);

#endif
