/* main_commands.c - call, status, instances: what a tool says, printed for people. */
#include "log.h"
#include "main_house.h"
#include "plain.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SHOWN = JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15), INPUT_MAX = 5 * 1024 * 1024 };

static const char *word(const json_t *object, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : otherwise;
}

static long number(const json_t *object, const char *key)
{
	return (long)json_number_value(json_object_get(object, key));
}

/* Has every string in VALUE be one line that may be printed. */
static void make_plain(json_t *value)
{
	const char *key;
	size_t i;
	json_t *one;
	if (json_is_string(value)) {
		char *copy = strdup(json_string_value(value));
		if (!copy)
			log_no_memory();
		json_string_set(value, plain_text(copy, copy, strlen(copy) + 1));
		free(copy);
	}
	json_object_foreach(value, key, one)
		make_plain(one);
	json_array_foreach(value, i, one)
		make_plain(one);
}

static void print_json(const json_t *value, FILE *out)
{
	char *text = json_dumps(value, SHOWN);
	if (text)
		plain_print(text, out);
	else
		log_error("the answer cannot be printed");
	free(text);
	fputc('\n', out);
}

static void print_error(const char *why)
{
	fputs("efrit-bridge: ", stderr);
	plain_print(why, stderr);
	fputc('\n', stderr);
}

static void print_whole(const char *text)
{
	plain_print(text, stdout);
	if (!*text || text[strlen(text) - 1] != '\n')
		fputc('\n', stdout);
}

static void print_block(const json_t *block)
{
	const char *text = word(block, "text", NULL), *data = word(block, "data", "");
	json_t *value = text ? json_loads(text, JSON_ALLOW_NUL, NULL) : NULL;
	if (value)
		print_json(value, stdout);
	else if (text)
		print_whole(text);
	else
		printf("[%s %s, %zu bytes in base64; --json prints it]\n", word(block, "type", "something"),
		       word(block, "mimeType", ""), strlen(data));
	json_decref(value);
}

/* The output of a program ends up on paper or not at all. */
static int flushed(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	log_error("the answer could not be written");
	return status ? status : EXIT_FAILED;
}

static int print_response(const json_t *response, bool raw)
{
	json_t *said, *block, *result = json_object_get(response, "result");
	size_t i;
	enum exit_status status = house_status_of(response, &said);
	json_decref(said);
	if (raw)
		print_json(result ? result : response, stdout);
	else if (!result)
		print_error(word(json_object_get(response, "error"), "message", "no answer"));
	else
		json_array_foreach(json_object_get(result, "content"), i, block)
			print_block(block);
	return flushed((int)status);
}

/* --- call --- */

/* jansson takes one behind a value for its end. */
static bool has_nul(const char *text, size_t len, json_error_t *error)
{
	const char *nul = memchr(text, 0, len);
	if (!nul)
		return false;
	snprintf(error->text, sizeof error->text, "a NUL byte (write \\u0000 where a string is to have one)");
	error->line = error->column = 1;
	for (const char *p = text; p < nul; p++) {
		error->line += *p == '\n';
		error->column = *p == '\n' ? 1 : error->column + 1;
	}
	return true;
}

static json_t *read_input(json_error_t *error)
{
	char *text = malloc(INPUT_MAX + 1);
	if (!text)
		log_no_memory();
	size_t len = fread(text, 1, INPUT_MAX + 1, stdin);
	bool bad = len > INPUT_MAX || has_nul(text, len, error);
	json_t *value = bad ? NULL : json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, error);
	if (len > INPUT_MAX)
		snprintf(error->text, sizeof error->text, "more than %d bytes", INPUT_MAX);
	free(text);
	return value;
}

static json_t *read_arguments(const char *text)
{
	json_error_t error = {.text = ""};
	json_t *value;
	if (!text)
		return json_object();
	value = strcmp(text, "-") == 0 ? read_input(&error) : json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (json_is_object(value))
		return value;
	if (value)
		fprintf(stderr, "efrit-bridge: the arguments must be an object of JSON, for example '{\"content\": \"(+ 1 2)\"}'\n");
	else
		fprintf(stderr, "efrit-bridge: the arguments are no JSON: %s, at line %d, column %d\n", error.text, error.line,
			error.column);
	json_decref(value);
	return NULL;
}

