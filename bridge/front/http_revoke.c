/* http_revoke.c - what ends at once when the settings give somebody less than before. */
#include "front/http_impl.h"
#include "log.h"

struct gone {
	struct http *http;
	pipeline_gone *is;
	void *data;
};

static struct legacy *session_of(const struct gone *g)
{
	struct legacy *l;
	for (int i = 0; i < LEGACY_TABLE; i++)
		TAILQ_FOREACH(l, &g->http->table[i], of_table)
			if (g->is(g->data, l->principal))
				return l;
	return NULL;
}

/* A page that may not use this any more sees nothing more of it either. */
static bool is_gone(const struct gone *g, const struct exchange *e)
{
	return g->is(g->data, e->principal) || (*e->origin && !guard_origin_ok(pipeline_guard(g->http->pipeline), e->origin));
}

static struct exchange *exchange_of(const struct gone *g)
{
	struct exchange *e;
	TAILQ_FOREACH(e, &g->http->open, of_http)
		if (is_gone(g, e))
			return e;
	return NULL;
}

/* One that has not begun to be worked on is refused as it would be if it came now. */
static void end(struct exchange *e, const char *why)
{
	if (e->conn && !e->session && !e->legacy && !conn_begun(e->conn))
		http_refuse(e, 401, 0, "WWW-Authenticate: Bearer realm=\"efrit-mcp\"\r\n", "%s", why);
	else
		answer_stop(e, why);
}

void http_revoke(struct http *h, pipeline_gone *is, void *data, const char *why)
{
	struct gone g = {h, is, data};
	struct legacy *l;
	struct exchange *e;
	long sessions = 0, requests = 0;
	for (; (l = session_of(&g)); sessions++) {
		pipeline_stop(l->session, why);
		legacy_destroy(l);
	}
	for (; (e = exchange_of(&g)); requests++)
		end(e, why);
	lines_revoke_all(h, is, data, why);
	pipeline_revoke(h->pipeline, is, data, why);
	if (sessions || requests)
		log_info("%s: %ld sessions and %ld requests or streams besides have ended", why, sessions, requests);
	conns_wake(h->conns);
}
