/* load_report.c - see load_report.h */
#include "load_report.h"
#include "log.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 40 }; /* of the distribution: from 0.01 ms, each twice as far in two steps */

void load_report_add(struct load_report *r, size_t kind, enum load_outcome outcome, double seconds)
{
	struct load_samples *s = &r->kinds[kind];
	s->outcomes[outcome]++;
	if (outcome != LOAD_GOOD)
		return;
	if (s->count == s->room) {
		s->room = s->room ? s->room * 2 : 1024;
		s->times = realloc(s->times, (size_t)s->room * sizeof *s->times);
		if (!s->times)
			log_no_memory();
	}
	s->times[s->count++] = seconds;
}

long load_report_count(const struct load_report *r, enum load_outcome outcome)
{
	long count = 0;
	for (size_t i = 0; i < LOAD_KINDS; i++)
		count += r->kinds[i].outcomes[outcome];
	return count;
}

void load_report_finish(struct load_report *r)
{
	for (size_t i = 0; i < LOAD_KINDS; i++)
		free(r->kinds[i].times);
	*r = (struct load_report){0};
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double milli(double seconds)
{
	return round(seconds * 1e6) / 1e3;
}

static double share(const struct load_samples *s, double part)
{
	return s->count ? milli(s->times[(long)((double)(s->count - 1) * part)]) : 0;
}

/* How many took at most so long; steps that nothing fell into are left out. */
static json_t *distribution(const struct load_samples *s)
{
	json_t *steps = json_array();
	long at = 0;
	for (int i = 0; i < STEPS && at < s->count; i++) {
		double limit = 1e-5 * pow(2, i / 2.0);
		long from = at;
		while (at < s->count && (s->times[at] <= limit || i == STEPS - 1))
			at++;
		if (at > from)
			json_array_append_new(steps, json_pack("{s:f,s:i}", "up_to_ms", i == STEPS - 1 ? share(s, 1) : milli(limit), "count", (int)(at - from)));
	}
	return steps;
}

static json_t *describe(struct load_samples *s, double seconds)
{
	double sum = 0;
	if (s->count)
		qsort(s->times, (size_t)s->count, sizeof *s->times, by_size);
	for (long i = 0; i < s->count; i++)
		sum += s->times[i];
	return json_pack("{s:I,s:I,s:I,s:I,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:o}", "answered", (json_int_t)s->count, "errors",
			 (json_int_t)s->outcomes[LOAD_ERROR], "refusals", (json_int_t)s->outcomes[LOAD_REFUSED], "lost",
			 (json_int_t)s->outcomes[LOAD_LOST], "per_second", seconds > 0 ? round((double)s->count / seconds * 10) / 10 : 0, "mean_ms",
			 s->count ? milli(sum / (double)s->count) : 0, "p50_ms", share(s, 0.5), "p95_ms", share(s, 0.95), "p99_ms", share(s, 0.99),
			 "p999_ms", share(s, 0.999), "max_ms", share(s, 1), "distribution", distribution(s));
}

json_t *load_report_write(struct load_report *r, const struct load_mix *mix, double seconds)
{
	struct load_samples all = {0};
	json_t *kinds = json_object();
	for (size_t i = 0; i < mix->count; i++) {
		all.room += r->kinds[i].count;
		json_t *one = describe(&r->kinds[i], seconds);
		json_object_set_new(one, "share", json_integer(mix->kinds[i].share));
		json_object_set_new(kinds, mix->kinds[i].name, one);
	}
	if (!(all.times = calloc((size_t)all.room + 1, sizeof *all.times)))
		log_no_memory();
	for (size_t i = 0; i < mix->count; i++) {
		for (int o = 0; o < LOAD_OUTCOMES; o++)
			all.outcomes[o] += r->kinds[i].outcomes[o];
		if (r->kinds[i].count)
			memcpy(all.times + all.count, r->kinds[i].times, (size_t)r->kinds[i].count * sizeof *all.times);
		all.count += r->kinds[i].count;
	}
	json_t *whole = describe(&all, seconds);
	json_object_set_new(whole, "kinds", kinds);
	free(all.times);
	return whole;
}
