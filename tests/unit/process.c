/* process.c - a supervised process: what it is given, and that its end is the end of all
 * that it has brought up, also of what has left its group and its parents. */
#include "test.h"

#include "back/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct ev_loop *loop;
static int ended, status, out[2];
static struct os_orphans *orphans;

static int begin(void **state)
{
	(void)state;
	loop = ev_loop_new(EVFLAG_AUTO);
	orphans = os_orphans_create(loop);
	ended = 0;
	return pipe2(out, O_CLOEXEC);
}

static int end(void **state)
{
	(void)state;
	close(out[0]);
	if (out[1] >= 0)
		close(out[1]);
	os_orphans_destroy(orphans);
	ev_loop_destroy(loop);
	return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD ? 0 : -1; /* no child is left, not even a dead one */
}

static void on_end(void *data, int how)
{
	(void)data;
	ended++;
	status = how;
	ev_break(loop, EVBREAK_ALL);
}

static struct process *start(const char *script, const char *const *environment, struct os_program more)
{
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};
	more.argv = argv;
	more.environment = environment;
	more.log = out[1];
	struct process *p = process_start(loop, &more, on_end, NULL);
	assert_non_null(p);
	return p;
}

static void line(char *text, size_t room)
{
	size_t n = 0;
	while (n + 1 < room && read(out[0], text + n, 1) == 1 && text[n] != '\n')
		n++;
	text[n] = 0;
}

static void wait_end(void)
{
	while (!ended)
		ev_run(loop, EVRUN_ONCE);
}

/* Everybody who holds the log has ended.  Meanwhile the loop turns: some are found at a second look. */
static void nobody_writes(void)
{
	char byte;
	ssize_t n;
	close(out[1]);
	out[1] = -1;
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	while ((n = read(out[0], &byte, 1)) != 0) {
		assert_true(n > 0 || errno == EAGAIN);
		ev_run(loop, EVRUN_NOWAIT);
		usleep(1000);
	}
}

/* Rounds of what goes wrong only now and then. */
static int rounds(void)
{
	const char *text = getenv("PROCESS_ROUNDS");
	return text ? atoi(text) : 20;
}

static void what_it_is_given(void **state)
{
	const char *const environment[] = {"FIRST=1", "HOME", NULL};
	char text[200];
	(void)state;
	setenv("FIRST", "0", 1);
	setenv("HOME", "/nowhere", 1);
	struct process *p = start("echo $FIRST ${HOME-none} $(pwd) $(ulimit -n) $(ulimit -t) $(ulimit -v); exit 7", environment,
				  (struct os_program){.folder = "/usr", .files = 50, .cpu = 9, .memory = 1L << 30});
	line(text, sizeof text);
	assert_string_equal(text, "1 none /usr 50 9 1048576");
	wait_end();
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	process_destroy(p);
}

static void the_whole_family(void **state)
{
	char text[200];
	(void)state;
	if (!orphans) /* this system does not tell */
		skip();
	/* A child, one in a session of its own, and one whose parents have gone. */
	struct process *p = start("sleep 1000 & setsid sleep 1000 & (setsid sh -c 'sleep 1000 & sleep 1000' &) ; echo up; wait", NULL, (struct os_program){0});
	line(text, sizeof text);
	assert_string_equal(text, "up");
	process_kill(p);
	wait_end();
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	process_destroy(p);
	nobody_writes();
	for (int i = 0; i < 1000 && !(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD); i++)
		ev_run(loop, EVRUN_NOWAIT), usleep(1000);
}

static void killed_by_somebody_else(void **state)
{
	char text[200];
	(void)state;
	if (!orphans) /* this system does not tell */
		skip();
	struct process *p = start("setsid sleep 1000 & echo up; wait", NULL, (struct os_program){0});
	line(text, sizeof text);
	kill(process_pid(p), SIGKILL);
	wait_end();
	assert_int_equal(ended, 1);
	process_tell(p, SIGTERM); /* nobody is there: nothing happens */
	process_kill(p);
	process_destroy(p);
	nobody_writes();
	for (int i = 0; i < 1000 && !(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD); i++)
		ev_run(loop, EVRUN_NOWAIT), usleep(1000);
}

/* A process that runs one program after the other has no environment again and again, for a moment. */
#define FOREVER "F='exec sh -c \"$F\"'; export F; "

static void the_mark_is_never_missed(void **state)
{
	int unknown = 0, looks = 1000 * rounds();
	char mark[] = "EFRIT_TEST_MARK=1", text[200];
	(void)state;
	if (!orphans)
		skip();
	const char *const environment[] = {mark, NULL};
	struct process *p = start("echo up; " FOREVER "exec sh -c \"$F\"", environment, (struct os_program){0});
	line(text, sizeof text);
	for (int i = 0; i < looks; i++) {
		enum os_mark seen = os_process_mark(process_pid(p), mark);
		assert_int_not_equal(seen, OS_MARK_NO);
		unknown += seen == OS_MARK_UNKNOWN;
	}
	print_message("# %d of %d looks fell between two programs\n", unknown, looks);
	assert_int_equal(os_process_mark(getpid(), mark), OS_MARK_NO);
	process_kill(p);
	wait_end();
	process_destroy(p);
	nobody_writes();
}

static void found_whatever_it_becomes(void **state)
{
	char text[200];
	(void)state;
	if (!orphans)
		skip();
	for (int i = 0; i < rounds(); i++) {
		ended = 0;
		struct process *p = start(FOREVER "setsid sh -c \"$F\" & setsid sleep 1000 & echo up; wait", NULL, (struct os_program){0});
		line(text, sizeof text);
		kill(process_pid(p), SIGKILL);
		wait_end();
		process_destroy(p);
		nobody_writes();
		close(out[0]);
		assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	}
	for (int i = 0; i < 1000 && !(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD); i++)
		ev_run(loop, EVRUN_NOWAIT), usleep(1000);
}

