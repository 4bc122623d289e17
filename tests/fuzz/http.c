/* http.c - what a client of HTTP sends: the same requests are found however it is cut into
 * pieces, every answer is one, nothing is answered after a refusal, and the connection ends
 * when the client has.  The first byte says how it is cut. */
#include "fuzz.h"

#include "front/conn.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURNS = 200 };

static struct buf *said; /* the requests that were found */

static void add(struct buf *b, const char *data, size_t len)
{
	must(buf_add(b, data, len));
}

static void on_head(struct conn *c)
{
	const struct head *h = conn_head(c);
	must(h && !h->status && h->path && (h->host || h->http10));
	must(!h->chunked || !h->has_length);
	if (strcmp(h->path, "/early") == 0)
		conn_answer(c, 401, "text/plain", "no", 2, "");
}

static void on_message(struct conn *c)
{
	const struct head *h = conn_head(c);
	must(buf_printf(said, "%s %s?%s %zu ", llhttp_method_name(h->method), h->path, h->query ? h->query : "", buf_len(conn_body(c))));
	add(said, buf_data(conn_body(c)), buf_len(conn_body(c)));
	must(!h->has_length || h->length == buf_len(conn_body(c)));
	if (strcmp(h->path, "/pieces") == 0) {
		conn_begin(c, 200, "text/plain", -1, "");
		conn_piece(c, "a", 1);
		conn_piece(c, "b", 1);
		conn_end(c);
	} else {
		conn_answer(c, 200, "text/plain", "ok", 2, "");
	}
}

static void on_nothing(struct conn *c)
{
	(void)c;
}

static void on_lines(void *data, int fd, long uid)
{
	(void)uid;
	(void)data;
	close(fd);
}

static void on_turn(void *data)
{
	(void)data;
}

static bool on_doubt(struct conn *c)
{
	(void)c;
	return true;
}

static void listen_to(int fd, struct buf *answers)
{
	char piece[65536];
	ssize_t n;
	while ((n = recv(fd, piece, sizeof piece, MSG_DONTWAIT)) > 0)
		add(answers, piece, (size_t)n);
}

static bool begins(const char *at, const char *end, const char *words)
{
	size_t n = strlen(words);
	return (size_t)(end - at) >= n && memcmp(at, words, n) == 0;
}

static bool is_head_only(const char *at, const char *end)
{
	return at == end;
}

/* Whole answers, one after the other; after one that closes there is none. */
static void judge(const struct buf *answers)
{
	const char *at = buf_data(answers), *end = at + buf_len(answers);
	bool closed = false;
	while (at < end) {
		const char *head = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
		must(!closed && head && strncmp(at, "HTTP/1.1 ", 9) == 0);
		closed = memmem(at, (size_t)(head - at), "\r\nConnection: close", 19) != NULL;
		const char *length = memmem(at, (size_t)(head - at), "\r\nContent-Length: ", 18);
		bool interim = strncmp(at + 9, "100", 3) == 0;
		at = head + 4;
		const char *over = at + (length ? strtol(length + 18, NULL, 10) : 0);
		bool has_body = length && over <= end && (over == end || begins(over, end, "HTTP/1.1 "));
		if (interim || (!has_body && begins(at, end, "HTTP/1.1 "))) /* that, and the answer to HEAD, have no body */
			continue;
		if (length)
			at = over;
		else if (begins(at, end, "1\r\na\r\n1\r\nb\r\n0\r\n\r\n"))
			at += 17;
		else if (at < end) /* HTTP/1.0: until it closes */
			at = end;
		if (at > end && is_head_only(head + 4, end))
			return;
		must(at <= end);
	}
}

static void play(const char *data, size_t size, uint8_t seed, struct buf *found)
{
	static const struct conn_user user = {on_head, on_message, on_nothing, on_nothing, on_lines, on_turn, on_doubt};
	struct config config;
	struct buf answers = {0};
	int ends[2];
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	config_init(&config);
	config.request_max = 1024;
	config.head_max = 1024;
	must(loop && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
	struct conns *all = conns_create(loop, &config, &user, NULL);
	said = found;
	conns_take(all, ends[0], CONN_TCP, -1);
	for (size_t n; size && conns_count(all); data += n, size -= n) {
		n = piece(&seed, size);
		ssize_t sent = send(ends[1], data, n, MSG_NOSIGNAL);
		n = sent > 0 ? (size_t)sent : 0;
		if (sent < 0 && errno != EAGAIN)
			break;
		for (int i = 0; i < 3; i++)
			ev_run(loop, EVRUN_NOWAIT);
		listen_to(ends[1], &answers);
	}
	shutdown(ends[1], SHUT_WR);
	for (int i = 0; i < TURNS && conns_count(all); i++) {
		ev_run(loop, EVRUN_NOWAIT);
		listen_to(ends[1], &answers);
	}
	must(conns_count(all) == 0);
	listen_to(ends[1], &answers);
	judge(&answers);
	conns_destroy(all);
	close(ends[1]);
	ev_loop_destroy(loop);
	config_finish(&config);
	buf_finish(&answers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = {0}, pieces = {0};
	if (!size)
		return 0;
	play((const char *)data + 1, size - 1, 0, &whole);
	play((const char *)data + 1, size - 1, data[0], &pieces);
	must(buf_len(&whole) == buf_len(&pieces) && memcmp(buf_data(&whole), buf_data(&pieces), buf_len(&whole)) == 0);
	buf_finish(&whole);
	buf_finish(&pieces);
	return 0;
}
