/* trust.c - what is believed: whose file it is, who can write to it, and who to the way there.
 * With root each question is asked by a user without rights, about files of a third one. */
#include "test.h"

#include "wire/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ME = 4001, STRANGER = 4002 };

static char base[] = "/tmp/efrit-trust-XXXXXX";
static bool root;

static const char *at(const char *name)
{
	static char paths[4][512];
	static int turn;
	char *path = paths[turn++ % 4];
	snprintf(path, sizeof paths[0], "%s/%s", base, name);
	return path;
}

static void owned(const char *name, uid_t uid, mode_t mode)
{
	if (root)
		assert_int_equal(lchown(at(name), uid == ME ? ME : uid, uid), 0);
	assert_int_equal(chmod(at(name), mode), 0);
}

static void file(const char *name, uid_t uid, mode_t mode)
{
	int fd = open(at(name), O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "text", 4), 4);
	close(fd);
	owned(name, uid, mode);
}

static void folder(const char *name, uid_t uid, mode_t mode)
{
	assert_int_equal(mkdir(at(name), 0700), 0);
	owned(name, uid, mode);
}

static void link_to(const char *target, const char *name, uid_t uid)
{
	assert_int_equal(symlink(target, at(name)), 0);
	if (root)
		assert_int_equal(lchown(at(name), uid, uid), 0);
}

static int make_base(void **state)
{
	(void)state;
	strcpy(strrchr(base, '-'), "-XXXXXX");
	root = geteuid() == 0;
	if (!mkdtemp(base) || chmod(base, 0755) != 0)
		return -1;
	return root ? chown(base, ME, ME) : 0;
}

static int remove_base(void **state)
{
	char command[256];
	(void)state;
	snprintf(command, sizeof command, "chmod -R u+rwx '%s'; rm -rf '%s'", base, base);
	return system(command);
}

/* In a process that is that user; the sentence comes back, "" when it is trusted. */
static const char *ask(uid_t uid, bool (*question)(const char *path, char *error), const char *path)
{
	static char said[TRUST_ERROR];
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		char error[TRUST_ERROR] = "";
		if (root && (setgroups(0, NULL) != 0 || setgid(uid) != 0 || setuid(uid) != 0))
			_exit(1);
		if (question(path, error))
			error[0] = 0;
		else if (!error[0])
			strcpy(error, "no sentence");
		_exit(write(ends[1], error, strlen(error) + 1) < 0);
	}
	close(ends[1]);
	memset(said, 0, sizeof said);
	assert_true(read(ends[0], said, sizeof said - 1) > 0);
	close(ends[0]);
	waitpid(pid, NULL, 0);
	return said;
}

static bool opens(const char *path, enum trust kind, char *error)
{
	char text[5] = "";
	int fd = trust_open(path, O_RDONLY, kind, error);
	bool good = fd >= 0 && read(fd, text, 4) == 4 && strcmp(text, "text") == 0;
	if (fd >= 0)
		close(fd);
	return good;
}

static bool private_file(const char *path, char *error) { return opens(path, TRUST_PRIVATE, error); }
static bool key_file(const char *path, char *error) { return opens(path, TRUST_KEY, error); }
static bool settings_file(const char *path, char *error) { return opens(path, TRUST_SETTINGS, error); }
static bool own_folder(const char *path, char *error) { return trust_folder(path, TRUST_LINK, error); }
static bool made_folder(const char *path, char *error) { return trust_folder(path, TRUST_MAKE | TRUST_PARENTS, error); }
static bool lone_folder(const char *path, char *error) { return trust_folder(path, TRUST_MAKE, error); }

#define trusted(question, path) assert_string_equal(ask(ME, question, path), "")
#define refused(question, path, words) assert_says(ask(ME, question, path), words)

static void test_modes(void **state)
{
	static const struct {
		mode_t mode;
		bool private_, key, settings;
	} rows[] = {{0600, true, true, true}, {0400, true, true, true}, {0640, false, false, true}, {0644, false, false, true}, {0604, false, false, true},
		    {0660, false, false, false}, {0606, false, false, false}, {0666, false, false, false}, {0622, false, false, false}};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		file("f", ME, rows[i].mode);
		assert_int_equal(!*ask(ME, private_file, at("f")), rows[i].private_);
		assert_int_equal(!*ask(ME, key_file, at("f")), rows[i].key);
		assert_int_equal(!*ask(ME, settings_file, at("f")), rows[i].settings);
		unlink(at("f"));
	}
	refused(private_file, at("none"), "No such file");
}

static void test_owners(void **state)
{
	(void)state;
	if (!root)
		skip();
	file("roots", 0, 0644);
	refused(private_file, at("roots"), "belongs to user 0 and not to you");
	trusted(settings_file, at("roots"));
	refused(key_file, at("roots"), "other users can read or write");
	owned("roots", 0, 0666);
	refused(settings_file, at("roots"), "other users can write");
	file("theirs", STRANGER, 0644);
	refused(private_file, at("theirs"), "belongs to user 4002");
	refused(settings_file, at("theirs"), "belongs to user 4002");
	owned("theirs", STRANGER, 0600); /* cannot even be opened; the reason is said all the same */
	refused(private_file, at("theirs"), "belongs to user 4002");
	assert_int_equal(chown(at("roots"), 0, ME), 0);
	assert_int_equal(chmod(at("roots"), 0640), 0); /* as Debian gives keys to a group */
	trusted(key_file, at("roots"));
}

