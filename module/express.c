/* express.c - see express.h */
#include "express.h"
#include "wire/socket.h"

#include <errno.h>
#include <string.h>

bool express_init(struct express *e)
{
	*e = (struct express){0};
	return pthread_mutex_init(&e->lock, NULL) == 0;
}

void express_finish(struct express *e)
{
	for (int i = 0; i < WIRE_PEERS_MAX; i++)
		buf_finish(&e->lanes[i].rest);
	pthread_mutex_destroy(&e->lock);
}

static struct lane *find(struct express *e, uint64_t peer)
{
	for (int i = 0; i < WIRE_PEERS_MAX; i++)
		if (e->lanes[i].peer == peer)
			return &e->lanes[i];
	return NULL;
}

void express_open(struct express *e, uint64_t peer, int fd)
{
	pthread_mutex_lock(&e->lock);
	struct lane *lane = find(e, 0);
	if (lane) { /* none is free only while peers that were sent away have not gone */
		lane->peer = peer;
		lane->fd = fd;
		lane->open = false; /* its WELCOME is to be written first */
	}
	pthread_mutex_unlock(&e->lock);
}

/* What of an answer was not sent comes before all else that is to be. */
static bool put_rest_first(struct lane *lane, struct buf *out)
{
	if (!buf_len(&lane->rest))
		return true;
	if (!buf_add(&lane->rest, buf_data(out), buf_len(out)))
		return false;
	struct buf both = lane->rest;
	lane->rest = (struct buf){0};
	buf_finish(out);
	*out = both;
	return true;
}

void express_close(struct express *e, uint64_t peer, struct buf *out)
{
	pthread_mutex_lock(&e->lock);
	struct lane *lane = find(e, peer);
	if (lane) {
		if (out && !put_rest_first(lane, out))
			buf_finish(out); /* no memory: it cannot be told anything more */
		buf_finish(&lane->rest);
		lane->peer = 0;
	}
	pthread_mutex_unlock(&e->lock);
}

ssize_t express_write(struct express *e, uint64_t peer, int fd, struct buf *out)
{
	pthread_mutex_lock(&e->lock);
	struct lane *lane = find(e, peer);
	ssize_t n = -1;
	if (lane && !put_rest_first(lane, out))
		errno = ENOMEM;
	else if (!buf_len(out))
		n = 0;
	else
		n = socket_send(fd, buf_data(out), buf_len(out));
	if (n > 0)
		buf_eat(out, (size_t)n);
	if (lane)
		lane->open = !buf_len(out);
	pthread_mutex_unlock(&e->lock);
	return n;
}

enum express_sent express_send(struct express *e, const struct reply *reply)
{
	enum express_sent sent = EXPRESS_NO;
	uint8_t flags = job_wire_flag(reply->outcome);
	size_t len = buf_len(&reply->text); /* 0: there was no memory for it, and the peer is to go */
	if (!reply->peer || !len || len > EXPRESS_MAX || reply->rest)
		return EXPRESS_NO;
	pthread_mutex_lock(&e->lock);
	struct lane *lane = find(e, reply->peer);
	if (lane && lane->open && wire_put(&lane->rest, WIRE_RESULT, flags, reply->id, buf_data(&reply->text), len)) {
		ssize_t n = socket_send(lane->fd, buf_data(&lane->rest), buf_len(&lane->rest));
		if (n > 0)
			buf_eat(&lane->rest, (size_t)n);
		lane->open = !buf_len(&lane->rest); /* else the loop sends what is left, or sees why that cannot be */
		sent = lane->open ? EXPRESS_ALL : EXPRESS_PART;
	}
	pthread_mutex_unlock(&e->lock);
	return sent;
}
