/* cli.h - the command line of efrit-bridge: options, commands and statuses, the latter
 * two from the table commands.def.  main_*.c and manual.c call. */
#ifndef CLI_H
#define CLI_H

#include "config.h"

#include <argp.h>
#include <stdio.h>

enum command {
#define COMMAND(id, name, arguments, fewest, most, doc) COMMAND_##id,
#include "commands.def"
	COMMANDS
};

enum exit_status {
#define EXIT(id, status, codes, doc) EXIT_##id = (status),
#include "commands.def"
};

enum { CLI_WORDS = 2 };

struct cli {
	enum command command;
	const char *words[CLI_WORDS]; /* borrowed from argv; NULL beyond the last */
	bool json, start, apply, daemon, once;
	const char *file;             /* borrowed; of --config, or NULL */
	struct {
		const char *mix, *duration, *rate, *arrivals; /* borrowed; of load-test, or NULL */
	} load;
	struct cli_set {
		const char *name, *value; /* borrowed; without name: NAME=VALUE */
	} *sets;                      /* owned */
	int set_count;
};

/* Fills CONFIG from file, environment and arguments.  Ends the program itself for --help,
 * --version, --man, and for what cannot be understood (status 2). */
void cli_read(int argc, char **argv, struct config *config, struct cli *cli);

void cli_finish(struct cli *);

/* CONFIG (fresh from config_init) as the command line, the file and the environment say now.
 * False: *error (caller frees). */
bool cli_settings(const struct cli *, struct config *, char **error) __attribute__((warn_unused_result));

enum exit_status cli_status_of(const char *error_code); /* of a tool that failed; NULL is fine */

/* The tables, for the manual. */
struct cli_row {
	const char *name, *arguments, *doc; /* an exit status has no name */
	int status;
};
extern const struct cli_row cli_commands[COMMANDS], cli_exits[], cli_kinds[]; /* kinds: what load-test sends */
extern const size_t cli_exits_count, cli_kinds_count;
extern const struct argp_option cli_options[];

#endif
