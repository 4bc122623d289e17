/* main_gateway.c - efrit-gateway: the commands serve, stop, token and load-test, to which
 * efrit-bridge gives its place. */
#include "main_gateway.h"
#include "log.h"
#include "main_house.h"
#include "main_state.h"
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int complain(char *error)
{
	fprintf(stderr, "efrit-bridge: %s\n", error);
	free(error);
	return EXIT_FAILED;
}

int gateway_token(const struct config *config)
{
	char token[GUARD_TOKEN_MAX], *error = NULL;
	if (!state_token(config, token, &error))
		return complain(error);
	puts(token);
	explicit_bzero(token, sizeof token);
	return fflush(stdout) == 0 ? EXIT_GOOD : EXIT_FAILED;
}

/* --- stop --- */

static void on_exit_of(void *data, int status)
{
	(void)status;
	ev_break(data, EVBREAK_ALL);
}

static void on_late(EV_P_ ev_timer *timer, int revents)
{
	(void)revents;
	*(bool *)timer->data = true;
	ev_break(loop, EVBREAK_ALL);
}

/* Until it has ended, which its own drain_timeout bounds. */
static int end_process(const struct config *config, pid_t pid)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	bool late = false;
	ev_timer patience;
	struct os_exit *process = loop ? os_exit_create(loop, pid, on_exit_of, loop) : NULL;
	if (!process) {
		if (loop)
			ev_loop_destroy(loop);
		return errno == ESRCH ? EXIT_GOOD : EXIT_BROKEN;
	}
	ev_timer_init(&patience, on_late, (double)(config->drain_timeout + config->stop_timeout) / 1000, 0.);
	patience.data = &late;
	ev_timer_start(loop, &patience);
	os_exit_kill(process, SIGTERM);
	ev_run(loop, 0);
	os_exit_destroy(process);
	ev_timer_stop(loop, &patience);
	ev_loop_destroy(loop);
	if (late)
		fprintf(stderr, "efrit-bridge: the gateway, process %ld, does not end\n", (long)pid);
	return late ? EXIT_LATE : EXIT_GOOD;
}

int gateway_stop(const struct config *config)
{
	char socket[RUNTIME_PATH_MAX], *error = NULL;
	if (!state_socket(config, socket, &error))
		return complain(error);
	pid_t pid = state_holder(socket);
	if (pid <= 0) {
		fprintf(stderr, "efrit-bridge: no gateway runs on %s\n", socket);
		return EXIT_FAILED;
	}
	return end_process(config, pid);
}

int main(int argc, char **argv)
{
	struct config config;
	struct cli cli = {0};
	int status = EXIT_USAGE;
	char **given = calloc((size_t)argc + 1, sizeof *given); /* argp sorts the one it gets */
	if (!given)
		log_no_memory();
	memcpy(given, argv, (size_t)argc * sizeof *given);
	house_fill_descriptors();
	config_init(&config);
	cli_read(argc, argv, &config, &cli);
	signal(SIGPIPE, SIG_IGN);
	switch (cli.command) {
	case COMMAND_GATEWAY:
		status = gateway_serve(&config, &cli, given);
		break;
	case COMMAND_STOP:
		status = gateway_stop(&config);
		break;
	case COMMAND_TOKEN:
		status = gateway_token(&config);
		break;
	case COMMAND_LOAD_TEST:
		status = gateway_load_test(&config, &cli);
		break;
	default:
		fputs("efrit-gateway: it is started by efrit-bridge serve; efrit-bridge --help lists the commands\n", stderr);
	}
	cli_finish(&cli);
	config_finish(&config);
	free(given);
	return status;
}
