/* store.c - both kinds of store: what is put is there, in the last form, until it expires;
 * it is told when it is safe; the file outlives the program and says what is wrong with it. */
#include "store_folder.h"

#include "store/store.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static unsigned told, failed;
static char found[512];

static int64_t in(long seconds)
{
	return ((int64_t)time(NULL) + seconds) * 1000;
}

static struct store *open_mem(void)
{
	return store_mem_create(loop);
}

static struct store *open_file(void)
{
	char *error;
	struct store *s = store_sqlite_create(loop, path, &error);
	assert_null(error);
	return s;
}

static void on_done(void *data, bool ok)
{
	told++;
	failed += !ok;
	if (data)
		ev_break(loop, EVBREAK_ALL);
}

static void put(struct store *s, const char *kind, const char *id, const char *body, long seconds, bool wait)
{
	s->ops->put(s, &(struct store_record){kind, id, in(seconds), body, strlen(body)}, on_done, wait ? &loop : NULL);
	if (wait)
		ev_run(loop, 0);
}

static void on_record(void *data, const struct store_record *r)
{
	(void)data;
	size_t at = strlen(found);
	snprintf(found + at, sizeof found - at, "%s=%.*s;", r->id, (int)r->body_len, r->body);
}

static void holds(struct store *s, const char *kind, const char *all)
{
	found[0] = 0;
	s->ops->each(s, kind, on_record, NULL);
	assert_string_equal(found, all);
}

static void play(struct store *(*open)(void))
{
	struct store *s = open();
	told = failed = 0;
	holds(s, "task", "");
	put(s, "task", "a", "{\"n\":1}", 60, false);
	assert_int_equal(told, 0); /* never from inside */
	put(s, "other", "a", "elsewhere", 60, false);
	put(s, "task", "a", "{\"n\":2}", 60, false);
	put(s, "task", "b", "", 60, true);
	assert_int_equal(told, 4);
	assert_int_equal(failed, 0);
	holds(s, "task", "a={\"n\":2};b=;");
	holds(s, "other", "a=elsewhere;");
	s->ops->remove(s, "task", "b");
	s->ops->remove(s, "task", "nobody");
	put(s, "task", "gone", "x", -1, true);
	holds(s, "task", "a={\"n\":2};");
	s->ops->destroy(s);
}

static void test_mem(void **state)
{
	(void)state;
	play(open_mem);
}

static void test_file(void **state)
{
	struct stat st;
	(void)state;
	play(open_file);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	struct store *s = open_file(); /* another life of the program */
	holds(s, "task", "a={\"n\":2};");
	holds(s, "other", "a=elsewhere;");
	put(s, "task", "late", "written at the end", 60, false);
	s->ops->destroy(s);
	s = open_file();
	holds(s, "task", "a={\"n\":2};late=written at the end;");
	s->ops->destroy(s);
}

static void test_many(void **state)
{
	struct store *s = open_file();
	(void)state;
	told = failed = 0;
	for (int i = 0; i < 500; i++) {
		char id[16];
		snprintf(id, sizeof id, "%d", i);
		put(s, "many", id, "body", 60, i == 499);
	}
	assert_int_equal(told, 500); /* in the order they were put */
	assert_int_equal(failed, 0);
	s->ops->destroy(s);
}

static void refused(const char *where, const char *says)
{
	char *error;
	assert_null(store_sqlite_create(loop, where, &error));
	assert_says(error, says);
	assert_says(error, where);
	free(error);
}

static void test_bad_files(void **state)
{
	char other[128];
	(void)state;
	refused("/no/such/folder/store.db", "No such file");
	snprintf(other, sizeof other, "%s/text", folder);
	FILE *f = fopen(other, "w");
	assert_non_null(f);
	for (int i = 0; i < 1000; i++)
		fputs("this is no database ", f);
	fclose(f);
	assert_int_equal(chmod(other, 0644), 0);
	refused(other, "read by others");
	assert_int_equal(chmod(other, 0600), 0);
	refused(other, "not a database");
	char wal[140];
	snprintf(wal, sizeof wal, "%s-wal", other);
	assert_int_equal(symlink("/etc/passwd", wal), 0);
	refused(other, "Too many levels");
	unlink(wal);
	unlink(other);
	sqlite3 *db;
	assert_int_equal(sqlite3_open(other, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "CREATE TABLE x(y); PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(chmod(other, 0600), 0);
	refused(other, "newer version");
}

static int set_up(void **state)
{
	(void)state;
	return open_folder("/tmp");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_mem, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bad_files, set_up, tear_down),
	};
	return RUN(tests);
}
