/* manual.c - see manual.h */
#include "manual.h"
#include "fleet_config.h"
#include "cli.h"
#include "setup.h"

/* Text of a table: a leading dot or quote would be a request to the formatter. */
static void put(FILE *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text; text++)
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else
			fputc(*text, out);
	fputc('\n', out);
}

static void put_commands(FILE *out)
{
	fputs(".SH COMMANDS\n", out);
	for (int c = 0; c < COMMANDS; c++) {
		fprintf(out, ".TP\n.B %s", c ? cli_commands[c].name : "(none)");
		if (*cli_commands[c].arguments)
			fprintf(out, " \\fI%s\\fR", cli_commands[c].arguments);
		fputc('\n', out);
		put(out, cli_commands[c].doc);
	}
}

static void put_options(FILE *out)
{
	fputs(".SH OPTIONS\n", out);
	for (const struct argp_option *o = cli_options; o->name; o++) {
		if (o->flags & OPTION_HIDDEN)
			continue;
		fputs(".TP\n", out);
		if (o->key < 256)
			fprintf(out, "\\fB\\-%c\\fR, ", o->key);
		fprintf(out, "\\fB\\-\\-%s\\fR%s%s%s\n", o->name, o->arg ? "=\\fI" : "", o->arg ? o->arg : "", o->arg ? "\\fR" : "");
		put(out, o->doc);
	}
	fputs(".TP\n\\fB\\-?\\fR, \\fB\\-\\-help\\fR\nSay all of this in short\n"
	      ".TP\n\\fB\\-V\\fR, \\fB\\-\\-version\\fR\nPrint the version\n", out);
}

static void put_hosts(FILE *out)
{
	fputs(".SH HOSTS\nWhat\n.B setup\nknows:\n", out);
	for (size_t i = 0; i < setup_hosts_count; i++) {
		fprintf(out, ".TP\n.B %s\n", setup_hosts[i].name);
		put(out, setup_hosts[i].doc);
	}
}

static void put_kinds(FILE *out)
{
	fputs(".SH LOAD TEST\nWhat\n.B \\-\\-mix\ncan name, with shares, as in \\fBeval:8,list:2\\fR:\n", out);
	for (size_t i = 0; i < cli_kinds_count; i++) {
		fprintf(out, ".TP\n.B %s\n", cli_kinds[i].name);
		put(out, cli_kinds[i].doc);
	}
	fputs(".PP\nThe calls go to the Emacs or the pool that the setting\n.B instance\nnames, if it names one.  With\n.B \\-\\-rate\n"
	      "a time counts from when the request was due, so that waiting for a free connection is in it.\n", out);
}

static void put_settings(FILE *out)
{
	struct config_row row;
	fputs(".SH SETTINGS\nA default gives way to the configuration file, that to the environment\n"
	      "(\\fBEFRIT_MCP_\\fINAME\\fR, in capitals), that to\n.BR \\-\\-set .\n"
	      "A name that is no setting is refused in the file and by\n.BR \\-\\-set ,\nand told in the log when it is in the "
	      "environment.\n.B config explain\nsays where one was found.\n", out);
	for (size_t i = 0; config_row(i, &row); i++) {
		fprintf(out, ".TP\n.B %s\n", row.name);
		put(out, row.doc);
		if (row.text)
			fprintf(out, "(default: \"%s\")\n", row.text);
		else
			fprintf(out, "(default: %ld %s; from %ld to %ld)\n", row.fallback, row.unit, row.least, row.most);
	}
}

static void put_fleet(FILE *out)
{
	struct fleet_row row;
	fputs(".SH INSTANCES AND POOLS\nThe file may declare which Emacs instances and which pools of them the gateway keeps:\n.nf\n"
	      "{\"instances\": {\"main\": {\"auto_start\": true, \"environment\": {\"LANG\": \"C.UTF\\-8\"}}},\n"
	      " \"pools\": {\"batch\": {\"min\": 1, \"max\": 4}}}\n.fi\n"
	      "A call names an instance or a pool by\n.BR instance_id .\nFields, all of which may be left out, besides\n.BR environment :\n", out);
	for (size_t i = 0; fleet_config_row(i, &row); i++) {
		fprintf(out, ".TP\n.B %s\n", row.name);
		put(out, row.doc);
		fprintf(out, "(%s; default: %s%s%s)\n", !row.pool ? "of an instance" : !row.instance ? "of a pool" : "of both", row.fallback,
			*row.unit ? " " : "", row.unit);
	}
}

void manual_print(FILE *out)
{
	fputs(".\\\" Made by efrit-bridge --man from the tables in bridge/*.def; `make man` writes it.\n"
	      ".TH EFRIT\\-BRIDGE 1 \"\" \"efrit\\-mcp " EFRIT_MCP_VERSION "\"\n"
	      ".SH NAME\nefrit\\-bridge \\- lets AI agents work inside a running Emacs\n"
	      ".SH SYNOPSIS\n.B efrit\\-bridge\n[\\fIOPTION\\fR...] [\\fICOMMAND\\fR [\\fIARGUMENT\\fR...]]\n"
	      ".SH DESCRIPTION\nWithout a command it is an MCP server on standard input and output: an agent starts it and its calls\n"
	      "are carried to the Emacs instances that run\n.BR efrit\\-mcp\\-mode .\n"
	      "The commands take the same road: validation, routing and time\\-outs are those of an agent's call.\n", out);
	put_commands(out);
	put_options(out);
	fputs(".SH EXIT STATUS\n", out);
	for (size_t i = 0; i < cli_exits_count; i++) {
		fprintf(out, ".TP\n.B %d\n", cli_exits[i].status);
		put(out, cli_exits[i].doc);
	}
	put_hosts(out);
	put_kinds(out);
	put_settings(out);
	put_fleet(out);
	fputs(".SH FILES\n.TP\n.I $XDG_CONFIG_HOME/efrit\\-mcp/config.json\n(else \\fI~/.config/efrit\\-mcp/config.json\\fR) an object "
	      "of JSON with settings by name:\n.nf\n{\"log_level\": \"info\", \"start_timeout\": 60}\n.fi\n"
	      ".TP\n.I $XDG_RUNTIME_DIR/efrit/ID.sock\n(else \\fI/tmp/efrit\\-UID\\fR) the socket of the Emacs ID; "
	      "\\fIID.log\\fR is the output of one that a bridge started\n"
	      ".TP\n.I ~/.emacs.d/.efrit/queues\nthe file queues of Efrit that\n.B migrate\nlooks for when nothing is named, and\n"
	      ".B EFRIT_MCP_CONFIG\nits file of instances\n"
	      ".SH SEE ALSO\n.BR emacs (1)\n", out);
}
