/* line.c - whose turn it is: urgent ones first, clients in turn, nobody never. */
#include "test.h"

#include "back/line.h"
#include "mcp/text.h"

static const struct line_policy policy = {.max = 100, .bytes = 1000, .client_max = 60, .age = 2};

static struct request *add(struct line *l, uint64_t client, enum priority priority, double now)
{
	struct request *r = request_create();
	r->client_key = client;
	r->priority = priority;
	line_add(l, r, now);
	return r;
}

/* The client of the next one, which is done with then; 0: there is none. */
static uint64_t next(struct line *l, enum priority least, double now)
{
	struct request *r = line_next(l, least, now, NULL, NULL);
	uint64_t client = r ? r->client_key : 0;
	if (r)
		assert_null(r->lane);
	request_destroy(r);
	return client;
}

static void test_urgent_first(void **state)
{
	struct line l;
	(void)state;
	line_init(&l, &policy);
	add(&l, 1, PRIORITY_BATCH, 0);
	add(&l, 2, PRIORITY_NORMAL, 0);
	add(&l, 3, PRIORITY_INTERACTIVE, 0);
	assert_int_equal(next(&l, PRIORITY_BATCH, 1), 3);
	assert_int_equal(next(&l, PRIORITY_BATCH, 1), 2);
	assert_int_equal(next(&l, PRIORITY_NORMAL, 1), 0); /* batch may not go now */
	assert_int_equal(next(&l, PRIORITY_BATCH, 1), 1);
	assert_int_equal(next(&l, PRIORITY_BATCH, 1), 0);
	assert_int_equal(l.count, 0);
	assert_int_equal(l.bytes, 0);
}

/* One that floods gets every second turn, not more. */
static void test_in_turn(void **state)
{
	struct line l;
	(void)state;
	line_init(&l, &policy);
	for (int i = 0; i < 10; i++)
		add(&l, 1, PRIORITY_NORMAL, i);
	for (int i = 0; i < 3; i++)
		add(&l, 2, PRIORITY_NORMAL, 20);
	const uint64_t expected[] = {1, 2, 1, 2, 1, 2, 1, 1};
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
		assert_int_equal(next(&l, PRIORITY_BATCH, 20), expected[i]);
	add(&l, 3, PRIORITY_NORMAL, 20); /* who comes waits for one of each at most */
	assert_int_equal(next(&l, PRIORITY_BATCH, 20), 1);
	assert_int_equal(next(&l, PRIORITY_BATCH, 20), 3);
	while (next(&l, PRIORITY_BATCH, 20))
		;
}

static void test_first_come_of_one_client(void **state)
{
	struct line l;
	struct request *made[3], *r;
	(void)state;
	line_init(&l, &policy);
	for (int i = 0; i < 3; i++)
		made[i] = add(&l, 7, PRIORITY_NORMAL, i);
	assert_ptr_equal(line_oldest(&l), made[0]);
	r = line_next(&l, PRIORITY_BATCH, 3, NULL, NULL);
	assert_ptr_equal(r, made[0]);
	line_return(&l, r);
	assert_ptr_equal(line_oldest(&l), made[0]);
	for (int i = 0; i < 3; i++) {
		assert_ptr_equal(line_next(&l, PRIORITY_BATCH, 3, NULL, NULL), made[i]);
		request_destroy(made[i]);
	}
}

/* Urgent ones never end; what waits gets a turn now and then, and not before its time. */
static void test_nobody_waits_for_ever(void **state)
{
	struct line l;
	int batch = 0;
	(void)state;
	line_init(&l, &policy);
	for (int i = 0; i < 50; i++)
		add(&l, 9, PRIORITY_BATCH, 0);
	for (int i = 0; i < 50; i++) {
		add(&l, 1, PRIORITY_INTERACTIVE, 1);
		assert_int_equal(next(&l, PRIORITY_BATCH, 1), 1);
	}
	for (int i = 0; i < 80; i++) {
		add(&l, 1, PRIORITY_INTERACTIVE, 10);
		batch += next(&l, PRIORITY_BATCH, 10) == 9;
	}
	assert_int_equal(batch, 10);
	while (next(&l, PRIORITY_BATCH, 10))
		;
	assert_int_equal(l.count, 0);
}

