/* bench.c - one client for all that tests/bench/run compares.  Each command prints one
 * line of JSON; times are in microseconds. */
#include "http.h"
#include "peer.h"
#include "samples.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH_MAX = 64, TIME_MAX = 60, WARM_CALLS = 1000, LEARN_MS = 100 /* a bridge meets its Emacs */ };

static struct {
	long count;     /* -n: questions at most */
	double seconds; /* -s: or so long */
	long depth;     /* -d: unanswered at a time */
	double warm;    /* -w: seconds before it counts */
	bool memory;    /* -m: the server's resident memory too */
	long connections; /* -c: over HTTP */
	long limit;     /* -t: seconds all of it may take */
} set = {.connections = 1, .limit = TIME_MAX, .count = 1000000, .seconds = 1, .depth = 1, .warm = 0.2};

/* ---- memory of a server ---- */

/* A line of /proc/PID/status, in KiB. */
static long status_kb(pid_t pid, const char *name)
{
	char path[64], line[256];
	long kb = 0;
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, name, strlen(name)) == 0)
			kb = strtol(line + strlen(name) + 1, NULL, 10);
	if (f)
		fclose(f);
	return kb;
}

/* The peak that the system remembers begins anew. */
static void forget_peak(pid_t pid)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/clear_refs", (int)pid);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "5", 1) != 1)
		die("the peak of memory cannot be watched");
	close(fd);
}

/* ---- ask: questions, so many at a time ---- */

static void ask_for(struct peer *p, long count, double seconds, struct samples *s)
{
	double sent[DEPTH_MAX * 2]; /* by id: answers may overtake each other, but not by so much */
	long open = 0, asked = 0;
	uint64_t id;
	s->begun = now();
	double until = s->begun + seconds;
	while (open || asked < count) {
		while (open < set.depth && asked < count) {
			sent[p->next % (DEPTH_MAX * 2)] = now();
			peer_put(p, p->next++);
			open++;
			asked++;
		}
		peer_flush(p);
		id = peer_take(p);
		do {
			double at = now();
			samples_add(s, (at - sent[id % (DEPTH_MAX * 2)]) * 1e6);
			open--;
			if (at > until)
				count = asked;
		} while (open && peer_take_ready(p, &id));
	}
	s->ended = now();
}

static int ask(int argc, char **argv)
{
	struct peer p;
	struct samples warm = {0}, s = {0};
	long idle = 0;
	peer_open(&p, argc, argv);
	usleep(LEARN_MS * 1000);
	if (set.memory) {
		idle = status_kb(p.pid, "VmRSS:");
		forget_peak(p.pid);
	}
	if (set.warm > 0)
		ask_for(&p, WARM_CALLS, set.warm, &warm);
	ask_for(&p, set.count, set.seconds, &s);
	printf("{");
	samples_print(&s, "");
	printf(",\"bytes\":%zu", p.bytes);
	if (set.memory)
		printf(",\"idle_kb\":%ld,\"after_kb\":%ld,\"peak_kb\":%ld", idle, status_kb(p.pid, "VmRSS:"), status_kb(p.pid, "VmHWM:"));
	printf("}\n");
	samples_finish(&warm);
	samples_finish(&s);
	peer_close(&p);
	return 0;
}

/* ---- start: until `initialize' is answered ---- */

static int begin(int argc, char **argv)
{
	struct samples s = {0};
	if (argc < 1)
		die("start COMMAND...");
	for (long i = 0; i < set.count; i++) {
		struct peer p;
		double at = now();
		peer_spawn(&p, argv);
		samples_add(&s, (now() - at) * 1e6);
		peer_close(&p);
	}
	printf("{");
	samples_print(&s, "");
	printf("}\n");
	samples_finish(&s);
	return 0;
}

/* ---- stop: from the cancel until somebody else's call is answered ---- */

static void await_state(struct peer *watch, const char *text, uint64_t id)
{
	double until = now() + 10;
	do {
		if (now() > until)
			die("the state does not become %s: %s", text, peer_state(watch));
		peer_put(watch, id);
		peer_flush(watch);
		peer_take(watch);
	} while (!strstr(peer_state(watch), text));
}

