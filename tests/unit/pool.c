/* pool.c - who gets which request, what is kept free, what goes to another worker. */
#include "test.h"

#include "stub_worker.h"
#include "os.h"

static struct config config;

struct fixture {
	struct service *service;
	struct pool *pool;
	struct worker *workers[4];
};

static void begin(struct fixture *f, int workers, const struct pool_policy *policy)
{
	config_init(&config);
	f->service = service_create(&config);
	f->pool = pool_create(f->service, "batch", policy);
	for (int i = 0; i < workers; i++) {
		char name[8];
		snprintf(name, sizeof name, "w%d", i);
		f->workers[i] = stub_worker(f->service, name);
		pool_join(f->pool, f->workers[i]);
	}
}

static void finish(struct fixture *f)
{
	service_destroy(f->service);
	config_finish(&config);
}

/* What answers it, or NULL. */
static struct worker *flies_to(const struct request *r)
{
	return r->flying ? r->worker : NULL;
}

static void end(struct request *r)
{
	r->settled = true;
	request_destroy(r);
}

static void test_one_line(void **state)
{
	struct fixture f;
	struct pool_load load;
	struct request *r[4];
	int ends[4] = {0};
	(void)state;
	begin(&f, 2, &(struct pool_policy){0});
	for (int i = 0; i < 4; i++) {
		r[i] = stub_request(1, PRIORITY_NORMAL, &ends[i]);
		assert_true(pool_submit(f.pool, r[i]));
	}
	assert_non_null(flies_to(r[0]));
	assert_non_null(flies_to(r[1]));
	assert_ptr_not_equal(flies_to(r[0]), flies_to(r[1]));
	pool_load(f.pool, &load);
	assert_int_equal(load.waiting[PRIORITY_NORMAL], 2);
	assert_int_equal(load.flying, 2);
	assert_int_equal(load.workers, 2);
	assert_int_equal(load.idle, 0);
	struct worker *w = flies_to(r[1]);
	assert_string_equal(r[1]->instance, w->name);
	stub_answer(w, r[1]);
	assert_int_equal(ends[1], STUB_RESUMED);
	assert_ptr_equal(flies_to(r[2]), w); /* who is free first gets the first */
	service_cancel(r[3], "");            /* it leaves the line */
	pool_load(f.pool, &load);
	assert_int_equal(load.waiting[PRIORITY_NORMAL], 0);
	stub_answer(flies_to(r[0]), r[0]);
	stub_answer(w, r[2]);
	pool_load(f.pool, &load);
	assert_int_equal(load.idle, 2);
	assert_int_equal(load.flying, 0);
	for (int i = 0; i < 4; i++)
		end(r[i]);
	finish(&f);
}

/* One worker is kept free of batch work, also of what waits. */
static void test_reserve(void **state)
{
	struct fixture f;
	struct request *batch[3], *quick;
	int ends[4] = {0};
	(void)state;
	begin(&f, 3, &(struct pool_policy){.interactive_reserve = 1});
	for (int i = 0; i < 3; i++) {
		batch[i] = stub_request(1, PRIORITY_BATCH, &ends[i]);
		assert_true(pool_submit(f.pool, batch[i]));
	}
	assert_non_null(flies_to(batch[0]));
	assert_non_null(flies_to(batch[1]));
	assert_null(flies_to(batch[2]));
	quick = stub_request(2, PRIORITY_INTERACTIVE, &ends[3]);
	assert_true(pool_submit(f.pool, quick));
	assert_non_null(flies_to(quick));
	stub_answer(flies_to(quick), quick);
	assert_null(flies_to(batch[2]));
	stub_answer(flies_to(batch[0]), batch[0]);
	assert_non_null(flies_to(batch[2]));
	stub_answer(flies_to(batch[1]), batch[1]);
	stub_answer(flies_to(batch[2]), batch[2]);
	for (int i = 0; i < 3; i++)
		end(batch[i]);
	end(quick);
	finish(&f);
}

/* With one worker, or more kept free than there are, batch work still goes on. */
static void test_reserve_of_all(void **state)
{
	struct fixture f;
	int ends[2] = {0};
	(void)state;
	begin(&f, 1, &(struct pool_policy){.interactive_reserve = 3});
	struct request *a = stub_request(1, PRIORITY_BATCH, &ends[0]), *b = stub_request(1, PRIORITY_BATCH, &ends[1]);
	assert_true(pool_submit(f.pool, a));
	assert_true(pool_submit(f.pool, b));
	assert_non_null(flies_to(a));
	stub_answer(flies_to(a), a);
	assert_non_null(flies_to(b));
	stub_answer(flies_to(b), b);
	end(a);
	end(b);
	finish(&f);
}

