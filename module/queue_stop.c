/* queue_stop.c - the queue's part in ending jobs before they end by themselves: who
 * asked, whose time is over, whether Lisp has seen it, who answers.  See queue.h. */
#include "queue_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- the loop's side ---- */

uint64_t queue_find(struct queue *q, uint64_t peer, uint64_t id)
{
	uint64_t number = 0;
	struct job *job;
	pthread_mutex_lock(&q->lock);
	TAILQ_FOREACH(job, &q->jobs, all)
		if (job->peer == peer && job->id == id && !job->answered)
			number = job->number;
	pthread_mutex_unlock(&q->lock);
	return number;
}

uint64_t queue_running(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	uint64_t number = q->running ? q->running->number : 0;
	pthread_mutex_unlock(&q->lock);
	return number;
}

/* Nothing of it is on Lisp's stack. */
static bool idle(const struct job *job)
{
	return job->state == JOB_WAITING || job->state == JOB_DEFERRED;
}

static void leave(struct queue *q, struct job *job)
{
	if (job->state == JOB_WAITING)
		queue_leave_lane(q, queue_peer(q, job->peer), job);
	queue_remove(q, job);
}

enum queue_cancel queue_stop(struct queue *q, uint64_t number, enum job_stop why, const char *by, struct job **dropped)
{
	enum queue_cancel r = CANCEL_UNKNOWN;
	*dropped = NULL;
	pthread_mutex_lock(&q->lock);
	struct job *job = queue_job(q, number);
	if (job)
		job_ask_stop(job, why, by); /* of one that has ended too: it may be deferred yet */
	if (job && idle(job)) {
		leave(q, job);
		q->counts.stopped++;
		*dropped = job;
		r = CANCEL_DROPPED;
	} else if (job && job->state != JOB_ENDED) {
		r = job->state == JOB_RUNNING ? CANCEL_DRIVE : job->state == JOB_NESTED ? CANCEL_NESTED : CANCEL_ASKED;
	}
	pthread_mutex_unlock(&q->lock);
	return r;
}

/* A patient one that waits longer than it may run is left out, else the timer would go off
 * again and again before it begins; queue_begin then wakes the loop. */
double queue_next_deadline(struct queue *q, double now)
{
	double next = 0;
	struct job *job;
	pthread_mutex_lock(&q->lock);
	TAILQ_FOREACH(job, &q->jobs, all) {
		bool begins = job->patient && (job->state == JOB_WAITING || job->state == JOB_TAKEN);
		double at = begins ? job->queued_at + job->timeout_ms / 1000.0 : job_deadline(job, now);
		if (begins && at <= now)
			job->late = true;
		else if (!job->stop && job->state != JOB_ENDED && (!next || at < next))
			next = at;
	}
	pthread_mutex_unlock(&q->lock);
	return next;
}

uint64_t queue_overdue(struct queue *q, double now)
{
	uint64_t number = 0;
	struct job *job;
	pthread_mutex_lock(&q->lock);
	TAILQ_FOREACH(job, &q->jobs, all)
		if (job_overdue(job, now) || (job->state == JOB_DEFERRED && job->stop))
			number = job->number;
	pthread_mutex_unlock(&q->lock);
	return number;
}

bool queue_take_look(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	bool look = q->look;
	q->look = false;
	pthread_mutex_unlock(&q->lock);
	return look;
}

bool queue_signal(struct queue *q, uint64_t number, void (*signal)(void))
{
	pthread_mutex_lock(&q->lock);
	bool wanted = q->running && q->running->number == number && q->running->stop && !q->running->seen;
	if (wanted)
		signal();
	pthread_mutex_unlock(&q->lock);
	return wanted;
}

enum queue_stopping queue_stop_state(struct queue *q, uint64_t number)
{
	pthread_mutex_lock(&q->lock);
	const struct job *job = q->running && q->running->number == number ? q->running : NULL;
	enum queue_stopping state = !job ? STOP_OVER : job->seen ? STOP_SEEN : job->brief ? STOP_BRIEF : job->obstacle[0] ? STOP_FOREIGN : STOP_UNSEEN;
	pthread_mutex_unlock(&q->lock);
	return state;
}

void queue_stop_obstacle(struct queue *q, uint64_t number, const char *obstacle)
{
	pthread_mutex_lock(&q->lock);
	struct job *job = queue_job(q, number);
	if (job && job->stop && !job->seen)
		job_set_obstacle(job, obstacle);
	pthread_mutex_unlock(&q->lock);
}

void queue_poke(struct queue *q, void (*signal)(void))
{
	pthread_mutex_lock(&q->lock);
	if (!q->running)
		signal();
	pthread_mutex_unlock(&q->lock);
}

