/* http.h - the front for HTTP: MCP at /mcp in both eras, the transport of 2024-11-05, the
 * plain interface, and lines of MCP on Unix sockets.  main_gateway.c calls; bridge loop only. */
#ifndef FRONT_HTTP_H
#define FRONT_HTTP_H

#include "core/guard.h"
#include "core/pipeline.h"

struct http;
struct tls;

struct http *http_create(struct ev_loop *, const struct config *, struct pipeline *); /* all borrowed */
void http_destroy(struct http *); /* cancels what is unanswered */

void http_set_tls(struct http *, struct tls **); /* taken; NULL inside: none; for connections to come */
void http_take(struct http *, int fd, bool unix_socket, long uid); /* an accepted connection; taken */

/* The log has a line about a client that was refused, unless it has had log_refused of that kind this minute. */
enum http_refused_kind { HTTP_REFUSED_TOKEN, HTTP_REFUSED_HOST, HTTP_REFUSED_USER, HTTP_REFUSED_FULL, HTTP_REFUSED_KINDS };
void http_refused(struct http *, enum http_refused_kind, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Principals that are GONE have no rights any more: their sessions, streams and subscriptions end, running calls are cancelled and answered so. */
void http_revoke(struct http *, pipeline_gone *, void *data, const char *why);

/* No request is begun any more.  LINGER: seconds that idle connections may still be used.
 * ON_EMPTY is called when nothing is left. */
void http_drain(struct http *, double linger, void (*on_empty)(void *), void *data);
/* Gives connections on which nothing is under way to PASS, which says whether somebody else serves them now. */
void http_pass(struct http *, bool (*pass)(void *data, int fd, bool unix_socket), void *data);
void http_stop(struct http *, const char *why); /* what still runs is answered so */

#endif
