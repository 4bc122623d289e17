/* ledger.h - which calls Lisp has begun, in memory that outlives Emacs: a bridge that has
 * lost its Emacs reads there which of its calls had not begun and so did not run.  The
 * module writes a call down before Lisp may begin it, whatever kills it then.  It holds the
 * last LEDGER_CALLS of all peers; of what is older nothing is known. */
#ifndef WIRE_LEDGER_H
#define WIRE_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

enum { LEDGER_CALLS = 4096 };

struct ledger;

/* ---- the module's side; one writer at a time ---- */
struct ledger *ledger_create(void); /* NULL: the system gives no such memory, errno says why */
void ledger_destroy(struct ledger *); /* accepts NULL */
int ledger_descriptor(const struct ledger *); /* for the bridges; borrowed */
void ledger_begin(struct ledger *, uint64_t peer, uint64_t id);

/* ---- the bridge's side ---- */
struct ledger *ledger_open(int fd); /* takes FD; NULL: it is none */
uint64_t ledger_count(const struct ledger *); /* calls begun so far */
/* It is certain that the call was not begun, which was sent when ledger_count was SINCE.  To be
 * asked when the module has closed the connection: what it has of this peer is not begun later. */
bool ledger_lacks(const struct ledger *, uint64_t since, uint64_t peer, uint64_t id);

#endif
