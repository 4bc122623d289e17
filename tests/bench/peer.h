/* peer.h - who is asked: an MCP server on pipes, the module's socket, a bare echo, or a
 * program that is run anew for each question.  One client for all of them: a question is
 * put into a buffer, what is in it leaves in one write, answers are taken one by one. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include "wire/buf.h"

#include <stdint.h>
#include <sys/types.h>

enum { RAW_SIZE = 128 }; /* bytes of a question to tests/bench/echo_peer.c; the first 8: bytes of the answer, native order */

struct peer {
	const struct peer_kind *kind;
	int in, out;          /* the same for a socket */
	pid_t pid;            /* of an MCP server; 0: none */
	struct buf to, from;
	size_t scanned;       /* bytes of from without a newline */
	size_t missing;       /* raw: bytes of the answer still to come */
	size_t want;          /* raw: bytes of an answer */
	size_t bytes;         /* of the answer that was taken last */
	uint64_t next;        /* id of the next question, for the caller */
	uint64_t first;       /* raw, run: the oldest unanswered question */
	const char *tool, *arguments; /* borrowed */
	char **command;       /* run: borrowed */
};

/* A peer out of words of a command line, which are borrowed:
 *   mcp TOOL ARGUMENTS COMMAND...     an MCP server; initialized
 *   wire SOCKET TOOL ARGUMENTS        calls to the module; welcomed
 *   ping SOCKET, status SOCKET        questions the module's thread answers
 *   raw SOCKET BYTES                  the echo, answers of BYTES
 *   run COMMAND...                    a process for each question */
void peer_open(struct peer *p, int argc, char **argv);
void peer_close(struct peer *p); /* waits for the server's end */

void peer_put(struct peer *p, uint64_t id);                              /* a question as it was opened for */
void peer_put_call(struct peer *p, uint64_t id, const char *arguments);  /* mcp and wire: with other arguments */
void peer_put_cancel(struct peer *p, uint64_t id);                       /* mcp and wire */
void peer_flush(struct peer *p);
uint64_t peer_take(struct peer *p);       /* waits for an answer; its id */
bool peer_take_ready(struct peer *p, uint64_t *id); /* one that was read already */

/* The answer to a status question, until the next one is taken; ends with a zero. */
const char *peer_state(struct peer *p);

/* Starts the MCP server COMMAND and waits until `initialize' is answered. */
void peer_spawn(struct peer *p, char **command);

#endif
