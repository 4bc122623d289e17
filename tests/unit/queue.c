/* queue.c - the queue between the two threads: its order, its limits, each state a job
 * can be stopped in, who answers it, and what is left of it all: nothing. */
#include "test.h"

#include "queue.h"
#include "wire/ledger.h"

#include <pthread.h>

enum { TOTAL = 10, PER_PEER = 6 };

static struct queue *q;
static unsigned wakes;

static void on_wake(void *data)
{
	(void)data;
	wakes++;
}

static int open_queue(void **state)
{
	(void)state;
	q = queue_create(&(struct queue_limits){TOTAL, PER_PEER});
	wakes = 0;
	if (q)
		queue_on_change(q, on_wake, NULL, NULL);
	return q ? 0 : -1;
}

static int close_queue(void **state)
{
	(void)state;
	queue_destroy(q);
	q = NULL;
	return 0;
}

static struct wire_call call_of(const char *tool, enum wire_priority priority, uint32_t timeout_ms)
{
	return (struct wire_call){.timeout_ms = timeout_ms, .priority = (uint8_t)priority, .tool = tool, .tool_len = strlen(tool),
				  .client = "test", .client_len = 4, .arguments = "{}", .arguments_len = 2};
}

static enum queue_refusal try(uint64_t peer, uint64_t id, const char *tool, enum wire_priority priority, uint64_t *number)
{
	struct wire_call call = call_of(tool, priority, 0);
	return queue_submit(q, peer, id, &call, number);
}

/* The number of a new job whose tool is called TOOL. */
static uint64_t submit(uint64_t peer, uint64_t id, const char *tool)
{
	uint64_t number = 0;
	assert_int_equal(try(peer, id, tool, WIRE_NORMAL, &number), QUEUE_OK);
	assert_true(number > 0);
	return number;
}

static uint64_t submit_as(uint64_t peer, uint64_t id, uint32_t timeout_ms, bool patient)
{
	uint64_t number = 0;
	struct wire_call call = call_of("tool", WIRE_NORMAL, timeout_ms);
	call.patient = patient;
	assert_int_equal(queue_submit(q, peer, id, &call, &number), QUEUE_OK);
	return number;
}

static uint64_t submit_for(uint64_t peer, uint64_t id, uint32_t timeout_ms)
{
	return submit_as(peer, id, timeout_ms, false);
}

static uint64_t take(void)
{
	const struct job *job = queue_take(q, false);
	return job ? job->number : 0;
}

static uint64_t start(void)
{
	uint64_t number = take();
	assert_true(number && queue_begin(q, number, false));
	return number;
}

static bool reply(uint64_t number, enum job_outcome outcome)
{
	struct buf text = {0};
	assert_true(buf_add(&text, "{\"a\":1}", 7));
	bool wanted = queue_reply(q, number, &text, outcome);
	assert_int_equal(buf_len(&text), 0); /* taken */
	return wanted;
}

/* The one reply that is there: whose it is.  0: none. */
static uint64_t replied(uint64_t *number, enum job_outcome *outcome)
{
	struct reply_list list;
	TAILQ_INIT(&list);
	queue_take_replies(q, &list, false);
	struct reply *r = TAILQ_FIRST(&list);
	if (!r)
		return 0;
	assert_null(TAILQ_NEXT(r, link));
	uint64_t peer = r->peer;
	assert_int_equal(buf_len(&r->text), peer ? 7 : 0);
	*number = r->number;
	*outcome = r->outcome;
	reply_destroy(r);
	return peer ? peer : UINT64_MAX;
}

static struct queue_view look(void)
{
	struct queue_view view;
	queue_look(q, &view);
	return view;
}

static void test_a_job_from_end_to_end(void **state)
{
	uint64_t number, got;
	enum job_outcome outcome;
	(void)state;
	number = submit(7, 70, "efrit_execute");
	assert_true(queue_pending(q));
	const struct job *job = queue_take(q, false);
	assert_non_null(job);
	assert_true(job->number == number && job->peer == 7 && job->id == 70);
	assert_string_equal(job->tool, "efrit_execute");
	assert_string_equal(job->client, "test");
	assert_string_equal(job->arguments, "{}");
	assert_int_equal(job->timeout_ms, WIRE_TIMEOUT_DEFAULT);
	assert_false(queue_pending(q));
	assert_true(queue_running(q) == 0);
	assert_true(queue_begin(q, number, false));
	assert_true(queue_running(q) == number);
	struct queue_view view = look();
	assert_true(view.running && view.job.number == number && !view.job.tool && !view.job.client);
	assert_string_equal(view.tool, "efrit_execute");
	assert_null(view.job.arguments);
	assert_null(view.job.reply);
	queue_end(q, number);
	assert_true(queue_running(q) == 0);
	assert_true(reply(number, JOB_DONE));
	assert_int_equal(wakes, 1);
	assert_true(replied(&got, &outcome) == 7);
	assert_true(got == number && outcome == JOB_DONE);
	assert_false(reply(number, JOB_DONE)); /* once only */
	assert_true(replied(&got, &outcome) == 0);
	assert_true(look().counts.done == 1);
}

