/* main_reload.c - config reload: has the gateway read its settings again and says what came of
 * it.  The gateway takes all of them or keeps all it had. */
#include "log.h"
#include "main_gateway.h"
#include "main_state.h"
#include "os.h"

#include <errno.h>
#include <ev.h>
#include <jansson.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reload {
	const char *socket;
	struct ev_loop *loop;
	long before, now; /* generations */
	char word[STATE_WORD_MAX];
};

static void on_change(void *data)
{
	struct reload *r = data;
	r->now = state_told(r->socket, r->word);
	if (r->now != r->before)
		ev_break(r->loop, EVBREAK_ALL);
}

static void on_late(EV_P_ ev_timer *timer, int revents)
{
	(void)timer;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

/* Asks, and waits until the gateway has told, SECONDS at most. */
static bool ask(struct reload *r, pid_t pid, double seconds)
{
	char folder[RUNTIME_PATH_MAX];
	ev_timer late;
	if (!(r->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV)))
		return false;
	snprintf(folder, sizeof folder, "%s", r->socket);
	struct os_watch *watch = os_watch_create(r->loop, dirname(folder), on_change, r);
	ev_timer_init(&late, on_late, seconds, 0.);
	ev_timer_start(r->loop, &late);
	r->now = r->before = state_told(r->socket, r->word);
	bool asked = kill(pid, SIGHUP) == 0;
	if (asked)
		ev_run(r->loop, 0);
	else
		fprintf(stderr, "efrit-bridge: the gateway, process %ld, cannot be told: %s\n", (long)pid, strerror(errno));
	on_change(r); /* of a folder that tells nothing */
	ev_timer_stop(r->loop, &late);
	os_watch_destroy(watch);
	ev_loop_destroy(r->loop);
	return asked;
}

static int report(const struct reload *r, pid_t pid, bool json)
{
	bool late = r->now == r->before, good = strcmp(r->word, "read") == 0;
	const char *why = strncmp(r->word, "kept: ", 6) == 0 ? r->word + 6 : r->word;
	if (json && !late) {
		json_t *said = json_pack("{s:b,s:i}", "reloaded", good, "pid", (int)pid);
		if (!good)
			json_object_set_new(said, "error", json_string(why));
		json_dumpf(said, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(said);
	} else if (!late && good)
		printf("the gateway, process %ld, has read its settings again\n", (long)pid);
	if (late)
		fprintf(stderr, "efrit-bridge: the gateway, process %ld, has not said what came of it\n", (long)pid);
	else if (!good)
		fprintf(stderr, "efrit-bridge: the settings of the gateway stay as they were: %s\n", why);
	return late ? EXIT_LATE : good && fflush(stdout) == 0 ? EXIT_GOOD : EXIT_FAILED;
}

int gateway_reload(const struct config *config, const struct cli *cli)
{
	char socket[RUNTIME_PATH_MAX], *error = NULL;
	struct reload r = {.socket = socket};
	if (cli->words[1] || !state_socket(config, socket, &error)) {
		fprintf(stderr, "efrit-bridge: %s\n", error ? error : "it is: config reload");
		free(error);
		return EXIT_USAGE;
	}
	pid_t pid = state_holder(socket);
	if (pid <= 0) {
		fprintf(stderr, "efrit-bridge: no gateway runs on %s; efrit-bridge serve starts it\n", socket);
		return EXIT_FAILED;
	}
	return ask(&r, pid, (double)config->stop_timeout / 1000) ? report(&r, pid, cli->json) : EXIT_FAILED;
}
