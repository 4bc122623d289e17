/* oneshot.c - see oneshot.h */
#include "front/oneshot.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 64 * 1024 };

struct oneshot {
	struct outlet outlet; /* first member */
	struct ev_loop *loop; /* borrowed */
	const struct config *config; /* borrowed */
	struct pipeline *pipeline;   /* borrowed */
	struct session *session;     /* owned */
	char *message;               /* owned */
	struct request *stream;      /* borrowed; whose answer comes in pieces */
	struct buf answer;
	bool done;
};

static void add(struct buf *b, const char *data, size_t len)
{
	if (!buf_add(b, data, len))
		log_no_memory();
}

static void end(struct oneshot *o, struct request *r)
{
	o->stream = NULL;
	o->done = true;
	pipeline_settle(r);
	ev_break(o->loop, EVBREAK_ALL);
}

static void pump(struct oneshot *o)
{
	enum pipeline_passed passed;
	while ((passed = pipeline_pass(o->stream, &o->answer, PIECE)) == PIPELINE_SOME)
		;
	if (passed == PIPELINE_END)
		end(o, o->stream);
}

static void on_deliver(struct outlet *outlet, struct request *r)
{
	struct oneshot *o = (struct oneshot *)(void *)outlet;
	add(&o->answer, buf_data(&r->head), buf_len(&r->head));
	if (r->streaming && !r->ended) {
		o->stream = r;
		pump(o);
		return;
	}
	add(&o->answer, buf_data(&r->reply), buf_len(&r->reply));
	add(&o->answer, r->tail, strlen(r->tail));
	end(o, r);
}

static void on_more(struct outlet *outlet, struct request *r)
{
	struct oneshot *o = (struct oneshot *)(void *)outlet;
	(void)r;
	if (o->stream)
		pump(o);
}

static void on_notify(struct outlet *outlet, struct request *about, const char *line, size_t len)
{
	(void)about;
	(void)outlet;
	(void)line;
	(void)len;
}

static void send(struct oneshot *o)
{
	size_t len = strlen(o->message);
	if (len > (size_t)o->config->request_max)
		pipeline_take_long(o->session, o->message, len < 4096 ? len : 4096);
	else
		pipeline_take(o->session, o->message, len);
}

static char *compose(const char *tool, const json_t *arguments)
{
	json_t *message = json_pack("{s:s,s:i,s:s,s:{s:s,s:O,s:{s:s,s:{},s:{s:s,s:s}}}}", "jsonrpc", "2.0", "id", 1, "method",
				    "tools/call", "params", "name", tool, "arguments", arguments, "_meta",
				    "io.modelcontextprotocol/protocolVersion", "2026-07-28",
				    "io.modelcontextprotocol/clientCapabilities", "io.modelcontextprotocol/clientInfo", "name",
				    "efrit-bridge", "version", EFRIT_MCP_VERSION);
	char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
	if (!text)
		log_no_memory();
	json_decref(message);
	return text;
}

struct oneshot *oneshot_create(struct ev_loop *loop, const struct config *config, struct pipeline *pipeline, const char *tool,
			       const json_t *arguments)
{
	struct oneshot *o = calloc(1, sizeof *o);
	if (!o)
		log_no_memory();
	o->loop = loop;
	o->config = config;
	o->pipeline = pipeline;
	o->outlet = (struct outlet){on_deliver, on_more, on_notify, NULL};
	o->message = compose(tool, arguments);
	o->session = pipeline_open(pipeline, &o->outlet);
	char *folder = getcwd(NULL, 0);
	pipeline_place(o->session, folder);
	free(folder);
	send(o);
	return o;
}

const struct buf *oneshot_answer(const struct oneshot *o)
{
	static const struct buf nothing;
	return o->done ? &o->answer : &nothing;
}

void oneshot_destroy(struct oneshot *o)
{
	if (!o)
		return;
	if (o->stream)
		pipeline_settle(o->stream);
	pipeline_close(o->session);
	buf_finish(&o->answer);
	free(o->message);
	free(o);
}
