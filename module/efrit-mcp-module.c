/* efrit-mcp-module.c - emacs_module_init and the efrit-mcp--mod-* primitives, which
 * only convert and pass on.  Thread: emacs.  An error here signals `efrit-mcp-error';
 * nothing aborts, that would take the person's unsaved work with it. */
#include "interrupt.h"
#include "json.h"
#include "lisp.h"
#include "reply_text.h"
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#pragma GCC visibility push(default)
int plugin_is_GPL_compatible;
int emacs_module_init(struct emacs_runtime *runtime) EMACS_NOEXCEPT;
#pragma GCC visibility pop

static struct queue *queue; /* made with the module and kept: a job of a stopped server may still run, and numbers are not used twice */
static struct server *server; /* NULL: it does not run */

static uint64_t number_of(emacs_env *env, emacs_value value)
{
	intmax_t n = env->extract_integer(env, value);
	return lisp_exited(env) || n < 0 ? 0 : (uint64_t)n;
}

static unsigned limit_of(emacs_env *env, emacs_value value)
{
	uint64_t n = number_of(env, value);
	return n < 1000 * 1000 ? (unsigned)n : 1000 * 1000;
}

static emacs_value truth(emacs_env *env, bool value)
{
	return value ? lisp_t(env) : lisp_nil(env);
}

static bool running(emacs_env *env)
{
	if (!server)
		lisp_error(env, "the server does not run; M-x efrit-mcp-mode starts it");
	return server != NULL;
}

static emacs_value mod_version(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	(void)n, (void)args, (void)data;
	return lisp_string(env, EFRIT_MCP_VERSION, strlen(EFRIT_MCP_VERSION));
}

/* A descriptor of our own to the doorbell: close-on-exec, never blocking. */
static int open_doorbell(emacs_env *env, emacs_value process)
{
	int fd = env->open_channel(env, process);
	if (lisp_exited(env))
		return -1;
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
		close(fd);
		lisp_error(env, "the doorbell cannot be set up");
		return -1;
	}
	return fd;
}

static emacs_value mod_start(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	char name[256] = "", version[32] = "", why[512] = "";
	(void)n, (void)data;
	if (server) {
		lisp_error(env, "the server runs already");
		return lisp_nil(env);
	}
	if (!lisp_get_text(env, args[0], name, sizeof name) || !lisp_get_text(env, args[2], version, sizeof version)) {
		lisp_error(env, "the name and Emacs's version must be strings");
		return lisp_nil(env);
	}
	struct queue_limits limits = {limit_of(env, args[4]), limit_of(env, args[5])};
	struct server_settings set = {
		.instance = name,
		.version = EFRIT_MCP_VERSION,
		.emacs_version = version,
		.heartbeat = (double)number_of(env, args[6]),
		.signal = (int)number_of(env, args[3]),
		.doorbell = -1,
		.noninteractive = env->is_not_nil(env, args[7]),
	};
	if (lisp_exited(env) || (set.doorbell = open_doorbell(env, args[1])) < 0)
		return lisp_nil(env);
	queue_open(queue, &limits);
	server = server_start(&set, queue, why);
	if (!server) {
		lisp_error(env, why);
		return lisp_nil(env);
	}
	return lisp_string(env, server_instance(server), strlen(server_instance(server)));
}

static emacs_value mod_stop(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	char why[120] = "the server in Emacs was stopped";
	(void)data;
	if (n > 0)
		lisp_get_text(env, args[0], why, sizeof why);
	bool was = server != NULL;
	server_stop(&server, why); /* the queue stays: a job may be running us */
	return truth(env, was);
}

static emacs_value mod_path(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	(void)n, (void)args, (void)data;
	return server ? lisp_string(env, server_path(server), strlen(server_path(server))) : lisp_nil(env);
}

static emacs_value mod_set_doorbell(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	(void)n, (void)data;
	int fd = running(env) ? open_doorbell(env, args[0]) : -1;
	if (fd >= 0)
		server_set_doorbell(server, fd);
	return truth(env, fd >= 0);
}

