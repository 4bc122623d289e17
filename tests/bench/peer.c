/* peer.c - see peer.h */
#include "peer.h"

#include "samples.h"
#include "wire/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct peer_kind {
	const char *name;
	void (*open)(struct peer *p, int argc, char **argv);
	void (*put)(struct peer *p, uint64_t id);
	bool (*take)(struct peer *p, uint64_t *id); /* out of p->from; false: more bytes are needed */
};

static struct buf state; /* the text of the last STATE */

static void add(struct buf *b, const void *data, size_t len)
{
	if (!buf_add(b, data, len))
		die("no memory");
}

static void check(bool ok)
{
	if (!ok)
		die("no memory");
}

/* ---- an MCP server on pipes ---- */

static void start(struct peer *p, char **command)
{
	int to[2], from[2];
	posix_spawn_file_actions_t files;
	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		die("no pipes: %s", strerror(errno));
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, to[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, from[1], STDOUT_FILENO);
	int error = posix_spawnp(&p->pid, command[0], &files, NULL, command, environ);
	if (error)
		die("%s does not start: %s", command[0], strerror(error));
	posix_spawn_file_actions_destroy(&files);
	close(to[0]);
	close(from[1]);
	p->out = to[1];
	p->in = from[0];
}

static void mcp_put_call(struct peer *p, uint64_t id, const char *arguments)
{
	check(buf_printf(&p->to, "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"tools/call\",\"params\":{\"name\":\"%s\",\"arguments\":%s}}\n",
			 (unsigned long long)id, p->tool, arguments));
}

static void mcp_put(struct peer *p, uint64_t id)
{
	mcp_put_call(p, id, p->arguments);
}

/* Some servers put the id first, some last; what lies between is theirs. */
static bool line_id(const char *line, size_t len, uint64_t *id)
{
	static const char key[] = "\"id\":";
	size_t head = len < 48 ? len : 48;
	const char *at = memmem(line, head, key, strlen(key));
	for (size_t i = len > 40 ? len - 40 : 0; !at && i + strlen(key) < len; i++)
		if (memcmp(line + i, key, strlen(key)) == 0)
			at = line + i;
	if (!at)
		return false;
	*id = strtoull(at + strlen(key), NULL, 10);
	return true;
}

static void refuse_failure(const char *line, size_t len)
{
	size_t end = len < 200 ? len : 200;
	if (memmem(line, end, "\"error\":{", 9) || memmem(line + len - end, end, "\"isError\":true", 14))
		die("a call failed: %.*s", (int)(len < 600 ? len : 600), line);
}

static bool mcp_take(struct peer *p, uint64_t *id)
{
	for (;;) {
		const char *line = buf_data(&p->from);
		const char *end = memchr(line + p->scanned, '\n', buf_len(&p->from) - p->scanned);
		if (!end) {
			p->scanned = buf_len(&p->from);
			return false;
		}
		size_t len = (size_t)(end - line);
		bool answer = !memmem(line, len < 48 ? len : 48, "\"method\":", 9) && line_id(line, len, id);
		if (answer)
			refuse_failure(line, len);
		p->bytes = len;
		p->scanned = 0;
		buf_eat(&p->from, len + 1);
		if (answer)
			return true;
	}
}

static void greet(struct peer *p, char **command)
{
	static const char hello[] =
		"{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-06-18\","
		"\"capabilities\":{},\"clientInfo\":{\"name\":\"bench\",\"version\":\"1\"}}}\n";
	start(p, command);
	add(&p->to, hello, strlen(hello));
	peer_flush(p);
	peer_take(p);
}

static void mcp_open(struct peer *p, int argc, char **argv)
{
	static const char ready[] = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n";
	if (argc < 4)
		die("mcp TOOL ARGUMENTS COMMAND...");
	p->tool = argv[1];
	p->arguments = argv[2];
	greet(p, argv + 3);
	add(&p->to, ready, strlen(ready));
	peer_flush(p);
}

/* ---- the module's socket ---- */