double queue_rung_for(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	double since = q->rung ? q->rung_at : 0;
	pthread_mutex_unlock(&q->lock);
	return since > 0 ? queue_now() - since : 0;
}

void queue_stop_again(struct queue *q, uint64_t number)
{
	pthread_mutex_lock(&q->lock);
	struct job *job = queue_job(q, number);
	if (job)
		job->seen = false;
	pthread_mutex_unlock(&q->lock);
}

/* Lisp may free what the pointers of a copy lead to any time. */
static void copy_job(struct job *copy, const struct job *job)
{
	*copy = *job;
	copy->tool = copy->client = copy->arguments = NULL;
	copy->reply = NULL;
}

bool queue_answer_for(struct queue *q, uint64_t number, struct job *copy)
{
	pthread_mutex_lock(&q->lock);
	struct job *job = queue_job(q, number);
	bool mine = job && !job->answered && !idle(job) && job->state != JOB_ENDED;
	if (mine) {
		copy_job(copy, job);
		job->answered = true;
		q->counts.stopped++;
	}
	pthread_mutex_unlock(&q->lock);
	return mine;
}

bool queue_answer_next(struct queue *q, struct job *copy)
{
	struct job *job;
	pthread_mutex_lock(&q->lock);
	TAILQ_FOREACH(job, &q->jobs, all)
		if (!job->answered)
			break;
	if (job) {
		copy_job(copy, job);
		job->answered = true;
		*(job->state == JOB_WAITING ? &q->counts.refused : &q->counts.stopped) += 1;
		if (idle(job)) {
			leave(q, job);
			job_destroy(job);
		}
	}
	pthread_mutex_unlock(&q->lock);
	return job != NULL;
}

uint64_t queue_drop_peer(struct queue *q, uint64_t peer)
{
	uint64_t running = 0;
	struct job *job, *next;
	pthread_mutex_lock(&q->lock);
	for (job = TAILQ_FIRST(&q->jobs); job; job = next) {
		next = TAILQ_NEXT(job, all);
		if (job->peer != peer)
			continue;
		if (idle(job)) {
			leave(q, job);
			job_destroy(job);
		} else if (!job->answered) {
			job_ask_stop(job, STOP_CLIENT_GONE, "its client, which is gone");
			if (job == q->running)
				running = job->number;
		}
	}
	struct peer_queue *pq = queue_peer(q, peer);
	if (pq) {
		TAILQ_REMOVE(&q->peers, pq, link);
		free(pq);
	}
	pthread_mutex_unlock(&q->lock);
	return running;
}

unsigned queue_before(struct queue *q, const struct job *job)
{
	unsigned n = 0;
	const struct job *other;
	pthread_mutex_lock(&q->lock);
	TAILQ_FOREACH(other, &q->jobs, all)
		n += other->state == JOB_WAITING && other->priority <= job->priority && other->number < job->number;
	pthread_mutex_unlock(&q->lock);
	return n;
}

/* ---- Lisp's side ---- */

bool queue_alive(struct queue *q, uint64_t number)
{
	pthread_mutex_lock(&q->lock);
	struct job *job = queue_job(q, number);
	bool alive = job && !job->answered && !job->stop;
	pthread_mutex_unlock(&q->lock);
	return alive;
}

enum job_stop queue_why(struct queue *q, uint64_t number, char by[JOB_BY_MAX])
{
	pthread_mutex_lock(&q->lock);
	struct job *job = queue_job(q, number);
	enum job_stop why = job ? job->stop : STOP_NONE;
	memset(by, 0, JOB_BY_MAX);
	if (job)
		memcpy(by, job->by, JOB_BY_MAX);
	pthread_mutex_unlock(&q->lock);
	return why;
}

uint64_t queue_stop_wanted(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	uint64_t number = q->running && q->running->stop ? q->running->number : 0;
	pthread_mutex_unlock(&q->lock);
	return number;
}

void queue_stop_seen(struct queue *q, uint64_t number, const char *obstacle, bool brief)
{
	pthread_mutex_lock(&q->lock);
	struct job *job = queue_job(q, number);
	if (job) {
		job->seen = !obstacle;
		job->brief = obstacle && brief;
		job_set_obstacle(job, obstacle);
	}
	pthread_mutex_unlock(&q->lock);
}

size_t queue_begun(struct queue *q, uint64_t *numbers, size_t max)
{
	size_t n = 0;
	struct job *job;
	pthread_mutex_lock(&q->lock);
	TAILQ_FOREACH(job, &q->jobs, all)
		if (n < max && !idle(job))
			numbers[n++] = job->number;
	pthread_mutex_unlock(&q->lock);
	return n;
}
