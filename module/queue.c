/* queue.c - see queue.h */
#include "queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

TAILQ_HEAD(job_list, job);

/* One peer's waiting jobs.  The round robin walks these. */
struct peer_queue {
	TAILQ_ENTRY(peer_queue) link; /* queue::peers; the one served goes to the end */
	uint64_t peer;
	struct job_list lanes[WIRE_PRIORITIES];
	unsigned waiting;
	bool held;
};

struct queue {
	pthread_mutex_t lock;
	struct queue_limits limits;
	TAILQ_HEAD(, peer_queue) peers;
	struct job_list jobs; /* all that are not answered and ended */
	struct reply_list replies;
	struct job *running; /* borrowed from jobs */
	uint64_t last_number;
	unsigned waiting, lanes[WIRE_PRIORITIES];
	struct queue_counts counts;
	bool closed, rung, wake_on_ring;
	double rung_at, heard_at;
	char prompt[256];
	char **nesting; /* owned */
	size_t n_nesting;
	void (*wake)(void *);
	void *wake_data;
};

double queue_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct queue *queue_create(const struct queue_limits *limits)
{
	struct queue *q = calloc(1, sizeof *q);
	if (!q)
		return NULL;
	if (pthread_mutex_init(&q->lock, NULL) != 0) {
		free(q);
		return NULL;
	}
	q->limits = *limits;
	TAILQ_INIT(&q->peers);
	TAILQ_INIT(&q->jobs);
	TAILQ_INIT(&q->replies);
	return q;
}

void job_destroy(struct job *job)
{
	if (!job)
		return;
	free(job->tool);
	free(job->client);
	free(job->arguments);
	free(job);
}

void reply_destroy(struct reply *reply)
{
	if (!reply)
		return;
	buf_finish(&reply->text);
	free(reply);
}

static void free_names(struct queue *q)
{
	for (size_t i = 0; i < q->n_nesting; i++)
		free(q->nesting[i]);
	free(q->nesting);
	q->nesting = NULL;
	q->n_nesting = 0;
}

