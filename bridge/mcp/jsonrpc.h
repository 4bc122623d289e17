/* jsonrpc.h - JSON-RPC 2.0: text of a client -> id, method, params, and the way back.
 * Pure functions; the only place that knows the numbers of faults.  core calls. */
#ifndef JSONRPC_H
#define JSONRPC_H

#include "request.h"

/* Parses r->text into r->message, an object or an array.  False: r->fault says why. */
bool jsonrpc_parse(struct request *r) __attribute__((warn_unused_result));

enum jsonrpc_kind { JSONRPC_REQUEST, JSONRPC_NOTIFICATION, JSONRPC_RESPONSE, JSONRPC_BAD };

/* Reads id, name and params out of r->message.  BAD: r->fault says why. */
enum jsonrpc_kind jsonrpc_read(struct request *r);

/* The id at the front of a message that is too long to be parsed; NULL when it is not
 * seen at once.  Caller frees. */
char *jsonrpc_peek_id(const char *text, size_t len);

int jsonrpc_number(const struct request *); /* of its fault */

/* Writes r->head and r->tail around r->reply.  MEMBERS (or "") is what the era adds to a result. */
void jsonrpc_wrap(struct request *r, const struct buf *members);

/* {"jsonrpc":"2.0","method":METHOD,"params":PARAMS}; PARAMS is JSON text or NULL. */
void jsonrpc_notification(struct buf *out, const char *method, const char *params);

#endif