static void test_time_outs_have_a_default_and_a_limit(void **state)
{
	static const uint32_t asked[] = {0, 1, 4000, UINT32_MAX}, given[] = {WIRE_TIMEOUT_DEFAULT, 1, 4000, WIRE_TIMEOUT_MAX};
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		submit_for(1, i, asked[i]);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(queue_take(q, false)->timeout_ms, given[i]);
}

static void test_priorities(void **state)
{
	uint64_t batch, normal, first, second;
	(void)state;
	assert_int_equal(try(1, 1, "a", WIRE_BATCH, &batch), QUEUE_OK);
	assert_int_equal(try(1, 2, "a", WIRE_NORMAL, &normal), QUEUE_OK);
	assert_int_equal(try(1, 3, "a", WIRE_INTERACTIVE, &first), QUEUE_OK);
	assert_int_equal(try(1, 4, "a", WIRE_INTERACTIVE, &second), QUEUE_OK);
	struct queue_view view = look();
	assert_true(view.waiting == 4 && view.lanes[0] == 2 && view.lanes[1] == 1 && view.lanes[2] == 1);
	assert_true(take() == first && take() == second && take() == normal && take() == batch && take() == 0);
	assert_int_equal(look().waiting, 0);
}

static void test_peers_take_turns(void **state)
{
	uint64_t a[3], b[2], c;
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		a[i] = submit(1, i, "a");
	for (unsigned i = 0; i < 2; i++)
		b[i] = submit(2, i, "b");
	c = submit(3, 0, "c");
	assert_true(take() == a[0] && take() == b[0] && take() == c && take() == a[1] && take() == b[1] && take() == a[2]);
}

static void test_limits(void **state)
{
	uint64_t number;
	(void)state;
	for (unsigned i = 0; i < PER_PEER; i++)
		submit(1, i, "a");
	assert_int_equal(try(1, 99, "a", WIRE_NORMAL, &number), QUEUE_CLIENT_FULL);
	for (unsigned i = 0; i < TOTAL - PER_PEER; i++)
		submit(2, i, "a");
	assert_int_equal(try(2, 99, "a", WIRE_NORMAL, &number), QUEUE_FULL);
	assert_int_equal(try(3, 99, "a", WIRE_NORMAL, &number), QUEUE_FULL);
	assert_true(look().counts.refused == 3);
	assert_true(take() != 0);
	submit(3, 99, "a"); /* what was taken waits no more */
	queue_close(q);
	assert_int_equal(try(1, 98, "a", WIRE_NORMAL, &number), QUEUE_STOPPING);
	assert_true(take() == 0);
	assert_false(queue_pending(q));
}

static void test_what_is_deferred_counts(void **state)
{
	uint64_t number = 0;
	(void)state;
	for (unsigned i = 0; i < PER_PEER; i++) {
		submit(1, i, "wait");
		number = start();
		queue_end(q, number);
		queue_defer(q, number);
	}
	assert_int_equal(look().deferred, PER_PEER);
	assert_int_equal(try(1, 99, "a", WIRE_NORMAL, &number), QUEUE_CLIENT_FULL);
	for (unsigned i = 0; i < TOTAL - PER_PEER; i++)
		submit(2, i, "a");
	assert_int_equal(try(3, 1, "a", WIRE_NORMAL, &number), QUEUE_FULL);
}

static void test_arguments_have_a_limit_together(void **state)
{
	enum { SIZE = WIRE_REQUEST_MAX };
	struct wire_call call = call_of("a", WIRE_NORMAL, 0);
	uint64_t number;
	unsigned fit = 0;
	(void)state;
	queue_open(q, &(struct queue_limits){1000, 1000});
	char *text = calloc(1, SIZE);
	assert_non_null(text);
	call.arguments = text;
	call.arguments_len = SIZE;
	while (queue_submit(q, 1, fit, &call, &number) == QUEUE_OK && fit < 1000)
		fit++;
	assert_int_equal(fit, QUEUE_BYTES_MAX / SIZE);
	assert_int_equal(queue_submit(q, 1, fit, &call, &number), QUEUE_FULL);
	number = start();
	assert_int_equal(queue_submit(q, 1, fit, &call, &number), QUEUE_FULL); /* Emacs still has them */
	queue_end(q, queue_running(q));
	struct queue_view view = look();
	assert_false(view.running);
	queue_drop_peer(q, 1);
	assert_true(reply(1, JOB_DONE));
	for (unsigned i = 0; i < fit; i++) /* and all of it came back */
		assert_int_equal(queue_submit(q, 1, i, &call, &number), QUEUE_OK);
	free(text);
}

static void test_ids_in_use(void **state)
{
	uint64_t number, first = submit(1, 5, "a"), got;
	enum job_outcome outcome;
	(void)state;
	assert_int_equal(try(1, 5, "a", WIRE_NORMAL, &number), QUEUE_DUPLICATE);
	submit(2, 5, "a"); /* of another peer */
	assert_true(start() == first);
	assert_int_equal(try(1, 5, "a", WIRE_NORMAL, &number), QUEUE_DUPLICATE);
	assert_true(queue_find(q, 1, 5) == first);
	assert_true(queue_find(q, 1, 6) == 0 && queue_find(q, 3, 5) == 0);
	queue_end(q, first);
	assert_true(reply(first, JOB_DONE) && replied(&got, &outcome) == 1);
	assert_true(queue_find(q, 1, 5) == 0);
	assert_true(submit(1, 5, "a") > first);
}