void queue_destroy(struct queue *q)
{
	if (!q)
		return;
	struct job *job;
	struct reply *reply;
	struct peer_queue *pq;
	while ((job = TAILQ_FIRST(&q->jobs))) {
		TAILQ_REMOVE(&q->jobs, job, all);
		job_destroy(job);
	}
	while ((reply = TAILQ_FIRST(&q->replies))) {
		TAILQ_REMOVE(&q->replies, reply, link);
		reply_destroy(reply);
	}
	while ((pq = TAILQ_FIRST(&q->peers))) {
		TAILQ_REMOVE(&q->peers, pq, link);
		free(pq);
	}
	free_names(q);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

static struct peer_queue *find_peer(struct queue *q, uint64_t peer)
{
	struct peer_queue *pq;
	TAILQ_FOREACH(pq, &q->peers, link)
		if (pq->peer == peer)
			return pq;
	return NULL;
}

static struct peer_queue *make_peer(struct queue *q, uint64_t peer)
{
	struct peer_queue *pq = calloc(1, sizeof *pq);
	if (!pq)
		return NULL;
	pq->peer = peer;
	for (int i = 0; i < WIRE_PRIORITIES; i++)
		TAILQ_INIT(&pq->lanes[i]);
	TAILQ_INSERT_TAIL(&q->peers, pq, link);
	return pq;
}

static struct job *find_job(struct queue *q, uint64_t number)
{
	struct job *job;
	TAILQ_FOREACH(job, &q->jobs, all)
		if (job->number == number)
			return job;
	return NULL;
}

static void leave_lane(struct queue *q, struct peer_queue *pq, struct job *job)
{
	TAILQ_REMOVE(&pq->lanes[job->priority], job, lane);
	pq->waiting--;
	q->waiting--;
	q->lanes[job->priority]--;
}

/* ---- the loop's side ---- */

static struct job *make_job(uint64_t peer, uint64_t id, const struct wire_call *call)
{
	struct job *job = calloc(1, sizeof *job);
	if (!job)
		return NULL;
	job->peer = peer;
	job->id = id;
	job->priority = call->priority;
	job->timeout_ms = call->timeout_ms ? call->timeout_ms : WIRE_TIMEOUT_DEFAULT;
	if (job->timeout_ms > WIRE_TIMEOUT_MAX)
		job->timeout_ms = WIRE_TIMEOUT_MAX;
	job->tool = strndup(call->tool, call->tool_len);
	job->client = strndup(call->client, call->client_len);
	job->arguments = malloc(call->arguments_len + 1);
	if (!job->tool || !job->client || !job->arguments) {
		job_destroy(job);
		return NULL;
	}
	memcpy(job->arguments, call->arguments, call->arguments_len);
	job->arguments[call->arguments_len] = 0;
	job->arguments_len = call->arguments_len;
	job->queued_at = queue_now();
	return job;
}

static enum queue_refusal admit(struct queue *q, struct job *job)
{
	struct job *other;
	TAILQ_FOREACH(other, &q->jobs, all)
		if (other->peer == job->peer && other->id == job->id && !other->answered)
			return QUEUE_DUPLICATE;
	if (q->closed)
		return QUEUE_STOPPING;
	if (q->waiting >= q->limits.total)
		return QUEUE_FULL;
	struct peer_queue *pq = find_peer(q, job->peer);
	if (!pq && !(pq = make_peer(q, job->peer)))
		return QUEUE_NO_MEMORY;
	if (pq->waiting >= q->limits.per_peer)
		return QUEUE_CLIENT_FULL;
	job->number = ++q->last_number;
	TAILQ_INSERT_TAIL(&pq->lanes[job->priority], job, lane);
	TAILQ_INSERT_TAIL(&q->jobs, job, all);
	pq->waiting++;
	q->waiting++;
	q->lanes[job->priority]++;
	return QUEUE_OK;
}

enum queue_refusal queue_submit(struct queue *q, uint64_t peer, uint64_t id, const struct wire_call *call, uint64_t *number)
{
	struct job *job = make_job(peer, id, call);
	if (!job)
		return QUEUE_NO_MEMORY;
	pthread_mutex_lock(&q->lock);
	enum queue_refusal r = admit(q, job);
	if (r == QUEUE_OK)
		*number = job->number;
	else
		q->counts.refused++;
	pthread_mutex_unlock(&q->lock);
	if (r != QUEUE_OK)
		job_destroy(job);
	return r;
}

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

enum queue_cancel queue_stop(struct queue *q, uint64_t number, enum job_stop why, const char *by, struct job **dropped)
{
	enum queue_cancel r = CANCEL_UNKNOWN;
	*dropped = NULL;
	pthread_mutex_lock(&q->lock);
	struct job *job = find_job(q, number);
	if (job && (job->state == JOB_WAITING || job->state == JOB_DEFERRED)) { /* nothing of it is on Lisp's stack */
		if (job->state == JOB_WAITING)
			leave_lane(q, find_peer(q, job->peer), job);
		TAILQ_REMOVE(&q->jobs, job, all);
		q->counts.stopped++;
		job->stop = why;
		strncpy(job->by, by, sizeof job->by - 1);
		*dropped = job;
		r = CANCEL_DROPPED;
	} else if (job && job->state != JOB_ENDED) {
		if (!job->stop) {
			job->stop = why;
			job->stop_at = queue_now();
			strncpy(job->by, by, sizeof job->by - 1);
		}
		r = CANCEL_ASKED;
	}
	pthread_mutex_unlock(&q->lock);
	return r;
}

/* A job that has not begun has its whole time before it. */
static double deadline_of(const struct job *job, double now)
{
	double from = job->state == JOB_WAITING || job->state == JOB_TAKEN ? now : job->started_at;
	return from + job->timeout_ms / 1000.0;
}

static bool clock_runs(const struct job *job)
{
	return !job->stop && (job->state == JOB_RUNNING || job->state == JOB_NESTED || job->state == JOB_DEFERRED);
}

double queue_next_deadline(struct queue *q)
{
	double next = 0, now = queue_now();
	pthread_mutex_lock(&q->lock);
	struct job *job;
	TAILQ_FOREACH(job, &q->jobs, all)
		if (!job->stop && job->state != JOB_ENDED && (!next || deadline_of(job, now) < next))
			next = deadline_of(job, now);
	pthread_mutex_unlock(&q->lock);
	return next;
}

uint64_t queue_overdue(struct queue *q, double now)
{
	uint64_t number = 0;
	pthread_mutex_lock(&q->lock);
	struct job *job;
	TAILQ_FOREACH(job, &q->jobs, all)
		if (clock_runs(job) && deadline_of(job, now) <= now)
			number = job->number;
	pthread_mutex_unlock(&q->lock);
	return number;
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

bool queue_stop_state(struct queue *q, uint64_t number, bool *seen, char obstacle[JOB_OBSTACLE_MAX])
{
	pthread_mutex_lock(&q->lock);
	struct job *job = find_job(q, number);
	bool alive = job && job->state != JOB_ENDED;
	if (alive) {
		*seen = job->seen;
		memcpy(obstacle, job->obstacle, JOB_OBSTACLE_MAX);
	}
	pthread_mutex_unlock(&q->lock);
	return alive;
}

void queue_stop_again(struct queue *q, uint64_t number)
{
	pthread_mutex_lock(&q->lock);
	struct job *job = find_job(q, number);
	if (job)
		job->seen = false;
	pthread_mutex_unlock(&q->lock);
}

bool queue_answer_for(struct queue *q, uint64_t number, struct job *copy)
{
	pthread_mutex_lock(&q->lock);
	struct job *job = find_job(q, number);
	bool mine = job && !job->answered && job->state != JOB_ENDED;
	if (mine) {
		*copy = *job;
		copy->tool = copy->client = copy->arguments = NULL; /* Lisp may free them any time */
		job->answered = true;
		q->counts.stopped++;
	}
	pthread_mutex_unlock(&q->lock);
	return mine;
}

void queue_drop_peer(struct queue *q, uint64_t peer, uint64_t running[2])
{
	int n = 0;
	running[0] = running[1] = 0;
	pthread_mutex_lock(&q->lock);
	struct peer_queue *pq = find_peer(q, peer);
	struct job *job, *next;
	for (job = TAILQ_FIRST(&q->jobs); job; job = next) {
		next = TAILQ_NEXT(job, all);
		if (job->peer != peer)
			continue;
		if (job->state == JOB_WAITING || job->state == JOB_DEFERRED) {
			if (job->state == JOB_WAITING)
				leave_lane(q, pq, job);
			TAILQ_REMOVE(&q->jobs, job, all);
			job_destroy(job);
		} else if (n < 2 && job->state != JOB_ENDED) {
			running[n++] = job->number;
		}
	}
	if (pq) {
		TAILQ_REMOVE(&q->peers, pq, link);
		free(pq);
	}
	pthread_mutex_unlock(&q->lock);
}

void queue_hold(struct queue *q, uint64_t peer, bool held)
{
	pthread_mutex_lock(&q->lock);
	struct peer_queue *pq = find_peer(q, peer);
	if (pq)
		pq->held = held;
	pthread_mutex_unlock(&q->lock);
}

void queue_take_replies(struct queue *q, struct reply_list *into)
{
	pthread_mutex_lock(&q->lock);
	TAILQ_CONCAT(into, &q->replies, link);
	pthread_mutex_unlock(&q->lock);
}

void queue_close(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->closed = true;
	pthread_mutex_unlock(&q->lock);
}

void queue_open(struct queue *q, const struct queue_limits *limits)
{
	pthread_mutex_lock(&q->lock);
	q->limits = *limits;
	q->closed = q->rung = false;
	q->heard_at = 0;
	pthread_mutex_unlock(&q->lock);
}

void queue_look(struct queue *q, struct queue_view *view)
{
	memset(view, 0, sizeof *view);
	pthread_mutex_lock(&q->lock);
	if (q->running) {
		view->running = true;
		view->job = *q->running;
		view->job.arguments = NULL;
		strncpy(view->tool, q->running->tool, sizeof view->tool - 1);
		strncpy(view->client, q->running->client, sizeof view->client - 1);
		view->job.tool = view->tool;
		view->job.client = view->client;
	}
	struct job *job;
	TAILQ_FOREACH(job, &q->jobs, all)
		view->deferred += job->state == JOB_DEFERRED;
	view->waiting = q->waiting;
	memcpy(view->lanes, q->lanes, sizeof view->lanes);
	view->counts = q->counts;
	view->rung = q->rung;
	view->rung_at = q->rung_at;
	view->heard_at = q->heard_at;
	memcpy(view->prompt, q->prompt, sizeof view->prompt);
	pthread_mutex_unlock(&q->lock);
}

bool queue_want_ring(struct queue *q, bool force)
{
	pthread_mutex_lock(&q->lock);
	bool ring = force || !q->rung;
	if (!q->rung) {
		q->rung = true;
		q->rung_at = queue_now();
	}
	pthread_mutex_unlock(&q->lock);
	return ring;
}

void queue_ring_failed(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->rung = false;
	pthread_mutex_unlock(&q->lock);
}

void queue_wake_on_ring(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->wake_on_ring = true;
	pthread_mutex_unlock(&q->lock);
}

/* ---- Lisp's side ---- */

void queue_on_change(struct queue *q, void (*wake)(void *), void *data)
{
	q->wake = wake;
	q->wake_data = data;
}

static void wake_loop(struct queue *q)
{
	if (q->wake)
		q->wake(q->wake_data);
}

void queue_heard(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->rung = false;
	q->heard_at = queue_now();
	bool wake = q->wake_on_ring;
	q->wake_on_ring = false;
	pthread_mutex_unlock(&q->lock);
	if (wake)
		wake_loop(q);
}

bool queue_name_nesting(struct queue *q, char **names, size_t n)
{
	char **copy = calloc(n ? n : 1, sizeof *copy);
	if (!copy)
		return false;
	for (size_t i = 0; i < n; i++)
		copy[i] = names[i];
	pthread_mutex_lock(&q->lock);
	free_names(q);
	q->nesting = copy;
	q->n_nesting = n;
	pthread_mutex_unlock(&q->lock);
	return true;
}

static bool may_nest(const struct queue *q, const struct job *job)
{
	for (size_t i = 0; i < q->n_nesting; i++)
		if (strcmp(q->nesting[i], job->tool) == 0)
			return true;
	return false;
}

/* First of the lane, or the first of it that may nest. */
static struct job *pick(const struct queue *q, const struct peer_queue *pq, int lane, bool nested)
{
	struct job *job;
	TAILQ_FOREACH(job, &pq->lanes[lane], lane)
		if (!nested || may_nest(q, job))
			return job;
	return NULL;
}

const struct job *queue_take(struct queue *q, bool nested)
{
	struct job *job = NULL;
	pthread_mutex_lock(&q->lock);
	for (int lane = 0; lane < WIRE_PRIORITIES && !job && !q->closed; lane++) {
		struct peer_queue *pq;
		TAILQ_FOREACH(pq, &q->peers, link) {
			if (pq->held || !(job = pick(q, pq, lane, nested)))
				continue;
			leave_lane(q, pq, job);
			job->state = JOB_TAKEN;
			TAILQ_REMOVE(&q->peers, pq, link); /* the others come first next time */
			TAILQ_INSERT_TAIL(&q->peers, pq, link);
			break;
		}
	}
	pthread_mutex_unlock(&q->lock);
	return job;
}

bool queue_begin(struct queue *q, uint64_t number, bool nested)
{
	pthread_mutex_lock(&q->lock);
	struct job *job = find_job(q, number);
	bool go = job && job->state == JOB_TAKEN && !job->stop && (nested || !q->running);
	if (go) {
		job->state = nested ? JOB_NESTED : JOB_RUNNING;
		job->started_at = queue_now();
		if (!nested)
			q->running = job;
	}
	pthread_mutex_unlock(&q->lock);
	return go;
}

void queue_end(struct queue *q, uint64_t number)
{
	pthread_mutex_lock(&q->lock);
	struct job *job = find_job(q, number);
	if (job) {
		if (q->running == job)
			q->running = NULL;
		if (job->state != JOB_DEFERRED)
			job->state = JOB_ENDED;
	}
	pthread_mutex_unlock(&q->lock);
}

void queue_defer(struct queue *q, uint64_t number)
{
	pthread_mutex_lock(&q->lock);
	struct job *job = find_job(q, number);
	if (job && !job->answered) {
		if (q->running == job)
			q->running = NULL;
		job->state = JOB_DEFERRED;
	}
	pthread_mutex_unlock(&q->lock);
}

bool queue_alive(struct queue *q, uint64_t number)
{
	pthread_mutex_lock(&q->lock);
	struct job *job = find_job(q, number);
	bool alive = job && !job->answered && !job->stop;
	pthread_mutex_unlock(&q->lock);
	return alive;
}

enum job_stop queue_why(struct queue *q, uint64_t number, char by[JOB_BY_MAX])
{
	pthread_mutex_lock(&q->lock);
	struct job *job = find_job(q, number);
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

void queue_stop_seen(struct queue *q, uint64_t number, const char *obstacle)
{
	pthread_mutex_lock(&q->lock);
	struct job *job = find_job(q, number);
	if (job) {
		job->seen = !obstacle;
		memset(job->obstacle, 0, sizeof job->obstacle);
		if (obstacle)
			strncpy(job->obstacle, obstacle, sizeof job->obstacle - 1);
	}
	pthread_mutex_unlock(&q->lock);
}

static struct reply *make_reply(const struct job *job, struct buf *text, enum job_outcome outcome)
{
	struct reply *reply = calloc(1, sizeof *reply);
	if (!reply)
		return NULL;
	reply->peer = job->peer;
	reply->id = job->id;
	reply->number = job->number;
	reply->outcome = outcome;
	reply->text = *text;
	*text = (struct buf){0};
	return reply;
}

bool queue_reply(struct queue *q, uint64_t number, struct buf *text, enum job_outcome outcome)
{
	bool wanted = false;
	pthread_mutex_lock(&q->lock);
	struct job *job = find_job(q, number);
	if (job) {
		if (q->running == job)
			q->running = NULL;
		struct reply *reply = job->answered ? NULL : make_reply(job, text, outcome);
		if (reply) {
			TAILQ_INSERT_TAIL(&q->replies, reply, link);
			*(outcome == JOB_STOPPED ? &q->counts.stopped : outcome == JOB_FAILED ? &q->counts.failed : &q->counts.done) += 1;
			wanted = true;
		}
		TAILQ_REMOVE(&q->jobs, job, all);
		job_destroy(job);
	}
	pthread_mutex_unlock(&q->lock);
	buf_finish(text);
	if (wanted)
		wake_loop(q);
	return wanted;
}

void queue_prompt(struct queue *q, const char *text)
{
	pthread_mutex_lock(&q->lock);
	memset(q->prompt, 0, sizeof q->prompt);
	strncpy(q->prompt, text, sizeof q->prompt - 1);
	pthread_mutex_unlock(&q->lock);
}

bool queue_pending(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	bool pending = false;
	struct peer_queue *pq;
	TAILQ_FOREACH(pq, &q->peers, link)
		pending = pending || (pq->waiting && !pq->held);
	pending = pending && !q->closed;
	pthread_mutex_unlock(&q->lock);
	return pending;
}
