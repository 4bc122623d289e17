/* lines.c - see lines.h */
#include "front/lines.h"
#include "log.h"
#include "os.h"
#include "turn.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	READ_PIECE = 64 * 1024,
	OPEN_LOW = 64 * 1024,  /* bytes of an open line kept ready for the client */
	PEEK = 4096,           /* bytes of a line over the limit that are looked at for its id */
};

struct lines {
	struct outlet outlet; /* first member */
	struct ev_loop *loop; /* borrowed */
	const struct config *config; /* borrowed */
	struct session *session; /* owned; NULL once it has ended */
	int in_fd, out_fd;       /* borrowed */
	void (*on_end)(void *);
	void *data;
	ev_io readable, writable;
	struct turn turn;        /* the end of a turn of the loop: one write for all of it */
	ev_timer stall, grace;
	struct buf in;
	size_t scanned;          /* bytes of in without a newline */
	bool skipping;           /* inside a line over the limit */
	bool paused, ended, over, widened;
	bool behindhand;         /* it was left something out, which was said in the log */
	struct buf out;          /* whole lines, then at most one open one */
	struct buf behind;       /* whole lines that wait until the open one ends */
	json_t *later;           /* owned; keys: lines that a client that does not read is told once, when it does; NULL: none */
	struct request *open;    /* borrowed; whose line is open */
	struct request_list streams; /* request::of_front; not open yet */
};

static void add(struct buf *b, const char *data, size_t len)
{
	if (!buf_add(b, data, len))
		log_no_memory();
}

static void wake(struct lines *s)
{
	if (!s->over)
		turn_want(&s->turn);
}

/* --- output --- */

static void finish_line(struct lines *s)
{
	struct request *r = s->open;
	add(&s->out, "\n", 1);
	s->open = NULL;
	pipeline_settle(r);
	add(&s->out, buf_data(&s->behind), buf_len(&s->behind));
	buf_finish(&s->behind);
}

static void open_next(struct lines *s)
{
	struct request *r = TAILQ_FIRST(&s->streams);
	TAILQ_REMOVE(&s->streams, r, of_front);
	s->open = r;
	if (!s->widened)
		os_widen_pipe(s->out_fd); /* a client is woken for each piece */
	s->widened = true;
	add(&s->out, buf_data(&r->head), buf_len(&r->head));
}

/* The line stays open without a byte to send while others wait behind it. */
static void watch_stall(struct lines *s)
{
	bool idle = s->open && !buf_len(&s->out) && (buf_len(&s->behind) || !TAILQ_EMPTY(&s->streams));
	if (!idle)
		ev_timer_stop(s->loop, &s->stall);
	else if (!ev_is_active(&s->stall)) {
		ev_timer_set(&s->stall, (double)s->config->stall / 1000, 0.);
		ev_timer_start(s->loop, &s->stall);
	}
}

/* Fills OUT from the open line and opens the next one, as far as the client keeps up. */
static void pump(struct lines *s)
{
	while (buf_len(&s->out) < OPEN_LOW) {
		if (!s->open && TAILQ_EMPTY(&s->streams))
			break;
		if (!s->open)
			open_next(s);
		enum pipeline_passed passed = pipeline_pass(s->open, &s->out, OPEN_LOW);
		if (passed == PIPELINE_WAIT)
			break;
		if (passed == PIPELINE_END)
			finish_line(s);
	}
	watch_stall(s);
	wake(s);
}

static void on_stall(EV_P_ ev_timer *timer, int revents)
{
	struct lines *s = timer->data;
	(void)loop;
	(void)revents;
	if (!s->open)
		return;
	pipeline_cut(s->open, "Emacs stopped sending while other answers waited", &s->out);
	finish_line(s);
	pump(s);
}

static void on_deliver(struct outlet *outlet, struct request *r)
{
	struct lines *s = (struct lines *)(void *)outlet;
	struct buf *to = s->open ? &s->behind : &s->out;
	if (r->streaming && !r->ended) {
		TAILQ_INSERT_TAIL(&s->streams, r, of_front);
		pump(s);
		return;
	}
	add(to, buf_data(&r->head), buf_len(&r->head));
	add(to, buf_data(&r->reply), buf_len(&r->reply));
	add(to, r->tail, strlen(r->tail));
	add(to, "\n", 1);
	pipeline_settle(r);
	watch_stall(s);
	wake(s);
}

static void on_more(struct outlet *outlet, struct request *r)
{
	struct lines *s = (struct lines *)(void *)outlet;
	if (r != s->open && r->silent) { /* cancelled, and not a byte of it was sent */
		TAILQ_REMOVE(&s->streams, r, of_front);
		pipeline_settle(r);
	} else if (r == s->open && r->silent) {
		pipeline_cut(r, r->broken, &s->out);
		finish_line(s);
	}
	pump(s);
}

/* Bytes that the client has not read. */
static long held(const struct lines *s)
{
	return (long)(buf_len(&s->out) + buf_len(&s->behind));
}

