/* queue.c - see queue.h: how jobs come, are taken, and are answered.  Their stops are
 * in queue_stop.c. */
#include "queue_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REPLIES_A_WAKE = 8 };

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
	q->look = true;
	TAILQ_INIT(&q->peers);
	TAILQ_INIT(&q->jobs);
	TAILQ_INIT(&q->replies);
	return q;
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

struct peer_queue *queue_peer(struct queue *q, uint64_t peer)
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

struct job *queue_job(struct queue *q, uint64_t number)
{
	struct job *job;
	TAILQ_FOREACH(job, &q->jobs, all)
		if (job->number == number)
			return job;
	return NULL;
}

void queue_leave_lane(struct queue *q, struct peer_queue *pq, struct job *job)
{
	TAILQ_REMOVE(&pq->lanes[job->priority], job, lane);
	pq->waiting--;
	q->waiting--;
	q->lanes[job->priority]--;
	q->nesting_waiting -= job->nests;
}

void queue_remove(struct queue *q, struct job *job)
{
	TAILQ_REMOVE(&q->jobs, job, all);
	q->bytes -= job->arguments_len + job->context_len;
}

/* ---- the loop's side ---- */

static bool may_nest(const struct queue *q, const struct job *job)
{
	for (size_t i = 0; i < q->n_nesting; i++)
		if (strcmp(q->nesting[i], job->tool) == 0)
			return true;
	return false;
}

/* Two clients may share a turn, which does no harm. */
static unsigned char turn_of(const char *client)
{
	unsigned hash = 2166136261u; /* FNV-1a */
	for (; *client; client++)
		hash = (hash ^ (unsigned char)*client) * 16777619u;
	return (unsigned char)((hash >> 16 ^ hash) % QUEUE_TURNS);
}

static enum queue_refusal admit(struct queue *q, struct job *job)
{
	struct job *other;
	unsigned deferred = 0, own = 0;
	TAILQ_FOREACH(other, &q->jobs, all) {
		if (other->peer == job->peer && other->id == job->id && !other->answered)
			return QUEUE_DUPLICATE;
		deferred += other->state == JOB_DEFERRED;
		own += other->state == JOB_DEFERRED && other->peer == job->peer;
	}
	if (q->closed)
		return QUEUE_STOPPING;
	if (q->paused)
		return QUEUE_PAUSED;
	if (q->waiting + deferred >= q->limits.total || job->arguments_len + job->context_len > QUEUE_BYTES_MAX - q->bytes)
		return QUEUE_FULL;
	struct peer_queue *pq = queue_peer(q, job->peer);
	if (!pq && !(pq = make_peer(q, job->peer)))
		return QUEUE_NO_MEMORY;
	if (pq->waiting + own >= q->limits.per_peer)
		return QUEUE_CLIENT_FULL;
	job->turn = turn_of(job->client);
	pq->mixed = pq->waiting && (pq->mixed || job->turn != pq->only);
	pq->only = job->turn;
	job->number = ++q->last_number;
	TAILQ_INSERT_TAIL(&pq->lanes[job->priority], job, lane);
	TAILQ_INSERT_TAIL(&q->jobs, job, all);
	q->bytes += job->arguments_len + job->context_len;
	pq->waiting++;
	q->waiting++;
	q->lanes[job->priority]++;
	job->nests = may_nest(q, job);
	q->nesting_waiting += job->nests;
	return QUEUE_OK;
}

