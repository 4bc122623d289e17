/* samples.c - see samples.h */
#include "samples.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void die(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	fputs("bench: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

void samples_add(struct samples *s, double us)
{
	if (s->n == s->room) {
		s->room = s->room ? s->room * 2 : 4096;
		s->us = realloc(s->us, s->room * sizeof *s->us);
		if (!s->us)
			die("no memory");
	}
	s->us[s->n++] = us;
}

static int order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The nearest rank: at least the share of the samples is not larger. */
static double rank(const struct samples *s, double share)
{
	size_t i = (size_t)(share * (double)s->n);
	return s->us[i < s->n ? i : s->n - 1];
}

void samples_print(struct samples *s, const char *prefix)
{
	if (!s->n)
		die("nothing was measured");
	qsort(s->us, s->n, sizeof *s->us, order);
	printf("\"%sn\":%zu,\"%sp50\":%.2f,\"%sp95\":%.2f,\"%sp99\":%.2f,\"%sworst\":%.2f", prefix, s->n, prefix, rank(s, 0.5), prefix,
	       rank(s, 0.95), prefix, rank(s, 0.99), prefix, s->us[s->n - 1]);
	if (s->ended > s->begun)
		printf(",\"%srate\":%.1f", prefix, (double)s->n / (s->ended - s->begun));
}

void samples_finish(struct samples *s)
{
	free(s->us);
	*s = (struct samples){0};
}