/* Several at a time to one worker: the one with the least to do gets the next. */
static void test_least_busy(void **state)
{
	struct fixture f;
	struct request *r[7];
	int ends[7] = {0}, most = 0, total = 0;
	(void)state;
	begin(&f, 3, &(struct pool_policy){.flight = 2});
	for (int i = 0; i < 7; i++) {
		r[i] = stub_request(1, PRIORITY_NORMAL, &ends[i]);
		assert_true(pool_submit(f.pool, r[i]));
		if (i == 2)
			for (int w = 0; w < 3; w++)
				assert_int_equal(f.workers[w]->flying_count, 1);
	}
	for (int w = 0; w < 3; w++) {
		total += (int)f.workers[w]->flying_count;
		most = f.workers[w]->flying_count > most ? (int)f.workers[w]->flying_count : most;
	}
	assert_int_equal(total, 6);
	assert_int_equal(most, 2);
	for (int i = 0; i < 7; i++)
		stub_answer(flies_to(r[i]), r[i]);
	for (int i = 0; i < 7; i++)
		end(r[i]);
	finish(&f);
}

/* A refusal provably did not start: another one gets it, and this one is left alone a while. */
static void test_refused_goes_elsewhere(void **state)
{
	struct fixture f;
	int ends[1] = {0};
	(void)state;
	begin(&f, 2, &(struct pool_policy){0});
	struct request *r = stub_request(1, PRIORITY_NORMAL, &ends[0]);
	assert_true(pool_submit(f.pool, r));
	struct worker *first = flies_to(r);
	stub_refuse(first, r);
	assert_int_equal(ends[0], 0);
	assert_non_null(flies_to(r));
	assert_ptr_not_equal(flies_to(r), first);
	assert_true(first->breaker.until > os_now());
	assert_int_equal(buf_len(&r->arguments), 2);
	struct worker *second = flies_to(r);
	stub_answer(second, r);
	assert_int_equal(ends[0], STUB_RESUMED);
	assert_false(r->failed);
	assert_string_equal(text_string(&r->reply), "{\"content\":[]}");
	end(r);
	finish(&f);
}

/* But not for ever, and not what any worker would refuse. */
static void test_refused_often_enough(void **state)
{
	struct fixture f;
	int ends[2] = {0};
	(void)state;
	begin(&f, 4, &(struct pool_policy){.retries = 2});
	struct request *r = stub_request(1, PRIORITY_NORMAL, &ends[0]), *bad = stub_request(1, PRIORITY_NORMAL, &ends[1]);
	assert_true(pool_submit(f.pool, r));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ends[0], 0);
		stub_refuse(flies_to(r), r);
	}
	assert_int_equal(ends[0], STUB_RESUMED);
	assert_true(pool_submit(f.pool, bad));
	struct worker *w = flies_to(bad);
	bad->hopeless = true;
	stub_refuse(w, bad);
	assert_int_equal(ends[1], STUB_RESUMED);
	assert_true(w->breaker.until <= 0);
	end(r);
	end(bad);
	finish(&f);
}

/* What was lost with its worker may have run: it is told so, unless it may run twice. */
static void test_lost(void **state)
{
	struct fixture f;
	int ends[3] = {0};
	(void)state;
	begin(&f, 2, &(struct pool_policy){0});
	struct request *once = stub_request(1, PRIORITY_NORMAL, &ends[0]), *twice = stub_request(1, PRIORITY_NORMAL, &ends[1]);
	struct request *waits = stub_request(1, PRIORITY_NORMAL, &ends[2]);
	twice->idempotent = true;
	assert_true(pool_submit(f.pool, once));
	assert_true(pool_submit(f.pool, twice));
	assert_true(pool_submit(f.pool, waits));
	struct worker *a = flies_to(once), *b = flies_to(twice);
	a->linked = b->linked = false;
	a->state = b->state = WORKER_GONE;
	a->on_lost(a, "the Emacs went away");
	assert_int_equal(ends[0], STUB_RESUMED);
	assert_says(text_string(&once->reply), "may have run");
	b->on_lost(b, "the Emacs went away");
	assert_int_equal(ends[1], 0);
	assert_null(flies_to(twice));
	a->linked = true;
	a->state = WORKER_READY;
	a->on_room(a);
	assert_ptr_equal(flies_to(twice), a); /* it had its turn before */
	stub_answer(a, twice);
	assert_ptr_equal(flies_to(waits), a);
	stub_answer(a, waits);
	assert_int_equal(ends[2], STUB_RESUMED);
	end(once);
	end(twice);
	end(waits);
	finish(&f);
}