static void test_links(void **state)
{
	(void)state;
	file("f", ME, 0600);
	link_to("f", "mine", ME);
	trusted(settings_file, at("mine"));
	refused(private_file, at("mine"), "Too many levels");
	link_to("mine", "twice", ME);
	trusted(key_file, at("twice"));
	link_to("loop", "loop", ME);
	refused(settings_file, at("loop"), "Too many levels");
	folder("d", ME, 0700);
	link_to(at("d"), "way", ME);
	file("d/f", ME, 0600);
	trusted(private_file, at("way/f"));
	trusted(private_file, at("way/../way//./f"));
	trusted(own_folder, at("way"));
	refused(made_folder, at("way"), "is not a folder");
	if (!root)
		return;
	link_to(at("d"), "planted", STRANGER);
	refused(private_file, at("planted/f"), "link planted on the way there belongs to user 4002");
	refused(own_folder, at("planted"), "belongs to user 4002");
	link_to(at("f"), "planted-file", STRANGER);
	refused(settings_file, at("planted-file"), "belongs to user 4002");
}

/* Whoever can write to a folder can put another file there. */
static void test_ways(void **state)
{
	(void)state;
	folder("d", ME, 0700);
	folder("d/e", ME, 0700);
	file("d/e/f", ME, 0600);
	trusted(private_file, at("d/e/f"));
	for (int deep = 0; deep < 2; deep++) {
		const char *name = deep ? "d/e" : "d";
		owned(name, ME, 0777);
		refused(private_file, at("d/e/f"), "other users can write to the folder");
		refused(settings_file, at("d/e/f"), "chmod go-w");
		owned(name, ME, 01777);
		trusted(private_file, at("d/e/f"));
		owned(name, ME, 0702);
		refused(key_file, at("d/e/f"), "other users can write to the folder");
		owned(name, ME, 0755);
		trusted(private_file, at("d/e/f"));
		if (root) {
			assert_int_equal(chown(at(name), ME, 4003), 0);
			assert_int_equal(chmod(at(name), 0770), 0);
			refused(private_file, at("d/e/f"), "other users can write to the folder");
			owned(name, STRANGER, 0755);
			refused(private_file, at("d/e/f"), "belongs to user 4002");
			refused(made_folder, at("d/e/new"), "belongs to user 4002");
			owned(name, 0, 0755);
			trusted(private_file, at("d/e/f"));
		}
		owned(name, ME, 0700);
	}
}

static void test_folders(void **state)
{
	struct stat st;
	(void)state;
	trusted(made_folder, at("a/b/c"));
	assert_int_equal(stat(at("a/b/c"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	trusted(made_folder, at("a/b/c/"));
	static const mode_t modes[] = {0755, 0710, 0701, 0770, 01777};
	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		owned("a/b/c", ME, modes[i]);
		refused(own_folder, at("a/b/c"), "chmod 700");
	}
	file("f", ME, 0600);
	refused(own_folder, at("f"), "is not a folder");
	refused(made_folder, at("f/x"), "f/x");
	refused(own_folder, at("none/x"), "No such file");
	refused(lone_folder, at("none/x"), "No such file");
	trusted(lone_folder, at("a/b/d"));
	if (!root)
		return;
	folder("theirs", STRANGER, 0700);
	refused(own_folder, at("theirs"), "belongs to user 4002");
	folder("roots", 0, 0700);
	refused(own_folder, at("roots"), "belongs to user 0");
}

/* What is no file does not block, and is not read. */
static void test_no_files(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(at("pipe"), 0600), 0);
	owned("pipe", ME, 0600);
	refused(private_file, at("pipe"), "not a regular file");
	refused(settings_file, at("pipe"), "not a regular file");
	folder("d", ME, 0700);
	refused(settings_file, at("d"), "not a regular file");
	refused(settings_file, "/dev/zero", "not a regular file");
	refused(settings_file, at("nothing/at/all"), "No such file");
	char name[400];
	memset(name, 'n', sizeof name);
	name[sizeof name - 1] = 0;
	refused(settings_file, at(name), "too long");
}

/* Files come and go while others look: an answer is always about the file that was opened. */
static void test_given_and_relative(void **state)
{
	char error[TRUST_ERROR], given[32];
	int ends[2];
	(void)state;
	file("f", root ? 0 : ME, 0600);
	assert_int_equal(chdir(base), 0);
	if (!root)
		assert_true(opens("f", TRUST_PRIVATE, error));
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "text", 4), 4);
	snprintf(given, sizeof given, "/dev/fd/%d", ends[0]);
	assert_true(opens(given, TRUST_SETTINGS, error)); /* <(command) of a shell */
	assert_false(opens(given, TRUST_PRIVATE, error));
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(chdir("/"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_modes, make_base, remove_base),
		cmocka_unit_test_setup_teardown(test_owners, make_base, remove_base),
		cmocka_unit_test_setup_teardown(test_links, make_base, remove_base),
		cmocka_unit_test_setup_teardown(test_ways, make_base, remove_base),
		cmocka_unit_test_setup_teardown(test_folders, make_base, remove_base),
		cmocka_unit_test_setup_teardown(test_no_files, make_base, remove_base),
		cmocka_unit_test_setup_teardown(test_given_and_relative, make_base, remove_base),
	};
	return RUN(tests);
}
