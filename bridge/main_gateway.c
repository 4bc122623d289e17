/* main_gateway.c - efrit-gateway: the commands to which efrit-bridge gives its place: serve,
 * stop, token, load-test, top, migrate, config reload. */
#include "main_gateway.h"
#include "log.h"
#include "main_house.h"
#include "main_state.h"
#include "os.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int complain(char *error)
{
	fprintf(stderr, "efrit-bridge: %s\n", error);
	free(error);
	return EXIT_FAILED;
}

int gateway_token(const struct config *config, const char *name)
{
	char token[GUARD_TOKEN_MAX], *error = NULL;
	if (!state_token(config, name, token, &error))
		return complain(error);
	puts(token);
	explicit_bzero(token, sizeof token);
	return fflush(stdout) == 0 ? EXIT_GOOD : EXIT_FAILED;
}

/* --- stop --- */

/* Until it has ended, which its own drain_timeout bounds. */
static int end_process(const struct config *config, const char *socket, pid_t pid)
{
	if (kill(pid, SIGTERM) != 0 && errno != ESRCH) {
		fprintf(stderr, "efrit-bridge: the gateway, process %ld, cannot be ended: %s\n", (long)pid, strerror(errno));
		return EXIT_FAILED;
	}
	if (state_wait(socket, (unsigned)((config->drain_timeout + 3 * config->stop_timeout) / 1000 + 1)))
		return EXIT_GOOD;
	fprintf(stderr, "efrit-bridge: the gateway, process %ld, does not end\n", (long)pid);
	return EXIT_LATE;
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
	return end_process(config, socket, pid);
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
	os_hide(true); /* before a token is read */
	house_fill_descriptors();
	config_init(&config);
	cli_read(argc, argv, &config, &cli);
	if (config.core)
		os_hide(false);
	else
		os_leave_no_core();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files fails a result, not the gateway */
	switch (cli.command) {
	case COMMAND_GATEWAY:
		status = gateway_serve(&config, &cli, given);
		break;
	case COMMAND_STOP:
		status = gateway_stop(&config);
		break;
	case COMMAND_TOKEN:
		status = gateway_token(&config, cli.words[0]);
		break;
	case COMMAND_LOAD_TEST:
		status = gateway_load_test(&config, &cli);
		break;
	case COMMAND_TOP:
		status = gateway_top(&config, &cli);
		break;
	case COMMAND_MIGRATE:
		status = gateway_migrate(&config, &cli);
		break;
	case COMMAND_CONFIG:
		status = gateway_reload(&config, &cli);
		break;
	default:
		fputs("efrit-gateway: it is started by efrit-bridge serve; efrit-bridge --help lists the commands\n", stderr);
	}
	cli_finish(&cli);
	config_finish(&config);
	free(given);
	return status;
}