static void test_what_had_not_begun_goes_elsewhere(void **state)
{
	struct fixture f;
	int ends[3] = {0};
	(void)state;
	begin(&f, 2, &(struct pool_policy){.flight = 2, .retries = 1});
	struct request *r[3];
	for (int i = 0; i < 3; i++) {
		r[i] = stub_request(1, PRIORITY_NORMAL, &ends[i]);
		assert_true(pool_submit(f.pool, r[i]));
	}
	struct worker *a = flies_to(r[0]), *b = flies_to(r[1]);
	struct worker *both = flies_to(r[2]);
	struct request *ran = both == a ? r[0] : r[1];
	struct worker *other = both == a ? b : a;
	r[2]->begun_before = 1;
	both->linked = false;
	both->state = WORKER_GONE;
	both->on_lost(both, "the Emacs went away");
	assert_says(text_string(&ran->reply), "may have run");
	assert_int_equal(ends[2], 0);
	assert_ptr_equal(flies_to(r[2]), other);
	/* It was sent as often as the policy says: now it is answered, and did not run. */
	other->linked = false;
	other->state = WORKER_GONE;
	other->on_lost(other, "the Emacs went away");
	assert_int_equal(ends[2], STUB_RESUMED);
	assert_says(text_string(&r[2]->reply), "it did not run");
	assert_says(text_string(&r[2]->reply), "\\\"may_have_run\\\":false");
	for (int i = 0; i < 3; i++)
		end(r[i]);
	finish(&f);
}

static void test_full(void **state)
{
	struct fixture f;
	struct request *r[5];
	int ends[5] = {0};
	(void)state;
	begin(&f, 0, &(struct pool_policy){.queue_max = 3, .client_max = 2});
	for (int i = 0; i < 5; i++)
		r[i] = stub_request(i < 3 ? 1 : 2, PRIORITY_NORMAL, &ends[i]);
	assert_true(pool_submit(f.pool, r[0]));
	assert_true(pool_submit(f.pool, r[1]));
	assert_false(pool_submit(f.pool, r[2]));
	assert_says(text_string(&r[2]->reply), "queue_full");
	assert_says(text_string(&r[2]->reply), "of this client");
	assert_says(text_string(&r[2]->reply), "retry_after");
	assert_true(pool_submit(f.pool, r[3]));
	assert_false(pool_submit(f.pool, r[4]));
	pool_destroy(f.pool); /* what waits is told */
	for (int i = 0; i < 4; i++)
		if (i != 2) {
			assert_int_equal(ends[i], STUB_RESUMED);
			assert_says(text_string(&r[i]->reply), "did not run");
		}
	for (int i = 0; i < 5; i++)
		end(r[i]);
	finish(&f);
}

static void on_load(void *data, struct pool *p)
{
	(void)p;
	++*(int *)data;
}

static void test_told(void **state)
{
	struct fixture f;
	int ends[2] = {0}, told = 0;
	(void)state;
	begin(&f, 0, &(struct pool_policy){0});
	pool_on_load(f.pool, on_load, &told);
	struct request *r = stub_request(1, PRIORITY_NORMAL, &ends[0]);
	assert_true(pool_submit(f.pool, r));
	assert_int_equal(told, 1); /* waiting began: somebody starts a worker */
	struct worker *w = stub_worker(f.service, "new");
	pool_join(f.pool, w);
	assert_int_equal(told, 2);
	assert_ptr_equal(flies_to(r), w);
	stub_answer(w, r);
	assert_int_equal(told, 3); /* a worker fell idle */
	pool_leave(w);
	assert_null(w->pool);
	struct request *waits = stub_request(1, PRIORITY_NORMAL, &ends[1]);
	assert_true(pool_submit(f.pool, waits));
	assert_null(flies_to(waits));
	service_cancel(waits, "");
	end(r);
	end(waits);
	finish(&f);
}

/* A worker that leaves finishes what it has, and what it may run twice it may hand on. */
static void test_draining(void **state)
{
	struct fixture f;
	int ends[2] = {0};
	(void)state;
	begin(&f, 1, &(struct pool_policy){0});
	struct request *r = stub_request(1, PRIORITY_BATCH, &ends[0]), *next = stub_request(1, PRIORITY_NORMAL, &ends[1]);
	assert_true(pool_submit(f.pool, r));
	struct worker *w = f.workers[0];
	pool_leave(w);
	assert_true(pool_submit(f.pool, next));
	assert_null(flies_to(next));
	assert_ptr_equal(flies_to(r), w);
	stub_answer(w, r);
	assert_int_equal(ends[0], STUB_RESUMED);
	assert_null(flies_to(next));
	pool_join(f.pool, w);
	assert_ptr_equal(flies_to(next), w);
	stub_answer(w, next);
	end(r);
	end(next);
	finish(&f);
}

static void run_until(struct ev_loop *loop, const int *flag)
{
	while (!*flag)
		ev_run(loop, EVRUN_ONCE);
}