static void test_bounds(void **state)
{
	struct line l;
	struct request *r = request_create(), *removed;
	(void)state;
	line_init(&l, &policy);
	for (int i = 0; i < 60; i++)
		removed = add(&l, 1, PRIORITY_NORMAL, 0);
	r->client_key = 1;
	assert_int_equal(line_room(&l, r), LINE_CLIENT_FULL);
	r->client_key = 2;
	assert_int_equal(line_room(&l, r), LINE_ROOM);
	for (int i = 0; i < 40; i++)
		add(&l, 2, PRIORITY_NORMAL, 0);
	assert_int_equal(line_room(&l, r), LINE_FULL);
	line_remove(&l, removed);
	request_destroy(removed);
	r->client_key = 1;
	assert_int_equal(line_room(&l, r), LINE_ROOM);
	for (int i = 0; i < 1001; i++)
		text_put(&r->arguments, "x");
	assert_int_equal(line_room(&l, r), LINE_FULL);
	while (next(&l, PRIORITY_BATCH, 0))
		;
	request_destroy(r);
}

/* Several names of one owner share what an owner may have; who has not proved anything has no such bound. */
static void test_owners(void **state)
{
	static const struct line_policy shared = {.max = 20, .bytes = 1000, .client_max = 10, .owner_max = 15, .age = 2};
	struct line l;
	struct request *r = request_create();
	(void)state;
	line_init(&l, &shared);
	for (int i = 0; i < 15; i++) {
		struct request *one = request_create();
		one->client_key = (uint64_t)(i % 3 + 1);
		one->owner_key = 7;
		one->priority = PRIORITY_NORMAL;
		line_add(&l, one, 0);
	}
	r->client_key = 4;
	r->owner_key = 7;
	assert_int_equal(line_room(&l, r), LINE_CLIENT_FULL);
	r->owner_key = 8;
	assert_int_equal(line_room(&l, r), LINE_ROOM);
	r->owner_key = 0;
	assert_int_equal(line_room(&l, r), LINE_ROOM);
	while (next(&l, PRIORITY_BATCH, 0))
		;
	request_destroy(r);
}

static bool not_one(const void *data, uint64_t client)
{
	return client != *(const uint64_t *)data;
}

/* Who may not go now is passed over, be it more urgent, and has its turn later. */
static void test_who_may_go(void **state)
{
	struct line l;
	uint64_t one = 1;
	(void)state;
	line_init(&l, &policy);
	add(&l, 1, PRIORITY_NORMAL, 0);
	assert_null(line_next(&l, PRIORITY_BATCH, 0, not_one, &one));
	add(&l, 2, PRIORITY_NORMAL, 0);
	add(&l, 3, PRIORITY_BATCH, 0);
	for (uint64_t expected = 2; expected <= 3; expected++) {
		struct request *r = line_next(&l, PRIORITY_BATCH, 0, not_one, &one);
		assert_int_equal(r->client_key, expected);
		request_destroy(r);
	}
	assert_null(line_next(&l, PRIORITY_BATCH, 0, not_one, &one));
	assert_int_equal(next(&l, PRIORITY_BATCH, 0), 1);
}

/* Clients whose keys fall into one place stay apart. */
static void test_many_clients(void **state)
{
	static const struct line_policy wide = {.max = 10000, .bytes = 1, .client_max = 10, .age = 2};
	struct line l;
	static int seen[1001];
	(void)state;
	line_init(&l, &wide);
	for (uint64_t i = 1; i <= 1000; i++)
		for (int n = 0; n < 3; n++)
			add(&l, i, PRIORITY_NORMAL, 0);
	for (int n = 1; n <= 3; n++)
		for (int i = 0; i < 1000; i++)
			assert_int_equal(++seen[next(&l, PRIORITY_BATCH, 0)], n);
	assert_int_equal(next(&l, PRIORITY_BATCH, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urgent_first),
		cmocka_unit_test(test_in_turn),
		cmocka_unit_test(test_first_come_of_one_client),
		cmocka_unit_test(test_nobody_waits_for_ever),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_owners),
		cmocka_unit_test(test_who_may_go),
		cmocka_unit_test(test_many_clients),
	};
	return RUN(tests);
}
