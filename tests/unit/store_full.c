/* store_full.c - a disk that is full: what was told as kept stays, what was told as not kept is not
 * there, and the first write after there is room again succeeds.  Faults come from a layer below
 * SQLite: from the n-th write on there is no room, for every n. */
#include "store_folder.h"

#include "store/store.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROUNDS = 400, NEVER = 1 << 30, MOST = 300 };

static char found[1 << 16];

/* --- the disk --- */

static sqlite3_vfs disk, *below;
static sqlite3_io_methods methods[2]; /* of the files below, with our own in some places */
static const sqlite3_io_methods *real[2];
static int writes, full_at = NEVER; /* the loop sets them while the clerk has nothing to do */
static bool half; /* what does not fit is written as far as it goes */

static bool full(void)
{
	return __atomic_add_fetch(&writes, 1, __ATOMIC_SEQ_CST) >= __atomic_load_n(&full_at, __ATOMIC_SEQ_CST);
}

static const sqlite3_io_methods *real_of(const sqlite3_file *f)
{
	return real[f->pMethods == &methods[1]];
}

static int write_it(sqlite3_file *f, const void *data, int n, sqlite3_int64 at)
{
	if (!full())
		return real_of(f)->xWrite(f, data, n, at);
	if (half)
		real_of(f)->xWrite(f, data, n / 2, at);
	return SQLITE_FULL;
}

static int sync_it(sqlite3_file *f, int flags)
{
	return full() ? SQLITE_IOERR_FSYNC : real_of(f)->xSync(f, flags);
}

static int truncate_it(sqlite3_file *f, sqlite3_int64 size)
{
	return full() ? SQLITE_IOERR_TRUNCATE : real_of(f)->xTruncate(f, size);
}

static int map_it(sqlite3_file *f, int page, int size, int extend, void volatile **at)
{
	return extend && full() ? SQLITE_FULL : real_of(f)->xShmMap(f, page, size, extend, at);
}

static int open_it(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
	(void)vfs;
	int result = below->xOpen(below, name, f, flags, out);
	if (result != SQLITE_OK || !f->pMethods)
		return result;
	int i = !(flags & SQLITE_OPEN_MAIN_DB);
	if (!real[i]) {
		real[i] = f->pMethods;
		methods[i] = *f->pMethods;
		methods[i].xWrite = write_it;
		methods[i].xSync = sync_it;
		methods[i].xTruncate = truncate_it;
		if (methods[i].iVersion > 1)
			methods[i].xShmMap = map_it;
	}
	if (f->pMethods == real[i])
		f->pMethods = &methods[i];
	return result;
}

static void make_disk(void)
{
	if (below)
		return;
	below = sqlite3_vfs_find(NULL);
	disk = *below;
	disk.zName = "full";
	disk.xOpen = open_it;
	assert_int_equal(sqlite3_vfs_register(&disk, 1), SQLITE_OK);
}

/* --- the store on it --- */

static struct store *open_store(void)
{
	char *error;
	struct store *s = store_sqlite_create(loop, path, &error);
	if (!s)
		fail_msg("%s", error);
	return s;
}

static void on_done(void *data, bool ok)
{
	*(int *)data = ok;
	ev_break(loop, EVBREAK_ALL);
}

static bool put(struct store *s, const char *id, const char *body)
{
	int ok = -1;
	s->ops->put(s, &(struct store_record){"batch", id, (int64_t)1 << 50, body, strlen(body)}, on_done, &ok);
	while (ok < 0)
		ev_run(loop, EVRUN_ONCE);
	return ok;
}

static void on_record(void *data, const struct store_record *r)
{
	(void)data;
	size_t at = strlen(found);
	snprintf(found + at, sizeof found - at, "%s;", r->id);
}

static void holds(struct store *s, const char *all)
{
	found[0] = 0;
	s->ops->each(s, "batch", on_record, NULL);
	assert_string_equal(found, all);
}

/* Whether it never came to that write. */
static bool full_from(int n, const char *body)
{
	char kept[256] = "a;";
	struct store *s = open_store();
	if (!put(s, "a", body))
		fail_msg("there is room");
	__atomic_store_n(&full_at, __atomic_load_n(&writes, __ATOMIC_SEQ_CST) + n, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 4; i++) {
		char id[] = {'b', (char)('0' + i), 0};
		if (put(s, id, body))
			strcat(strcat(kept, id), ";");
	}
	bool over = __atomic_load_n(&writes, __ATOMIC_SEQ_CST) < __atomic_load_n(&full_at, __ATOMIC_SEQ_CST);
	__atomic_store_n(&full_at, NEVER, __ATOMIC_SEQ_CST);
	if (!put(s, "c", body))
		fail_msg("there is room again, and the next write fails: full from write %d", n);
	strcat(kept, "c;");
	holds(s, kept);
	s->ops->destroy(s);
	s = open_store();
	holds(s, kept);
	s->ops->destroy(s);
	unlink(path);
	return over;
}

static void from_every_write(const char *body)
{
	int n = 1;
	while (!full_from(n, body))
		assert_true(++n < MOST);
	assert_true(n > 5); /* some of it came to pass */
}

static void test_full_from_every_write(void **state)
{
	static char large[20000];
	(void)state;
	make_disk();
	memset(large, 'x', sizeof large - 1);
	for (half = false;; half = true) {
		from_every_write("{}");
		from_every_write(large);
		if (half)
			break;
	}
}

/* A log that grows with what was ever written fills a small disk by itself. */
static void test_the_log_stays_small(void **state)
{
	struct stat st;
	char log[128];
	(void)state;
	make_disk();
	struct store *s = open_store();
	for (int i = 0; i < ROUNDS; i++)
		if (!put(s, "one", "body"))
			fail_msg("round %d", i);
	snprintf(log, sizeof log, "%s-wal", path);
	assert_int_equal(stat(log, &st), 0);
	assert_true(st.st_size < 1 << 17);
	s->ops->destroy(s);
}

static int set_up(void **state)
{
	(void)state;
	/* In memory where there is such a folder: thousands of syncs. */
	return open_folder(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_full_from_every_write, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_log_stays_small, set_up, tear_down),
	};
	return RUN(tests);
}