static void expect_dropped(uint64_t number, enum job_state was)
{
	struct job *job;
	assert_int_equal(queue_stop(q, number, STOP_CANCELLED, "me", &job), CANCEL_DROPPED);
	assert_non_null(job);
	assert_true(job->number == number && job->state == was && job->stop == STOP_CANCELLED);
	assert_string_equal(job->by, "me");
	job_destroy(job);
	assert_int_equal(queue_stop(q, number, STOP_CANCELLED, "me", &job), CANCEL_UNKNOWN);
	assert_null(job);
	assert_false(reply(number, JOB_DONE));
}

static void test_cancel_while_it_waits(void **state)
{
	uint64_t a = submit(1, 1, "a"), b = submit(1, 2, "a"), c = submit(1, 3, "a");
	(void)state;
	expect_dropped(b, JOB_WAITING);
	assert_int_equal(look().waiting, 2);
	assert_true(take() == a && take() == c && take() == 0);
}

static void test_cancel_before_it_begins(void **state)
{
	struct job *job;
	uint64_t number = submit(1, 1, "a"), got;
	enum job_outcome outcome;
	(void)state;
	assert_true(take() == number);
	assert_int_equal(queue_stop(q, number, STOP_CANCELLED, "me", &job), CANCEL_ASKED);
	assert_null(job);
	assert_false(queue_begin(q, number, false));
	assert_true(queue_running(q) == 0);
	queue_end(q, number);
	assert_true(reply(number, JOB_STOPPED)); /* Lisp answers */
	assert_true(replied(&got, &outcome) == 1 && outcome == JOB_STOPPED);
}

static unsigned signals;

static void count_signal(void)
{
	signals++;
}

static void test_cancel_while_it_runs(void **state)
{
	struct job *job;
	char by[JOB_BY_MAX];
	uint64_t number = submit(1, 1, "a");
	(void)state;
	signals = 0;
	start();
	assert_false(queue_signal(q, number, count_signal)); /* nobody asked */
	assert_true(queue_stop_wanted(q) == 0 && queue_alive(q, number));
	assert_int_equal(queue_stop(q, number, STOP_TIMEOUT, "its time-out", &job), CANCEL_DRIVE);
	assert_int_equal(queue_stop(q, number, STOP_CANCELLED, "me", &job), CANCEL_DRIVE);
	assert_int_equal(queue_why(q, number, by), STOP_TIMEOUT); /* the first reason */
	assert_string_equal(by, "its time-out");
	assert_true(queue_stop_wanted(q) == number);
	assert_false(queue_alive(q, number));
	assert_true(queue_signal(q, number, count_signal));
	assert_false(queue_signal(q, number + 1, count_signal));
	queue_stop_seen(q, number, NULL, false);
	assert_false(queue_signal(q, number, count_signal));
	assert_int_equal(queue_stop_state(q, number), STOP_SEEN);
	queue_stop_seen(q, number, "a timer runs inside it", false);
	assert_int_equal(queue_stop_state(q, number), STOP_FOREIGN);
	assert_string_equal(look().job.obstacle, "a timer runs inside it");
	queue_stop_seen(q, number, "a hook", true);
	assert_int_equal(queue_stop_state(q, number), STOP_BRIEF);
	queue_stop_seen(q, number, NULL, false);
	queue_stop_again(q, number);
	assert_true(queue_signal(q, number, count_signal));
	queue_end(q, number);
	assert_false(queue_signal(q, number, count_signal)); /* never after the end-mark */
	assert_int_equal(queue_stop_state(q, number), STOP_OVER);
	assert_true(queue_stop_wanted(q) == 0);
	assert_int_equal(signals, 2);
	assert_int_equal(queue_stop(q, number, STOP_CANCELLED, "me", &job), CANCEL_UNKNOWN);
	assert_true(reply(number, JOB_STOPPED));
	assert_int_equal(queue_why(q, number, by), STOP_NONE);
}

static void test_long_names_are_cut_between_characters(void **state)
{
	char name[JOB_BY_MAX + 20], by[JOB_BY_MAX];
	struct job *job;
	uint64_t number = submit(1, 1, "a");
	(void)state;
	start();
	memset(name, 'n', sizeof name);
	memcpy(name + JOB_BY_MAX - 2, "\xE2\x82\xAC", 3);
	name[sizeof name - 1] = 0;
	assert_int_equal(queue_stop(q, number, STOP_CANCELLED, name, &job), CANCEL_DRIVE);
	queue_why(q, number, by);
	assert_int_equal(strlen(by), JOB_BY_MAX - 2);
}

static uint64_t defer(uint64_t peer, uint64_t id)
{
	submit(peer, id, "wait");
	uint64_t number = start();
	queue_end(q, number);
	queue_defer(q, number);
	return number;
}

