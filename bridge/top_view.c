/* top_view.c - see top_view.h */
#include "top_view.h"
#include "log.h"
#include "plain.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 2048 };

static const char *word(const json_t *object, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : otherwise;
}

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

/* --- what two looks say together --- */

static double ended(const json_t *instance)
{
	const json_t *counts = json_object_get(instance, "counts");
	return number(counts, "done") + number(counts, "failed") + number(counts, "stopped");
}

static json_t *find(const json_t *look, const json_t *like)
{
	size_t i;
	json_t *one, *all = json_object_get(look, "instances");
	json_array_foreach(all, i, one)
		if (json_equal(json_object_get(one, "id"), json_object_get(like, "id"))
		    && json_equal(json_object_get(one, "pid"), json_object_get(like, "pid")))
			return one;
	return NULL;
}

/* "running" of each client, by the name it gave. */
static void note_client(json_t *clients, const json_t *instance)
{
	json_t *job = json_object_get(instance, "running");
	const char *name = word(job, "client", NULL);
	if (!name)
		return;
	json_t *client = json_object_get(clients, name);
	if (!client) {
		client = json_object();
		json_object_set_new(clients, name, client);
	}
	json_object_set_new(client, "running", json_integer(json_integer_value(json_object_get(client, "running")) + 1));
	if (number(job, "for_ms") >= number(client, "longest_ms"))
		json_object_set(client, "longest_ms", json_object_get(job, "for_ms"));
}

void top_view_compare(json_t *look, const json_t *before)
{
	double passed = number(look, "at") - number(before, "at"), sum = 0;
	json_t *one, *clients = json_object(), *all = json_object_get(look, "instances");
	size_t i;
	json_array_foreach(all, i, one) {
		const json_t *then = before ? find(before, one) : NULL;
		note_client(clients, one);
		if (!then || passed <= 0 || ended(one) < ended(then))
			continue;
		double rate = (ended(one) - ended(then)) / passed;
		sum += rate;
		json_object_set_new(one, "per_second", json_real(rate));
	}
	if (before)
		json_object_set_new(look, "per_second", json_real(sum));
	json_object_set_new(look, "clients", clients);
}

/* --- lines --- */

struct page {
	FILE *out;
	const char *eol;
	int rows, columns, used;
};

/* Columns are counted in characters: what is double wide is cut by the terminal. */
static void __attribute__((format(printf, 2, 3))) line(struct page *p, const char *format, ...)
{
	char text[LINE_BYTES], plain[LINE_BYTES];
	va_list ap;
	if (p->rows && p->used >= p->rows)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	plain_text(text, plain, sizeof plain);
	int column = 0;
	char *c = plain;
	for (; *c; c++)
		if ((*c & 0xC0) != 0x80 && ++column > p->columns)
			break;
	*c = 0;
	p->used++;
	fprintf(p->out, "%s%s", plain, p->eol);
}

static const char *duration(double ms, char room[32])
{
	if (ms < 10000)
		snprintf(room, 32, "%.1f s", ms / 1000);
	else if (ms < 600000)
		snprintf(room, 32, "%.0f s", ms / 1000);
	else
		snprintf(room, 32, "%.0f min", ms / 60000);
	return room;
}

static const char *rate(const json_t *of, char room[32])
{
	const json_t *value = json_object_get(of, "per_second");
	if (value)
		snprintf(room, 32, "%.1f", json_number_value(value));
	else
		snprintf(room, 32, "-");
	return room;
}

static void head(struct page *p, const json_t *look)
{
	static const char *const states[] = {"idle", "running", "prompting", "blocked", "starting", "gone", "crash-loop"};
	const json_t *gateway = json_object_get(look, "gateway"), *one, *all = json_object_get(look, "instances");
	char text[512], room[32];
	size_t i, n = 0, known = sizeof states / sizeof states[0];
	n = (size_t)snprintf(text, sizeof text, "efrit-mcp: %zu instance%s", json_array_size(all), json_array_size(all) == 1 ? "" : "s");
	for (size_t s = 0; s < known; s++) {
		long count = 0;
		json_array_foreach((json_t *)(size_t)all, i, one)
			count += strcmp(word(one, "state", ""), states[s]) == 0;
		if (count && n < sizeof text)
			n += (size_t)snprintf(text + n, sizeof text - n, ", %ld %s", count, states[s]);
	}
	line(p, "%s; %s calls/s", text, rate(look, room));
	if (json_is_object(gateway))
		line(p, "gateway: %s; %.0f connections, %.0f sessions, %.0f requests, %.0f streams", word(gateway, "status", "?"),
		     number(gateway, "connections"), number(gateway, "sessions"), number(gateway, "requests"), number(gateway, "streams"));
	else
		line(p, "gateway: none runs; the instances were asked themselves");
}

