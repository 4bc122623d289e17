/* server.c - see server.h.
 *
 * The road of a request through this thread, and back:
 *
 *   peer.c on_io      bytes of a bridge
 *   frames.c          whole frames; hello, ping, status, cancel, interrupt are answered here
 *   queue.c           queue_submit: bounded, refused at once when full
 *   server_ring       one byte to Emacs, unless a ring is open
 *        ... efrit-mcp-server.el takes the job, runs it, replies: queue_reply ...
 *   answers.c         queue_take_replies; answers in Lisp's place; deadlines and stops
 *   peer.c            RESULT in blocks, as credit allows; on_flush writes once a turn
 */
#include "server_priv.h"

#include "child.h"
#include "json.h"
#include "wire/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Serials are not used twice, over restarts of the server too: a job of an earlier
 * one may still run. */
static uint64_t last_serial;

void server_event(struct server *s, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	events_add(&s->events, format, ap);
	va_end(ap);
}

/* ---- the doorbell ---- */

static void write_ring(struct server *s)
{
	ssize_t n = -1;
	int error = 0;
	pthread_mutex_lock(&s->lock);
	while (s->doorbell >= 0 && (n = write(s->doorbell, "!", 1)) < 0 && errno == EINTR)
		;
	if (s->doorbell >= 0 && n < 0 && errno != EAGAIN) /* EAGAIN: rings enough are waiting */
		error = errno;
	pthread_mutex_unlock(&s->lock);
	if (error) {
		queue_ring_failed(s->queue);
		server_event(s, "the doorbell cannot be rung: %s", strerror(error));
		if (!s->noninteractive)
			interrupt_poke(s->queue); /* its process is gone, and nobody told us */
	}
}

void server_ring(struct server *s)
{
	if (queue_want_ring(s->queue, false))
		write_ring(s);
}

void server_wake(struct server *s)
{
	ev_async_send(s->loop, &s->wake);
}

static void ring(void *data)
{
	server_ring(data);
}

static void on_heartbeat(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct server *s = owner(w, struct server, heartbeat);
	(void)loop;
	(void)revents;
	if (!s->n_peers)
		return;
	/* Blocked, or the doorbell's process is not what it was: the event makes Lisp look. */
	bool deaf = s->heartbeat.repeat > 0 && queue_rung_for(s->queue) >= s->heartbeat.repeat;
	if (deaf && !s->poked && !s->noninteractive)
		interrupt_poke(s->queue);
	s->poked = deaf;
	if (queue_want_ring(s->queue, true))
		write_ring(s);
}

/* ---- peers ---- */

struct peer *server_peer(struct server *s, uint64_t serial)
{
	struct peer *p;
	TAILQ_FOREACH(p, &s->peers, link)
		if (p->serial == serial && !p->dead)
			return p;
	return NULL;
}

static void on_accept_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)revents;
	ev_io_start(loop, &owner(w, struct server, accept_again)->accept);
}

/* The socket stays readable, so that without a pause the loop would spin. */
static void pause_accept(struct server *s, const char *why)
{
	server_event(s, "no bridge can connect: %s", why);
	ev_io_stop(s->loop, &s->accept);
	ev_timer_set(&s->accept_again, SERVER_ACCEPT_MS / 1000.0, 0);
	ev_timer_start(s->loop, &s->accept_again);
}

static void on_accept(struct ev_loop *loop, ev_io *w, int revents)
{
	struct server *s = owner(w, struct server, accept);
	(void)loop;
	int fd = socket_accept(s->listening.fd);
	if (fd >= 0 && !peer_accept(s, fd, ++last_serial)) {
		close(fd);
		pause_accept(s, "no memory");
	} else if (revents & EV_ERROR || (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)) {
		pause_accept(s, fd < 0 ? strerror(errno) : "the system does not watch the socket");
	}
}

void server_move(struct server *s, int fd)
{
	int waiting;
	while ((waiting = socket_accept(s->listening.fd)) >= 0)
		if (!peer_accept(s, waiting, ++last_serial))
			close(waiting);
	ev_io_stop(s->loop, &s->accept);
	close(s->listening.fd);
	s->listening.fd = fd;
	ev_io_set(&s->accept, fd, EV_READ);
	ev_io_start(s->loop, &s->accept);
}

/* Frees the peers that are gone.  True: there were some, and what they waited for may
 * have given others something to read. */