static void others_are_left_alone(void **state)
{
	char text[200];
	(void)state;
	struct process *p = start("echo one; exec sleep 1000", NULL, (struct os_program){0});
	line(text, sizeof text);
	struct process *q = start("echo two; exec sleep 1000", NULL, (struct os_program){0});
	line(text, sizeof text);
	process_kill(p);
	wait_end();
	assert_int_equal(os_process_state(process_pid(q)), OS_PROCESS_ALIVE);
	assert_true(!orphans || os_process_memory(process_pid(q)) > 0);
	process_destroy(p);
	ended = 0;
	process_kill(q);
	wait_end();
	process_destroy(q);
}

/* Who forks and dies at once leaves orphans: they are reaped, and a watched child's status is not lost. */
static void orphans_are_reaped(void **state)
{
	(void)state;
	if (!orphans)
		skip();
	struct process *p = start("for i in 1 2 3 4 5 6 7 8; do (sh -c 'exit 3' &); done; exit 5", NULL, (struct os_program){0});
	wait_end();
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 5);
	process_destroy(p);
	nobody_writes();
	for (int i = 0; i < 1000 && !(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD); i++)
		ev_run(loop, EVRUN_NOWAIT), usleep(1000);
}

static void ends_with_us(void **state)
{
	char text[200];
	(void)state;
	if (!orphans)
		skip();
	pid_t pid = fork();
	if (pid == 0) {
		struct process *p = start("echo $$; exec sleep 1000", NULL, (struct os_program){.with_us = true});
		(void)p;
		line(text, sizeof text);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	nobody_writes(); /* it would wait for 1000 s */
	for (int i = 0; i < 1000 && !(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD); i++)
		ev_run(loop, EVRUN_NOWAIT), usleep(1000);
}

/* A gateway whose worker runs SCRIPT, which says a number of a process. */
static pid_t a_gateway(const char *script, bool with_us, pid_t *said)
{
	char text[200];
	pid_t pid = fork();
	if (pid == 0) {
		start(script, NULL, (struct os_program){.with_us = with_us});
		for (;;)
			pause();
	}
	line(text, sizeof text);
	*said = (pid_t)atol(text);
	assert_int_equal(os_process_state(*said), OS_PROCESS_ALIVE);
	return pid;
}

#define ITS_OWN "setsid sh -c 'echo $$; exec sleep 1000' & wait"

static void what_a_killed_gateway_left(void **state)
{
	enum { LIVING, OTHER, PERSONS, LEFT, BUSY, COUNT };
	static const struct {
		const char *script;
		bool with_us;
	} cases[COUNT] = {
		[LIVING] = {ITS_OWN, true},
		[OTHER] = {ITS_OWN, false}, /* an instance is to outlive its gateway */
		[PERSONS] = {"setsid script -qc 'echo $$; exec sleep 1000' /dev/null & wait", true}, /* who sits at a terminal */
		[LEFT] = {"setsid sh -c 'sleep 1000 & echo $!; wait' & wait", true},
		[BUSY] = {FOREVER "setsid sh -c 'echo $$; exec sh -c \"$F\"' & wait", true},
	};
	pid_t gateways[COUNT], left[COUNT];
	(void)state;
	if (!orphans)
		skip();
	for (int i = 0; i < COUNT; i++)
		gateways[i] = a_gateway(cases[i].script, cases[i].with_us, &left[i]);
	for (int i = 0; i < COUNT; i++)
		if (i != LIVING) {
			kill(gateways[i], SIGKILL);
			waitpid(gateways[i], NULL, 0);
			assert_int_equal(os_process_state(left[i]), OS_PROCESS_ALIVE); /* nobody has found it yet */
		}
	process_sweep();
	while (os_process_state(left[LEFT]) != OS_PROCESS_GONE || os_process_state(left[BUSY]) != OS_PROCESS_GONE)
		ev_run(loop, EVRUN_NOWAIT), usleep(1000);
	for (int i = LIVING; i <= PERSONS; i++)
		assert_int_equal(os_process_state(left[i]), OS_PROCESS_ALIVE);
	kill(gateways[LIVING], SIGKILL);
	waitpid(gateways[LIVING], NULL, 0);
	process_sweep();
	kill(left[OTHER], SIGKILL);
	kill(left[PERSONS], SIGKILL);
	nobody_writes();
	for (int i = 0; i < 1000 && !(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD); i++)
		ev_run(loop, EVRUN_NOWAIT), usleep(1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_it_is_given, begin, end),
		cmocka_unit_test_setup_teardown(the_whole_family, begin, end),
		cmocka_unit_test_setup_teardown(killed_by_somebody_else, begin, end),
		cmocka_unit_test_setup_teardown(the_mark_is_never_missed, begin, end),
		cmocka_unit_test_setup_teardown(found_whatever_it_becomes, begin, end),
		cmocka_unit_test_setup_teardown(others_are_left_alone, begin, end),
		cmocka_unit_test_setup_teardown(orphans_are_reaped, begin, end),
		cmocka_unit_test_setup_teardown(ends_with_us, begin, end),
		cmocka_unit_test_setup_teardown(what_a_killed_gateway_left, begin, end),
	};
	alarm((unsigned)(60 * test_stretch()));
	return RUN(tests);
}