static void pools(struct page *p, const json_t *look)
{
	const json_t *one, *all = json_object_get(look, "pools");
	char room[32];
	size_t i;
	if (!json_array_size(all))
		return;
	line(p, "%s", "");
	line(p, "%-16s %7s %5s %7s %13s %8s", "POOL", "WORKERS", "IDLE", "RUNNING", "i/n/b", "OLDEST");
	json_array_foreach((json_t *)(size_t)all, i, one) {
		const json_t *waiting = json_object_get(one, "waiting");
		char lanes[64];
		snprintf(lanes, sizeof lanes, "%.0f/%.0f/%.0f", number(waiting, "interactive"), number(waiting, "normal"), number(waiting, "batch"));
		line(p, "%-16s %7.0f %5.0f %7.0f %13s %8s", word(one, "name", "?"), number(one, "workers"), number(one, "idle"),
		     number(one, "running"), lanes, duration(number(one, "oldest_ms"), room));
	}
}

static void clients(struct page *p, const json_t *look)
{
	const char *name;
	json_t *one, *all = json_object_get(look, "clients");
	char room[32];
	if (!json_object_size(all))
		return;
	line(p, "%s", "");
	line(p, "%-32s %7s %9s", "CLIENT", "RUNNING", "LONGEST");
	json_object_foreach(all, name, one)
		line(p, "%-32.32s %7.0f %9s", name, number(one, "running"), duration(number(one, "longest_ms"), room));
}

/* What needs an eye comes first. */
static int rank(const json_t *instance)
{
	static const char *const order[] = {"crash-loop", "blocked", "prompting", "running", "starting", "idle", "gone"};
	for (int i = 0; i < (int)(sizeof order / sizeof order[0]); i++)
		if (strcmp(word(instance, "state", ""), order[i]) == 0)
			return i;
	return -1;
}

static int by_rank(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int difference = rank(x) - rank(y);
	return difference ? difference : strcmp(word(x, "id", ""), word(y, "id", ""));
}

static void instance(struct page *p, const json_t *one, int widest)
{
	const json_t *counts = json_object_get(one, "counts"), *queue = json_object_get(one, "queue"), *job = json_object_get(one, "running");
	const json_t *hour = json_object_get(one, "hour"), *p95 = json_object_get(hour, "p95_seconds");
	const json_t *history = json_object_get(hour, "history"), *day = json_object_get(history, "last_day");
	char lanes[64] = "-", what[512] = "", late[32] = "-", all[32] = "-", per[32], time[32], most[32];
	if (!json_is_number(p95)) /* it has begun anew */
		p95 = json_object_get(json_object_get(history, "last_hour"), "p95_seconds");
	if (day)
		snprintf(all, sizeof all, "%.0f", number(day, "completed") + number(day, "failed"));
	if (queue)
		snprintf(lanes, sizeof lanes, "%.0f/%.0f/%.0f", number(queue, "interactive"), number(queue, "normal"), number(queue, "batch"));
	if (json_is_number(p95))
		snprintf(late, sizeof late, "%.1f", json_number_value(p95) * 1000);
	if (json_is_object(job))
		snprintf(what, sizeof what, "%s for %s, %s of %s", word(job, "tool", "?"), word(job, "client", "?"),
			 duration(number(job, "for_ms"), time), duration(number(job, "timeout_ms"), most));
	else
		snprintf(what, sizeof what, "%s", word(one, "why", ""));
	line(p, "%-*s %-9s %7.0f %9s %7.0f %4.0f %4.0f %7s %7s %7s  %s", widest, word(one, "id", "?"), word(one, "state", "?"), number(one, "pid"),
	     lanes, number(counts, "done"), number(counts, "failed"), number(counts, "stopped"), rate(one, per), late, all, what);
}

static void instances(struct page *p, const json_t *look)
{
	json_t *one, *all = json_object_get(look, "instances");
	size_t i, n = json_array_size(all), widest = 8;
	json_t **sorted = calloc(n + 1, sizeof *sorted);
	if (!sorted)
		log_no_memory();
	json_array_foreach(all, i, one) {
		size_t len = strlen(word(one, "id", "?"));
		widest = len > widest ? len : widest;
		sorted[i] = one;
	}
	qsort(sorted, n, sizeof *sorted, by_rank);
	line(p, "%s", "");
	line(p, "%-*s %-9s %7s %9s %7s %4s %4s %7s %7s %7s  %s", (int)widest, "INSTANCE", "STATE", "PID", "i/n/b", "DONE", "FAIL", "STOP", "CALLS/s",
	     "p95 ms", "DAY", "WHAT");
	for (i = 0; i < n; i++) {
		if (p->rows && p->used == p->rows - 1 && n - i > 1) {
			line(p, "... and %zu more; efrit-bridge instances lists them all", n - i);
			break;
		}
		instance(p, sorted[i], (int)widest);
	}
	if (!n)
		line(p, "%s", word(look, "why", "no instance is there"));
	free(sorted);
}

char *top_view_draw(const json_t *look, int rows, int columns, const char *eol)
{
	char *text = NULL;
	size_t len;
	struct page p = {.out = open_memstream(&text, &len), .eol = eol, .rows = rows, .columns = columns};
	if (!p.out)
		log_no_memory();
	head(&p, look);
	pools(&p, look);
	clients(&p, look);
	instances(&p, look);
	if (fclose(p.out) != 0)
		log_no_memory();
	return text;
}
