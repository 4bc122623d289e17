/* cli.c - see cli.h */
#include "cli.h"
#include "log.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void print_version(FILE *out, struct argp_state *state)
{
	(void)state;
	fputs("efrit-bridge " EFRIT_MCP_VERSION "\n", out);
}

static error_t on_option(int key, char *value, struct argp_state *state)
{
	struct config *config = state->input;
	char *error = NULL;
	switch (key) {
	case 's':
		if (!config_set(config, value, &error)) {
			argp_error(state, "--set: %s", error);
			free(error);
		}
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\" is not understood; the bridge takes options only", value);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The table of settings ends --help. */
static char *on_help(int key, const char *text, void *input)
{
	(void)input;
	return key == ARGP_KEY_HELP_POST_DOC ? config_describe() : (char *)(void *)(size_t)text;
}

static const struct argp_option options[] = {
	{"set", 's', "NAME=VALUE", 0, "Give a setting another value (the list is below)", 0},
	{0},
};

static const struct argp argp = {
	.options = options,
	.parser = on_option,
	.doc = "Lets an AI agent work inside a running Emacs: an MCP server on standard input and output.\v-",
	.help_filter = on_help,
};

void cli_read(int argc, char **argv, struct config *config)
{
	char *error = NULL;
	argp_err_exit_status = 2;
	argp_program_version_hook = print_version;
	if (!config_environment(config, &error)) {
		fprintf(stderr, "efrit-bridge: %s\n", error);
		free(error);
		config_finish(config);
		exit(2);
	}
	argp_parse(&argp, argc, argv, 0, NULL, config);
	if (argc == 1 && isatty(STDIN_FILENO)) {
		fputs("efrit-bridge is started by an AI agent, as an MCP server over standard input and output.\n"
		      "Tell your agent its path, for example: claude mcp add emacs -- /path/to/build/efrit-bridge\n"
		      "Start Emacs with: emacs -L lisp -l efrit-mcp -f efrit-mcp-mode\n"
		      "efrit-bridge --help lists the options and settings.\n",
		      stderr);
		config_finish(config);
		exit(2);
	}
}