static void test_deferred(void **state)
{
	uint64_t got, number = defer(1, 1);
	enum job_outcome outcome;
	(void)state;
	assert_int_equal(look().deferred, 1);
	assert_true(queue_running(q) == 0 && queue_alive(q, number));
	submit(1, 2, "a");
	queue_end(q, start()); /* others run meanwhile */
	assert_true(reply(number, JOB_DONE));
	assert_true(replied(&got, &outcome) == 1 && got == number);
	expect_dropped(defer(1, 3), JOB_DEFERRED);
}

/* Between the end-mark and queue_defer a cancel finds a job that has ended. */
static void test_cancelled_just_before_it_is_deferred(void **state)
{
	struct job *job;
	uint64_t number = submit(1, 1, "wait");
	(void)state;
	start();
	queue_end(q, number);
	assert_int_equal(queue_stop(q, number, STOP_CANCELLED, "me", &job), CANCEL_UNKNOWN);
	queue_take_look(q);
	queue_defer(q, number);
	assert_int_equal(wakes, 1);
	assert_true(queue_take_look(q));
	assert_false(queue_take_look(q));
	assert_true(queue_overdue(q, queue_now()) == number);
	assert_int_equal(queue_stop(q, number, STOP_TIMEOUT, "its time-out", &job), CANCEL_DROPPED);
	assert_int_equal(job->stop, STOP_CANCELLED);
	job_destroy(job);
}

static void test_stopped_while_it_runs_and_deferred_then(void **state)
{
	struct job *job;
	uint64_t number = submit(1, 1, "wait");
	(void)state;
	start();
	assert_int_equal(queue_stop(q, number, STOP_CANCELLED, "me", &job), CANCEL_DRIVE);
	queue_defer(q, number);
	assert_int_equal(queue_stop_state(q, number), STOP_OVER); /* nothing to drive any more */
	assert_true(queue_overdue(q, queue_now()) == number);
	expect_dropped(number, JOB_DEFERRED);
}

static void test_answered_and_deferred_then(void **state)
{
	struct job copy;
	uint64_t got, number = submit(1, 1, "wait");
	enum job_outcome outcome;
	(void)state;
	start();
	assert_true(queue_answer_for(q, number, &copy));
	queue_end(q, number);
	queue_defer(q, number);
	assert_true(replied(&got, &outcome) == UINT64_MAX && got == number); /* its end is told, and it has left */
	assert_int_equal(look().deferred, 0);
	assert_false(reply(number, JOB_DONE));
	submit(1, 1, "a");
}

static void test_nested(void **state)
{
	char *names[] = {strdup("peek"), strdup("answer")};
	struct job *job;
	(void)state;
	assert_true(queue_name_nesting(q, names, 2));
	uint64_t outer = submit(1, 1, "outer");
	start();
	submit(2, 1, "other");
	uint64_t inner = submit(1, 2, "answer");
	const struct job *taken = queue_take(q, true);
	assert_true(taken && taken->number == inner);
	assert_null(queue_take(q, true));
	assert_true(queue_begin(q, inner, true));
	assert_true(queue_running(q) == outer);
	assert_int_equal(queue_stop(q, inner, STOP_CANCELLED, "me", &job), CANCEL_NESTED);
	assert_false(queue_signal(q, inner, count_signal));
	assert_true(queue_stop_wanted(q) == 0); /* the outer one is left alone */
	queue_end(q, inner);
	assert_true(queue_running(q) == outer);
	assert_true(reply(inner, JOB_DONE));
	assert_int_equal(queue_stop(q, outer, STOP_CANCELLED, "me", &job), CANCEL_DRIVE);
	assert_true(queue_name_nesting(q, NULL, 0)); /* frees the names */
}

static void test_one_runs_at_a_time(void **state)
{
	(void)state;
	submit(1, 1, "a");
	submit(1, 2, "a");
	start();
	uint64_t second = take();
	assert_true(second != 0);
	assert_false(queue_begin(q, second, false));
	assert_false(queue_begin(q, 12345, false));
}

static void test_answered_in_lisps_place(void **state)
{
	struct job copy;
	uint64_t got, number = submit(4, 9, "a");
	enum job_outcome outcome;
	(void)state;
	start();
	assert_true(queue_answer_for(q, number, &copy));
	assert_true(copy.peer == 4 && copy.id == 9 && copy.number == number);
	assert_true(!copy.tool && !copy.client && !copy.arguments && !copy.reply);
	assert_false(queue_answer_for(q, number, &copy)); /* one answer */
	assert_true(queue_running(q) == number);          /* it runs all the same */
	assert_true(queue_find(q, 4, 9) == 0);
	submit(4, 9, "a"); /* the id is free */
	queue_end(q, number);
	assert_false(reply(number, JOB_DONE));
	assert_true(replied(&got, &outcome) == UINT64_MAX && got == number); /* for who asked for its stop */
	struct queue_counts counts = look().counts;
	assert_true(counts.stopped == 1 && counts.done == 0);
}

static void test_no_second_answer_once_lisp_ended_it(void **state)
{
	struct job copy;
	uint64_t number = submit(1, 1, "a");
	(void)state;
	start();
	queue_end(q, number);
	assert_false(queue_answer_for(q, number, &copy));
	assert_true(reply(number, JOB_DONE));
}

