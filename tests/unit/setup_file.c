/* setup_file.c - files of others, replaced whole: links, modes, backups, and what cannot
 * be read as text. */
#include "test.h"

#include "setup_file.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[160];

static int begin(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/efrit-unit-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/f.json", folder);
	return 0;
}

static int end(void **state)
{
	char command[160];
	(void)state;
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command);
}

static const char *at(const char *name)
{
	static char made[160];
	snprintf(made, sizeof made, "%s/%s", folder, name);
	return made;
}

static void put(const char *name, const char *text, size_t len)
{
	FILE *file = fopen(at(name), "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static void holds(const char *name, const char *text)
{
	bool exists;
	char *is = setup_file_read(at(name), &exists);
	assert_non_null(is);
	assert_true(exists);
	assert_string_equal(is, text);
	free(is);
}

static void write_it(const char *text, const char *backup_name)
{
	char *backup;
	assert_true(setup_file_write(path, text, &backup));
	if (backup_name)
		assert_string_equal(backup, at(backup_name));
	else
		assert_null(backup);
	free(backup);
	holds("f.json", text);
	assert_int_equal(access(at("f.json.efrit-new"), F_OK), -1);
}

static void test_no_file(void **state)
{
	bool exists = true;
	(void)state;
	char *text = setup_file_read(path, &exists);
	assert_string_equal(text, "");
	assert_false(exists);
	free(text);
	write_it("{}\n", NULL);
	put("f.json", "", 0);
	holds("f.json", ""); /* an empty file is one */
}

static void test_its_folder_is_made(void **state)
{
	char *backup;
	(void)state;
	snprintf(path, sizeof path, "%s", at(".vscode/f.json"));
	assert_true(setup_file_write(path, "x", &backup));
	assert_null(backup);
	holds(".vscode/f.json", "x");
}

static void test_backups_are_kept(void **state)
{
	(void)state;
	put("f.json", "one", 3);
	write_it("two", "f.json.bak");
	write_it("three", "f.json.bak1");
	holds("f.json.bak", "one");
	holds("f.json.bak1", "two");
}

static void test_the_mode_stays(void **state)
{
	struct stat st;
	(void)state;
	put("f.json", "one", 3);
	assert_int_equal(chmod(path, 0640), 0);
	write_it("two", "f.json.bak");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(stat(at("f.json.bak"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void test_a_link_stays_one(void **state)
{
	struct stat st;
	char *backup;
	(void)state;
	put("real", "one", 3);
	assert_int_equal(symlink("real", path), 0);
	assert_true(setup_file_write(path, "two", &backup));
	assert_string_equal(backup, at("real.bak"));
	free(backup);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	holds("real", "two");
}

/* Whoever keeps links elsewhere has not got that place now: nothing is put over the link. */
static void test_a_link_to_nothing(void **state)
{
	bool exists = false;
	(void)state;
	assert_int_equal(symlink("nowhere", path), 0);
	assert_null(setup_file_read(path, &exists));
	assert_int_equal(errno, ENOENT);
	assert_true(exists);
}

static void test_what_is_no_text(void **state)
{
	bool exists;
	(void)state;
	put("f.json", "a\0b", 3);
	assert_null(setup_file_read(path, &exists));
	assert_int_equal(errno, EILSEQ);
	assert_true(exists);
	assert_null(setup_file_read(folder, &exists));
	assert_int_equal(errno, EISDIR);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_no_file),
		IN_FOLDER(test_its_folder_is_made),
		IN_FOLDER(test_backups_are_kept),
		IN_FOLDER(test_the_mode_stays),
		IN_FOLDER(test_a_link_stays_one),
		IN_FOLDER(test_a_link_to_nothing),
		IN_FOLDER(test_what_is_no_text),
	};
	return RUN(tests);
}