static emacs_value mod_ring(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	(void)n, (void)args, (void)data;
	queue_look_later(queue);
	if (server)
		server_wake(server);
	return lisp_nil(env);
}

static emacs_value mod_heard(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	(void)n, (void)args, (void)data;
	queue_heard(queue);
	return truth(env, server && server_watches_new(server));
}

static emacs_value mod_watches(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	struct buf text = {0};
	(void)n, (void)args, (void)data;
	bool ok = server && server_take_watches(server, &text) && buf_len(&text);
	emacs_value value = ok ? lisp_string(env, buf_data(&text), buf_len(&text)) : lisp_nil(env);
	buf_finish(&text);
	return value;
}

/* Lisp never got to see the job: nobody else would answer it. */
static void give_back(uint64_t number)
{
	static const char sorry[] = "{\"content\":[{\"type\":\"text\",\"text\":\"{\\\"status\\\":\\\"error\\\",\\\"error_code\\\":"
				    "\\\"no_memory\\\",\\\"error\\\":\\\"Emacs could not take the call; it did not run\\\"}\"}],"
				    "\"isError\":true}";
	struct buf text = {0};
	if (!buf_add(&text, sorry, sizeof sorry - 1))
		buf_finish(&text);
	queue_reply(queue, number, &text, JOB_FAILED);
}