static void test_deadlines(void **state)
{
	struct job *job;
	double now = queue_now();
	(void)state;
	assert_true(queue_next_deadline(q, now) == 0);
	uint64_t number = submit_for(1, 1, 1000);
	submit_for(1, 2, 60000);
	double next = queue_next_deadline(q, now);
	assert_true(next >= now + 1 && next < now + 30);
	assert_true(queue_overdue(q, now + 0.5) == 0);
	assert_true(queue_overdue(q, now + 30) == number); /* its wait counts */
	assert_true(start() == number);
	assert_true(queue_overdue(q, queue_now()) == 0);
	assert_true(queue_overdue(q, queue_now() + 1) == number);
	assert_int_equal(queue_stop(q, number, STOP_TIMEOUT, "its time-out", &job), CANCEL_DRIVE);
	assert_true(queue_overdue(q, queue_now() + 30) == 0); /* asked already */
	queue_end(q, number);
	next = queue_next_deadline(q, now);
	assert_true(next > now + 59); /* the other one's */
}

static void test_what_is_late_never_begins(void **state)
{
	struct job *job;
	uint64_t number = submit_for(1, 1, 1), patient = submit_as(1, 2, 1, true);
	double from = queue_now();
	(void)state;
	while (queue_now() < from + 0.002)
		;
	assert_int_equal(queue_before(q, &(struct job){.number = patient, .priority = WIRE_NORMAL}), 1);
	assert_true(take() == patient); /* it comes later, and has its time before it */
	assert_true(take() == 0);
	assert_true(queue_overdue(q, queue_now()) == number);
	assert_int_equal(queue_stop(q, number, STOP_TIMEOUT, "its time-out", &job), CANCEL_DROPPED);
	job_destroy(job);
	assert_true(queue_overdue(q, queue_now()) == 0);
	assert_true(queue_begin(q, patient, false));
	queue_end(q, patient);
	reply(patient, JOB_DONE);
}

/* No timer goes off again and again for what waits longer than it may run. */
static void test_the_deadline_of_a_late_beginner(void **state)
{
	uint64_t number = submit_as(1, 1, 1000, true);
	double now = queue_now();
	(void)state;
	assert_true(queue_next_deadline(q, now + 1) == 0);
	queue_take_look(q);
	assert_true(start() == number);
	assert_int_equal(wakes, 1); /* the loop is told */
	assert_true(queue_take_look(q));
	double next = queue_next_deadline(q, queue_now());
	assert_true(next > now + 0.9 && next < now + 30);
	queue_end(q, number);
	reply(number, JOB_DONE);
	wakes = 0;
	submit_for(1, 2, 1000);
	assert_true(queue_next_deadline(q, queue_now()) != 0);
	start();
	assert_int_equal(wakes, 0); /* the timer stands: nothing to tell */
}

static void test_held_peers(void **state)
{
	(void)state;
	submit(1, 1, "a");
	queue_hold(q, 1, true);
	assert_false(queue_pending(q));
	assert_true(take() == 0);
	uint64_t other = submit(2, 1, "a");
	assert_true(queue_pending(q));
	assert_true(take() == other && take() == 0);
	queue_hold(q, 1, false);
	assert_true(queue_pending(q) && take() != 0);
	queue_hold(q, 99, true); /* nobody */
}

static void test_a_peer_goes(void **state)
{
	char by[JOB_BY_MAX];
	uint64_t got, deferred = defer(1, 1), running, taken, ended, numbers[2];
	enum job_outcome outcome;
	(void)state;
	ended = submit(1, 2, "a");
	assert_true(start() == ended);
	queue_end(q, ended);
	running = submit(1, 3, "a");
	assert_true(start() == running);
	taken = submit(1, 4, "a");
	assert_true(take() == taken);
	numbers[0] = submit(1, 5, "a");
	numbers[1] = submit(2, 5, "a");
	assert_true(queue_drop_peer(q, 1) == running);
	assert_int_equal(look().waiting, 1);
	assert_int_equal(look().deferred, 0);
	assert_false(queue_alive(q, numbers[0]) || queue_alive(q, deferred));
	assert_true(queue_alive(q, numbers[1]));
	assert_int_equal(queue_why(q, running, by), STOP_CLIENT_GONE);
	assert_true(queue_stop_wanted(q) == running);
	assert_false(queue_begin(q, taken, true));
	queue_defer(q, ended); /* it ended in time and would wait now, for nobody */
	assert_true(queue_overdue(q, queue_now()) == ended);
	queue_end(q, running);
	assert_true(reply(running, JOB_STOPPED));
	assert_true(replied(&got, &outcome) == 1);
	assert_true(queue_drop_peer(q, 1) == 0 && queue_drop_peer(q, 77) == 0);
	assert_true(take() == numbers[1]);
}