static void connect_to(struct peer *p, const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof to.sun_path)
		die("too long a path: %s", path);
	memcpy(to.sun_path, path, strlen(path));
	p->in = p->out = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->in < 0 || connect(p->in, (const struct sockaddr *)&to, sizeof to) != 0)
		die("cannot connect to %s: %s", path, strerror(errno));
}

static void wire_open(struct peer *p, int argc, char **argv)
{
	static const char hello[] = "{\"version\":\"bench\",\"pid\":0,\"client\":\"bench\"}";
	if (argc < 2)
		die("%s SOCKET", argv[0]);
	p->tool = argc > 2 ? argv[2] : NULL;
	p->arguments = argc > 3 ? argv[3] : "{}";
	connect_to(p, argv[1]);
	check(wire_put(&p->to, WIRE_HELLO, 0, 0, hello, strlen(hello)));
	peer_flush(p);
	peer_take(p);
}

static void wire_put_arguments(struct peer *p, uint64_t id, const char *arguments)
{
	struct wire_call call = {.priority = WIRE_NORMAL, .tool = p->tool, .client = "bench", .arguments = arguments,
				 .tool_len = strlen(p->tool), .client_len = 5, .arguments_len = strlen(arguments)};
	check(wire_put_call(&p->to, id, &call));
}

static void call_put(struct peer *p, uint64_t id)
{
	wire_put_arguments(p, id, p->arguments);
}

static void ping_put(struct peer *p, uint64_t id)
{
	check(wire_put(&p->to, WIRE_PING, 0, id, NULL, 0));
}

static void status_put(struct peer *p, uint64_t id)
{
	check(wire_put(&p->to, WIRE_STATUS, 0, id, NULL, 0));
}

static void grant(struct peer *p, const struct wire_frame *f)
{
	char more[4];
	wire_store_u32(more, (uint32_t)f->len);
	check(wire_put(&p->to, WIRE_CREDIT, 0, f->id, more, sizeof more));
}

/* True: this frame ends an answer. */
static bool wire_frame_in(struct peer *p, const struct wire_frame *f)
{
	if (f->type == WIRE_REFUSED || f->type == WIRE_GOODBYE || f->flags & WIRE_FAILED)
		die("the module refused or failed: %.*s", (int)(f->len < 600 ? f->len : 600), f->data);
	p->bytes += f->len;
	if (f->type == WIRE_STATE) {
		state.head = state.tail = 0;
		add(&state, f->data, f->len);
		add(&state, "", 1);
	}
	if (f->flags & WIRE_MORE)
		grant(p, f);
	return f->type != WIRE_CHANGED && !(f->flags & WIRE_MORE);
}

static bool wire_take_answer(struct peer *p, uint64_t *id)
{
	struct wire_frame f;
	const char *why = "";
	enum wire_take got;
	if (!p->missing) /* here: 1 inside an answer of several frames */
		p->bytes = 0;
	while ((got = wire_take(&p->from, &f, &why)) == WIRE_TAKE_FRAME) {
		bool ends = wire_frame_in(p, &f);
		*id = f.id;
		p->missing = !ends;
		wire_eat(&p->from, &f);
		if (ends)
			return true;
	}
	if (got == WIRE_TAKE_BAD)
		die("not the wire: %s", why);
	if (buf_len(&p->to))
		peer_flush(p);
	return false;
}

/* ---- a bare echo, and a process for each question ---- */

static void raw_open(struct peer *p, int argc, char **argv)
{
	if (argc != 3)
		die("raw SOCKET BYTES");
	p->want = strtoull(argv[2], NULL, 10);
	connect_to(p, argv[1]);
}

static void raw_put(struct peer *p, uint64_t id)
{
	char question[RAW_SIZE] = {0};
	uint64_t size = p->want;
	(void)id;
	memcpy(question, &size, sizeof size);
	add(&p->to, question, sizeof question);
}