static bool reap(struct server *s)
{
	struct peer *p, *next;
	bool some = false;
	for (p = TAILQ_FIRST(&s->peers); p; p = next) {
		next = TAILQ_NEXT(p, link);
		if (!p->dead)
			continue;
		some = true;
		waiters_forget(s, p);
		uint64_t running = queue_drop_peer(s->queue, p->serial);
		if (running)
			answers_stop(s, running, STOP_CLIENT_GONE, p->name);
		server_ring(s); /* Lisp may keep something for it */
		TAILQ_REMOVE(&s->peers, p, link);
		peer_free(p);
	}
	return some;
}

static void on_flush(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct server *s = owner(w, struct server, flush);
	struct peer *p;
	(void)loop;
	(void)revents;
	do {
		TAILQ_FOREACH(p, &s->peers, link)
			peer_flush(p);
	} while (reap(s));
}

/* ---- the thread ---- */

static void tell_changed(struct server *s)
{
	struct peer *p;
	char text[SERVER_HASH_MAX + 32];
	pthread_mutex_lock(&s->lock);
	bool news = s->catalogue_new;
	s->catalogue_new = false;
	snprintf(text, sizeof text, "{\"catalogue\":\"%s\"}", s->hash);
	pthread_mutex_unlock(&s->lock);
	if (!news)
		return;
	TAILQ_FOREACH(p, &s->peers, link)
		if (p->welcome)
			peer_send(p, WIRE_CHANGED, 0, 0, text, strlen(text));
}

static void say_goodbye(struct server *s, const char *why)
{
	struct peer *p;
	answers_exit(s, why);
	TAILQ_FOREACH(p, &s->peers, link)
		peer_goodbye(p, "exit", why);
	for (int i = 0; i < 20 && !TAILQ_EMPTY(&s->peers); i++) { /* a bridge that does not read is not waited for */
		on_flush(s->loop, &s->flush, 0);
		if (!TAILQ_EMPTY(&s->peers))
			poll(NULL, 0, 10);
	}
	interrupt_finish(&s->interrupt);
}

