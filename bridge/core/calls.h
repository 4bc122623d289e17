/* calls.h - a request on its way to Emacs and back.  core alone calls. */
#ifndef CALLS_H
#define CALLS_H

#include "core/registry.h"
#include "core/stage.h"

/* Gives r, whose tool and arguments are set and whose message is still there, to that place. */
enum verdict calls_submit(struct request *r, const struct place *);

/* Once more, with what the client has answered; both may be NULL.  False: the reply says why not. */
bool calls_again(struct request *r, const json_t *responses, const json_t *state);

uint64_t calls_owner_key(const char *principal); /* 0: nobody has proved who it is */
uint64_t calls_client_key(const struct request *); /* who takes turns with whom in a line */
void calls_answered(struct request *r); /* what request::resume is for such a request */
void calls_bind(struct request *r);     /* while its message is there: to what a requestState belongs */
bool calls_open_state(struct request *r, json_t **state); /* what came with it; may be NULL; false: r is refused */
void calls_question(struct request *r, const json_t *questions, const json_t *state); /* makes r's reply */

const json_t *calls_capabilities(const struct request *r); /* of its client; NULL: none are known */
bool calls_tell_messages(const struct request *r); /* what a form says by `message' is for its client's log */

#endif