static emacs_value mod_take(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	enum { CONTEXT_COMMON = 32 }; /* bytes: what only says what the client wants is the same in all its calls */
	(void)n, (void)data;
	/* What was watched before a call is watched when it runs: Lisp hears of it first, for it was rung for. */
	const struct job *job = server && !server_watches_new(server) ? queue_take(queue, env->is_not_nil(env, args[0])) : NULL;
	if (!job)
		return lisp_nil(env);
	json_t *json = json_loadb(job->arguments, job->arguments_len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	emacs_value list[6] = {
		env->make_integer(env, (intmax_t)job->number),
		lisp_name(env, job->tool),
		lisp_name(env, job->client),
		json_is_object(json) ? lisp_from_json(env, json) : lisp_symbol(env, ":invalid"),
		env->make_float(env, job_left(job, queue_now())),
		!job->context ? lisp_nil(env) : strlen(job->context) < job->context_len || job->context_len > CONTEXT_COMMON
			? lisp_string(env, job->context, job->context_len)
			: lisp_name(env, job->context),
	};
	json_decref(json);
	emacs_value taken = lisp_list(env, 6, list);
	if (lisp_exited(env))
		give_back(job->number);
	return taken;
}

static emacs_value mod_begin(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	(void)data;
	return truth(env, queue_begin(queue, number_of(env, args[0]), n > 1 && env->is_not_nil(env, args[1])));
}

/* The one system call makes sure that a signal already sent arrives before we return. */
static emacs_value mod_end(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	(void)n, (void)data;
	queue_end(queue, number_of(env, args[0]));
	interrupt_heard();
	(void)getppid();
	return lisp_nil(env);
}

static emacs_value mod_why(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	char by[JOB_BY_MAX];
	(void)n, (void)data;
	enum job_stop why = queue_why(queue, number_of(env, args[0]), by);
	if (why == STOP_NONE)
		return lisp_nil(env);
	const char *word = job_stop_word(why);
	emacs_value list[2] = {lisp_string(env, word, strlen(word)), lisp_string(env, by, strlen(by))};
	return lisp_list(env, 2, list);
}

static emacs_value mod_stop_wanted(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	(void)n, (void)args, (void)data;
	uint64_t number = queue_stop_wanted(queue);
	return number ? env->make_integer(env, (intmax_t)number) : lisp_nil(env);
}

static emacs_value mod_stop_seen(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	char obstacle[JOB_OBSTACLE_MAX] = "";
	(void)data;
	bool blocked = n > 1 && lisp_get_text(env, args[1], obstacle, sizeof obstacle);
	bool brief = blocked && n > 2 && env->is_not_nil(env, args[2]);
	queue_stop_seen(queue, number_of(env, args[0]), blocked ? obstacle : NULL, brief);
	if (!brief) /* then Lisp sets the flag again */
		interrupt_heard();
	return lisp_nil(env);
}

static emacs_value mod_begun(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	enum { MOST = 16 }; /* one runs, few nest; what is left comes with the next call */
	uint64_t numbers[MOST];
	emacs_value list[MOST];
	(void)n, (void)args, (void)data;
	size_t count = queue_begun(queue, numbers, MOST);
	for (size_t i = 0; i < count; i++)
		list[i] = env->make_integer(env, (intmax_t)numbers[i]);
	return lisp_list(env, (ptrdiff_t)count, list);
}

static emacs_value mod_use_signal(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	(void)n, (void)data;
	interrupt_use((int)number_of(env, args[0]));
	return lisp_nil(env);
}

static emacs_value mod_guard_keyboard(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	(void)n, (void)args, (void)data;
	interrupt_guard_keyboard();
	return lisp_nil(env);
}

static emacs_value mod_took(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	(void)n, (void)data;
	return env->make_float(env, queue_took(queue, number_of(env, args[0]), NULL));
}

static emacs_value mod_log(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	char line[512];
	(void)n, (void)data;
	if (server && lisp_get_text(env, args[0], line, sizeof line))
		server_event(server, "%s", line);
	return truth(env, server != NULL);
}

static emacs_value mod_defer(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	(void)n, (void)data;
	queue_defer(queue, number_of(env, args[0]));
	return lisp_nil(env);
}

static emacs_value mod_alive(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	(void)n, (void)data;
	return truth(env, server && queue_alive(queue, number_of(env, args[0])));
}

static void log_end(uint64_t number, const char *tool, double took, intmax_t outcome)
{
	static const char *const words[] = {[JOB_DONE] = "done", [JOB_FAILED] = "failed", [JOB_STOPPED] = "stopped", [JOB_FAULT] = "failed", [JOB_ASKS] = "asks"};
	unsigned long long tenths = (unsigned long long)(took * 1e4);
	if (server && *tool)
		server_event(server, "request %llu %s %s, %llu.%llu ms", (unsigned long long)number, tool,
			     outcome < 0 || outcome > JOB_ASKS ? "failed" : words[outcome], tenths / 10, tenths % 10);
}

/* Who passes a long result on decides what to do with it before its first byte. */
static void tell_size(uint64_t number, size_t size)
{
	struct buf note = {0};
	if (size > WIRE_WINDOW && buf_printf(&note, "{\"size\":%zu}", size))
		queue_note(queue, number, &note);
	buf_finish(&note);
}

static emacs_value mod_reply(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	struct buf result = {0};
	struct body *rest = NULL;
	uint64_t number = number_of(env, args[0]);
	intmax_t outcome = env->extract_integer(env, args[2]);
	(void)data;
	if (lisp_exited(env))
		return lisp_nil(env);
	emacs_value seen = n > 3 ? args[3] : lisp_nil(env);
	bool whole = lisp_is_whole(env, seen);
	char tool[WIRE_TOOL_MAX + 1];
	double took = queue_took(queue, number, tool);
	bool ok = whole ? reply_text_whole(env, args[1], outcome > JOB_STOPPED, &result)
			: reply_text(env, server ? server_instance(server) : "", took, args[1], outcome != JOB_DONE, seen, &result, &rest);
	_Static_assert(WIRE_RESULT_MAX == 128 << 20, "said below");
	if (!ok) {
		static const char sorry[] = "{\"content\":[{\"type\":\"text\",\"text\":\"{\\\"status\\\":\\\"error\\\",\\\"error_code\\\":"
					    "\\\"result_too_large\\\",\\\"error\\\":\\\"the result is over 128 MiB or has over a million parts and cannot be "
					    "sent; ask for less with max_chars\\\"}\"}],\"isError\":true}";
		buf_finish(&result);
		body_destroy(rest);
		rest = NULL;
		outcome = JOB_FAILED;
		ok = buf_add(&result, sorry, sizeof sorry - 1);
	}
	log_end(number, tool, took, outcome);
	if (!whole)
		tell_size(number, buf_len(&result) + (rest ? rest->left : 0));
	return truth(env, queue_reply_long(queue, number, &result, &rest, outcome < 0 || outcome > JOB_ASKS ? JOB_FAILED : (enum job_outcome)outcome));
}

static emacs_value mod_note(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	struct buf text = {0};
	bool lossy = false;
	uint64_t number = env->is_not_nil(env, args[0]) ? number_of(env, args[0]) : 0;
	(void)n, (void)data;
	if (lisp_exited(env))
		return lisp_nil(env);
	bool ok = server && lisp_put_json(env, args[1], false, &text, &lossy) && buf_len(&text) <= WIRE_NOTE_MAX;
	if (!ok)
		buf_finish(&text);
	return truth(env, ok && queue_note(queue, number, &text));
}

static emacs_value mod_json(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	struct buf text = {0};
	bool lossy = false;
	(void)n, (void)data;
	emacs_value value = lisp_nil(env);
	if (lisp_put_json(env, args[0], false, &text, &lossy))
		value = lisp_string(env, buf_data(&text), buf_len(&text));
	else
		lisp_error(env, "the value cannot be written as JSON: it is too large");
	buf_finish(&text);
	return value;
}

static emacs_value mod_parse(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	struct buf text = {0};
	bool lossy = false;
	json_error_t error;
	json_t *json = NULL;
	(void)n, (void)data;
	if (lisp_put_text(env, args[0], &text, &lossy))
		json = json_loadb(buf_data(&text), buf_len(&text), JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	buf_finish(&text);
	if (!json) {
		lisp_error(env, "not JSON");
		return lisp_nil(env);
	}
	emacs_value value = lisp_from_json(env, json);
	json_decref(json);
	return value;
}

static void free_names(char **names, size_t count)
{
	for (size_t i = 0; names && i < count; i++)
		free(names[i]);
	free(names);
}

static bool copy_names(emacs_env *env, emacs_value vector, char **names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char name[WIRE_TOOL_MAX + 1];
		emacs_value item = env->vec_get(env, vector, (ptrdiff_t)i);
		if (!lisp_get_text(env, item, name, sizeof name) || !(names[i] = strdup(name)))
			return false;
	}
	return true;
}

static emacs_value mod_set_catalogue(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	struct buf text = {0};
	bool lossy = false, ok = false;
	char hash[65];
	(void)n, (void)data;
	if (!running(env))
		return lisp_nil(env);
	ptrdiff_t count = env->vec_size(env, args[2]);
	if (lisp_exited(env))
		return lisp_nil(env);
	char **names = calloc((size_t)count + 1, sizeof *names);
	if (names && copy_names(env, args[2], names, (size_t)count) && queue_name_nesting(queue, names, (size_t)count)) {
		free(names); /* the strings are the queue's now */
		names = NULL;
		ok = lisp_get_text(env, args[1], hash, sizeof hash) && lisp_put_text(env, args[0], &text, &lossy)
		     && server_set_catalogue(server, buf_data(&text), buf_len(&text), hash);
	}
	free_names(names, (size_t)count);
	buf_finish(&text);
	return truth(env, ok);
}

static emacs_value mod_set_prompt(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	char text[256] = "";
	(void)n, (void)data;
	if (env->is_not_nil(env, args[0]))
		lisp_get_text(env, args[0], text, sizeof text);
	queue_prompt(queue, text, n > 1 && env->is_not_nil(env, args[1]));
	return lisp_nil(env);
}

static emacs_value mod_status(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	struct buf text = {0};
	emacs_value value = lisp_nil(env);
	(void)n, (void)args, (void)data;
	if (server && server_status(server, &text))
		value = lisp_string(env, buf_data(&text), buf_len(&text));
	buf_finish(&text);
	return value;
}

static emacs_value mod_interrupt(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	(void)n, (void)args, (void)data;
	return truth(env, server && server_interrupt(server));
}

static emacs_value mod_pause(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	(void)n, (void)data;
	if (server)
		server_pause(server, env->is_not_nil(env, args[0]));
	return truth(env, server != NULL);
}

static emacs_value mod_events(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	struct buf text = {0};
	(void)n, (void)args, (void)data;
	if (server)
		server_take_events(server, &text);
	emacs_value value = buf_len(&text) ? lisp_string(env, buf_data(&text), buf_len(&text)) : lisp_nil(env);
	buf_finish(&text);
	return value;
}

/* A signal's number by the name `debug-on-event' knows it; 0: not one Emacs reads. */
static emacs_value mod_signal(emacs_env *env, ptrdiff_t n, emacs_value *args, void *data)
{
	char name[16] = "";
	(void)n, (void)data;
	lisp_get_text(env, args[0], name, sizeof name);
	return env->make_integer(env, strcmp(name, "sigusr1") == 0 ? SIGUSR1 : strcmp(name, "sigusr2") == 0 ? SIGUSR2 : 0);
}

static const struct {
	const char *name;
	int min, max;
	emacs_value (*function)(emacs_env *, ptrdiff_t, emacs_value *, void *);
	const char *doc;
} primitives[] = {
	{"version", 0, 0, mod_version, "Return the version of the module."},
	{"start", 8, 8, mod_start,
	 "Start the server thread; return the instance's name.\n"
	 "Arguments: NAME wanted, DOORBELL (a pipe process), EMACS-VERSION, SIGNAL (number,\n"
	 "0: none), QUEUE-MAX and CLIENT-QUEUE-MAX (jobs), HEARTBEAT (seconds),\n"
	 "NONINTERACTIVE (nobody can sit here)."},
	{"stop", 0, 1, mod_stop, "Stop the server thread, telling the bridges WHY.  Return t if it ran."},
	{"path", 0, 0, mod_path, "Return the path of the socket, nil when the server does not run."},
	{"set-doorbell", 1, 1, mod_set_doorbell, "Ring PROCESS, a pipe process, from now on."},
	{"ring", 0, 0, mod_ring, "Have the doorbell rung again, for the jobs that are left."},
	{"heard", 0, 0, mod_heard, "Tell the thread that the doorbell was heard.  t: what bridges watch is new."},
	{"take", 1, 1, mod_take,
	 "Take the next job: (NUMBER TOOL CLIENT ARGUMENTS TIMEOUT CONTEXT), or nil.\n"
	 "With NESTED non-nil only one that may run inside another.  ARGUMENTS is an alist\n"
	 "with string keys, or :invalid; TIMEOUT is in seconds; CONTEXT\n"
	 "is JSON text, or nil."},
	{"begin", 1, 2, mod_begin, "Mark job NUMBER as running, NESTED or not.  nil: it is to stop already."},
	{"end", 1, 1, mod_end, "Mark job NUMBER as ended: no signal for it arrives after this returned."},
	{"why", 1, 1, mod_why, "Why job NUMBER is to stop: (CODE BY), or nil."},
	{"stop-wanted", 0, 0, mod_stop_wanted, "Return the number of the running job if it is to stop, else nil."},
	{"stop-seen", 1, 3, mod_stop_seen,
	 "Say that the stop of job NUMBER is acted on; or not, because of OBSTACLE.\n"
	 "With BRIEF the obstacle is over in a moment: have the signal come again soon."},
	{"begun", 0, 0, mod_begun, "Return the numbers of the jobs that Lisp has taken and not answered."},
	{"use-signal", 1, 1, mod_use_signal, "Stop forms by the signal NUMBER from now on."},
	{"guard-keyboard", 0, 0, mod_guard_keyboard,
	 "Have one C-g in a terminal be one, also where a stop has set the quit flag."},
	{"took", 1, 1, mod_took, "Return for how many seconds job NUMBER has run; 0.0: it did not begin."},
	{"log", 1, 1, mod_log, "Put LINE among the events.  nil: the server does not run."},
	{"defer", 1, 1, mod_defer, "Job NUMBER returned without an answer, which comes later."},
	{"alive", 1, 1, mod_alive, "Return t if somebody still waits for the answer of job NUMBER."},
	{"reply", 3, 4, mod_reply,
	 "Answer job NUMBER with VALUE; OUTCOME is 0 done, 1 failed, 2 stopped,\n"
	 "3 a fault of the protocol, 4 the client must answer something first.\n"
	 "A string is the text, all else is written as JSON.  With SEEN, an alist or t, VALUE is\n"
	 "an alist, to which instance_id, execution_time (seconds) and the members of SEEN\n"
	 "are added; with :whole VALUE is the result itself.  nil: nobody waits for the answer."},
	{"note", 2, 2, mod_note,
	 "Tell the client of job NUMBER, or with nil every bridge, VALUE as JSON.\n"
	 "nil: it was dropped."},
	{"json", 1, 1, mod_json, "Return VALUE as JSON text."},
	{"parse", 1, 1, mod_parse, "Return the value of the JSON TEXT."},
	{"set-catalogue", 3, 3, mod_set_catalogue, "Announce the tools: JSON text, HASH, vector of names that may NEST."},
	{"set-prompt", 1, 2, mod_set_prompt, "Say that a minibuffer shows TEXT, nil: none; OF-JOB: opened by the running job."},
	{"status", 0, 0, mod_status, "Return what the thread says of Emacs, as JSON text."},
	{"interrupt", 0, 0, mod_interrupt, "Stop the running job for the person.  nil: none runs."},
	{"pause", 1, 1, mod_pause, "Refuse all calls and answer those that wait; with nil take calls again."},
	{"watches", 0, 0, mod_watches, "Return what bridges watch: an array of arrays of URIs, as JSON text; nil: not known."},
	{"events", 0, 0, mod_events, "Return what happened since the last call, lines in a string; nil: nothing."},
	{"signal-number", 1, 1, mod_signal, "Return the number of the signal NAME, a string as `debug-on-event' has it."},
};

static bool define(emacs_env *env)
{
	emacs_value defalias = env->intern(env, "defalias");
	for (size_t i = 0; i < sizeof primitives / sizeof *primitives && !lisp_exited(env); i++) {
		char name[64];
		snprintf(name, sizeof name, "efrit-mcp--mod-%s", primitives[i].name);
		emacs_value pair[2] = {env->intern(env, name), env->make_function(env, primitives[i].min, primitives[i].max,
										   primitives[i].function, primitives[i].doc, NULL)};
		if (!lisp_exited(env))
			env->funcall(env, defalias, 2, pair);
	}
	emacs_value feature = env->intern(env, "efrit-mcp-module");
	if (!lisp_exited(env))
		env->funcall(env, env->intern(env, "provide"), 1, &feature);
	return !lisp_exited(env);
}

/* Another file with the same module would take the functions away from the one that serves. */
static bool another_copy(emacs_env *env)
{
	static const char why[] = "this Emacs has another copy of the efrit-mcp module, which stays; restart Emacs to load this one";
	emacs_value feature = env->intern(env, "efrit-mcp-module");
	if (!env->is_not_nil(env, env->funcall(env, env->intern(env, "featurep"), 1, &feature)))
		return false;
	emacs_value text = env->make_string(env, why, sizeof why - 1);
	emacs_value data = env->funcall(env, env->intern(env, "list"), 1, &text);
	env->non_local_exit_signal(env, env->intern(env, "error"), data);
	return true;
}

int emacs_module_init(struct emacs_runtime *runtime) EMACS_NOEXCEPT
{
	if ((size_t)runtime->size < sizeof *runtime)
		return 1;
	emacs_env *env = runtime->get_environment(runtime);
	if ((size_t)env->size < sizeof(struct emacs_env_28))
		return 2; /* Emacs older than 28: no open_channel */
	if (queue) /* loaded again: what runs goes on; functions that somebody replaced are ours again */
		return define(env) ? 0 : 3;
	if (another_copy(env))
		return 0; /* the error says more than a number */
	json_object_seed(0); /* before the thread: seeding is not thread-safe */
	queue = queue_create(&(struct queue_limits){0}); /* opened when the server starts */
	return queue && lisp_init(env) && define(env) ? 0 : 3;
}
