/* server_presence.c - the socket's file and folder go away while Emacs serves: it comes back
 * under its name, and takes no name from a server that lives. */
#include "serving.h"

#include <sys/stat.h>

static char path[RUNTIME_PATH_MAX], folder[RUNTIME_PATH_MAX];

static void __attribute__((format(printf, 1, 0))) shell(const char *format, const char *name)
{
	char command[512];
	snprintf(command, sizeof command, format, name, name);
	assert_int_equal(system(command), 0);
}

static void wait_a_little(void)
{
	poll(NULL, 0, 5);
}

/* The inode at the path; 0: none. */
static ino_t there(void)
{
	struct stat st;
	return lstat(path, &st) == 0 ? st.st_ino : 0;
}

static void await_another(ino_t was)
{
	for (int i = 0; i < PATIENCE / 5 && (!there() || there() == was); i++)
		wait_a_little();
	assert_true(there() && there() != was);
	struct client c = join(); /* a new bridge finds it */
	ping(&c);
	hang_up(&c);
}

static void note_places(void)
{
	snprintf(path, sizeof path, "%s", server_path(server));
	snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
}

/* Until it has happened. */
static void await_event(const char *words)
{
	struct buf all = {0};
	for (int i = 0; i < PATIENCE / 5; i++) {
		server_take_events(server, &all);
		if (buf_len(&all) && memmem(buf_data(&all), buf_len(&all), words, strlen(words)))
			break;
		wait_a_little();
	}
	assert_true(buf_add(&all, "", 1));
	assert_says(buf_data(&all), words);
	buf_finish(&all);
}

/* In each way a cleaner takes it: the file, the folder's content, the folder, the runtime folder for a while. */
static void test_it_comes_back(void **state)
{
	static const char *const ways[] = {"rm -f '%s'/work.sock", "rm -rf '%s'/* '%s'/.[a-z]*", "rm -rf '%s'", "d='%s'; mv $d $d.old"};
	struct client old = join();
	struct stat st;
	(void)state;
	note_places();
	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		ino_t was = there();
		shell("touch '%s'/keep", base); /* another inode is sure to be another number */
		shell(ways[i], folder);
		await_another(was);
		assert_int_equal(stat(folder, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0700);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		ping(&old); /* who was connected stays so */
	}
	await_event("is there again");
	assert_string_equal(server_instance(server), "work");
	hang_up(&old);
}

static void test_the_runtime_folder_goes_and_comes(void **state)
{
	struct client old = join();
	(void)state;
	note_places();
	ino_t was = there();
	shell("mv '%s' '%s'.away", base);
	for (int i = 0; i < 20; i++) { /* it may look as often as it likes: it makes no runtime folder */
		wait_a_little();
		assert_int_equal(access(base, F_OK), -1);
	}
	ping(&old);
	assert_int_equal(mkdir(base, 0700), 0);
	await_another(was);
	shell("rm -rf '%s'.away", base);
	hang_up(&old);
}

/* Its name is another server's meanwhile: that one keeps it as long as it lives. */
static void test_no_name_is_stolen(void **state)
{
	char hidden[RUNTIME_PATH_MAX];
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	(void)state;
	note_places();
	snprintf(hidden, sizeof hidden, "%s/other", base);
	memcpy(a.sun_path, hidden, strlen(hidden));
	int other = socket_of_ours();
	assert_true(other >= 0);
	assert_int_equal(bind(other, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(other, 200), 0);
	assert_int_equal(rename(hidden, path), 0);
	ino_t theirs = there();
	await_event("another server listens at");
	assert_int_equal(there(), theirs);
	close(other); /* it ends and leaves its file */
	await_another(theirs);
}

/* What is in the way is not removed, and a folder that others can write to is not used. */
static void test_what_is_in_the_way(void **state)
{
	(void)state;
	note_places();
	ino_t was = there();
	shell("cd '%s'; until rm -f work.sock; mkdir work.sock 2>&-; do :; done", folder); /* it may be quick */
	await_event("is not a socket");
	shell("chmod 777 '%s'; rmdir '%s'/work.sock", folder);
	await_event("chmod 700");
	assert_int_equal(there(), 0);
	assert_int_equal(chmod(folder, 0700), 0);
	await_another(was);
}

/* Its file is not removed at the end when it is somebody else's. */
static void test_the_end(void **state)
{
	(void)state;
	note_places();
	shell("rm -rf '%s'", folder);
	await_another(0);
	server_stop(&server, "the end");
	assert_int_equal(there(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_it_comes_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_runtime_folder_goes_and_comes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_name_is_stolen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_in_the_way, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_end, set_up, tear_down),
	};
	look_every = 0.02;
	return RUN(tests);
}
