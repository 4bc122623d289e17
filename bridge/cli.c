/* cli.c - see cli.h */
#include "cli.h"
#include "config_trail.h"
#include "log.h"
#include "manual.h"
#include "setup.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum key { KEY_CONFIG = 256, KEY_JSON, KEY_START, KEY_APPLY, KEY_LISTEN, KEY_AUTH, KEY_DAEMON, KEY_ONCE, KEY_MIX, KEY_DURATION, KEY_RATE, KEY_ARRIVALS, KEY_MAN };

const struct cli_row cli_commands[COMMANDS] = {
#define COMMAND(id, name, arguments, fewest, most, doc) {name, arguments, doc, 0},
#include "commands.def"
};

const struct cli_row cli_exits[] = {
#define EXIT(id, status, codes, doc) {"", "", doc, status},
#include "commands.def"
};
const size_t cli_exits_count = sizeof cli_exits / sizeof cli_exits[0];

const struct cli_row cli_kinds[] = {
#define KIND(name, tool, arguments, doc) {name, "", doc, 0},
#include "load.def"
#undef KIND
};
const size_t cli_kinds_count = sizeof cli_kinds / sizeof cli_kinds[0];

static const struct { int fewest, most; } counts[COMMANDS] = {
#define COMMAND(id, name, arguments, fewest, most, doc) {fewest, most},
#include "commands.def"
};

static const struct { enum exit_status status; const char *codes; } codes_of[] = {
#define EXIT(id, status, codes, doc) {EXIT_##id, codes},
#include "commands.def"
};

const struct argp_option cli_options[] = {
	{"config", KEY_CONFIG, "FILE", 0, "Read settings from FILE instead of the usual configuration file", 0},
	{"set", 's', "NAME=VALUE", 0, "Give a setting another value (the list is below)", 0},
	{"json", KEY_JSON, NULL, 0, "Print for programs, in JSON", 0},
	{"start", KEY_START, NULL, 0, "With call, status and migrate: start an Emacs in the background when none runs", 0},
	{"apply", KEY_APPLY, NULL, 0, "With setup and migrate: do it; without it nothing is changed", 0},
	{"once", KEY_ONCE, NULL, 0, "With top: print what there is now and end", 0},
	{"listen", KEY_LISTEN, "ADDR:PORT", 0, "With serve: take HTTP there; the same as --set listen=", 0},
	{"auth", KEY_AUTH, "none", 0, "With serve: ask for no token, on loopback only; the same as --set auth=", 0},
	{"daemon", KEY_DAEMON, NULL, 0, "With serve: in the background, once it is ready", 0},
	{"mix", KEY_MIX, "KIND:SHARE,...", 0, "With load-test: what is sent, in which shares; the kinds are below", 0},
	{"duration", KEY_DURATION, "SECONDS", 0, "With load-test: for how long requests are begun, 3600 at most", 0},
	{"rate", KEY_RATE, "NUMBER", 0, "With load-test: requests a second, of all connections together, answered or not", 0},
	{"arrivals", KEY_ARRIVALS, "closed|even|random", 0, "With load-test: closed: each connection sends its next request when the last is answered; even, random: they come at --rate", 0},
	{"man", KEY_MAN, NULL, OPTION_HIDDEN, "Print the manual page", 0},
	{0},
};

/* What the arguments said, until the file and the environment are read, which they overrule. */
struct arguments {
	struct cli *cli;
	int count;
};

