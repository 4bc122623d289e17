/* server.c - see server.h.
 *
 * The road of a request through this thread, and back:
 *
 *   peer.c on_io      bytes of a bridge
 *   frames.c          whole frames; hello, ping, status, cancel, interrupt are answered here
 *   queue.c           queue_submit: bounded, refused at once when full
 *   server_ring       one byte to Emacs, unless a ring is open
 *        ... efrit-mcp-server.el takes the job, runs it, replies: queue_reply ...
 *   on_wake           queue_take_replies
 *   peer.c            RESULT in blocks, as credit allows; on_flush writes once a turn
 */
#include "server_priv.h"

#include "json.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Serials are not used twice, over restarts of the server too: a job of an earlier
 * one may still run. */
static uint64_t last_serial;

#define owner(w, type, member) ((type *)((char *)(w) - offsetof(type, member)))

void server_event(struct server *s, const char *format, ...)
{
	char line[512];
	va_list ap;
	va_start(ap, format);
	vsnprintf(line, sizeof line, format, ap);
	va_end(ap);
	pthread_mutex_lock(&s->lock);
	if (buf_len(&s->events) < SERVER_EVENTS_MAX && !buf_printf(&s->events, "%s\n", line))
		buf_finish(&s->events);
	pthread_mutex_unlock(&s->lock);
}

/* ---- the doorbell ---- */

