/* http.h - many keep-alive connections that ask an MCP server over HTTP, one question each at
 * a time, and many event streams that say nothing. */
#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H

struct http_plan {
	long connections;
	double seconds, warm; /* how long is counted, and how long is not before that */
	long count;           /* questions at most */
};

/* HOST:PORT/PATH ERA TOKEN TOOL ARGUMENTS.  ERA: stateless (2026-07-28), or session: one for
 * all connections (2025-11-25).  TOKEN may be empty.  "ID" in ARGUMENTS stays the same. */
int http_ask(const struct http_plan *plan, int argc, char **argv);

/* HOST:PORT/PATH KIND TOKEN.  KIND: listen (2026-07-28), session (each has its own, and its
 * GET), or get (a plain GET).  Says {"open":N} when all are open, holds them until the end
 * of its input, and fails when one ended. */
int http_streams(const struct http_plan *plan, int argc, char **argv);

#endif
