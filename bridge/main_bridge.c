/* main_bridge.c - efrit-bridge: puts the rooms together, runs the loop, takes them
 * apart again.  Everything is freed at the end, so that leaks show. */
#include "front/oneshot.h"
#include "front/stdio.h"
#include "log.h"
#include "main_house.h"
#include "os.h"
#include "setup.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIGNALS = 3 };

static void on_signal(EV_P_ ev_signal *watcher, int revents)
{
	(void)loop;
	(void)revents;
	log_info("signal %d: ending", watcher->signum);
	stdio_stop(watcher->data);
}

static void watch_signals(struct ev_loop *loop, ev_signal watchers[SIGNALS], struct stdio *stdio)
{
	static const int signals[SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
	for (int i = 0; i < SIGNALS; i++) {
		ev_signal_init(&watchers[i], on_signal, signals[i]);
		watchers[i].data = stdio;
		ev_signal_start(loop, &watchers[i]);
	}
}

/* Without them the first socket would become somebody's stdout. */
static void fill_standard_descriptors(void)
{
	int fd;
	while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO)
		;
	if (fd > STDERR_FILENO)
		close(fd);
}

bool house_init(struct house *h, struct config *config)
{
	*h = (struct house){.config = config, .loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV)};
	if (!h->loop) {
		log_error("this system offers no way to wait for events");
		return false;
	}
	h->service = service_create(config);
	h->pipeline = pipeline_create(h->loop, config, h->service);
	h->finder = finder_create(h->loop, config, h->service);
	return true;
}

void house_finish(struct house *h)
{
	if (!h->loop)
		return;
	finder_destroy(h->finder);
	service_destroy(h->service);
	pipeline_destroy(h->pipeline);
	ev_loop_destroy(h->loop);
}

json_t *house_call(struct house *h, const char *tool, json_t *arguments)
{
	struct oneshot *o = oneshot_create(h->loop, h->config, h->pipeline, tool, arguments);
	const struct buf *answer = oneshot_answer(o);
	json_decref(arguments);
	while (!buf_len(answer)) {
		ev_run(h->loop, 0);
		answer = oneshot_answer(o);
	}
	json_t *response = json_loadb(buf_data(answer), buf_len(answer), JSON_ALLOW_NUL, NULL);
	oneshot_destroy(o);
	return response;
}

static int serve(struct house *h)
{
	ev_signal watchers[SIGNALS];
	struct stdio *stdio = stdio_create(h->loop, h->config, h->pipeline);
	if (!stdio)
		return EXIT_BROKEN;
	watch_signals(h->loop, watchers, stdio);
	ev_run(h->loop, 0);
	for (int i = 0; i < SIGNALS; i++)
		ev_signal_stop(h->loop, &watchers[i]);
	stdio_destroy(stdio);
	return EXIT_GOOD;
}

static int set_up(const struct cli *cli)
{
	char *self = os_self();
	int status = setup_run(cli->words[0], self, cli->apply);
	free(self);
	return status;
}

static int run(struct config *config, const struct cli *cli)
{
	struct house house;
	int status = EXIT_BROKEN;
	if (cli->command == COMMAND_SETUP)
		return set_up(cli);
	if (!house_init(&house, config))
		return EXIT_BROKEN;
	switch (cli->command) {
	case COMMAND_CALL:
		status = command_call(&house, cli);
		break;
	case COMMAND_STATUS:
		status = command_status(&house, cli);
		break;
	case COMMAND_INSTANCES:
		status = command_instances(&house, cli);
		break;
	case COMMAND_DOCTOR:
		status = command_doctor(&house, cli);
		break;
	default:
		status = serve(&house);
	}
	house_finish(&house);
	return status;
}

int main(int argc, char **argv)
{
	struct config config;
	struct cli cli = {0};
	fill_standard_descriptors();
	config_init(&config);
	cli_read(argc, argv, &config, &cli);
	signal(SIGPIPE, SIG_IGN);
	int status = run(&config, &cli);
	config_finish(&config);
	return status;
}