enum exit_status cli_status_of(const char *error_code)
{
	size_t len = error_code ? strlen(error_code) : 0;
	for (size_t i = 0; len && i < sizeof codes_of / sizeof codes_of[0]; i++)
		for (const char *at = codes_of[i].codes; (at = strstr(at, error_code)); at += len)
			if ((at == codes_of[i].codes || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
				return codes_of[i].status;
	return EXIT_FAILED;
}

static void print_version(FILE *out, struct argp_state *state)
{
	(void)state;
	fputs("efrit-bridge " EFRIT_MCP_VERSION "\n", out);
}

static void take_command(struct argp_state *state, struct cli *cli, const char *word)
{
	const char *names[COMMANDS];
	for (int c = COMMAND_SERVE + 1; c < COMMANDS; c++) {
		names[c] = cli_commands[c].name;
		if (strcmp(names[c], word) == 0) {
			cli->command = (enum command)c;
			return;
		}
	}
	const char *near = config_nearest(word, names + 1, COMMANDS - 1);
	argp_error(state, "there is no command \"%s\"%s%s%s", word, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static void take_word(struct argp_state *state, struct arguments *a, const char *word)
{
	struct cli *cli = a->cli;
	if (cli->command == COMMAND_SERVE)
		take_command(state, cli, word);
	else if (a->count >= counts[cli->command].most)
		argp_error(state, "\"%s\" is too much; it is: %s %s", word, cli_commands[cli->command].name,
			   cli_commands[cli->command].arguments);
	else
		cli->words[a->count++] = word;
}

static void check(struct argp_state *state, const struct arguments *a)
{
	enum command c = a->cli->command;
	if (a->count < counts[c].fewest)
		argp_error(state, "something is missing; it is: %s %s", cli_commands[c].name, cli_commands[c].arguments);
	if (a->cli->start && c != COMMAND_CALL && c != COMMAND_STATUS && c != COMMAND_MIGRATE)
		argp_error(state, "--start goes with call, status and migrate");
	if (a->cli->apply && c != COMMAND_SETUP && c != COMMAND_MIGRATE)
		argp_error(state, "--apply goes with setup and migrate");
	if (a->cli->json && (c == COMMAND_SERVE || c == COMMAND_SETUP || c == COMMAND_GATEWAY || c == COMMAND_STOP || c == COMMAND_TOKEN
			     || c == COMMAND_MIGRATE))
		argp_error(state, "--json goes with call, status, instances, doctor, top, config and load-test");
	if ((a->cli->load.mix || a->cli->load.duration || a->cli->load.rate || a->cli->load.arrivals) && c != COMMAND_LOAD_TEST)
		argp_error(state, "--mix, --duration, --rate and --arrivals go with load-test");
	if (a->cli->once && c != COMMAND_TOP)
		argp_error(state, "--once goes with top");
	if (a->cli->daemon && c != COMMAND_GATEWAY)
		argp_error(state, "--daemon goes with serve");
}

static error_t on_option(int key, char *value, struct argp_state *state)
{
	struct arguments *a = state->input;
	switch (key) {
	case 's':
		a->cli->sets[a->cli->set_count++] = (struct cli_set){NULL, value};
		return 0;
	case KEY_LISTEN:
		a->cli->sets[a->cli->set_count++] = (struct cli_set){"listen", value};
		return 0;
	case KEY_AUTH:
		a->cli->sets[a->cli->set_count++] = (struct cli_set){"auth", value};
		return 0;
	case KEY_DAEMON:
		a->cli->daemon = true;
		return 0;
	case KEY_CONFIG:
		a->cli->file = value;
		return 0;
	case KEY_JSON:
		a->cli->json = true;
		return 0;
	case KEY_START:
		a->cli->start = true;
		return 0;
	case KEY_MIX:
		a->cli->load.mix = value;
		return 0;
	case KEY_DURATION:
		a->cli->load.duration = value;
		return 0;
	case KEY_RATE:
		a->cli->load.rate = value;
		return 0;
	case KEY_ARRIVALS:
		a->cli->load.arrivals = value;
		return 0;
	case KEY_ONCE:
		a->cli->once = true;
		return 0;
	case KEY_APPLY:
		a->cli->apply = true;
		return 0;
	case KEY_MAN:
		manual_print(stdout);
		exit(0);
	case ARGP_KEY_ARG:
		take_word(state, a, value);
		return 0;
	case ARGP_KEY_END:
		check(state, a);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The tables end --help. */
static char *on_help(int key, const char *text, void *input)
{
	char *help = NULL, *settings;
	size_t len;
	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)(void *)(size_t)text;
	FILE *out = open_memstream(&help, &len);
	if (!out)
		log_no_memory();
	fputs("Commands:\n", out);
	for (int c = 0; c < COMMANDS; c++)
		fprintf(out, "  %s%s%s\n%10s%s\n", c ? cli_commands[c].name : "(none)", c ? " " : "", cli_commands[c].arguments, "",
			cli_commands[c].doc);
	fputs("HOST is one of", out);
	for (size_t i = 0; i < setup_hosts_count; i++)
		fprintf(out, "%s %s", i ? "," : "", setup_hosts[i].name);
	fputs(".\nKIND is one of:\n", out);
	for (size_t i = 0; i < cli_kinds_count; i++)
		fprintf(out, "  %-12s %s\n", cli_kinds[i].name, cli_kinds[i].doc);
	fputs("\nExit status:\n", out);
	for (size_t i = 0; i < cli_exits_count; i++)
		fprintf(out, "  %3d  %s\n", cli_exits[i].status, cli_exits[i].doc);
	settings = config_describe();
	fprintf(out, "\n%s", settings);
	free(settings);
	if (fclose(out) != 0)
		log_no_memory();
	return help;
}

static const struct argp argp = {
	.options = cli_options,
	.parser = on_option,
	.args_doc = "[COMMAND [ARGUMENT...]]",
	.doc = "Lets an AI agent work inside a running Emacs: an MCP server on standard input and output, "
	       "and commands for people.\v-",
	.help_filter = on_help,
};

void cli_finish(struct cli *cli)
{
	free(cli->sets);
	cli->sets = NULL;
}

bool cli_settings(const struct cli *cli, struct config *config, char **error)
{
	char *why = NULL;
	if (!config_file(config, cli->file, error) || !config_environment(config, error))
		return false;
	for (int i = 0; i < cli->set_count; i++) {
		const struct cli_set *set = &cli->sets[i];
		config_trail_at(config->trail, CONFIG_OF_FLAG, "the command line, --%s", set->name ? set->name : "set");
		if (set->name ? config_assign(config, set->name, set->name, set->value, &why) : config_set(config, set->value, &why))
			continue;
		config_complain(error, "--%s: %s", set->name ? set->name : "set", why);
		free(why);
		return false;
	}
	return true;
}

static void greet_person(struct config *config)
{
	fputs("efrit-bridge is started by an AI agent, as an MCP server over standard input and output.\n"
	      "efrit-bridge setup HOST shows how your agent is told so (HOST: claude-code, codex, cursor, ...).\n"
	      "efrit-bridge doctor tests whether Emacs is found; efrit-bridge --help lists the rest.\n",
	      stderr);
	config_finish(config);
	exit(EXIT_USAGE);
}

void cli_read(int argc, char **argv, struct config *config, struct cli *cli)
{
	struct arguments a = {.cli = cli};
	char *error = NULL;
	if (!(cli->sets = calloc((size_t)argc + 1, sizeof *cli->sets)))
		log_no_memory();
	argp_err_exit_status = EXIT_USAGE;
	argp_program_version_hook = print_version;
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	if (!cli_settings(cli, config, &error)) {
		fprintf(stderr, "efrit-bridge: %s\n", error);
		free(error);
		cli_finish(cli);
		config_finish(config);
		exit(EXIT_USAGE);
	}
	if (argc == 1 && isatty(STDIN_FILENO))
		greet_person(config);
}
