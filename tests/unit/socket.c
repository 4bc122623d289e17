/* socket.c - sockets that no child inherits, that do not block and do not signal, and
 * who is at the other end.  Of the variant that was built. */
#include "test.h"

#include "wire/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[64];
static int listening, client, server; /* CLIENT is connected to SERVER */

static int connect_them(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/efrit-unit-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(address.sun_path, sizeof address.sun_path, "%s/s", folder);
	listening = socket_make();
	client = socket_make();
	if (listening < 0 || client < 0 || bind(listening, (struct sockaddr *)&address, sizeof address) != 0 || listen(listening, 1) != 0
	    || connect(client, (struct sockaddr *)&address, sizeof address) != 0)
		return -1;
	server = socket_accept(listening);
	return server < 0 ? -1 : 0;
}

static int close_them(void **state)
{
	char path[80];
	(void)state;
	close(listening);
	close(client);
	if (server >= 0)
		close(server);
	snprintf(path, sizeof path, "%s/s", folder);
	return unlink(path) == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void test_no_child_inherits_and_nothing_blocks(void **state)
{
	const int all[] = {listening, client, server};
	char byte;
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		assert_true(fcntl(all[i], F_GETFD) & FD_CLOEXEC);
		assert_true(fcntl(all[i], F_GETFL) & O_NONBLOCK);
	}
	assert_int_equal(socket_accept(listening), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(recv(server, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void test_what_is_sent_arrives(void **state)
{
	char got[8];
	(void)state;
	assert_int_equal(socket_send(client, "hello", 5), 5);
	assert_int_equal(recv(server, got, sizeof got, 0), 5);
	assert_memory_equal(got, "hello", 5);
	assert_int_equal(socket_send(server, "you", 3), 3);
	assert_int_equal(recv(client, got, sizeof got, 0), 3);
}

static void test_a_descriptor_comes_along(void **state)
{
	int ends[2], passed = -1;
	char got[8];
	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(socket_receive(server, got, sizeof got, &passed), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(socket_send_with(client, "a", 1, ends[1]), 1);
	assert_int_equal(socket_receive(server, got, sizeof got, &passed), 1);
	assert_true(passed >= 0 && passed != ends[1]);
	assert_true(fcntl(passed, F_GETFD) & FD_CLOEXEC);
	close(ends[1]);
	assert_int_equal(write(passed, "x", 1), 1);
	assert_int_equal(read(ends[0], got, 1), 1);
	/* A second one takes its place, which is closed; without any it stays. */
	assert_int_equal(socket_send_with(client, "b", 1, ends[0]), 1);
	assert_int_equal(socket_receive(server, got, sizeof got, &passed), 1);
	assert_int_equal(read(ends[0], got, 1), 0); /* nobody writes any more */
	assert_int_equal(socket_send(client, "c", 1), 1);
	assert_int_equal(socket_receive(server, got, sizeof got, &passed), 1);
	assert_true(fcntl(passed, F_GETFD) >= 0);
	close(passed);
	close(ends[0]);
}

static void test_a_full_one_says_so(void **state)
{
	static const char block[65536];
	size_t sent = 0;
	ssize_t n;
	(void)state;
	while ((n = socket_send(client, block, sizeof block)) > 0)
		sent += (size_t)n;
	assert_int_equal(n, -1);
	assert_true(errno == EAGAIN || errno == EWOULDBLOCK);
	assert_true(sent > 0);
}

/* Batch Emacs dies of SIGPIPE; here it would end the test. */
static void test_nobody_reads_and_no_signal_comes(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_DFL);
	close(server);
	server = -1;
	assert_int_equal(socket_send(client, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
}

static void test_peer(void **state)
{
	uid_t uid = (uid_t)-1;
	pid_t pid = -1;
	(void)state;
	assert_true(socket_peer(client, &uid, &pid));
	assert_int_equal(uid, geteuid());
	assert_true(pid == 0 || pid == getpid());
	uid = (uid_t)-1;
	assert_true(socket_peer(server, &uid, &pid));
	assert_int_equal(uid, geteuid());
}

static void test_what_is_no_socket(void **state)
{
	uid_t uid;
	pid_t pid;
	(void)state;
	assert_false(socket_peer(-1, &uid, &pid));
	assert_int_equal(socket_accept(-1), -1);
	assert_int_equal(errno, EBADF);
}

#define CONNECTED(test) cmocka_unit_test_setup_teardown(test, connect_them, close_them)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONNECTED(test_no_child_inherits_and_nothing_blocks),
		CONNECTED(test_what_is_sent_arrives),
		CONNECTED(test_a_descriptor_comes_along),
		CONNECTED(test_a_full_one_says_so),
		CONNECTED(test_nobody_reads_and_no_signal_comes),
		CONNECTED(test_peer),
		cmocka_unit_test(test_what_is_no_socket),
	};
	return RUN(tests);
}
