/* main_bridge.c - efrit-bridge: puts the rooms together, runs the loop, takes them
 * apart again.  Everything is freed at the end, so that leaks show. */
#include "back/finder.h"
#include "cli.h"
#include "front/stdio.h"
#include "log.h"

#include <fcntl.h>
#include <signal.h>
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

int main(int argc, char **argv)
{
	struct config config;
	ev_signal watchers[SIGNALS];
	fill_standard_descriptors();
	config_init(&config);
	cli_read(argc, argv, &config);
	signal(SIGPIPE, SIG_IGN);
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	if (!loop) {
		log_error("this system offers no way to wait for events");
		config_finish(&config);
		return 111;
	}
	struct service *service = service_create(&config);
	struct pipeline *pipeline = pipeline_create(loop, &config, service);
	struct finder *finder = finder_create(loop, &config, service);
	struct stdio *stdio = stdio_create(loop, &config, pipeline);
	if (stdio) {
		watch_signals(loop, watchers, stdio);
		ev_run(loop, 0);
		for (int i = 0; i < SIGNALS; i++)
			ev_signal_stop(loop, &watchers[i]);
	}
	int status = stdio ? 0 : 111;
	stdio_destroy(stdio);
	finder_destroy(finder);
	service_destroy(service);
	pipeline_destroy(pipeline);
	ev_loop_destroy(loop);
	config_finish(&config);
	return status;
}