static void test_the_server_ends(void **state)
{
	struct job copy;
	unsigned states[6] = {0}, n = 0;
	uint64_t deferred = defer(1, 1), running, waiting, ended;
	(void)state;
	ended = submit(1, 2, "a");
	start();
	queue_end(q, ended);
	running = submit(1, 3, "a");
	start();
	waiting = submit(2, 1, "a");
	queue_close(q);
	while (queue_answer_next(q, &copy)) {
		assert_true(++n < 10);
		states[copy.state]++;
		assert_null(copy.arguments);
	}
	assert_int_equal(n, 4);
	assert_true(states[JOB_DEFERRED] == 1 && states[JOB_ENDED] == 1 && states[JOB_RUNNING] == 1 && states[JOB_WAITING] == 1);
	assert_int_equal(look().waiting, 0);
	assert_true(queue_running(q) == running);
	assert_true(queue_drop_peer(q, 1) == 0);
	assert_true(queue_stop_wanted(q) == 0); /* the job that ended the server goes on */
	assert_false(reply(deferred, JOB_DONE) || reply(waiting, JOB_DONE) || reply(ended, JOB_DONE));
	/* and the server is started again, by this very job perhaps */
	queue_open(q, &(struct queue_limits){TOTAL, PER_PEER});
	assert_true(queue_take_look(q));
	uint64_t next = submit(3, 1, "a");
	assert_true(next > waiting); /* numbers are not used twice */
	assert_true(take() == next);
	assert_false(queue_begin(q, next, false));
	queue_end(q, running);
	assert_false(reply(running, JOB_DONE));
}

/* Anybody in Emacs may call the primitives, with any number. */
static void test_lisp_cannot_end_what_it_has_not_taken(void **state)
{
	uint64_t number = submit(1, 1, "a");
	(void)state;
	queue_end(q, number);
	queue_defer(q, number);
	assert_false(reply(number, JOB_DONE));
	assert_false(queue_begin(q, number, false));
	queue_end(q, 999);
	queue_defer(q, 999);
	queue_stop_seen(q, 999, "x", false);
	assert_int_equal(look().waiting, 1);
	assert_true(start() == number);
	assert_true(reply(number, JOB_DONE)); /* from inside the job */
	assert_true(queue_running(q) == 0);
	queue_end(q, number);
}

/* A stop may cut the doorbell's filter short before it says that it heard. */
static void test_rings_again_after_a_ring_that_was_swallowed(void **state)
{
	(void)state;
	assert_true(queue_want_ring(q, false));
	assert_false(queue_want_ring(q, false));
	assert_null(queue_take(q, false)); /* Lisp looks, and nothing waits */
	assert_true(queue_want_ring(q, false));
	submit_for(1, 1, 0);
	take();
	assert_false(queue_want_ring(q, false)); /* it goes on taking jobs */
	queue_look_later(q);                     /* its slice is over */
	assert_true(queue_want_ring(q, false));
}

static void test_rings(void **state)
{
	(void)state;
	assert_true(queue_want_ring(q, false));
	assert_false(queue_want_ring(q, false)); /* one is enough */
	assert_true(queue_want_ring(q, true));
	assert_true(look().rung && look().rung_at > 0 && look().heard_at == 0);
	queue_heard(q);
	assert_true(!look().rung && look().heard_at > 0);
	assert_int_equal(wakes, 0);
	queue_wake_on_ring(q);
	assert_true(queue_want_ring(q, false));
	queue_heard(q);
	assert_int_equal(wakes, 1);
	queue_heard(q);
	assert_int_equal(wakes, 1); /* once */
	assert_true(queue_want_ring(q, false));
	queue_ring_failed(q);
	assert_true(queue_want_ring(q, false));
	queue_prompt(q, "Really? ", false);
	assert_string_equal(look().prompt, "Really? ");
}

/* ---- both threads at once ---- */

enum { ROUNDS = 5000 };

static void *lisp(void *data)
{
	bool *done = data;
	unsigned n = 0;
	while (!__atomic_load_n(done, __ATOMIC_ACQUIRE)) {
		const struct job *job = queue_take(q, false);
		if (!job)
			continue;
		uint64_t number = job->number;
		assert_string_equal(job->tool, "tool");
		bool begun = queue_begin(q, number, false);
		queue_stop_wanted(q);
		queue_end(q, number);
		if (begun && n++ % 8 == 0)
			queue_defer(q, number);
		reply(number, begun ? JOB_DONE : JOB_STOPPED);
	}
	return NULL;
}

/* Every call is answered exactly once, whoever ends it. */
static void test_two_threads(void **state)
{
	pthread_t thread;
	bool done = false;
	unsigned seed = 1, open = 0, answered = 0, submitted = 0;
	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, lisp, &done), 0);
	double until = queue_now() + 60;
	while ((submitted < ROUNDS || open) && queue_now() < until) {
		struct reply_list list;
		struct reply *r;
		struct job *job, copy;
		uint64_t number = 0;
		if (submitted < ROUNDS && try(1, submitted, "tool", WIRE_NORMAL, &number) == QUEUE_OK) {
			submitted++;
			open++;
		}
		unsigned what = (unsigned)rand_r(&seed) % 4;
		if (number && what == 0 && queue_stop(q, number, STOP_CANCELLED, "me", &job) == CANCEL_DROPPED) {
			job_destroy(job);
			open--;
			answered++;
		} else if (number && what == 1 && queue_answer_for(q, number, &copy)) {
			open--;
			answered++;
		} else if (what == 2) {
			queue_signal(q, queue_running(q), count_signal);
		}
		while ((number = queue_overdue(q, queue_now())))
			if (queue_stop(q, number, STOP_TIMEOUT, "me", &job) == CANCEL_DROPPED) {
				open -= !job->answered;
				answered += !job->answered;
				job_destroy(job);
			}
		TAILQ_INIT(&list);
		queue_take_replies(q, &list, false);
		while ((r = TAILQ_FIRST(&list))) {
			TAILQ_REMOVE(&list, r, link);
			open -= r->peer != 0;
			answered += r->peer != 0;
			reply_destroy(r);
		}
	}
	__atomic_store_n(&done, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_int_equal(submitted, ROUNDS);
	assert_int_equal(open, 0);
	assert_int_equal(answered, ROUNDS);
	assert_int_equal(look().waiting, 0);
}

