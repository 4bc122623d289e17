/* answers.c - jobs as the loop sees them: their time, their stop, the way of an answer
 * to its peer.  Where a job ends without Lisp, the answer is made here.  The loop's. */
#include "server_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void answers_deadline(struct server *s, double at)
{
	double now = queue_now();
	if (ev_is_active(&s->deadline) && ev_timer_remaining(s->loop, &s->deadline) <= at - now)
		return;
	ev_timer_stop(s->loop, &s->deadline);
	ev_timer_set(&s->deadline, at > now ? at - now : 0.001, 0);
	ev_timer_start(s->loop, &s->deadline);
}

void answers_look(struct server *s)
{
	uint64_t number;
	double now = queue_now();
	while ((number = queue_overdue(s->queue, now)))
		answers_stop(s, number, STOP_TIMEOUT, "its time-out");
	double next = queue_next_deadline(s->queue, now);
	if (next)
		answers_deadline(s, next);
	if ((number = queue_stop_wanted(s->queue)))
		interrupt_drive(&s->interrupt, number);
}

void answers_on_deadline(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	answers_look(owner(w, struct server, deadline));
}

/* In Lisp's place. */
static void answer(struct server *s, const struct job *job, const char *message)
{
	struct reply *reply = calloc(1, sizeof *reply);
	struct peer *p = server_peer(s, job->peer);
	if (!p || !reply || !status_failed(s, job, &reply->text, job_stop_word(job->stop), message)) {
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

/* Its time was over before its turn came. */
static void refuse_late(struct server *s, struct job *job)
{
	char message[STATUS_REASON_MAX + 200], reason[STATUS_REASON_MAX];
	struct peer *p = server_peer(s, job->peer);
	bool busy = status_reason(s, reason);
	unsigned before = queue_before(s->queue, job);
	snprintf(message, sizeof message, "the call waited for %.1f s for its turn, its whole time-out, and did not run: %s; %u call%s before it",
		 queue_now() - job->queued_at, reason, before, before == 1 ? " waits" : "s wait");
	if (p)
		peer_refuse(p, job->id, busy ? "queue_timeout" : "not_responding", message, 0);
	waiters_stopped(s, job->number, "stopped", message);
	job_destroy(job);
}

static void answer_dropped(struct server *s, struct job *job)
{
	char message[256];
	if (job->state == JOB_WAITING && job->stop == STOP_TIMEOUT) {
		refuse_late(s, job);
		return;
	}
	if (job->state == JOB_DEFERRED) {
		snprintf(message, sizeof message, "stopped waiting after %.1f s (%s)", queue_now() - job->started_at, job->by);
		server_ring(s); /* Lisp puts away what it kept for it */
	} else {
		snprintf(message, sizeof message, "taken out of the queue by %s after %.1f s; it did not run", job->by,
			 queue_now() - job->queued_at);
	}
	answer(s, job, message);
	waiters_stopped(s, job->number, "stopped", message);
	job_destroy(job);
}

void answers_stop(struct server *s, uint64_t number, enum job_stop why, const char *by)
{
	struct job *job;
	switch (queue_stop(s->queue, number, why, by, &job)) {
	case CANCEL_DROPPED:
		answer_dropped(s, job);
		break;
	case CANCEL_ASKED:
		break;
	case CANCEL_NESTED:
		answers_on_stuck(s, number);
		break;
	case CANCEL_DRIVE:
		server_event(s, "request %llu is to stop (%s)", (unsigned long long)number, by);
		interrupt_drive(&s->interrupt, number);
		break;
	case CANCEL_UNKNOWN:
		waiters_stopped(s, number, "nothing",
				number ? "no such request waits or runs; it has ended" : "nothing runs that could be stopped");
		break;
	}
}

void answers_on_stuck(void *data, uint64_t number)
{
	struct server *s = data;
	struct job job;
	char message[512];
	if (!queue_answer_for(s->queue, number, &job))
		return; /* its answer is on the way */
	const char *why = job.state == JOB_NESTED ? "it runs inside another request, where nothing is cut"
			  : job.obstacle[0]	  ? job.obstacle
			  : job.seen		  ? "its clean-up forms (unwind-protect) still run"
						  : "Emacs is in code that never looks whether it should quit";
	snprintf(message, sizeof message,
		 "asked to stop (%s), but it cannot be stopped: %s. It still runs, after %.1f s in all; efrit_status tells when it ends",
		 job.by, why, queue_now() - job.started_at);
	server_event(s, "request %llu cannot be stopped: %s", (unsigned long long)number, why);
	answer(s, &job, message);
	waiters_stopped(s, number, "not_stopped", message);
}

/* The size of a result that comes next: that one is never missed. */
static bool tells_size(const struct reply *note)
{
	static const char beginning[] = "{\"size\":";
	return note->peer && buf_len(&note->text) > sizeof beginning && memcmp(buf_data(&note->text), beginning, sizeof beginning - 1) == 0;
}

/* To one, or to all who are welcome; who does not read misses it. */
static void pass_note(struct server *s, const struct reply *note)
{
	struct peer *p;
	TAILQ_FOREACH(p, &s->peers, link)
		if (p->welcome && !p->dead && (!note->peer || p->serial == note->peer)
		    && (buf_len(&p->out) < SERVER_OUT_HIGH || tells_size(note)))
			peer_send(p, WIRE_NOTE, 0, note->id, buf_data(&note->text), buf_len(&note->text));
}

/* Each wake-up costs both threads more than a short answer: while answers come, the loop
 * looks by itself for more. */
void answers_on_watch(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	answers_take(owner(w, struct server, watch));
}

void answers_take(struct server *s)
{
	struct reply_list replies;
	struct reply *r;
	TAILQ_INIT(&replies);
	if (queue_take_replies(s->queue, &replies, true)) {
		if (!ev_is_active(&s->watch))
			ev_timer_again(s->loop, &s->watch);
	} else {
		ev_timer_stop(s->loop, &s->watch);
	}
	while ((r = TAILQ_FIRST(&replies))) {
		TAILQ_REMOVE(&replies, r, link);
		if (r->outcome == JOB_NOTE) {
			pass_note(s, r);
			reply_destroy(r);
			continue;
		}
		if (!r->peer)
			waiters_stopped(s, r->number, "stopped", "it ended, long after it was asked to");
		else if (r->outcome == JOB_STOPPED)
			waiters_stopped(s, r->number, "stopped", "it was stopped while it ran");
		else
			waiters_stopped(s, r->number, "finished", "it ended by itself before it could be stopped; its client has the answer");
		struct peer *p = server_peer(s, r->peer);
		if (p)
			peer_send_reply(p, &r);
		else
			reply_destroy(r);
	}
}

void answers_exit(struct server *s, const char *why)
{
	struct job job;
	char message[200];
	while (queue_answer_next(s->queue, &job)) {
		struct peer *p = server_peer(s, job.peer);
		if (job.state == JOB_WAITING) {
			snprintf(message, sizeof message, "%s; the call did not run", why);
			if (p)
				peer_refuse(p, job.id, "stopping", message, 0);
			continue;
		}
		job.stop = STOP_EXIT;
		snprintf(message, sizeof message, "%s; the call %s", why, job.state == JOB_DEFERRED ? "was still waiting" : "may have run");
		answer(s, &job, message);
	}
}