static void on_wake(struct ev_loop *loop, ev_async *w, int revents)
{
	struct server *s = owner(w, struct server, wake);
	uint64_t number;
	(void)revents;
	pthread_mutex_lock(&s->lock);
	bool stopping = s->stopping;
	uint64_t interrupt = s->interrupt_number;
	s->interrupt_number = 0;
	bool drop = s->drop_waiting;
	s->drop_waiting = false;
	pthread_mutex_unlock(&s->lock);
	answers_take(s);
	if (stopping) {
		say_goodbye(s, s->stop_why);
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	while (drop && (number = queue_waiting(s->queue)))
		answers_stop(s, number, STOP_INTERRUPTED, "the person");
	if (interrupt)
		answers_stop(s, interrupt, STOP_INTERRUPTED, "the person");
	if (queue_take_look(s->queue))
		answers_look(s);
	tell_changed(s);
	waiters_look(s);
	if (queue_pending(s->queue))
		server_ring(s);
}

/* libev ends the process when memory fails it, or a system call that must not, and
 * that would be Emacs.  Its hooks may not return; from our calls they jump to here. */
static _Thread_local sigjmp_buf *lifeline; /* of the thread that is inside libev for us; NULL: it is not */
static struct ev_loop *lost;               /* a loop that failed is in no state to be freed */

static void *allocate(void *old, long size)
{
	if (!size) {
		free(old);
		return NULL;
	}
	void *mem = realloc(old, (size_t)size);
	if (!mem && lifeline)
		siglongjmp(*lifeline, 1);
	return mem;
}

static void on_failure(const char *what)
{
	if (lifeline)
		siglongjmp(*lifeline, 1);
	perror(what); /* somebody else's loop: as libev does by itself */
	abort();
}

/* Nobody is to wait for a thread that is no more. */
static void break_off(struct server *s)
{
	struct peer *p;
	s->broken = true;
	lost = s->loop;
	queue_close(s->queue);
	shutdown(s->listening.fd, SHUT_RDWR);
	TAILQ_FOREACH(p, &s->peers, link) {
		queue_drop_peer(s->queue, p->serial); /* first: who sees the end relies on it */
		shutdown(p->fd, SHUT_RDWR);
	}
	server_event(s, "the event loop of the server failed; switch efrit-mcp-mode off and on");
}

static void *run(void *data)
{
	struct server *s = data;
	sigjmp_buf failed;
	if (sigsetjmp(failed, 0) == 0) {
		lifeline = &failed;
		ev_run(s->loop, 0);
	} else {
		break_off(s);
	}
	lifeline = NULL;
	return NULL;
}

static void wake(void *data)
{
	server_wake(data);
}

/* Of the emacs thread.  Whoever waits for news of a job hears of it from the loop. */
static bool send_now(void *data, const struct reply *reply)
{
	struct server *s = data;
	enum express_sent sent = s->n_waiters ? EXPRESS_NO : express_send(&s->express, reply);
	if (sent == EXPRESS_PART)
		server_wake(s);
	return sent != EXPRESS_NO;
}

static void watch(struct server *s, double heartbeat, double look)
{
	ev_async_init(&s->wake, on_wake);
	ev_async_start(s->loop, &s->wake);
	ev_io_init(&s->accept, on_accept, s->listening.fd, EV_READ);
	ev_io_start(s->loop, &s->accept);
	ev_prepare_init(&s->flush, on_flush);
	ev_prepare_start(s->loop, &s->flush);
	ev_timer_init(&s->heartbeat, on_heartbeat, 0.001, heartbeat); /* the first ring ends `starting` */
	ev_timer_start(s->loop, &s->heartbeat);
	presence_start(s, look > 0 ? look : SERVER_LOOK_S);
	ev_timer_init(&s->deadline, answers_on_deadline, 0, 0);
	ev_timer_init(&s->waiting, waiters_on_timer, 0, 0);
	ev_timer_init(&s->accept_again, on_accept_again, 0, 0);
	ev_timer_init(&s->watch, answers_on_watch, 0, SERVER_WATCH_US / 1e6);
	interrupt_init(&s->interrupt, s->loop, s->queue);
	s->interrupt.ring = ring;
	s->interrupt.on_stuck = answers_on_stuck;
	s->interrupt.data = s;
}

/* Emacs's signals are Emacs's: the thread is born with all of them blocked. */
static bool start_thread(struct server *s)
{
	sigset_t all, before;
	sigfillset(&all);
	if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
		return false;
	int failed = pthread_create(&s->thread, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return !failed;
}

static void free_peers(struct server *s)
{
	struct peer *p;
	while ((p = TAILQ_FIRST(&s->peers))) {
		peer_drop(p, NULL);
		waiters_forget(s, p);
		queue_drop_peer(s->queue, p->serial);
		TAILQ_REMOVE(&s->peers, p, link);
		peer_free(p);
	}
}

static void server_free(struct server *s)
{
	queue_on_change(s->queue, NULL, NULL, NULL);
	free_peers(s);
	queue_write_down(s->queue, NULL);
	ledger_destroy(s->ledger);
	if (s->loop && s->loop != lost)
		ev_loop_destroy(s->loop);
	listen_close(&s->listening);
	if (s->doorbell >= 0)
		close(s->doorbell);
	buf_finish(&s->catalogue);
	buf_finish(&s->watches);
	events_finish(&s->events);
	express_finish(&s->express);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static struct server *make(const struct server_settings *set, struct queue *queue)
{
	struct server *s = calloc(1, sizeof *s);
	if (!s || pthread_mutex_init(&s->lock, NULL) != 0) {
		free(s);
		return NULL;
	}
	if (!events_init(&s->events) || !express_init(&s->express)) {
		pthread_mutex_destroy(&s->lock);
		free(s);
		return NULL;
	}
	s->queue = queue;
	s->doorbell = set->doorbell;
	s->pid = getpid();
	s->lisp_tid = child_thread();
	s->started_at = queue_now();
	s->noninteractive = set->noninteractive;
	snprintf(s->version, sizeof s->version, "%s", set->version);
	snprintf(s->emacs_version, sizeof s->emacs_version, "%s", set->emacs_version);
	TAILQ_INIT(&s->peers);
	TAILQ_INIT(&s->waiters);
	s->listening.fd = -1;
	s->ledger = ledger_create();
	if (!s->ledger)
		server_event(s, "which calls have begun is not written down: %s", strerror(errno));
	queue_write_down(queue, s->ledger);
	return s;
}

/* libev ends the process when it gets no descriptors: better to know before. */
static bool descriptors_left(void)
{
	int fds[4], n = 0;
	while (n < 4 && (fds[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		n++;
	for (int i = 0; i < n; i++)
		close(fds[i]);
	return n == 4;
}

/* Never ev_default_loop: it would reap Emacs's children. */
static bool make_loop(struct server *s, const struct server_settings *set)
{
	sigjmp_buf failed;
	if (!descriptors_left())
		return false;
	ev_set_allocator(allocate);
	ev_set_syserr_cb(on_failure);
	if (sigsetjmp(failed, 0) == 0) {
		lifeline = &failed;
		s->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
		if (s->loop)
			watch(s, set->heartbeat, set->look);
	} else {
		s->loop = NULL; /* what there was of it is lost */
	}
	lifeline = NULL;
	if (!s->loop)
		return false;
	interrupt_prepare(set->signal);
	queue_on_change(s->queue, wake, send_now, s);
	return true;
}

struct server *server_start(const struct server_settings *set, struct queue *queue, char error[512])
{
	struct server *s = make(set, queue);
	if (!s) {
		snprintf(error, 512, "no memory");
		close(set->doorbell);
		return NULL;
	}
	bool listens = listen_open(&s->listening, set->instance, error);
	bool loops = listens && make_loop(s, set);
	if (loops && start_thread(s)) {
		server_wake(s); /* a job of an earlier server may run */
		return s;
	}
	if (listens)
		snprintf(error, 512, "the system gives no %s", loops ? "thread" : "event loop; Emacs may have too many files open");
	server_free(s);
	return NULL;
}

void server_stop(struct server **sp, const char *why)
{
	struct server *s = *sp;
	*sp = NULL;
	if (!s)
		return;
	queue_close(s->queue);
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	snprintf(s->stop_why, sizeof s->stop_why, "%s", why);
	pthread_mutex_unlock(&s->lock);
	ev_async_send(s->loop, &s->wake);
	pthread_join(s->thread, NULL);
	server_free(s);
}

const char *server_instance(const struct server *s)
{
	return s->listening.name;
}

const char *server_path(const struct server *s)
{
	return s->listening.path;
}

void server_set_doorbell(struct server *s, int fd)
{
	pthread_mutex_lock(&s->lock);
	if (s->doorbell >= 0)
		close(s->doorbell);
	s->doorbell = fd;
	pthread_mutex_unlock(&s->lock);
	queue_ring_failed(s->queue); /* whatever was rung went to the old one */
	ev_async_send(s->loop, &s->wake);
}

bool server_set_catalogue(struct server *s, const char *text, size_t len, const char *hash)
{
	struct buf copy = {0};
	if (len > SERVER_CATALOGUE_MAX || !buf_add(&copy, text, len))
		return false;
	pthread_mutex_lock(&s->lock);
	buf_finish(&s->catalogue);
	s->catalogue = copy;
	s->catalogue_new = s->catalogue_new || strcmp(s->hash, hash) != 0;
	snprintf(s->hash, sizeof s->hash, "%s", hash);
	pthread_mutex_unlock(&s->lock);
	ev_async_send(s->loop, &s->wake);
	return true;
}

/* Without memory for it what was watched stays watched. */
void server_watches(struct server *s)
{
	struct buf all = {0};
	struct peer *p;
	bool ok = buf_add(&all, "[", 1);
	TAILQ_FOREACH(p, &s->peers, link)
		if (ok && !p->dead && buf_len(&p->watches))
			ok = (buf_len(&all) == 1 || buf_add(&all, ",", 1)) && buf_add(&all, buf_data(&p->watches), buf_len(&p->watches));
	ok = ok && buf_add(&all, "]", 1);
	if (!ok) {
		buf_finish(&all);
		return;
	}
	pthread_mutex_lock(&s->lock);
	buf_finish(&s->watches);
	s->watches = all;
	pthread_mutex_unlock(&s->lock);
	s->watches_new = true;
	server_ring(s);
}

bool server_watches_new(const struct server *s)
{
	return s->watches_new;
}

bool server_take_watches(struct server *s, struct buf *out)
{
	s->watches_new = false;
	pthread_mutex_lock(&s->lock);
	bool ok = buf_add(out, buf_data(&s->watches), buf_len(&s->watches));
	pthread_mutex_unlock(&s->lock);
	return ok;
}

bool server_status(struct server *s, struct buf *out)
{
	return status_write(s, out, NULL);
}

bool server_interrupt(struct server *s)
{
	uint64_t number = queue_running(s->queue);
	pthread_mutex_lock(&s->lock);
	s->interrupt_number = number;
	pthread_mutex_unlock(&s->lock);
	ev_async_send(s->loop, &s->wake);
	return number != 0;
}

void server_pause(struct server *s, bool paused)
{
	queue_pause(s->queue, paused);
	pthread_mutex_lock(&s->lock);
	s->drop_waiting = paused;
	pthread_mutex_unlock(&s->lock);
	server_wake(s);
}

void server_take_events(struct server *s, struct buf *out)
{
	events_take(&s->events, out);
}
