/* progress.c - a heartbeat for clients that gave a progressToken: while a call takes
 * long, they hear that it is still under way.  Nothing after the answer. */
#include "back/worker.h"
#include "core/session.h"
#include "mcp/jsonrpc.h"
#include "mcp/text.h"
#include "os.h"

static void on_progress(EV_P_ ev_timer *timer, int revents)
{
	struct request *r = timer->data;
	struct session *s = r->session;
	double seconds = os_now() - r->born;
	struct buf params = {0}, line = {0};
	(void)loop;
	(void)revents;
	text_format(&params, "{\"progressToken\":%s,\"progress\":%.2f", r->token, seconds);
	if (r->version >= VERSION_2025_03_26)
		text_format(&params, ",\"message\":\"%s %s for %.0f s\"", r->flying ? "running on" : "waiting for",
			    r->worker ? r->worker->name : "Emacs", seconds);
	text_put(&params, "}");
	jsonrpc_notification(&line, "notifications/progress", text_string(&params));
	s->outlet->notify(s->outlet, r, buf_data(&line), buf_len(&line));
	buf_finish(&params);
	buf_finish(&line);
}

void progress_start(struct request *r)
{
	double interval = (double)r->pipeline->config->progress_interval / 1000;
	if (!r->token || r->listens)
		return;
	ev_timer_init(&r->progress, on_progress, interval, interval);
	r->progress.data = r;
	ev_timer_start(r->pipeline->loop, &r->progress);
}

void progress_stop(struct request *r)
{
	if (ev_is_active(&r->progress))
		ev_timer_stop(r->pipeline->loop, &r->progress);
}
