/* answer.h - an HTTP answer as its bytes come: its status, its session, and of its body, JSON
 * or event stream, what is needed to know it for a good answer to question N.  The body is
 * counted, not kept: only its beginning and its end are. */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include "wire/buf.h"

enum { ANSWER_HEAD = 4096, ANSWER_TAIL = 256, ANSWER_SESSION = 128 };

struct answer {
	enum { ANSWER_AT_HEAD, ANSWER_AT_BODY, ANSWER_AT_SIZE, ANSWER_AT_CHUNK, ANSWER_AT_CHUNK_END, ANSWER_AT_TRAILER, ANSWER_DONE } at;
	int status;
	bool stream; /* text/event-stream */
	bool close;  /* no more can be asked on this connection */
	size_t left; /* of the body or chunk */
	size_t bytes; /* of the body so far */
	size_t head_len, tail_len;
	char head[ANSWER_HEAD + 1], tail[ANSWER_TAIL + 1];
	char session[ANSWER_SESSION]; /* of Mcp-Session-Id; empty: none */
};

void answer_begin(struct answer *a);

/* Eats what belongs to the answer; true once it is whole. */
bool answer_feed(struct answer *a, struct buf *from);

/* Ends the program unless it is a result of question ID. */
void answer_check(const struct answer *a, unsigned long long id);

#endif
