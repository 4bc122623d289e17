/* ledger.c - what was begun is known to a reader, also when the writer was killed; what was
 * not is told apart, and so is what is no longer known.  Of the variant that was built. */
#include "test.h"

#include "wire/ledger.h"
#include "wire/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct ledger *writer, *reader;

static int open_both(void **state)
{
	(void)state;
	writer = ledger_create();
	reader = writer ? ledger_open(dup(ledger_descriptor(writer))) : NULL;
	return reader ? 0 : -1;
}

static int close_both(void **state)
{
	(void)state;
	ledger_destroy(writer);
	ledger_destroy(reader);
	return 0;
}

static void test_begun_or_not(void **state)
{
	(void)state;
	assert_int_equal(ledger_count(reader), 0);
	assert_true(ledger_lacks(reader, 0, 1, 10));
	ledger_begin(writer, 1, 10);
	assert_int_equal(ledger_count(reader), 1);
	assert_false(ledger_lacks(reader, 0, 1, 10));
	assert_true(ledger_lacks(reader, 0, 2, 10)); /* another bridge's */
	assert_true(ledger_lacks(reader, 0, 1, 12));
	assert_true(ledger_lacks(reader, 1, 1, 10)); /* one of before: its number is not that of a later one */
}

static void test_what_is_too_old_is_not_known(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < LEDGER_CALLS - 1; i++)
		ledger_begin(writer, 1, 100 + i);
	assert_true(ledger_lacks(reader, 0, 1, 10));
	assert_false(ledger_lacks(reader, 0, 1, 100));
	ledger_begin(writer, 1, 99);
	assert_false(ledger_lacks(reader, 0, 1, 10));
	assert_true(ledger_lacks(reader, 1, 1, 10));
	assert_false(ledger_lacks(reader, 1, 1, 99));
	for (uint64_t i = 0; i < 3 * LEDGER_CALLS; i++)
		ledger_begin(writer, 1, 5000 + i);
	assert_false(ledger_lacks(reader, 1, 1, 10));
	assert_true(ledger_lacks(reader, ledger_count(reader) - 10, 1, 10));
}

static void test_the_writer_is_killed(void **state)
{
	int status;
	(void)state;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		ledger_begin(writer, 7, 1);
		ledger_begin(writer, 7, 2);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(ledger_count(reader), 2);
	assert_false(ledger_lacks(reader, 0, 7, 1));
	assert_false(ledger_lacks(reader, 0, 7, 2));
	assert_true(ledger_lacks(reader, 0, 7, 3));
}

/* Whoever has the descriptor can neither change it nor make it shorter under us. */
static void test_readers_only_read(void **state)
{
	int fd = dup(ledger_descriptor(writer));
	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	assert_true(errno == EPERM || errno == EACCES);
	close(fd);
}

static void test_what_is_none(void **state)
{
	FILE *file = tmpfile();
	int other;
	(void)state;
	assert_null(ledger_open(-1));
	assert_null(ledger_open(open("/dev/null", O_RDONLY | O_CLOEXEC)));
	assert_non_null(file);
	assert_null(ledger_open(dup(fileno(file)))); /* a file of another size */
	fclose(file);
	void *memory = shared_make(65536 + 16, &other); /* its size, and none of its */
	assert_non_null(memory);
	assert_null(ledger_open(other));
	shared_unmap(memory, 65536 + 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_begun_or_not, open_both, close_both),
		cmocka_unit_test_setup_teardown(test_what_is_too_old_is_not_known, open_both, close_both),
		cmocka_unit_test_setup_teardown(test_the_writer_is_killed, open_both, close_both),
		cmocka_unit_test_setup_teardown(test_readers_only_read, open_both, close_both),
		cmocka_unit_test(test_what_is_none),
	};
	return RUN(tests);
}
