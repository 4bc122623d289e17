/* buf.c - the growable run of bytes, against a plain array that does the same. */
#include "test.h"

#include "wire/buf.h"

static void test_empty(void **state)
{
	struct buf b = {0};
	(void)state;
	assert_int_equal(buf_len(&b), 0);
	assert_non_null(buf_data(&b));
	assert_true(buf_add(&b, NULL, 0));
	assert_null(b.mem);
	buf_eat(&b, 0);
	buf_finish(&b);
	buf_finish(&b);
	buf_finish(NULL);
}

static void test_add_and_eat(void **state)
{
	struct buf b = {0};
	(void)state;
	assert_true(buf_add(&b, "hello, ", 7));
	assert_true(buf_add(&b, "world", 5));
	assert_int_equal(buf_len(&b), 12);
	assert_memory_equal(buf_data(&b), "hello, world", 12);
	buf_eat(&b, 7);
	assert_memory_equal(buf_data(&b), "world", 5);
	buf_eat(&b, 5);
	assert_int_equal(buf_len(&b), 0);
	assert_true(buf_add(&b, "again", 5));
	assert_memory_equal(buf_data(&b), "again", 5);
	buf_finish(&b);
	assert_null(b.mem);
}

static void test_reserve_leaves_what_is_there(void **state)
{
	struct buf b = {0};
	(void)state;
	assert_true(buf_add(&b, "abc", 3));
	buf_eat(&b, 1);
	assert_true(buf_reserve(&b, 100 * 1000));
	assert_true(b.cap - b.tail >= 100 * 1000);
	assert_int_equal(buf_len(&b), 2);
	assert_memory_equal(buf_data(&b), "bc", 2);
	memset(buf_room(&b), 'x', 100 * 1000);
	buf_filled(&b, 100 * 1000);
	assert_int_equal(buf_len(&b), 100 * 1000 + 2);
	buf_finish(&b);
}

static void test_reserve_of_everything_is_refused(void **state)
{
	struct buf b = {0};
	(void)state;
	assert_true(buf_add(&b, "abc", 3));
	assert_false(buf_reserve(&b, SIZE_MAX));
	assert_false(buf_reserve(&b, SIZE_MAX - 2));
	assert_false(buf_reserve(&b, SIZE_MAX / 2));
	assert_int_equal(buf_len(&b), 3);
	assert_memory_equal(buf_data(&b), "abc", 3);
	buf_finish(&b);
}

static void test_printf(void **state)
{
	struct buf b = {0};
	char longer[3000];
	(void)state;
	memset(longer, 'y', sizeof longer - 1);
	longer[sizeof longer - 1] = 0;
	assert_true(buf_printf(&b, "%s=%d;", "n", 42));
	assert_true(buf_printf(&b, "%s", ""));
	assert_true(buf_printf(&b, "%s", longer));
	assert_int_equal(buf_len(&b), 5 + sizeof longer - 1);
	assert_memory_equal(buf_data(&b), "n=42;yyy", 8);
	buf_finish(&b);
}

static void test_big_memory_is_given_back(void **state)
{
	struct buf b = {0};
	(void)state;
	assert_true(buf_reserve(&b, 10 * 1000 * 1000));
	memset(buf_room(&b), 0, 10 * 1000 * 1000);
	buf_filled(&b, 10 * 1000 * 1000);
	buf_eat(&b, 10 * 1000 * 1000 - 1);
	assert_int_equal(buf_len(&b), 1);
	buf_eat(&b, 1);
	assert_true(b.cap <= 64 * 1024);
	buf_finish(&b);
}

/* A long life of small and large changes: the bytes are those a plain array would hold,
 * and the memory follows what is in it, not what went through it. */
static void test_long_life(void **state)
{
	enum { MODEL = 1 << 20 };
	struct buf b = {0};
	char *model = malloc(MODEL);
	size_t from = 0, to = 0;
	unsigned seed = 7;
	(void)state;
	assert_non_null(model);
	for (int i = 0; i < 20000; i++) {
		size_t n = (size_t)rand_r(&seed) % (i % 100 ? 200 : 9000);
		if (rand_r(&seed) % 2 && to + n <= MODEL) {
			for (size_t k = 0; k < n; k++)
				model[to + k] = (char)rand_r(&seed);
			assert_true(buf_add(&b, model + to, n));
			to += n;
		} else {
			n = n < to - from ? n : to - from;
			buf_eat(&b, n);
			from += n;
		}
		assert_int_equal(buf_len(&b), to - from);
		assert_memory_equal(buf_data(&b), model + from, to - from);
		if (to > MODEL - 10000) {
			memmove(model, model + from, to - from);
			to -= from;
			from = 0;
		}
		assert_true(b.cap < 4 * (to - from) + 200 * 1024);
	}
	buf_finish(&b);
	free(model);
}

static void test_digits(void **state)
{
	static const struct {
		unsigned long long n;
		unsigned least;
		const char *text;
	} cases[] = {{0, 0, "0"}, {0, 1, "0"}, {7, 3, "007"}, {1234, 3, "1234"}, {~0ull, 1, "18446744073709551615"}, {5, 99, "00000000000000000005"}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf b = {0};
		assert_true(buf_digits(&b, cases[i].n, cases[i].least) && buf_add(&b, "", 1));
		assert_string_equal(buf_data(&b), cases[i].text);
		buf_finish(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_add_and_eat),
		cmocka_unit_test(test_reserve_leaves_what_is_there),
		cmocka_unit_test(test_reserve_of_everything_is_refused),
		cmocka_unit_test(test_printf),
		cmocka_unit_test(test_digits),
		cmocka_unit_test(test_big_memory_is_given_back),
		cmocka_unit_test(test_long_life),
	};
	return RUN(tests);
}
