/* main_bridge.c - efrit-bridge: puts the rooms together, runs the loop, takes them
 * apart again.  Everything is freed at the end, so that leaks show. */
#include "front/stdio.h"
#include "log.h"
#include "main_house.h"
#include "os.h"
#include "setup.h"

#include <errno.h>
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

/* The other program of this tree, which lies beside; it becomes this process. */
static int become_gateway(char **argv)
{
	char *self = os_self(), *path = NULL;
	char *slash = self ? strrchr(self, '/') : NULL;
	if (slash)
		config_complain(&path, "%.*s/efrit-gateway", (int)(slash - self), self);
	execv(path ? path : "efrit-gateway", argv);
	log_error("%s cannot be run: %s; it belongs beside efrit-bridge", path ? path : "efrit-gateway", strerror(errno));
	free(path);
	free(self);
	return EXIT_BROKEN;
}

static int run(struct config *config, const struct cli *cli, char **argv)
{
	struct house house;
	int status = EXIT_BROKEN;
	if (cli->command == COMMAND_SETUP)
		return set_up(cli);
	if ((cli->command >= COMMAND_GATEWAY && cli->command <= COMMAND_MIGRATE)
	    || (cli->command == COMMAND_CONFIG && strcmp(cli->words[0], "reload") == 0))
		return become_gateway(argv);
	if (strcmp(config->gateway, "auto") != 0 && strcmp(config->gateway, "off") != 0) {
		log_error("gateway is \"%s\"; it must be auto or off", config->gateway);
		return EXIT_USAGE;
	}
	if (cli->command == COMMAND_CONFIG)
		return command_config(cli);
	if (!config->core) /* visible to the gateway, which asks the system for this bridge's folder */
		os_leave_no_core();
	if (!house_init(&house, config))
		return EXIT_BROKEN;
	if (strcmp(config->gateway, "auto") == 0)
		house_find_gateway(&house);
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
	struct ev_loop *loop = house_finish(&house);
	if (loop)
		ev_loop_destroy(loop);
	return status;
}

int main(int argc, char **argv)
{
	struct config config;
	struct cli cli = {0};
	house_fill_descriptors();
	config_init(&config);
	cli_read(argc, argv, &config, &cli);
	signal(SIGPIPE, SIG_IGN);
	int status = run(&config, &cli, argv);
	cli_finish(&cli);
	config_finish(&config);
	return status;
}
