/* conns.c - all connections: taken, counted, served at the end of a turn, drained. */
#include "front/conn_impl.h"
#include "front/tls.h"
#include "log.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const double spare_after = 10; /* seconds without a request after which a connection makes room for another one of the same peer */

static void bury(struct conns *all)
{
	struct conn *c;
	while ((c = TAILQ_FIRST(&all->dead))) {
		TAILQ_REMOVE(&all->dead, c, of_all);
		head_destroy(c->head);
		buf_finish(&c->in);
		buf_finish(&c->body);
		buf_finish(&c->out);
		free(c);
	}
}

static void settle(struct conn *c)
{
	bool full = buf_len(&c->out) >= CONN_LOW;
	if (!conn_flush(c)) {
		conn_drop(c);
		return;
	}
	if (!buf_len(&c->out) && (c->out.cap > 4096 || !c->ended))
		buf_finish(&c->out);
	if (c->ended && !buf_len(&c->out) && c->state != LINGER)
		conn_turn_over(c);
	else if (c->filing && (!c->file_left || c->file_stuck)) {
		conn_file_end(c);
		c->conns->user->on_room(c);
	} else if (full && c->begun && !c->ended && buf_len(&c->out) < CONN_LOW)
		c->conns->user->on_room(c);
	conn_balance(c);
}

static void on_turn(void *data)
{
	struct conns *all = data;
	struct conn *c;
	do {
		while ((c = TAILQ_FIRST(&all->dirty))) {
			TAILQ_REMOVE(&all->dirty, c, of_dirty);
			c->dirty = false;
			settle(c);
		}
		all->user->on_turn(all->data);
	} while (!TAILQ_EMPTY(&all->dirty));
	bury(all);
}

/* --- all of them --- */

struct conns *conns_create(struct ev_loop *loop, const struct config *config, const struct conn_user *user, void *data)
{
	struct conns *all = calloc(1, sizeof *all);
	if (!all)
		log_no_memory();
	all->loop = loop;
	all->config = config;
	all->user = user;
	all->data = data;
	TAILQ_INIT(&all->all);
	TAILQ_INIT(&all->dead);
	TAILQ_INIT(&all->dirty);
	turn_init(&all->turn, loop, on_turn, all);
	return all;
}

void conns_destroy(struct conns *all)
{
	struct conn *c;
	if (!all)
		return;
	while ((c = TAILQ_FIRST(&all->all))) {
		conn_flush(c);
		conn_drop(c);
	}
	bury(all);
	turn_stop(&all->turn);
	tls_destroy(all->tls);
	free(all);
}

void conns_set_tls(struct conns *all, struct tls **tls)
{
	tls_destroy(all->tls);
	all->tls = *tls;
	*tls = NULL;
}

/* One too many is told so; it may not understand, but it does not wait. */
static void turn_away(struct conns *all, int fd)
{
	static const char words[] = "too many connections are open; try again in a moment\n";
	char text[256];
	int len = snprintf(text, sizeof text, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n"
			   "Retry-After: 1\r\nConnection: close\r\n\r\n%s", sizeof words - 1, words);
	while (recv(fd, all->piece, sizeof all->piece, 0) > 0) /* what is not read would reset the answer away */
		;
	if (send(fd, text, (size_t)len, MSG_NOSIGNAL) == len)
		shutdown(fd, SHUT_WR);
	log_debug("more than %ld connections; one was turned away", all->config->conns_max);
	close(fd);
}

static void name_peer(int fd, enum conn_kind kind, long uid, char peer[CONN_ADDRESS])
{
	struct sockaddr_storage address = {0};
	socklen_t len = sizeof address;
	snprintf(peer, CONN_ADDRESS, "uid:%ld", uid);
	if (kind == CONN_TCP && getpeername(fd, (struct sockaddr *)&address, &len) == 0)
		getnameinfo((struct sockaddr *)&address, len, peer, CONN_ADDRESS, NULL, 0, NI_NUMERICHOST);
}