static unsigned sent;
static bool takes;

static bool on_send(void *data, const struct reply *r)
{
	(void)data;
	sent += takes;
	assert_int_equal(buf_len(&r->text), 7);
	return takes;
}

/* An answer that nothing waits in front of need not wake the loop at all. */
static void test_a_lone_answer_is_sent(void **state)
{
	uint64_t number;
	enum job_outcome outcome;
	(void)state;
	queue_on_change(q, on_wake, on_send, NULL);
	sent = 0;
	takes = true;
	submit(1, 1, "a");
	assert_true(reply(start(), JOB_DONE));
	assert_int_equal(sent, 1);
	assert_int_equal(wakes, 0);
	assert_true(replied(&number, &outcome) == 0);
	submit(1, 2, "a");
	submit(1, 3, "a");
	assert_true(reply(start(), JOB_DONE)); /* another one waits */
	assert_int_equal(sent, 1);
	assert_int_equal(wakes, 1);
	assert_true(reply(start(), JOB_DONE)); /* another one is on its way to the loop */
	assert_int_equal(sent, 1);
	struct reply_list list;
	TAILQ_INIT(&list);
	assert_true(queue_take_replies(q, &list, false));
	struct reply *r;
	while ((r = TAILQ_FIRST(&list))) {
		TAILQ_REMOVE(&list, r, link);
		reply_destroy(r);
	}
	takes = false;
	submit(1, 4, "a");
	assert_true(reply(start(), JOB_DONE));
	assert_true(replied(&number, &outcome) == 1);
	takes = true;
	struct job *job;
	number = submit(1, 5, "a");
	uint64_t runs = start();
	assert_int_equal(queue_stop(q, number, STOP_INTERRUPTED, "me", &job), CANCEL_DRIVE);
	assert_true(reply(runs, JOB_STOPPED)); /* somebody waits to hear of its end */
	assert_int_equal(sent, 1);
	assert_true(replied(&number, &outcome) == 1);
}

