/* calls.h - a request on its way to Emacs and back.  core alone calls. */
#ifndef CALLS_H
#define CALLS_H

#include "core/stage.h"

/* Gives r, whose tool and arguments are set and whose message is still there, to W. */
enum verdict calls_submit(struct request *r, struct worker *w);

/* Once more, with what the client has answered; both may be NULL.  False: the reply says why not. */
bool calls_again(struct request *r, const json_t *responses, const json_t *state);

const json_t *calls_capabilities(const struct request *r); /* of its client; NULL: none are known */
bool calls_tell_messages(const struct request *r); /* what a form says by `message' is for its client's log */

#endif
