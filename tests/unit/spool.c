/* spool.c - what is added is there, with its digest; it has no name; a disk that takes no
 * more is told; nobody is told what he has forgotten. */
#include "test.h"

#include "store/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <dirent.h>
#include <unistd.h>

static struct ev_loop *loop;
static struct spool *spool;
static char folder[64];
static char said[256];
static int error;
static unsigned told;

static void on_done(void *data, int e, const char *bytes, size_t len)
{
	told++;
	if (e)
		error = e;
	if (!data)
		return;
	snprintf(said, sizeof said, "%.*s", (int)len, bytes);
	ev_break(loop, EVBREAK_ALL);
}

static int setup(void **state)
{
	char *why;
	(void)state;
	strcpy(folder, "/tmp/efrit-spool-XXXXXX");
	assert_non_null(mkdtemp(folder));
	loop = ev_loop_new(0);
	spool = spool_create(loop, folder, &why);
	assert_null(why);
	error = 0;
	told = 0;
	said[0] = 0;
	return 0;
}

static unsigned names(void)
{
	DIR *d = opendir(folder);
	unsigned n = 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static int teardown(void **state)
{
	(void)state;
	spool->ops->destroy(spool);
	ev_loop_destroy(loop);
	assert_int_equal(names(), 0);
	return rmdir(folder);
}

static void add(struct spool_file *f, const char *text, void *data)
{
	struct buf b = {0};
	assert_true(buf_add(&b, text, strlen(text)));
	spool->ops->add(f, &b, on_done, data);
	assert_int_equal(buf_len(&b), 0);
}

static void there_and_digested(void **state)
{
	struct spool_file *f = spool->ops->create(spool, 1000);
	(void)state;
	add(f, "a", NULL);
	add(f, "bc", NULL);
	spool->ops->finish(f, on_done, &loop);
	ev_run(loop, 0);
	assert_int_equal(error, 0);
	assert_string_equal(said, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	spool->ops->read(f, 1, 10, on_done, &loop);
	ev_run(loop, 0);
	assert_string_equal(said, "bc");
	spool->ops->read(f, 3, 10, on_done, &loop);
	ev_run(loop, 0);
	assert_string_equal(said, "");
	assert_int_equal(told, 5);
	assert_int_equal(names(), 0);
	spool->ops->close(f);
}

static void the_file_is_ours_alone(void **state)
{
	struct spool_file *f = spool->ops->create(spool, 0);
	struct stat st;
	char link[64], path[128];
	bool found = false;
	(void)state;
	add(f, "x", &loop);
	ev_run(loop, 0);
	for (int fd = 3; fd < 100; fd++) {
		snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		ssize_t n = readlink(link, path, sizeof path - 1);
		if (n < 0 || strncmp(path, folder, strlen(folder)) != 0)
			continue;
		found = true;
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		assert_int_equal(st.st_nlink, 0);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	}
	assert_true(found);
	spool->ops->close(f);
}

static void a_full_disk(void **state)
{
	struct rlimit before, little = {100, 100};
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	little.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	struct spool_file *late = spool->ops->create(spool, 0);
	add(late, "some", &loop);
	ev_run(loop, 0);
	assert_int_equal(error, 0);
	add(late, "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789", &loop);
	ev_run(loop, 0);
	assert_int_equal(error, EFBIG);
	error = 0;
	spool->ops->finish(late, on_done, &loop); /* it stays so */
	ev_run(loop, 0);
	assert_int_equal(error, EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	spool->ops->close(late);
}

static void forgotten(void **state)
{
	struct spool_file *f = spool->ops->create(spool, 0), *g = spool->ops->create(spool, 0);
	int who;
	(void)state;
	add(f, "one", &who);
	add(f, "two", &who);
	spool->ops->forget(spool, &who);
	spool->ops->close(f);
	add(g, "three", &loop);
	ev_run(loop, 0);
	assert_int_equal(told, 1);
	add(g, "at the end nobody is told", &who);
	spool->ops->close(g);
}

static void no_folder(void **state)
{
	char *why;
	(void)state;
	assert_null(spool_create(loop, "/proc/none/there", &why));
	assert_says(why, "/proc/none/there");
	free(why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(there_and_digested, setup, teardown),
		cmocka_unit_test_setup_teardown(the_file_is_ours_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(no_folder, setup, teardown),
	};
	return RUN(tests);
}