/* Without a request: whose answer is awaited is not idle, nor is who sends the body of one. */
static bool is_idle(const struct conn *c)
{
	return (c->state == FRESH || c->state == IDLE || c->state == HEAD || c->state == LINGER) && !buf_len(&c->out);
}

/* One that is idle ends, for another one of PEER: of whoever has the most.  Its own go only after a while:
 * else each of a flood would end the one before. */
static bool make_room(struct conns *all, const char *peer)
{
	struct conn *c, *found = NULL;
	all->tally.names = 0;
	TAILQ_FOREACH(c, &all->all, of_all)
		tally_add(&all->tally, c->peer);
	const char *most = tally_most(&all->tally);
	bool own = tally_of(&all->tally, peer) >= tally_of(&all->tally, most);
	TAILQ_FOREACH(c, &all->all, of_all)
		if (is_idle(c) && strcmp(c->peer, most) == 0 && (!found || c->since < found->since)
		    && (!own || ev_now(all->loop) - c->since > spare_after))
			found = c;
	if (!found)
		return false;
	log_debug("a connection of %s that was idle has ended: there was no room for another one", found->peer);
	conn_drop(found);
	return true;
}

void conns_take(struct conns *all, int fd, enum conn_kind kind, long uid)
{
	char peer[CONN_ADDRESS];
	name_peer(fd, kind, uid, peer);
	if (all->count >= all->config->conns_max && !make_room(all, peer)) {
		turn_away(all, fd);
		return;
	}
	struct conn *c = calloc(1, sizeof *c);
	if (!c)
		log_no_memory();
	c->conns = all;
	c->fd = fd;
	c->kind = kind;
	c->uid = uid;
	memcpy(c->peer, peer, sizeof c->peer);
	ev_io_init(&c->readable, conn_on_readable, fd, EV_READ);
	ev_io_init(&c->writable, conn_on_writable, fd, EV_WRITE);
	ev_init(&c->timer, conn_on_timer);
	ev_init(&c->doubt, conn_on_doubt);
	c->readable.data = c->writable.data = c->timer.data = c->doubt.data = c;
	TAILQ_INSERT_TAIL(&all->all, c, of_all);
	all->count++;
	ev_io_start(all->loop, &c->readable);
	conn_enter(c, FRESH);
	conn_on_readable(all->loop, &c->readable, EV_READ);
}

void conns_wake(struct conns *all)
{
	turn_want(&all->turn);
}

long conns_count(const struct conns *all)
{
	return all->count;
}

void conns_drain(struct conns *all, double linger)
{
	struct conn *c, *next;
	all->draining = true;
	for (c = TAILQ_FIRST(&all->all); c; c = next) {
		next = TAILQ_NEXT(c, of_all);
		bool quiet = c->state == IDLE || c->state == FRESH; /* what a client sends may be on its way */
		if (quiet && linger > 0)
			conn_set_timer(c, linger);
		else if (quiet)
			conn_drop(c);
	}
}

void conns_pass(struct conns *all, bool (*pass)(void *data, int fd, bool unix_socket), void *data)
{
	struct conn *c, *next;
	bool good = true;
	for (c = TAILQ_FIRST(&all->all); c && good; c = next) {
		next = TAILQ_NEXT(c, of_all);
		if ((c->state != IDLE && c->state != FRESH) || c->tls || buf_len(&c->in) || buf_len(&c->out))
			continue;
		good = pass(data, c->fd, c->kind == CONN_UNIX);
		if (good)
			conn_drop(c);
	}
}

void conns_each(struct conns *all, void (*visit)(struct conn *))
{
	struct conn *c, *next;
	for (c = TAILQ_FIRST(&all->all); c; c = next) {
		next = TAILQ_NEXT(c, of_all);
		visit(c);
	}
}