static bool raw_take(struct peer *p, uint64_t *id)
{
	if (!p->missing)
		p->missing = p->bytes = p->want;
	size_t n = buf_len(&p->from) < p->missing ? buf_len(&p->from) : p->missing;
	buf_eat(&p->from, n);
	p->missing -= n;
	if (p->missing)
		return false;
	*id = p->first++;
	return true;
}

static void run_open(struct peer *p, int argc, char **argv)
{
	if (argc < 2)
		die("run COMMAND...");
	p->command = argv + 1;
}

static void run_put(struct peer *p, uint64_t id)
{
	(void)p;
	(void)id;
}

/* The process is started when its answer is awaited: one at a time. */
static bool run_take(struct peer *p, uint64_t *id)
{
	int status;
	start(p, p->command);
	close(p->out);
	char text[256];
	ssize_t n;
	p->bytes = 0;
	while ((n = read(p->in, text, sizeof text)) > 0)
		p->bytes += (size_t)n;
	close(p->in);
	if (waitpid(p->pid, &status, 0) != p->pid || status != 0 || !p->bytes)
		die("%s failed", p->command[0]);
	p->pid = 0;
	p->in = p->out = -1;
	*id = p->first++;
	return true;
}

static const struct peer_kind kinds[] = {
	{"mcp", mcp_open, mcp_put, mcp_take},
	{"wire", wire_open, call_put, wire_take_answer},
	{"ping", wire_open, ping_put, wire_take_answer},
	{"status", wire_open, status_put, wire_take_answer},
	{"raw", raw_open, raw_put, raw_take},
	{"run", run_open, run_put, run_take},
};

/* ---- all of them ---- */

void peer_spawn(struct peer *p, char **command)
{
	*p = (struct peer){.kind = &kinds[0], .in = -1, .out = -1, .next = 1, .first = 1};
	greet(p, command);
}

void peer_open(struct peer *p, int argc, char **argv)
{
	*p = (struct peer){.in = -1, .out = -1, .next = 1, .first = 1};
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds && argc; i++)
		if (strcmp(kinds[i].name, argv[0]) == 0)
			p->kind = &kinds[i];
	if (!p->kind)
		die("no such kind of peer: %s", argc ? argv[0] : "");
	p->kind->open(p, argc, argv);
}

void peer_close(struct peer *p)
{
	if (p->out >= 0)
		close(p->out);
	if (p->in >= 0 && p->in != p->out)
		close(p->in);
	if (p->pid)
		waitpid(p->pid, NULL, 0);
	buf_finish(&p->to);
	buf_finish(&p->from);
	*p = (struct peer){.in = -1, .out = -1};
}

void peer_put(struct peer *p, uint64_t id)
{
	p->kind->put(p, id);
}

void peer_put_call(struct peer *p, uint64_t id, const char *arguments)
{
	if (p->pid)
		mcp_put_call(p, id, arguments);
	else
		wire_put_arguments(p, id, arguments);
}

void peer_put_cancel(struct peer *p, uint64_t id)
{
	if (p->pid)
		check(buf_printf(&p->to, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":%llu}}\n",
				 (unsigned long long)id));
	else
		check(wire_put(&p->to, WIRE_CANCEL, 0, id, NULL, 0));
}

void peer_flush(struct peer *p)
{
	while (buf_len(&p->to)) {
		ssize_t n = write(p->out, buf_data(&p->to), buf_len(&p->to));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			die("the peer does not take a question: %s", strerror(errno));
		buf_eat(&p->to, (size_t)n);
	}
}

bool peer_take_ready(struct peer *p, uint64_t *id)
{
	return !p->command && p->kind->take(p, id);
}

uint64_t peer_take(struct peer *p)
{
	enum { PIECE = 256 * 1024 };
	uint64_t id;
	while (!p->kind->take(p, &id)) {
		check(buf_reserve(&p->from, PIECE));
		ssize_t n = read(p->in, buf_room(&p->from), PIECE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			die("the peer does not answer any more: %s", n ? strerror(errno) : "it closed");
		buf_filled(&p->from, (size_t)n);
	}
	return id;
}

const char *peer_state(struct peer *p)
{
	(void)p;
	return buf_data(&state);
}
