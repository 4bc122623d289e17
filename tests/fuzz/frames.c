/* frames.c - bridges at the module's server, without Emacs and without its thread: two
 * peers over socket pairs, the loop turned by hand, a stand-in for Lisp.  The input is a
 * script of steps (the table at the end).  Nothing breaks, what the server says is always
 * well-formed, and every CALL of a peer that stays is answered exactly once. */
#include "fuzz.h"
#include "queue_priv.h"

#include "server.c" /* its inside: the loop is driven from here; needs nothing else of it */

enum { PEERS = 2, STEPS = 400, RESULT_LIMIT = 300 * 1024 };

struct client {
	int fd;            /* -1: gone */
	bool ended;        /* GOODBYE came */
	struct buf sent;   /* not yet looked at as frames */
	struct buf got, result, tools;
	bool garbage;      /* it sent what is no frame */
	unsigned calls, answers;
};

static struct server *server;
static struct queue *jobs;
static struct client clients[PEERS];
static unsigned moved; /* jobs taken and bytes heard */

static void turn(void)
{
	ev_run(server->loop, EVRUN_NOWAIT);
}

static void connect_client(struct client *c)
{
	int fds[2];
	*c = (struct client){.fd = -1};
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	must(peer_accept(server, fds[0], ++last_serial));
	c->fd = fds[1];
}

static void leave(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	buf_finish(&c->sent);
	buf_finish(&c->got);
	buf_finish(&c->result);
	buf_finish(&c->tools);
}

/* Counts the calls among what was sent. */
static void count_calls(struct client *c)
{
	struct wire_frame f;
	const char *why;
	enum wire_take t;
	while (!c->garbage && (t = wire_take(&c->sent, &f, &why)) != WIRE_TAKE_NONE) {
		c->garbage = t == WIRE_TAKE_BAD;
		if (c->garbage)
			return;
		c->calls += f.type == WIRE_CALL && !(f.flags & WIRE_MORE);
		wire_eat(&c->sent, &f);
	}
}

static void say(struct client *c, const char *data, size_t len)
{
	if (c->fd < 0)
		return;
	ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
	if (n <= 0)
		return; /* full, or the server has closed */
	must(buf_add(&c->sent, data, (size_t)n));
	count_calls(c);
}

static void say_frame(struct client *c, uint8_t type, uint8_t flags, uint64_t id, const char *data, size_t len)
{
	struct buf b = {0};
	must(wire_put(&b, type, flags, id, data, len));
	say(c, buf_data(&b), buf_len(&b));
	buf_finish(&b);
}

static void is_json(const char *text, size_t len)
{
	must(fuzz_is_json(text, len, NULL));
	must(!memchr(text, '\n', len));
}

static void part(struct buf *whole, const struct wire_frame *f)
{
	must(buf_add(whole, f->data, f->len));
	if (f->flags & WIRE_MORE)
		return;
	is_json(buf_data(whole), buf_len(whole));
	buf_finish(whole);
}

static void hear_frame(struct client *c, const struct wire_frame *f)
{
	must(!c->ended);
	switch (f->type) {
	case WIRE_PONG:
		must(!f->len);
		break;
	case WIRE_RESULT: /* blocks of several results may alternate: each is judged where it is one */
		must(f->len <= WIRE_BLOCK);
		c->answers += !(f->flags & WIRE_MORE);
		break;
	case WIRE_TOOLS:
		part(&c->tools, f);
		break;
	case WIRE_REFUSED:
		c->answers++;
		is_json(f->data, f->len);
		break;
	case WIRE_GOODBYE:
		c->ended = true;
		is_json(f->data, f->len);
		break;
	case WIRE_WELCOME:
	case WIRE_STATE:
	case WIRE_INTERRUPTED:
	case WIRE_CHANGED:
	case WIRE_NOTE:
		is_json(f->data, f->len);
		break;
	default:
		must(!"a frame of an unknown type from the module");
	}
	must(f->id == 0 || (f->type != WIRE_WELCOME && f->type != WIRE_CHANGED && f->type != WIRE_GOODBYE));
}

static void hear(struct client *c)
{
	struct wire_frame f;
	const char *why;
	enum wire_take t;
	ssize_t n = 1;
	while (c->fd >= 0 && n > 0) {
		must(buf_reserve(&c->got, 65536));
		n = recv(c->fd, buf_room(&c->got), 65536, MSG_DONTWAIT);
		moved += n > 0;
		if (n > 0)
			buf_filled(&c->got, (size_t)n);
		while ((t = wire_take(&c->got, &f, &why)) == WIRE_TAKE_FRAME) {
			hear_frame(c, &f);
			if (f.type == WIRE_RESULT && (f.flags & WIRE_MORE))
				say_frame(c, WIRE_CREDIT, 0, f.id, "\0\1\0\0", 4);
			wire_eat(&c->got, &f);
		}
		must(t == WIRE_TAKE_NONE);
	}
	c->ended |= n == 0;
}