static bool begins(const char *line, size_t len, const char *words)
{
	return len >= strlen(words) && memcmp(line, words, strlen(words)) == 0;
}

/* What a client that does not read has to do without: a form may say as much as it likes. */
static bool left_out(struct lines *s, const char *line, size_t len)
{
	if (held(s) <= s->config->output_high
	    || (!begins(line, len, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"")
		&& !begins(line, len, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"")))
		return false;
	if (!s->behindhand)
		log_info("a client does not read: it misses what is told of its calls");
	s->behindhand = true;
	return true;
}

/* Of changes it need not be told each one.  There are as many kinds of them as it has subscribed to. */
static bool put_off(struct lines *s, const char *line, size_t len)
{
	static const char *const once[] = {"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/", "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/",
					   "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/prompts/"};
	for (size_t i = 0; i < sizeof once / sizeof once[0] && held(s) > s->config->output_high; i++) {
		if (!begins(line, len, once[i]))
			continue;
		if (!s->later)
			s->later = json_object();
		json_object_setn_new(s->later, line, len, json_true());
		return true;
	}
	return false;
}

static void say(struct lines *s, const char *line, size_t len)
{
	struct buf *to = s->open ? &s->behind : &s->out;
	add(to, line, len);
	add(to, "\n", 1);
	watch_stall(s);
	wake(s);
}

static void say_what_was_put_off(struct lines *s)
{
	json_t *later = s->later, *value;
	const char *line;
	s->later = NULL;
	json_object_foreach(later, line, value)
		say(s, line, strlen(line));
	json_decref(later);
}

static void on_notify(struct outlet *outlet, struct request *about, const char *line, size_t len)
{
	(void)about; /* one pipe carries everything */
	struct lines *s = (struct lines *)(void *)outlet;
	if (!left_out(s, line, len) && !put_off(s, line, len))
		say(s, line, len);
}

/* Nobody reads any more, or the conversation has ended. */
static void end(struct lines *s)
{
	struct request *r;
	if (s->over)
		return;
	s->over = true;
	ev_io_stop(s->loop, &s->readable);
	ev_io_stop(s->loop, &s->writable);
	turn_stop(&s->turn);
	ev_timer_stop(s->loop, &s->stall);
	ev_timer_stop(s->loop, &s->grace);
	if (s->open)
		pipeline_settle(s->open);
	s->open = NULL;
	while ((r = TAILQ_FIRST(&s->streams))) {
		TAILQ_REMOVE(&s->streams, r, of_front);
		pipeline_settle(r);
	}
	pipeline_close(s->session);
	s->session = NULL;
	s->on_end(s->data);
}

/* False: the client is gone. */
static bool flush(struct lines *s)
{
	while (buf_len(&s->out)) {
		ssize_t n = write(s->out_fd, buf_data(&s->out), buf_len(&s->out));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			log_info("nobody reads the answers any more: %s", strerror(errno));
			return false;
		}
		buf_eat(&s->out, (size_t)n);
		if (s->open && buf_len(&s->out) < OPEN_LOW)
			pump(s);
	}
	if (buf_len(&s->out))
		ev_io_start(s->loop, &s->writable);
	else
		ev_io_stop(s->loop, &s->writable);
	watch_stall(s);
	return true;
}

/* A client that does not read is not listened to either. */
static void balance(struct lines *s)
{
	bool pause = held(s) > s->config->output_high || (s->paused && held(s) > s->config->output_high / 2);
	s->behindhand &= pause;
	if (pause != s->paused && !s->ended) {
		if (pause)
			ev_io_stop(s->loop, &s->readable);
		else
			ev_io_start(s->loop, &s->readable);
	}
	s->paused = pause;
	if (!pause && s->later)
		say_what_was_put_off(s);
}

static bool all_said(const struct lines *s)
{
	return !s->open && TAILQ_EMPTY(&s->streams) && !pipeline_busy(s->session);
}

static void on_turn(void *data)
{
	struct lines *s = data;
	if (s->ended && all_said(s))
		pipeline_end_listens(s->session);
	if (!flush(s) || (s->ended && all_said(s) && !buf_len(&s->out)))
		end(s);
	else
		balance(s);
}

static void on_writable(EV_P_ ev_io *io, int revents)
{
	struct lines *s = io->data;
	(void)loop;
	(void)revents;
	wake(s);
}

/* --- input --- */

static bool blank(const char *line, size_t len)
{
	size_t i = 0;
	while (i < len && (line[i] == ' ' || line[i] == '\t' || line[i] == '\r'))
		i++;
	return i == len;
}

static void take_line(struct lines *s, const char *line, size_t len)
{
	if (s->skipping)
		s->skipping = false;
	else if (len > (size_t)s->config->request_max)
		pipeline_take_long(s->session, line, len < PEEK ? len : PEEK);
	else if (!blank(line, len))
		pipeline_take(s->session, line, len);
}