static void write_ring(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	int fd = s->doorbell;
	ssize_t n = fd >= 0 ? write(fd, "!", 1) : -1;
	bool broken = fd >= 0 && n < 0 && errno != EAGAIN && errno != EINTR; /* EAGAIN: rings enough are waiting */
	pthread_mutex_unlock(&s->lock);
	if (broken) {
		queue_ring_failed(s->queue);
		server_event(s, "the doorbell cannot be rung: %s", strerror(errno));
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
	if (s->n_peers && queue_want_ring(s->queue, true))
		write_ring(s);
}

/* ---- waiters ---- */

static void answer_waiter(struct server *s, struct waiter *w, uint8_t type, struct buf *text)
{
	struct peer *p = server_peer(s, w->peer);
	if (p)
		peer_send_text(p, type, w->id, text);
	buf_finish(text);
	TAILQ_REMOVE(&s->waiters, w, link);
	free(w);
}

static void answer_status(struct server *s, struct waiter *w, const bool *met)
{
	struct buf text = {0};
	if (!status_write(s, &text, met))
		buf_finish(&text);
	answer_waiter(s, w, WIRE_STATE, &text);
}

static void answer_stop(struct server *s, uint64_t number, const char *outcome, const char *message)
{
	struct waiter *w, *next;
	for (w = TAILQ_FIRST(&s->waiters); w; w = next) {
		struct buf text = {0};
		next = TAILQ_NEXT(w, link);
		if (w->kind != WAIT_STOP || w->number != number)
			continue;
		bool ok = buf_printf(&text, "{\"outcome\":\"%s\"", outcome)
			  && (!number || buf_printf(&text, ",\"request\":%llu", (unsigned long long)number))
			  && buf_printf(&text, ",\"message\":") && json_put_string(&text, message, strlen(message), NULL)
			  && buf_printf(&text, "}");
		if (!ok)
			buf_finish(&text);
		answer_waiter(s, w, WIRE_INTERRUPTED, &text);
	}
}

/* Answers every waiter whose moment has come; sets the timer for the rest. */
static void look_at_waiters(struct server *s)
{
	struct queue_view view;
	const char *state;
	double now = queue_now(), next_at = 0;
	struct waiter *w, *next;
	if (TAILQ_EMPTY(&s->waiters))
		return;
	queue_look(s->queue, &view);
	enum status_known known = status_of(s, &view, now, &state);
	bool idle = known == STATUS_SURE && strcmp(state, WIRE_IDLE) == 0 && !view.waiting;
	bool late = false;
	for (w = TAILQ_FIRST(&s->waiters); w; w = next) {
		next = TAILQ_NEXT(w, link);
		late = now >= w->deadline;
		if (w->kind == WAIT_STATUS && (known == STATUS_SURE || late))
			answer_status(s, w, NULL);
		else if (w->kind == WAIT_IDLE && (idle || late))
			answer_status(s, w, &idle);
		else if (!next_at || w->deadline < next_at)
			next_at = w->deadline;
	}
	if (TAILQ_EMPTY(&s->waiters))
		return;
	if (known == STATUS_UNSURE) {
		queue_wake_on_ring(s->queue);
		server_ring(s);
	}
	ev_timer_stop(s->loop, &s->waiting);
	ev_timer_set(&s->waiting, next_at > now ? next_at - now : 0.001, 0);
	ev_timer_start(s->loop, &s->waiting);
}

static void on_waiting(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	look_at_waiters(owner(t, struct server, waiting));
}

bool server_wait(struct server *s, const struct waiter *what)
{
	struct waiter *w = malloc(sizeof *w);
	if (!w)
		return false;
	*w = *what;
	TAILQ_INSERT_TAIL(&s->waiters, w, link);
	look_at_waiters(s);
	return true;
}

/* ---- jobs: their time, their stop, their answers ---- */

void server_watch_deadline(struct server *s, double at)
{
	double now = queue_now();
	if (ev_is_active(&s->deadline) && ev_timer_remaining(s->loop, &s->deadline) <= at - now)
		return;
	ev_timer_stop(s->loop, &s->deadline);
	ev_timer_set(&s->deadline, at > now ? at - now : 0.001, 0);
	ev_timer_start(s->loop, &s->deadline);
}

static void on_deadline(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct server *s = owner(w, struct server, deadline);
	uint64_t number;
	(void)loop;
	(void)revents;
	while ((number = queue_overdue(s->queue, queue_now())))
		server_ask_stop(s, number, STOP_TIMEOUT, "its time-out");
	double next = queue_next_deadline(s->queue);
	if (next)
		server_watch_deadline(s, next);
}

static void answer_job(struct server *s, const struct job *job, const char *message)
{
	static const char *const codes[] = {"stopped", "timeout", "cancelled", "interrupted", "client_gone", "exit"};
	struct reply *reply = calloc(1, sizeof *reply);
	struct peer *p = server_peer(s, job->peer);
	if (!p || !reply || !status_failed(s, job, &reply->text, codes[job->stop], message)) {
		reply_destroy(reply);
		if (p)
			peer_drop(p, "no memory for an answer");
		return;
	}
	reply->peer = job->peer;
	reply->id = job->id;
	reply->number = job->number;
	reply->outcome = JOB_STOPPED;
	peer_send_reply(p, &reply);
}

static void drop_job(struct server *s, struct job *job)
{
	char message[256];
	if (job->state == JOB_DEFERRED)
		snprintf(message, sizeof message, "stopped waiting after %.1f s (%s)", queue_now() - job->started_at, job->by);
	else
		snprintf(message, sizeof message, "taken out of the queue by %s after %.1f s; it did not run", job->by,
			 queue_now() - job->queued_at);
	answer_job(s, job, message);
	answer_stop(s, job->number, "stopped", message);
	job_destroy(job);
}

void server_ask_stop(struct server *s, uint64_t number, enum job_stop why, const char *by)
{
	struct job *job;
	switch (queue_stop(s->queue, number, why, by, &job)) {
	case CANCEL_DROPPED:
		drop_job(s, job);
		break;
	case CANCEL_ASKED:
		server_event(s, "request %llu is to stop (%s)", (unsigned long long)number, by);
		interrupt_drive(&s->interrupt, number);
		break;
	case CANCEL_UNKNOWN:
		answer_stop(s, number, "nothing", "no such request waits or runs; it has ended");
		break;
	}
}

static void on_stuck(void *data, uint64_t number)
{
	struct server *s = data;
	struct job job;
	char message[512];
	if (!queue_answer_for(s->queue, number, &job))
		return; /* its answer is on the way */
	const char *why = job.obstacle[0] ? job.obstacle
			  : job.seen	  ? "its clean-up forms (unwind-protect) still run"
					  : "Emacs is in code that never looks whether it should quit";
	snprintf(message, sizeof message,
		 "asked to stop (%s), but it cannot be stopped: %s. It still runs, after %.1f s in all; efrit_status tells when it ends",
		 job.by, why, queue_now() - job.started_at);
	server_event(s, "request %llu cannot be stopped: %s", (unsigned long long)number, why);
	answer_job(s, &job, message);
	answer_stop(s, number, "not_stopped", message);
}

static void send_replies(struct server *s)
{
	struct reply_list replies;
	struct reply *r;
	TAILQ_INIT(&replies);
	queue_take_replies(s->queue, &replies);
	while ((r = TAILQ_FIRST(&replies))) {
		TAILQ_REMOVE(&replies, r, link);
		if (r->outcome == JOB_STOPPED)
			answer_stop(s, r->number, "stopped", "it was stopped while it ran");
		else
			answer_stop(s, r->number, "finished", "it ended by itself before it could be stopped; its client has the answer");
		struct peer *p = server_peer(s, r->peer);
		if (p)
			peer_send_reply(p, &r);
		else
			reply_destroy(r);
	}
}

/* ---- peers ---- */

struct peer *server_peer(struct server *s, uint64_t serial)
{
	struct peer *p;
	TAILQ_FOREACH(p, &s->peers, link)
		if (p->serial == serial)
			return p;
	return NULL;
}

void server_forget(struct server *s, struct peer *p)
{
	struct waiter *w, *next;
	uint64_t running[2];
	for (w = TAILQ_FIRST(&s->waiters); w; w = next) {
		next = TAILQ_NEXT(w, link);
		if (w->peer == p->serial) {
			TAILQ_REMOVE(&s->waiters, w, link);
			free(w);
		}
	}
	queue_drop_peer(s->queue, p->serial, running);
	for (int i = 0; i < 2; i++)
		if (running[i])
			server_ask_stop(s, running[i], STOP_CLIENT_GONE, p->name);
}

static void on_accept(struct ev_loop *loop, ev_io *w, int revents)
{
	struct server *s = owner(w, struct server, accept);
	(void)loop;
	(void)revents;
	int fd = accept4(s->listening.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0 && !peer_accept(s, fd, ++last_serial))
		close(fd);
}

static void on_flush(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct server *s = owner(w, struct server, flush);
	struct peer *p, *next;
	(void)loop;
	(void)revents;
	for (p = TAILQ_FIRST(&s->peers); p; p = next) {
		next = TAILQ_NEXT(p, link);
		peer_flush(p);
	}
	while ((p = TAILQ_FIRST(&s->dead))) {
		TAILQ_REMOVE(&s->dead, p, link);
		peer_free(p);
	}
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
	struct job job;
	uint64_t number = queue_running(s->queue);
	char message[160];
	snprintf(message, sizeof message, "%s; the call may have run", why);
	if (number && queue_answer_for(s->queue, number, &job)) {
		job.stop = STOP_EXIT;
		answer_job(s, &job, message);
	}
	TAILQ_FOREACH(p, &s->peers, link)
		peer_goodbye(p, "exit", why);
	for (int i = 0; i < 20 && !TAILQ_EMPTY(&s->peers); i++) { /* a bridge that does not read is not waited for */
		on_flush(s->loop, &s->flush, 0);
		if (!TAILQ_EMPTY(&s->peers))
			poll(NULL, 0, 10);
	}
}

static void on_wake(struct ev_loop *loop, ev_async *w, int revents)
{
	struct server *s = owner(w, struct server, wake);
	(void)revents;
	pthread_mutex_lock(&s->lock);
	bool stopping = s->stopping;
	uint64_t interrupt = s->interrupt_number;
	s->interrupt_number = 0;
	pthread_mutex_unlock(&s->lock);
	send_replies(s);
	if (stopping) {
		say_goodbye(s, s->stop_why);
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	if (interrupt)
		server_ask_stop(s, interrupt, STOP_INTERRUPTED, "the person");
	tell_changed(s);
	look_at_waiters(s);
	if (queue_pending(s->queue) && !queue_running(s->queue))
		server_ring(s);
}

static void *run(void *data)
{
	struct server *s = data;
	ev_run(s->loop, 0);
	return NULL;
}

static void wake(void *data)
{
	server_wake(data);
}

static void watch(struct server *s, double heartbeat)
{
	ev_async_init(&s->wake, on_wake);
	ev_async_start(s->loop, &s->wake);
	ev_io_init(&s->accept, on_accept, s->listening.fd, EV_READ);
	ev_io_start(s->loop, &s->accept);
	ev_prepare_init(&s->flush, on_flush);
	ev_prepare_start(s->loop, &s->flush);
	ev_timer_init(&s->heartbeat, on_heartbeat, 0.001, heartbeat); /* the first ring ends `starting` */
	ev_timer_start(s->loop, &s->heartbeat);
	ev_timer_init(&s->deadline, on_deadline, 0, 0);
	ev_timer_init(&s->waiting, on_waiting, 0, 0);
	interrupt_init(&s->interrupt, s->loop, s->queue);
	s->interrupt.ring = ring;
	s->interrupt.on_stuck = on_stuck;
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

static void server_free(struct server *s)
{
	if (s->loop) {
		struct peer *p;
		struct waiter *w;
		while ((p = TAILQ_FIRST(&s->peers)))
			peer_drop(p, NULL);
		while ((p = TAILQ_FIRST(&s->dead))) {
			TAILQ_REMOVE(&s->dead, p, link);
			peer_free(p);
		}
		while ((w = TAILQ_FIRST(&s->waiters))) {
			TAILQ_REMOVE(&s->waiters, w, link);
			free(w);
		}
		ev_loop_destroy(s->loop);
	}
	listen_close(&s->listening);
	if (s->doorbell >= 0)
		close(s->doorbell);
	buf_finish(&s->catalogue);
	buf_finish(&s->events);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

struct server *server_start(const struct server_settings *set, struct queue *queue, char error[512])
{
	struct server *s = calloc(1, sizeof *s);
	if (!s || pthread_mutex_init(&s->lock, NULL) != 0) {
		snprintf(error, 512, "no memory");
		close(set->doorbell);
		free(s);
		return NULL;
	}
	s->queue = queue;
	s->doorbell = set->doorbell;
	s->pid = getpid();
	s->lisp_tid = (pid_t)syscall(SYS_gettid);
	s->started_at = queue_now();
	snprintf(s->version, sizeof s->version, "%s", set->version);
	snprintf(s->emacs_version, sizeof s->emacs_version, "%s", set->emacs_version);
	TAILQ_INIT(&s->peers);
	TAILQ_INIT(&s->dead);
	TAILQ_INIT(&s->waiters);
	s->listening.fd = -1;
	if (!listen_open(&s->listening, set->instance, error)) {
		server_free(s);
		return NULL;
	}
	/* Never ev_default_loop: it would reap Emacs's children. */
	s->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	if (s->loop) {
		interrupt_prepare(set->signal);
		watch(s, set->heartbeat);
		queue_on_change(queue, wake, s);
	}
	if (!s->loop || !start_thread(s)) {
		snprintf(error, 512, "the system gives no %s", s->loop ? "thread" : "event loop");
		server_free(s);
		return NULL;
	}
	return s;
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
	queue_on_change(s->queue, NULL, NULL);
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
	if (!buf_add(&copy, text, len))
		return false;
	pthread_mutex_lock(&s->lock);
	buf_finish(&s->catalogue);
	s->catalogue = copy;
	s->catalogue_new = strcmp(s->hash, hash) != 0;
	snprintf(s->hash, sizeof s->hash, "%s", hash);
	pthread_mutex_unlock(&s->lock);
	ev_async_send(s->loop, &s->wake);
	return true;
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

void server_take_events(struct server *s, struct buf *out)
{
	pthread_mutex_lock(&s->lock);
	buf_finish(out);
	*out = s->events;
	s->events = (struct buf){0};
	pthread_mutex_unlock(&s->lock);
}
