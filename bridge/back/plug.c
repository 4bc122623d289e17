/* plug.c - see plug.h */
#include "back/plug.h"
#include "log.h"
#include "wire/socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PIECE = 64 * 1024, PIECES = 4 }; /* bytes a read asks for; reads a turn */

/* The owner may be inside a call to us: it hears of the end from the loop. */
void plug_end(struct plug *p, const char *why)
{
	if (ev_is_active(&p->later))
		return;
	p->why = why;
	ev_io_stop(p->loop, &p->readable);
	ev_io_stop(p->loop, &p->writable);
	turn_stop(&p->flush);
	ev_timer_set(&p->later, 0., 0.);
	ev_timer_start(p->loop, &p->later);
}

static void set_aside(struct plug *p)
{
	if (p->keeps && !buf_add(&p->unsent, buf_data(&p->out), buf_len(&p->out)))
		log_no_memory();
	buf_finish(&p->out);
}

static void on_later(EV_P_ ev_timer *timer, int revents)
{
	struct plug *p = timer->data;
	bool keeps = p->keeps;
	(void)loop;
	(void)revents;
	set_aside(p);
	struct buf unsent = p->unsent;
	p->unsent = (struct buf){0};
	plug_close(p);
	p->unsent = unsent;
	p->on_end(p, p->why);
	if (keeps)
		buf_finish(&p->unsent);
}

static void on_readable(EV_P_ ev_io *io, int revents)
{
	struct plug *p = io->data;
	bool ended = false;
	(void)loop;
	(void)revents;
	for (int i = 0; i < PIECES; i++) {
		if (!buf_reserve(&p->in, PIECE))
			log_no_memory();
		ssize_t n = p->takes ? socket_receive(p->fd, buf_room(&p->in), PIECE, &p->passed)
				     : recv(p->fd, buf_room(&p->in), PIECE, MSG_DONTWAIT);
		if (n > 0)
			buf_filled(&p->in, (size_t)n);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			p->hung_up = n == 0 || errno == ECONNRESET;
			plug_end(p, n == 0 ? "the connection was closed" : strerror(errno));
			ended = true;
		}
		if (n < PIECE)
			break;
	}
	if (buf_len(&p->in))
		p->on_bytes(p);
	else if (!ended)
		buf_finish(&p->in);
}

void plug_flush(struct plug *p)
{
	bool had = buf_len(&p->out) > 0;
	while (p->fd >= 0 && buf_len(&p->out)) {
		ssize_t n = socket_send(p->fd, buf_data(&p->out), buf_len(&p->out));
		if (n >= 0) {
			buf_eat(&p->out, (size_t)n);
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN)
			break;
		/* What it said last may still be there to read: the reader then sees the end. */
		if (errno != EPIPE && errno != ECONNRESET)
			plug_end(p, strerror(errno));
		set_aside(p);
		return;
	}
	if (p->fd < 0)
		return;
	if (buf_len(&p->out))
		ev_io_start(p->loop, &p->writable);
	else
		ev_io_stop(p->loop, &p->writable);
	if (had && !buf_len(&p->out))
		p->on_sent(p);
}

static void on_writable(EV_P_ ev_io *io, int revents)
{
	(void)loop;
	(void)revents;
	plug_flush(io->data);
}

static void on_flush(void *data)
{
	struct plug *p = data;
	if (!ev_is_active(&p->writable))
		plug_flush(p);
}

void plug_init(struct plug *p, struct ev_loop *loop)
{
	p->loop = loop;
	p->fd = p->passed = -1;
	turn_init(&p->flush, loop, on_flush, p);
	ev_timer_init(&p->later, on_later, 0., 0.);
	ev_init(&p->readable, on_readable);
	ev_init(&p->writable, on_writable);
	p->later.data = p->readable.data = p->writable.data = p;
}

enum plug_result plug_open(struct plug *p, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof address.sun_path) {
		errno = ENAMETOOLONG;
		return PLUG_ERROR;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	int fd = socket_make();
	if (fd < 0)
		return PLUG_ERROR;
	if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
		int error = errno;
		close(fd);
		errno = error;
		return error == ECONNREFUSED || error == ENOENT ? PLUG_REFUSED : error == EAGAIN ? PLUG_BUSY : PLUG_ERROR;
	}
	p->fd = fd;
	p->hung_up = false;
	ev_io_set(&p->readable, fd, EV_READ);
	ev_io_set(&p->writable, fd, EV_WRITE);
	ev_io_start(p->loop, &p->readable);
	return PLUG_OPEN;
}

void plug_drop_passed(struct plug *p)
{
	p->takes = false;
	if (p->passed >= 0)
		close(p->passed);
	p->passed = -1;
}

void plug_close(struct plug *p)
{
	ev_io_stop(p->loop, &p->readable);
	ev_io_stop(p->loop, &p->writable);
	turn_stop(&p->flush);
	ev_timer_stop(p->loop, &p->later);
	if (p->fd >= 0)
		close(p->fd);
	plug_drop_passed(p);
	p->fd = -1;
	buf_finish(&p->in);
	buf_finish(&p->out);
	buf_finish(&p->unsent);
}

void plug_wake(struct plug *p)
{
	turn_want(&p->flush);
}