/* Whole lines are taken; of one that grows over the limit only the end is awaited. */
static void split(struct lines *s)
{
	const char *newline;
	while ((newline = memchr(buf_data(&s->in) + s->scanned, '\n', buf_len(&s->in) - s->scanned))) {
		size_t len = (size_t)(newline - buf_data(&s->in));
		take_line(s, buf_data(&s->in), len);
		buf_eat(&s->in, len + 1);
		s->scanned = 0;
	}
	s->scanned = buf_len(&s->in);
	if (s->scanned <= (size_t)s->config->request_max && !s->skipping)
		return;
	if (!s->skipping)
		pipeline_take_long(s->session, buf_data(&s->in), PEEK < s->scanned ? PEEK : s->scanned);
	s->skipping = true;
	buf_eat(&s->in, s->scanned);
	s->scanned = 0;
}

/* A client of a Unix socket that has ended its half alone still waits for what it asked. */
static bool waits(const struct lines *s)
{
	struct pollfd fd = {.fd = s->in_fd};
	return s->in_fd == s->out_fd && pipeline_busy(s->session) && poll(&fd, 1, 0) == 0;
}

static void on_grace(EV_P_ ev_timer *timer, int revents)
{
	struct lines *s = timer->data;
	(void)revents;
	if (waits(s))
		ev_timer_again(loop, timer);
	else
		lines_stop(s);
}

/* What was read is still answered, for a while, or as long as it takes. */
static void end_input(struct lines *s, bool for_a_while)
{
	if (buf_len(&s->in))
		take_line(s, buf_data(&s->in), buf_len(&s->in));
	buf_finish(&s->in);
	s->ended = true;
	ev_io_stop(s->loop, &s->readable);
	double grace = (double)s->config->eof_grace / 1000;
	ev_timer_set(&s->grace, grace, grace > 0 ? grace : 1);
	if (for_a_while)
		ev_timer_start(s->loop, &s->grace);
	wake(s);
}

static ssize_t take_input(struct lines *s)
{
	if (!buf_reserve(&s->in, READ_PIECE))
		log_no_memory();
	ssize_t n = read(s->in_fd, buf_room(&s->in), READ_PIECE);
	if (n > 0) {
		buf_filled(&s->in, (size_t)n);
		split(s);
	}
	return n;
}

static void on_readable(EV_P_ ev_io *io, int revents)
{
	struct lines *s = io->data;
	(void)loop;
	(void)revents;
	ssize_t n = take_input(s);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		end_input(s, true);
}

/* --- coming and going --- */

struct lines *lines_create(struct ev_loop *loop, const struct config *config, struct pipeline *pipeline, int in_fd, int out_fd,
			   void (*on_end)(void *), void *data)
{
	struct lines *s = calloc(1, sizeof *s);
	if (!s)
		log_no_memory();
	s->loop = loop;
	s->config = config;
	s->in_fd = in_fd;
	s->out_fd = out_fd;
	s->on_end = on_end;
	s->data = data;
	s->outlet = (struct outlet){on_deliver, on_more, on_notify, NULL};
	TAILQ_INIT(&s->streams);
	ev_io_init(&s->readable, on_readable, in_fd, EV_READ);
	ev_io_init(&s->writable, on_writable, out_fd, EV_WRITE);
	turn_init(&s->turn, loop, on_turn, s);
	ev_timer_init(&s->stall, on_stall, 0., 0.);
	ev_timer_init(&s->grace, on_grace, 0., 0.);
	s->readable.data = s->writable.data = s->stall.data = s->grace.data = s;
	ev_io_start(loop, &s->readable);
	s->session = pipeline_open(pipeline, &s->outlet);
	return s;
}

void lines_identify(struct lines *s, const char *principal)
{
	pipeline_identify(s->session, principal);
}

void lines_place(struct lines *s, const char *folder)
{
	pipeline_place(s->session, folder);
}

const char *lines_principal(const struct lines *s)
{
	return s->session ? pipeline_principal(s->session) : NULL;
}

void lines_stop(struct lines *s)
{
	if (s->over)
		return;
	if (s->open) {
		pipeline_cut(s->open, "the bridge was ended", &s->out);
		finish_line(s);
	}
	pipeline_end_listens(s->session);
	flush(s);
	end(s);
}

/* Whoever destroys it knows. */
static void on_nothing(void *data)
{
	(void)data;
}

/* Each line is taken, or its client's send fails: none is lost in between. */
void lines_drain(struct lines *s)
{
	if (s->ended || s->over)
		return;
	if (shutdown(s->in_fd, SHUT_RD) == 0)
		while (take_input(s) > 0)
			;
	buf_finish(&s->in); /* the beginning of a line that could not be sent whole */
	s->scanned = 0;
	end_input(s, false);
}

void lines_refuse(struct lines *s, const char *why)
{
	if (!s->over)
		pipeline_stop(s->session, why);
}

void lines_destroy(struct lines *s)
{
	if (!s)
		return;
	s->on_end = on_nothing;
	end(s);
	buf_finish(&s->in);
	buf_finish(&s->out);
	buf_finish(&s->behind);
	json_decref(s->later);
	free(s);
}