/* ---- Lisp ---- */

static void reply(uint64_t number, size_t size, enum job_outcome outcome)
{
	struct buf text = {0};
	must(buf_printf(&text, "{\"content\":[{\"type\":\"text\",\"text\":\"%*s\"}]}", (int)(size % RESULT_LIMIT), ""));
	queue_reply(jobs, number, &text, outcome);
}

static void note(uint64_t number, size_t count)
{
	for (size_t i = 0; i < 1 + count % 7; i++) {
		struct buf text = {0};
		must(buf_printf(&text, "{\"progress\":%zu}", i));
		queue_note(jobs, i % 3 ? number : 0, &text);
	}
}

/* Takes one job and takes it as far as HOW says: bit 0 end and answer it, bit 1 defer it,
 * bit 2 nested, bit 3 say that a stop was seen, bit 6 speak before and after. */
static void lisp(uint8_t how, size_t size)
{
	char by[JOB_BY_MAX];
	queue_heard(jobs);
	const struct job *job = queue_take(jobs, how & 4);
	if (!job)
		return;
	moved++;
	uint64_t number = job->number;
	must(strlen(job->tool) <= WIRE_TOOL_MAX && strlen(job->client) <= WIRE_CLIENT_MAX);
	must(strlen(job->arguments) <= job->arguments_len);
	must(!job->context || strlen(job->context) <= job->context_len);
	if (how & 64)
		note(number, size);
	bool begun = !queue_running(jobs) || (how & 4) ? queue_begin(jobs, number, how & 4) : false;
	if (begun && (how & 8) && queue_why(jobs, number, by))
		queue_stop_seen(jobs, number, how & 16 ? "something foreign" : NULL, how & 32);
	if (begun && !(how & 4))
		queue_end(jobs, number);
	if (begun && (how & 2))
		queue_defer(jobs, number);
	else
		reply(number, size, how & 32 ? how & 128 ? JOB_ASKS : JOB_FAILED : how & 128 ? JOB_FAULT : JOB_DONE);
	if (how & 64)
		note(number, 1); /* of a job that has left: dropped */
}

static uint64_t running; /* taken, begun and kept */

static void begin_and_keep(void)
{
	if (running || queue_running(jobs))
		return;
	const struct job *job = queue_take(jobs, false);
	if (!job)
		return;
	uint64_t number = job->number;
	if (queue_begin(jobs, number, false))
		running = number;
	else
		reply(number, 5, JOB_STOPPED);
}

static void end_kept(size_t size)
{
	char by[JOB_BY_MAX];
	if (!running)
		return;
	enum job_stop why = queue_why(jobs, running, by);
	if (why)
		queue_stop_seen(jobs, running, NULL, false);
	queue_end(jobs, running);
	reply(running, size, why ? JOB_STOPPED : JOB_DONE);
	running = 0;
}

/* ---- the script ---- */

static void step_raw(struct input *in, struct client *c)
{
	size_t len = input_byte(in);
	const char *data = input_bytes(in, &len);
	say(c, data, len);
}

static void step_frame(struct input *in, struct client *c)
{
	uint8_t type = input_byte(in), flags = input_byte(in);
	uint64_t id = input_byte(in);
	size_t len = input_byte(in);
	if (len == 255)
		len = (size_t)input_byte(in) << 8 | input_byte(in);
	const char *data = input_bytes(in, &len);
	say_frame(c, type, flags, id, data, len);
}

static void step_call(struct input *in, struct client *c)
{
	struct buf b = {0};
	uint8_t id = input_byte(in), kind = input_byte(in), priority = kind % 3;
	size_t len = input_byte(in);
	uint32_t timeout = (uint32_t)input_byte(in) << (priority * 8);
	struct wire_call call = {.timeout_ms = timeout ? timeout + 1000 : 0, .priority = priority, .tool = "tool", .tool_len = 4,
				 .client = "c", .client_len = priority ? 1 : 0};
	call.arguments = input_bytes(in, &len);
	call.arguments_len = len;
	if (kind & 0x40) {
		call.context = call.arguments;
		call.context_len = len;
	}
	must(wire_put_call(&b, id, &call));
	say(c, buf_data(&b), buf_len(&b));
	buf_finish(&b);
}