/* With --start: an Emacs of that name, or any, is there afterwards.  Else the status. */
static int start_first(struct house *h, const struct cli *cli, const char *id)
{
	const char *name = id && *id ? id : *h->config->instance ? h->config->instance : NULL;
	bool there = false;
	if (!cli->start)
		return EXIT_GOOD;
	for (struct worker *w = service_first(h->service); w; w = service_next(w))
		there |= w->listed && (!name || strcmp(w->name, name) == 0);
	if (there)
		return EXIT_GOOD;
	json_t *said, *response = house_call(h, "efrit_start_instance", json_pack("{s:s}", "name", name ? name : "default"));
	enum exit_status status = house_status_of(response, &said);
	if (status != EXIT_GOOD)
		print_response(response, cli->json);
	json_decref(said);
	json_decref(response);
	return (int)status;
}

int command_call(struct house *h, const struct cli *cli)
{
	json_t *arguments = read_arguments(cli->words[1]);
	if (!arguments)
		return EXIT_USAGE;
	int status = start_first(h, cli, word(arguments, "instance_id", NULL));
	if (status != EXIT_GOOD) {
		json_decref(arguments);
		return status;
	}
	json_t *response = house_call(h, cli->words[0], arguments);
	status = print_response(response, cli->json);
	json_decref(response);
	return status;
}

/* --- status, instances --- */

static void print_duration(long ms)
{
	if (ms < 10000)
		printf("%.1f s", (double)ms / 1000);
	else if (ms < 600000)
		printf("%ld s", ms / 1000);
	else
		printf("%ld min", ms / 60000);
}

static void print_job(const json_t *job)
{
	printf("  runs      #%ld %s for %s, ", number(job, "request"), word(job, "tool", "?"), word(job, "client", "?"));
	print_duration(number(job, "for_ms"));
	fputs(" of ", stdout);
	print_duration(number(job, "timeout_ms"));
	puts(json_object_get(job, "stopping") ? ", being stopped" : "");
}

/* How the gateway keeps it, what for, and what it does about it next. */
static void print_kept(const json_t *s)
{
	const char *next = word(s, "next", ""), *why = word(s, "kept_why", "");
	printf("  kept      %s", word(s, "kept", "?"));
	if (*next) {
		printf(", %s in ", strcmp(next, "start") == 0 ? "started again" : strcmp(next, "try") == 0 ? "tried again" : "ended");
		print_duration(number(s, "next_ms"));
	}
	printf("%s%s\n", *why && strcmp(why, word(s, "why", "")) != 0 ? ": " : "", *why && strcmp(why, word(s, "why", "")) != 0 ? why : "");
}

static void print_state(const json_t *s)
{
	json_t *job = json_object_get(s, "running"), *prompt = json_object_get(s, "prompt"), *child = json_object_get(s, "child");
	json_t *counts = json_object_get(s, "counts");
	printf("%s is %s", word(s, "instance", "Emacs"), word(s, "state", "unknown"));
	if (json_is_number(json_object_get(s, "for_ms"))) {
		fputs(" for ", stdout);
		print_duration(number(s, "for_ms"));
	}
	puts("");
	if (*word(s, "why", ""))
		printf("  why       %s\n", word(s, "why", ""));
	if (json_object_get(s, "kept"))
		print_kept(s);
	if (number(s, "pid"))
		printf("  process   %ld\n", number(s, "pid"));
	if (*word(s, "emacs_version", ""))
		printf("  versions  Emacs %s, efrit-mcp %s\n", word(s, "emacs_version", ""), word(s, "version", "?"));
	if (json_is_object(job))
		print_job(job);
	if (json_is_object(prompt))
		printf("  asks      %s\n", word(prompt, "text", ""));
	if (json_is_object(child))
		printf("  waits for process %ld, %s\n", number(child, "pid"), word(child, "command", ""));
	if (counts)
		printf("  calls     %ld waiting, %ld done, %ld failed, %ld stopped\n", number(s, "waiting"), number(counts, "done"),
		       number(counts, "failed"), number(counts, "stopped"));
}