/* Nobody comes: it is told so.  It waits too long for somebody who is there: that, too. */
static void test_patience(void **state)
{
	struct fixture f;
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	int ends[3] = {0};
	(void)state;
	begin(&f, 0, &(struct pool_policy){.loop = loop, .start_timeout = 0.02, .queue_timeout = 0.05});
	struct request *r = stub_request(1, PRIORITY_NORMAL, &ends[0]);
	assert_true(pool_submit(f.pool, r));
	run_until(loop, &ends[0]);
	assert_says(text_string(&r->reply), "no_worker");
	assert_says(text_string(&r->reply), "did not run");
	struct worker *w = stub_worker(f.service, "w");
	pool_join(f.pool, w);
	struct request *flies = stub_request(1, PRIORITY_NORMAL, &ends[1]), *late = stub_request(1, PRIORITY_NORMAL, &ends[2]);
	assert_true(pool_submit(f.pool, flies));
	assert_true(pool_submit(f.pool, late));
	run_until(loop, &ends[2]);
	assert_says(text_string(&late->reply), "queue_timeout");
	assert_int_equal(ends[1], 0);
	stub_answer(w, flies);
	end(r);
	end(flies);
	end(late);
	finish(&f);
	ev_loop_destroy(loop);
}

/* A worker that was left alone is tried again, with one request. */
static void test_tried_again(void **state)
{
	struct fixture f;
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	int ends[2] = {0};
	(void)state;
	begin(&f, 1, &(struct pool_policy){.loop = loop, .flight = 2});
	struct request *r = stub_request(1, PRIORITY_NORMAL, &ends[0]), *other = stub_request(1, PRIORITY_NORMAL, &ends[1]);
	assert_true(pool_submit(f.pool, r));
	stub_refuse(f.workers[0], r);
	assert_true(pool_submit(f.pool, other));
	assert_null(flies_to(r));
	while (!r->flying)
		ev_run(loop, EVRUN_ONCE);
	assert_null(flies_to(other));
	stub_answer(f.workers[0], r);
	assert_ptr_equal(flies_to(other), f.workers[0]);
	stub_answer(f.workers[0], other);
	end(r);
	end(other);
	finish(&f);
	ev_loop_destroy(loop);
}

/* Failures in a row leave it alone; what a tool reports is none. */
static void test_breaker(void **state)
{
	struct fixture f;
	int ends[8] = {0};
	(void)state;
	begin(&f, 1, &(struct pool_policy){.failures_max = 3});
	struct worker *w = f.workers[0];
	for (int i = 0; i < 3; i++) {
		struct request *r = stub_request(1, PRIORITY_NORMAL, &ends[i]);
		assert_true(pool_submit(f.pool, r));
		r->failed = true;
		stub_answer(w, r);
		end(r);
	}
	assert_int_equal(w->breaker.failures, 0);
	for (int i = 0; i < 3; i++) {
		struct request *r = stub_request(1, PRIORITY_NORMAL, &ends[3 + i]);
		assert_true(pool_submit(f.pool, r));
		assert_ptr_equal(flies_to(r), w);
		text_put(&r->reply, "{\"no\":");
		r->received = 6;
		w->on_reply(w, r, true);
		assert_says(text_string(&r->reply), "bad_answer");
		end(r);
	}
	assert_true(w->breaker.until > os_now());
	finish(&f);
}

/* A call for that very worker does not wait behind the pool's. */
static void test_by_name(void **state)
{
	struct fixture f;
	int ends[3] = {0};
	(void)state;
	begin(&f, 1, &(struct pool_policy){0});
	struct worker *w = f.workers[0];
	struct request *a = stub_request(1, PRIORITY_NORMAL, &ends[0]), *b = stub_request(1, PRIORITY_NORMAL, &ends[1]);
	struct request *named = stub_request(1, PRIORITY_NORMAL, &ends[2]);
	assert_true(pool_submit(f.pool, a));
	assert_true(pool_submit(f.pool, b));
	assert_true(service_submit(w, named));
	assert_ptr_equal(flies_to(named), w);
	stub_answer(w, a);
	assert_null(flies_to(b)); /* the named one is still there */
	stub_answer(w, named);
	assert_ptr_equal(flies_to(b), w);
	stub_answer(w, b);
	end(a);
	end(b);
	end(named);
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_line),
		cmocka_unit_test(test_reserve),
		cmocka_unit_test(test_reserve_of_all),
		cmocka_unit_test(test_least_busy),
		cmocka_unit_test(test_refused_goes_elsewhere),
		cmocka_unit_test(test_refused_often_enough),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_what_had_not_begun_goes_elsewhere),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_draining),
		cmocka_unit_test(test_patience),
		cmocka_unit_test(test_tried_again),
		cmocka_unit_test(test_breaker),
		cmocka_unit_test(test_by_name),
	};
	return RUN(tests);
}