enum queue_refusal queue_submit(struct queue *q, uint64_t peer, uint64_t id, const struct wire_call *call, uint64_t *number)
{
	struct job *job = job_create(peer, id, call);
	if (!job)
		return QUEUE_NO_MEMORY;
	job->queued_at = queue_now();
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

void queue_hold(struct queue *q, uint64_t peer, bool held)
{
	pthread_mutex_lock(&q->lock);
	struct peer_queue *pq = queue_peer(q, peer);
	if (!pq && held)
		pq = make_peer(q, peer);
	if (pq)
		pq->held = held;
	pthread_mutex_unlock(&q->lock);
}

bool queue_take_replies(struct queue *q, struct reply_list *into, bool watched)
{
	pthread_mutex_lock(&q->lock);
	bool some = q->n_replies;
	TAILQ_CONCAT(into, &q->replies, link);
	q->n_replies = 0;
	q->watched = watched && some;
	q->notes = 0;
	pthread_mutex_unlock(&q->lock);
	return some;
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
	q->closed = q->rung = q->wake_on_ring = q->watched = false;
	q->look = true; /* a job of the stopped server may still run */
	q->heard_at = 0;
	pthread_mutex_unlock(&q->lock);
}

void queue_write_down(struct queue *q, struct ledger *ledger)
{
	pthread_mutex_lock(&q->lock);
	q->ledger = ledger;
	pthread_mutex_unlock(&q->lock);
}

void queue_pause(struct queue *q, bool paused)
{
	pthread_mutex_lock(&q->lock);
	q->paused = paused;
	pthread_mutex_unlock(&q->lock);
}

uint64_t queue_waiting(struct queue *q)
{
	uint64_t number = 0;
	pthread_mutex_lock(&q->lock);
	struct job *job;
	TAILQ_FOREACH(job, &q->jobs, all)
		if (job->state == JOB_WAITING || job->state == JOB_DEFERRED)
			number = job->number;
	pthread_mutex_unlock(&q->lock);
	return number;
}

bool queue_stats(struct queue *q, struct buf *out)
{
	pthread_mutex_lock(&q->lock);
	struct history history = q->history; /* sorting it takes longer than the lock may be held */
	unsigned waiting = q->waiting;
	bool running = q->running;
	pthread_mutex_unlock(&q->lock);
	return buf_printf(out, "\"pending\":%u,\"running\":%d,", waiting, running) && history_write(&history, queue_now(), out);
}

void queue_look(struct queue *q, struct queue_view *view)
{
	memset(view, 0, sizeof *view);
	pthread_mutex_lock(&q->lock);
	if (q->running) {
		view->running = true;
		view->job = *q->running;
		strncpy(view->tool, q->running->tool, sizeof view->tool - 1);
		strncpy(view->client, q->running->client, sizeof view->client - 1);
		view->job.tool = view->job.client = view->job.arguments = view->job.context = NULL; /* Lisp may free them any time */
		view->job.reply = NULL;
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
	view->prompting = q->running && q->prompt_of_job && q->prompt[0];
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

void queue_on_change(struct queue *q, void (*wake)(void *), bool (*send)(void *, const struct reply *), void *data)
{
	q->wake = wake;
	q->send = send;
	q->wake_data = data;
}

static void wake_loop(struct queue *q)
{
	if (q->wake)
		q->wake(q->wake_data);
}

/* Lisp looks: the next job rings.  Locked. */
static void hear(struct queue *q, double now)
{
	q->rung = false;
	q->heard_at = now;
}

void queue_heard(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	hear(q, queue_now());
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
	struct job *job; /* some may have come before the names */
	TAILQ_FOREACH(job, &q->jobs, all) {
		if (job->state != JOB_WAITING)
			continue;
		q->nesting_waiting -= job->nests;
		job->nests = may_nest(q, job);
		q->nesting_waiting += job->nests;
	}
	pthread_mutex_unlock(&q->lock);
	return true;
}

/* First of the lane, or the first of it that may nest: of the client whose turn was longest ago.
 * The loop answers the ones whose time is over: they never begin, however late it comes to that. */
static struct job *pick(const struct peer_queue *pq, int lane, bool nested, double now)
{
	struct job *job, *best = NULL;
	TAILQ_FOREACH(job, &pq->lanes[lane], lane) {
		if ((nested && !job->nests) || job_overdue(job, now) || (best && pq->served[job->turn] >= pq->served[best->turn]))
			continue;
		best = job;
		if (!pq->mixed)
			break;
	}
	return best;
}

const struct job *queue_take(struct queue *q, bool nested)
{
	struct job *job = NULL;
	double now = queue_now();
	pthread_mutex_lock(&q->lock);
	for (int lane = 0; lane < WIRE_PRIORITIES && !job && !q->closed; lane++) {
		struct peer_queue *pq;
		TAILQ_FOREACH(pq, &q->peers, link) {
			if (pq->held || !(job = pick(pq, lane, nested, now)))
				continue;
			queue_leave_lane(q, pq, job);
			pq->served[job->turn] = ++q->takes;
			job->state = JOB_TAKEN;
			TAILQ_REMOVE(&q->peers, pq, link); /* the others come first next time */
			TAILQ_INSERT_TAIL(&q->peers, pq, link);
			break;
		}
	}
	if (!job) /* a stop may have cut the filter before it could say that it heard the ring */
		hear(q, now);
	pthread_mutex_unlock(&q->lock);
	return job;
}

void queue_look_later(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	hear(q, queue_now());
	pthread_mutex_unlock(&q->lock);
}

bool queue_begin(struct queue *q, uint64_t number, bool nested)
{
	pthread_mutex_lock(&q->lock);
	struct job *job = queue_job(q, number);
	bool go = job && job->state == JOB_TAKEN && !job->stop && (nested || !q->running);
	bool late = go && job->late;
	bool wake = late;
	if (go && q->ledger) /* before anything of it can happen */
		ledger_begin(q->ledger, job->peer, job->id);
	if (go) {
		job->state = nested ? JOB_NESTED : JOB_RUNNING;
		job->started_at = queue_now();
		if (!nested) {
			q->running = job;
			wake = wake || q->nesting_waiting; /* they need not wait for its end: ring again */
		}
	}
	q->look = q->look || late;
	pthread_mutex_unlock(&q->lock);
	if (wake)
		wake_loop(q);
	return go;
}

/* The primitives can be called by anybody in Emacs, with any number: what waits is
 * not Lisp's yet. */
static struct job *taken(struct queue *q, uint64_t number)
{
	struct job *job = queue_job(q, number);
	return job && job->state != JOB_WAITING ? job : NULL;
}

void queue_end(struct queue *q, uint64_t number)
{
	pthread_mutex_lock(&q->lock);
	struct job *job = taken(q, number);
	if (job) {
		if (q->running == job)
			q->running = NULL;
		if (job->state != JOB_DEFERRED)
			job->state = JOB_ENDED;
	}
	pthread_mutex_unlock(&q->lock);
}

double queue_took(struct queue *q, uint64_t number, char tool[WIRE_TOOL_MAX + 1])
{
	pthread_mutex_lock(&q->lock);
	struct job *job = taken(q, number);
	double started = job ? job->started_at : 0;
	if (tool)
		snprintf(tool, WIRE_TOOL_MAX + 1, "%s", job ? job->tool : "");
	pthread_mutex_unlock(&q->lock);
	return started > 0 ? queue_now() - started : 0;
}

/* The job leaves.  When its answer has been given already, only its end is told. */
static struct reply *settle(struct queue *q, struct job *job, struct buf *text, struct body **rest, enum job_outcome outcome)
{
	double now = queue_now();
	history_add(&q->history, now, job->started_at ? now - job->started_at : 0, outcome != JOB_DONE && outcome != JOB_ASKS);
	struct reply *reply = job_reply(job, text, outcome);
	if (rest) {
		reply->rest = *rest;
		*rest = NULL;
	}
	if (!job->answered) {
		*(outcome == JOB_STOPPED ? &q->counts.stopped : outcome == JOB_FAILED || outcome == JOB_FAULT ? &q->counts.failed : &q->counts.done) += 1;
	} else {
		reply->peer = 0;
		buf_finish(&reply->text);
		body_destroy(reply->rest);
		reply->rest = NULL;
	}
	if (q->running == job)
		q->running = NULL;
	queue_remove(q, job);
	job_destroy(job);
	return reply;
}

static void add_reply(struct queue *q, struct reply *reply)
{
	TAILQ_INSERT_TAIL(&q->replies, reply, link);
	q->n_replies++;
}

void queue_defer(struct queue *q, uint64_t number)
{
	struct buf none = {0};
	pthread_mutex_lock(&q->lock);
	struct job *job = taken(q, number);
	bool wake = job && (job->answered || job->stop);
	if (job && job->answered) {
		add_reply(q, settle(q, job, &none, NULL, JOB_STOPPED));
	} else if (job) {
		if (q->running == job)
			q->running = NULL;
		job->state = JOB_DEFERRED;
		q->look = q->look || job->stop; /* asked to stop just before: now it can */
	}
	pthread_mutex_unlock(&q->lock);
	if (wake)
		wake_loop(q);
}

bool queue_reply(struct queue *q, uint64_t number, struct buf *text, enum job_outcome outcome)
{
	struct body *none = NULL;
	return queue_reply_long(q, number, text, &none, outcome);
}

bool queue_reply_long(struct queue *q, uint64_t number, struct buf *text, struct body **rest, enum job_outcome outcome)
{
	pthread_mutex_lock(&q->lock);
	struct job *job = taken(q, number);
	if (!job) {
		pthread_mutex_unlock(&q->lock);
		buf_finish(text);
		body_destroy(*rest);
		*rest = NULL;
		return false;
	}
	bool alone = !job->stop && !job->noted && !q->waiting && !q->n_replies;
	struct reply *reply = settle(q, job, text, rest, outcome);
	bool wanted = reply->peer != 0;
	pthread_mutex_unlock(&q->lock);
	if (alone && q->send && q->send(q->wake_data, reply)) {
		reply_destroy(reply);
		return wanted;
	}
	pthread_mutex_lock(&q->lock);
	add_reply(q, reply);
	/* One wake for several, while Lisp has more to do and the loop looks anyway. */
	bool wake = !q->watched || !q->waiting || q->n_replies >= REPLIES_A_WAKE;
	pthread_mutex_unlock(&q->lock);
	if (wake)
		wake_loop(q);
	return wanted;
}

void queue_prompt(struct queue *q, const char *text, bool of_job)
{
	pthread_mutex_lock(&q->lock);
	memset(q->prompt, 0, sizeof q->prompt);
	strncpy(q->prompt, text, sizeof q->prompt - 1);
	q->prompt_of_job = of_job;
	pthread_mutex_unlock(&q->lock);
}

bool queue_pending(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	bool pending = false;
	struct peer_queue *pq;
	TAILQ_FOREACH(pq, &q->peers, link)
		pending = pending || (pq->waiting && !pq->held);
	pending = pending && !q->closed && (!q->running || q->nesting_waiting);
	pthread_mutex_unlock(&q->lock);
	return pending;
}