/* What the Emacs said of itself, and whether there is a gateway. */
static json_t *add_gateway(struct house *h, json_t *said)
{
	house_know_gateway(h);
	if (json_is_object(said) && h->gateway)
		json_object_set_new(said, "gateway", json_pack("{s:s,s:s}", "state", service_state_word(h->gateway->state), "why",
							       h->gateway->why));
	return said;
}

static void print_status(struct house *h, const json_t *said)
{
	char words[HOUSE_WORDS];
	print_state(said);
	house_know_gateway(h);
	house_gateway_words(h, words);
	printf("  gateway   %s\n", words);
}

static int status_of_state(const json_t *state)
{
	const char *is = word(state, "state", "");
	return strcmp(is, "gone") == 0 || strcmp(is, "crash-loop") == 0 ? EXIT_NO_INSTANCE : strcmp(is, "blocked") == 0 ? EXIT_LATE : EXIT_GOOD;
}

int command_status(struct house *h, const struct cli *cli)
{
	json_t *arguments = json_object(), *said;
	int status = start_first(h, cli, cli->words[0]);
	if (cli->words[0])
		json_object_set_new(arguments, "instance_id", json_string(cli->words[0]));
	if (status != EXIT_GOOD) {
		json_decref(arguments);
		return status;
	}
	house_know_gateway(h); /* it knows more of what it keeps */
	json_t *response = house_call(h, "efrit_status", arguments);
	status = (int)house_status_of(response, &said);
	if (!cli->json)
		make_plain(said);
	if (status != EXIT_GOOD && !cli->json)
		print_error(word(said, "error", "no answer"));
	else if (cli->json)
		print_json(add_gateway(h, said), stdout);
	else
		print_status(h, said);
	if (status == EXIT_GOOD)
		status = status_of_state(said);
	json_decref(said);
	json_decref(response);
	return flushed(status);
}

static void print_instances(const json_t *all)
{
	json_t *one;
	size_t i, widest = 2;
	bool kept = false; /* some are: a column for how */
	json_array_foreach(all, i, one) {
		size_t len = strlen(word(one, "id", ""));
		widest = len > widest ? len : widest;
		kept = kept || json_object_get(one, "kept");
	}
	int room = kept ? 11 : 0;
	if (json_array_size(all))
		printf("%-*s  %-10s %-*s%8s  %-8s %-8s %s\n", (int)widest, "ID", "STATE", room, kept ? "KEPT" : "", "PID", "EMACS", "VERSION", "WHY");
	json_array_foreach(all, i, one)
		printf("%-*s  %-10s %-*s%8ld  %-8s %-8s %s\n", (int)widest, word(one, "id", ""), word(one, "state", ""), room,
		       word(one, "kept", ""), number(one, "pid"), word(one, "emacs_version", "-"), word(one, "version", "-"),
		       *word(one, "why", "") ? word(one, "why", "") : word(one, "kept_why", ""));
}

int command_instances(struct house *h, const struct cli *cli)
{
	house_know_gateway(h);
	json_t *said, *response = house_call(h, "efrit_list_instances", json_object());
	enum exit_status status = house_status_of(response, &said);
	json_t *all = json_object_get(said, "instances");
	if (!cli->json)
		make_plain(said);
	if (cli->json)
		print_json(said, stdout);
	else
		print_instances(all);
	if (!cli->json && *word(said, "why", ""))
		print_error(word(said, "why", ""));
	if (status == EXIT_GOOD && !json_array_size(all))
		status = EXIT_NO_INSTANCE;
	json_decref(said);
	json_decref(response);
	return flushed((int)status);
}