/* SOCKET, what STATE shows once the form runs, the arguments of its call, the bridge. */
static int stop(int argc, char **argv)
{
	struct peer bridge, other, watch;
	struct samples s = {0};
	if (argc < 4)
		die("stop SOCKET SHOWS ARGUMENTS BRIDGE...");
	char *bridge_words[64] = {"mcp", "efrit_execute", argv[2]};
	char *other_words[] = {"wire", argv[0], "efrit_execute", "{\"content\":\"(+ 1 2)\",\"observe\":\"none\"}"};
	char *watch_words[] = {"status", argv[0]};
	for (int i = 3; i < argc && i < 60; i++)
		bridge_words[i] = argv[i];
	peer_open(&bridge, argc < 60 ? argc : 60, bridge_words);
	peer_open(&other, 4, other_words);
	peer_open(&watch, 2, watch_words);
	for (long i = 1; i <= set.count; i++) {
		uint64_t id = (uint64_t)i;
		peer_put(&bridge, id);
		peer_flush(&bridge);
		await_state(&watch, argv[1], id);
		peer_put(&other, id); /* waits behind the form */
		peer_flush(&other);
		usleep((useconds_t)(500 + rand() % 3000));
		peer_put_cancel(&bridge, id);
		double at = now();
		peer_flush(&bridge);
		peer_take(&other);
		samples_add(&s, (now() - at) * 1e6);
	}
	printf("{");
	samples_print(&s, "");
	printf("}\n");
	samples_finish(&s);
	peer_close(&bridge);
	peer_close(&other);
	peer_close(&watch);
	return 0;
}

/* ---- spin: the status while Lisp never looks up ---- */

/* A block of questions to one, then to the next: a disturbance hits all alike. */
static void in_turn(struct peer *peers, struct samples *s, int n)
{
	long depth = set.depth;
	set.depth = 1;
	for (long done = 0; done < set.count; done += 50)
		for (int i = 0; i < n; i++)
			ask_for(&peers[i], 50, 10, &s[i]);
	set.depth = depth;
}

/* SOCKET, the echo's socket, the bridge. */
static int spin(int argc, char **argv)
{
	struct peer peers[3], runner;
	struct samples s[3] = {{0}, {0}, {0}};
	static const char *names[3] = {"bridge_", "thread_", "raw_"};
	if (argc < 3)
		die("spin SOCKET ECHO BRIDGE...");
	char *bridge_words[64] = {"mcp", "efrit_status", "{}"};
	char *thread_words[] = {"status", argv[0]};
	char *raw_words[] = {"raw", argv[1], "128"};
	char *runner_words[] = {"wire", argv[0], "efrit_execute", "{\"content\":\"(while t)\",\"timeout\":60}"};
	for (int i = 2; i < argc && i < 60; i++)
		bridge_words[i + 1] = argv[i];
	peer_open(&peers[0], (argc < 60 ? argc : 60) + 1, bridge_words);
	peer_open(&peers[1], 2, thread_words);
	peer_open(&peers[2], 3, raw_words);
	peer_open(&runner, 4, runner_words);
	peer_put(&runner, 1);
	peer_flush(&runner);
	await_state(&peers[1], "\"state\":\"running\"", 1);
	in_turn(peers, s, 3);
	peer_close(&runner); /* a bridge that goes stops what it ran */
	printf("{");
	for (int i = 0; i < 3; i++) {
		s[i].ended = 0;
		samples_print(&s[i], names[i]);
		printf("%s", i < 2 ? "," : "}\n");
		samples_finish(&s[i]);
		peer_close(&peers[i]);
	}
	return 0;
}

static struct http_plan plan(void)
{
	return (struct http_plan){set.connections, set.seconds, set.warm, set.count};
}

static int over_http(int argc, char **argv)
{
	struct http_plan p = plan();
	return http_ask(&p, argc, argv);
}

static int streams(int argc, char **argv)
{
	struct http_plan p = plan();
	return http_streams(&p, argc, argv);
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {{"ask", ask}, {"start", begin}, {"stop", stop}, {"spin", spin}, {"http", over_http}, {"streams", streams}};

int main(int argc, char **argv)
{
	int option;
	while ((option = getopt(argc, argv, "+n:s:d:w:c:t:m")) != -1) {
		switch (option) {
		case 'n': set.count = atol(optarg); break;
		case 's': set.seconds = atof(optarg); break;
		case 'd': set.depth = atol(optarg); break;
		case 'w': set.warm = atof(optarg); break;
		case 'c': set.connections = atol(optarg); break;
		case 't': set.limit = atol(optarg); break;
		case 'm': set.memory = true; break;
		default: die("bench [-n COUNT] [-s SECONDS] [-d DEPTH] [-w SECONDS] [-c CONNECTIONS] [-t SECONDS] [-m] ask|start|stop|spin|http|streams ...");
		}
	}
	if (set.depth < 1 || set.depth > DEPTH_MAX)
		die("1 to %d at a time", DEPTH_MAX);
	signal(SIGPIPE, SIG_IGN);
	alarm((unsigned)set.limit); /* whatever hangs, this does not; its servers end with their input */
	for (size_t i = 0; optind < argc && i < sizeof commands / sizeof *commands; i++)
		if (strcmp(commands[i].name, argv[optind]) == 0)
			return commands[i].run(argc - optind - 1, argv + optind + 1);
	die("ask, start, stop, spin, http or streams");
}