/* While the loop looks by itself, one wake does for several answers; never for the last. */
static void test_one_wake_for_several(void **state)
{
	struct reply_list list;
	struct reply *r;
	(void)state;
	TAILQ_INIT(&list);
	for (uint64_t id = 1; id <= 5; id++)
		submit(1, id, "a");
	assert_true(reply(start(), JOB_DONE));
	assert_int_equal(wakes, 1);
	assert_true(queue_take_replies(q, &list, true));
	assert_true(reply(start(), JOB_DONE));
	assert_true(reply(start(), JOB_DONE));
	assert_true(reply(start(), JOB_DONE));
	assert_int_equal(wakes, 1);
	assert_true(reply(start(), JOB_DONE)); /* Lisp has no more to do */
	assert_int_equal(wakes, 2);
	assert_true(queue_take_replies(q, &list, true));
	assert_false(queue_take_replies(q, &list, true)); /* nothing: it will sleep */
	submit(1, 6, "a");
	submit(1, 7, "a");
	assert_true(reply(start(), JOB_DONE));
	assert_int_equal(wakes, 3);
	while ((r = TAILQ_FIRST(&list))) {
		TAILQ_REMOVE(&list, r, link);
		reply_destroy(r);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_queue, close_queue)

static bool speak(uint64_t number)
{
	struct buf text = {0};
	assert_true(buf_add(&text, "{}", 2));
	bool taken = queue_note(q, number, &text);
	assert_int_equal(buf_len(&text), 0);
	return taken;
}

/* A job that has spoken does not answer by the quick way, which overtakes. */
static void test_words_come_before_the_answer(void **state)
{
	struct reply_list list;
	struct reply *r;
	static const enum job_outcome order[] = {JOB_NOTE, JOB_NOTE, JOB_NOTE, JOB_ASKS};
	size_t i = 0;
	(void)state;
	queue_on_change(q, on_wake, on_send, NULL);
	uint64_t waiting = submit(7, 70, "tool");
	assert_false(speak(waiting)); /* nobody's yet */
	uint64_t number = start();
	assert_true(speak(number) && speak(0) && speak(number));
	queue_end(q, number);
	assert_true(reply(number, JOB_ASKS));
	assert_false(speak(number)); /* it has left */
	TAILQ_INIT(&list);
	queue_take_replies(q, &list, false);
	while ((r = TAILQ_FIRST(&list))) {
		assert_true(i < 4 && r->outcome == order[i]);
		assert_int_equal(r->peer, i == 1 ? 0 : 7);
		assert_int_equal(r->id, i == 1 ? 0 : 70);
		TAILQ_REMOVE(&list, r, link);
		reply_destroy(r);
		i++;
	}
	assert_int_equal(i, 4);
}

static void test_words_are_bounded(void **state)
{
	struct reply_list list;
	struct reply *r;
	unsigned taken = 0;
	(void)state;
	submit(7, 70, "tool");
	uint64_t number = start();
	for (int i = 0; i < 1000; i++)
		taken += speak(number);
	assert_true(taken > 0 && taken < 1000);
	queue_end(q, number);
	assert_true(reply(number, JOB_DONE)); /* an answer is never dropped */
	TAILQ_INIT(&list);
	queue_take_replies(q, &list, false);
	while ((r = TAILQ_FIRST(&list))) {
		TAILQ_REMOVE(&list, r, link);
		taken -= r->outcome == JOB_NOTE;
		reply_destroy(r);
	}
	assert_int_equal(taken, 0);
}

/* A gateway is one peer with many clients: one that floods does not keep the others waiting. */
static void test_clients_of_one_peer(void **state)
{
	static const char clients[] = "AAAABCC";
	char seen[sizeof clients] = "";
	(void)state;
	queue_open(q, &(struct queue_limits){.total = 10, .per_peer = 10});
	for (size_t i = 0; clients[i]; i++) {
		struct wire_call call = call_of("tool", WIRE_NORMAL, 0);
		uint64_t number;
		call.client = &clients[i];
		call.client_len = 1;
		assert_int_equal(queue_submit(q, 1, i + 1, &call, &number), QUEUE_OK);
	}
	for (size_t i = 0; clients[i]; i++) {
		const struct job *job = queue_take(q, false);
		assert_non_null(job);
		seen[i] = *job->client;
		assert_true(queue_begin(q, job->number, false));
		uint64_t number = job->number;
		queue_end(q, number);
		reply(number, JOB_DONE);
	}
	assert_string_equal(seen, "ABCACAA");
}

/* Whose it is too; what waits, or is stopped before, is not. */
static void test_what_begins_is_written_down(void **state)
{
	struct ledger *ledger = ledger_create();
	(void)state;
	assert_non_null(ledger);
	queue_write_down(q, ledger);
	uint64_t first = submit(7, 20, "a"), second = submit(7, 22, "b"), third = submit(8, 22, "c");
	assert_int_equal(ledger_count(ledger), 0);
	assert_int_equal(queue_take(q, false)->number, first);
	assert_int_equal(ledger_count(ledger), 0);
	assert_true(queue_begin(q, first, false));
	assert_false(ledger_lacks(ledger, 0, 7, 20));
	assert_true(ledger_lacks(ledger, 0, 7, 22));
	queue_end(q, first);
	assert_int_equal(queue_take(q, false)->number, third); /* the other peer's turn */
	assert_int_equal(queue_drop_peer(q, 8), 0);
	assert_false(queue_begin(q, third, false));
	assert_true(ledger_lacks(ledger, 0, 8, 22));
	assert_int_equal(queue_take(q, false)->number, second);
	assert_true(queue_begin(q, second, false));
	assert_false(ledger_lacks(ledger, 0, 7, 22));
	queue_write_down(q, NULL);
	ledger_destroy(ledger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_job_from_end_to_end),
		TEST(test_time_outs_have_a_default_and_a_limit),
		TEST(test_priorities),
		TEST(test_peers_take_turns),
		TEST(test_limits),
		TEST(test_what_is_deferred_counts),
		TEST(test_arguments_have_a_limit_together),
		TEST(test_ids_in_use),
		TEST(test_cancel_while_it_waits),
		TEST(test_cancel_before_it_begins),
		TEST(test_cancel_while_it_runs),
		TEST(test_long_names_are_cut_between_characters),
		TEST(test_deferred),
		TEST(test_cancelled_just_before_it_is_deferred),
		TEST(test_stopped_while_it_runs_and_deferred_then),
		TEST(test_answered_and_deferred_then),
		TEST(test_nested),
		TEST(test_one_runs_at_a_time),
		TEST(test_answered_in_lisps_place),
		TEST(test_no_second_answer_once_lisp_ended_it),
		TEST(test_deadlines),
		TEST(test_what_is_late_never_begins),
		TEST(test_the_deadline_of_a_late_beginner),
		TEST(test_held_peers),
		TEST(test_a_peer_goes),
		TEST(test_the_server_ends),
		TEST(test_lisp_cannot_end_what_it_has_not_taken),
		TEST(test_rings), TEST(test_rings_again_after_a_ring_that_was_swallowed),
		TEST(test_a_lone_answer_is_sent),
		TEST(test_one_wake_for_several),
		TEST(test_words_come_before_the_answer),
		TEST(test_words_are_bounded),
		TEST(test_two_threads),
		TEST(test_clients_of_one_peer),
		TEST(test_what_begins_is_written_down),
	};
	return RUN(tests);
}
