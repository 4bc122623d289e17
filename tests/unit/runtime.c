/* runtime.c - folders, names and paths of instances.
 * Works below a folder of its own. */
#include "test.h"

#include "wire/runtime.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[64], error[RUNTIME_ERROR];

static int make_base(void **state)
{
	(void)state;
	snprintf(base, sizeof base, "/tmp/efrit-unit-XXXXXX");
	return mkdtemp(base) && setenv("XDG_RUNTIME_DIR", base, 1) == 0 ? 0 : -1;
}

static int remove_base(void **state)
{
	char command[256];
	(void)state;
	snprintf(command, sizeof command, "chmod -R u+rwx '%s'; rm -rf '%s'", base, base);
	return system(command);
}

static const char *in_base(const char *name)
{
	static char path[256];
	snprintf(path, sizeof path, "%s/%s", base, name);
	return path;
}

static void test_names(void **state)
{
	static const char *const good[] = {"a", "default", "A-b_c.9", "work.2", "-x"};
	static const char *const bad[] = {"", ".", "...", ".hidden", "a/b", "../x", "a b", "a\n", "\xC3\xA9", "a\\b", "a:b"};
	char name[RUNTIME_NAME_MAX + 2];
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(runtime_name_valid(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(runtime_name_valid(bad[i]));
	memset(name, 'n', sizeof name);
	name[RUNTIME_NAME_MAX] = 0;
	assert_true(runtime_name_valid(name));
	name[RUNTIME_NAME_MAX] = 'n';
	name[RUNTIME_NAME_MAX + 1] = 0;
	assert_false(runtime_name_valid(name));
}

static void test_names_of_files(void **state)
{
	char name[RUNTIME_NAME_MAX + 1], file[RUNTIME_NAME_MAX + 8];
	(void)state;
	assert_true(runtime_name_of("work.sock", name));
	assert_string_equal(name, "work");
	assert_true(runtime_name_of("a.sock.sock", name));
	assert_string_equal(name, "a.sock");
	assert_false(runtime_name_of(".sock", name));
	assert_false(runtime_name_of("sock", name));
	assert_false(runtime_name_of("", name));
	assert_false(runtime_name_of("work.sock~", name));
	assert_false(runtime_name_of(".work.sock", name));
	assert_false(runtime_name_of("a b.sock", name));
	memset(file, 'n', sizeof file);
	strcpy(file + RUNTIME_NAME_MAX, ".sock");
	assert_true(runtime_name_of(file, name));
	assert_int_equal(strlen(name), RUNTIME_NAME_MAX);
	memset(file, 'n', sizeof file);
	strcpy(file + RUNTIME_NAME_MAX + 1, ".sock");
	assert_false(runtime_name_of(file, name));
}

static void test_a_folder_is_made_for_us_alone(void **state)
{
	char path[RUNTIME_PATH_MAX];
	struct stat st;
	mode_t before = umask(0277); /* a strange umask takes nothing away */
	(void)state;
	assert_true(runtime_make_folder(path, error));
	umask(before);
	assert_string_equal(path, in_base("efrit"));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_true(runtime_make_folder(path, error)); /* again */
	assert_true(runtime_verify_folder(path, error));
	assert_string_equal(error, "");
}

static void test_a_folder_open_to_others(void **state)
{
	char path[RUNTIME_PATH_MAX];
	static const mode_t modes[] = {0777, 0710, 0701, 0750, 01777};
	(void)state;
	mkdir(in_base("efrit"), 0700);
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		assert_int_equal(chmod(in_base("efrit"), modes[i]), 0);
		assert_false(runtime_verify_folder(in_base("efrit"), error));
		assert_says(error, "chmod 700");
		assert_false(runtime_make_folder(path, error));
		assert_says(error, in_base("efrit"));
	}
}

static void test_no_folder(void **state)
{
	char path[RUNTIME_PATH_MAX];
	(void)state;
	assert_false(runtime_verify_folder(in_base("none"), error));
	assert_string_equal(error, ""); /* missing is no mistake */
	int fd = open(in_base("efrit"), O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_false(runtime_verify_folder(in_base("efrit"), error));
	assert_says(error, "not a folder");
	assert_false(runtime_make_folder(path, error));
	assert_says(error, "not a folder");
	unlink(in_base("efrit"));
}

static void test_a_link_is_not_followed(void **state)
{
	char path[RUNTIME_PATH_MAX], target[256];
	(void)state;
	snprintf(target, sizeof target, "%s", in_base("elsewhere"));
	assert_int_equal(mkdir(target, 0700), 0);
	assert_int_equal(symlink(target, in_base("efrit")), 0);
	assert_false(runtime_verify_folder(in_base("efrit"), error));
	assert_says(error, "not a folder");
	assert_false(runtime_make_folder(path, error));
	unlink(in_base("efrit"));
}

static void test_a_foreign_folder(void **state)
{
	char path[RUNTIME_PATH_MAX];
	(void)state;
	if (geteuid() != 0) {
		print_message("not root: a folder of another user cannot be made here\n");
		skip();
	}
	mkdir(in_base("efrit"), 0700);
	assert_int_equal(chown(in_base("efrit"), 12345, (gid_t)-1), 0);
	assert_false(runtime_verify_folder(in_base("efrit"), error));
	assert_says(error, "belongs to user 12345");
	assert_false(runtime_make_folder(path, error));
	assert_says(error, "belongs to user 12345");
}

static void test_a_missing_runtime_folder(void **state)
{
	char path[RUNTIME_PATH_MAX];
	(void)state;
	setenv("XDG_RUNTIME_DIR", in_base("gone"), 1);
	assert_false(runtime_make_folder(path, error));
	assert_says(error, "XDG_RUNTIME_DIR");
}

static void test_a_relative_one_is_ignored(void **state)
{
	char paths[RUNTIME_FOLDERS][RUNTIME_PATH_MAX], want[RUNTIME_PATH_MAX];
	(void)state;
	setenv("XDG_RUNTIME_DIR", "run", 1);
	snprintf(want, sizeof want, "/run/user/%u/efrit", (unsigned)geteuid());
	assert_int_equal(runtime_folders("", paths, error), 2);
	assert_string_equal(paths[0], want);
	snprintf(want, sizeof want, "/tmp/efrit-%u", (unsigned)geteuid());
	assert_string_equal(paths[1], want);
	unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(runtime_folders("", paths, error), 2);
	setenv("XDG_RUNTIME_DIR", "", 1);
	assert_int_equal(runtime_folders("", paths, error), 2);
}

static void test_folders_without_duplicates(void **state)
{
	char paths[RUNTIME_FOLDERS][RUNTIME_PATH_MAX], xdg[RUNTIME_PATH_MAX];
	(void)state;
	assert_int_equal(runtime_folders("", paths, error), 3);
	assert_string_equal(paths[0], in_base("efrit"));
	snprintf(xdg, sizeof xdg, "/run/user/%u", (unsigned)geteuid());
	setenv("XDG_RUNTIME_DIR", xdg, 1);
	assert_int_equal(runtime_folders("", paths, error), 2);
}

static void test_a_list_of_folders(void **state)
{
	char paths[RUNTIME_FOLDERS][RUNTIME_PATH_MAX];
	(void)state;
	assert_int_equal(runtime_folders("/a:/b", paths, error), 2);
	assert_string_equal(paths[0], "/a");
	assert_string_equal(paths[1], "/b");
	assert_string_equal(error, "");
	assert_int_equal(runtime_folders("/a:/a::", paths, error), 1);
	char list[8 * (RUNTIME_FOLDERS + 1)] = "";
	for (int i = 0; i <= RUNTIME_FOLDERS; i++)
		snprintf(list + strlen(list), sizeof list - strlen(list), "%s/f%d", i ? ":" : "", i);
	assert_int_equal(runtime_folders(list, paths, error), RUNTIME_FOLDERS);
	assert_says(error, strrchr(list, '/'));
}

static void set_long_xdg(size_t len)
{
	static char xdg[8192];
	memset(xdg, 'x', len);
	memcpy(xdg, base, strlen(base));
	xdg[strlen(base)] = '/';
	xdg[len] = 0;
	setenv("XDG_RUNTIME_DIR", xdg, 1);
	if (len < 250)
		mkdir(xdg, 0700);
}

static void test_over_long_folders(void **state)
{
	static const size_t lengths[] = {102, 107, 200, 240, 5000};
	char path[RUNTIME_PATH_MAX], paths[RUNTIME_FOLDERS][RUNTIME_PATH_MAX];
	(void)state;
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		set_long_xdg(lengths[i]);
		assert_false(runtime_make_folder(path, error));
		assert_says(error, "XDG_RUNTIME_DIR");
		assert_int_equal(runtime_folders("", paths, error), 2);
		assert_says(error, "XDG_RUNTIME_DIR");
	}
	set_long_xdg(90);
	assert_true(runtime_make_folder(path, error));
}

static void test_socket_paths(void **state)
{
	char path[RUNTIME_PATH_MAX], folder[RUNTIME_PATH_MAX], longer[5000];
	(void)state;
	assert_true(runtime_socket_path("/run/user/1000/efrit", "work", path, error));
	assert_string_equal(path, "/run/user/1000/efrit/work.sock");
	memset(folder, 'f', sizeof folder);
	folder[0] = '/';
	folder[100] = 0;
	assert_true(runtime_socket_path(folder, "x", path, error)); /* 100 + 1 + 1 + 5 = 107 */
	assert_int_equal(strlen(path), 107);
	assert_false(runtime_socket_path(folder, "xy", path, error));
	assert_says(error, "108 bytes");
	assert_says(error, "107");
	assert_says(error, "efrit-mcp-instance");
	memset(longer, 'l', sizeof longer);
	longer[sizeof longer - 1] = 0;
	assert_false(runtime_socket_path(longer, longer, path, error));
	assert_true(strlen(error) < RUNTIME_ERROR);
}

#define IN_BASE(test) cmocka_unit_test_setup_teardown(test, make_base, remove_base)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_names_of_files),
		IN_BASE(test_a_folder_is_made_for_us_alone),
		IN_BASE(test_a_folder_open_to_others),
		IN_BASE(test_no_folder),
		IN_BASE(test_a_link_is_not_followed),
		IN_BASE(test_a_foreign_folder),
		IN_BASE(test_a_missing_runtime_folder),
		IN_BASE(test_a_relative_one_is_ignored),
		IN_BASE(test_folders_without_duplicates),
		IN_BASE(test_a_list_of_folders),
		IN_BASE(test_over_long_folders),
		cmocka_unit_test(test_socket_paths),
	};
	return RUN(tests);
}