static void step_hello(struct input *in, struct client *c)
{
	(void)in;
	say_frame(c, WIRE_HELLO, 0, 0, "{\"client\":\"fuzz\"}", 17);
}

static void step_turn(struct input *in, struct client *c)
{
	(void)in;
	(void)c;
	turn();
}

static void step_hear(struct input *in, struct client *c)
{
	(void)in;
	hear(c);
}

static void step_lisp(struct input *in, struct client *c)
{
	uint8_t how = input_byte(in);
	(void)c;
	lisp(how, (size_t)input_byte(in) * 1531);
}

static void step_begin(struct input *in, struct client *c)
{
	(void)in;
	(void)c;
	begin_and_keep();
}

static void step_end(struct input *in, struct client *c)
{
	(void)c;
	end_kept((size_t)input_byte(in) * 1531);
}

static void step_leave(struct input *in, struct client *c)
{
	(void)in;
	leave(c);
	turn();
	connect_client(c);
}

static void step_server(struct input *in, struct client *c)
{
	uint8_t what = input_byte(in);
	struct buf text = {0};
	(void)c;
	switch (what % 5) {
	case 0:
		server_set_catalogue(server, what & 8 ? "[]" : "[{}]", what & 8 ? 2 : 4, what & 16 ? "a" : "b");
		break;
	case 1:
		server_interrupt(server);
		break;
	case 2:
		must(server_status(server, &text));
		is_json(buf_data(&text), buf_len(&text));
		break;
	case 3:
		queue_prompt(jobs, what & 8 ? "Really? \x01\"" : "", false);
		break;
	default:
		server_take_events(server, &text);
	}
	buf_finish(&text);
}

static void (*const steps[])(struct input *, struct client *) = {
	step_raw, step_frame, step_call, step_hello, step_turn, step_hear, step_lisp, step_begin, step_end, step_leave, step_server,
};

/* ---- from the beginning to the end ---- */

static void start(void)
{
	int listener[2];
	jobs = queue_create(&(struct queue_limits){20, 8});
	struct server_settings set = {.instance = "fuzz", .version = "0", .emacs_version = "0", .heartbeat = 5,
				      .doorbell = open("/dev/null", O_WRONLY | O_CLOEXEC)};
	must(jobs && set.doorbell >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, listener) == 0);
	close(listener[1]);
	server = make(&set, jobs);
	must(server);
	server->listening.fd = listener[0]; /* nobody connects here */
	must(make_loop(server, &set));
	ev_io_stop(server->loop, &server->accept);
	running = 0;
	for (int i = 0; i < PEERS; i++)
		connect_client(&clients[i]);
}

/* The loop looks for answers by a timer while calls come in a row, and answers a call whose time is over. */
static bool loop_will_look(void)
{
	double now = queue_now(), next = queue_next_deadline(jobs, now);
	return jobs->n_replies || (next && next < now + 0.005);
}

/* Everything that was asked is answered now, or will never be. */
static void settle(void)
{
	end_kept(1);
	for (int quiet = 0; quiet < 3; quiet++) {
		unsigned before = moved;
		lisp(1, 1);
		turn();
		for (int k = 0; k < PEERS; k++)
			hear(&clients[k]);
		if (moved != before || loop_will_look())
			quiet = -1;
	}
}

static void drop_deferred(void)
{
	for (int k = 0; k < PEERS; k++) /* deferred ones have ended, but nobody knows their number: cancelled */
		for (unsigned id = 0; id < 256; id++)
			if (clients[k].fd >= 0 && !clients[k].ended && !buf_len(&clients[k].sent) && !clients[k].garbage)
				say_frame(&clients[k], WIRE_CANCEL, 0, id, NULL, 0);
}

static void end(void)
{
	for (int k = 0; k < PEERS; k++) {
		struct client *c = &clients[k];
		must(c->answers <= c->calls);
		must(c->ended || c->garbage || buf_len(&c->sent) || c->answers == c->calls);
		leave(c);
	}
	for (int i = 0; i < 4; i++)
		turn();
	must(TAILQ_EMPTY(&server->peers) && TAILQ_EMPTY(&server->waiters) && server->n_peers == 0);
	interrupt_finish(&server->interrupt);
	server_free(server);
	queue_destroy(jobs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	start();
	for (int i = 0; in.left && i < STEPS; i++) {
		uint8_t step = input_byte(&in);
		steps[(step & 0x7F) % (sizeof steps / sizeof *steps)](&in, &clients[step >> 7]);
	}
	settle();
	drop_deferred();
	settle();
	end();
	return 0;
}
