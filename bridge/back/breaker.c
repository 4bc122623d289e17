/* breaker.c - see breaker.h */
#include "back/breaker.h"

static const double pause_least = 0.25, pause_most = 30;

bool breaker_closed(const struct breaker *b, double now)
{
	return !b->trying && now >= b->until;
}

void breaker_begin(struct breaker *b)
{
	b->trying = b->until > 0;
}

void breaker_good(struct breaker *b)
{
	*b = (struct breaker){0};
}

void breaker_open(struct breaker *b, double now)
{
	b->pause = b->pause <= 0 ? pause_least : b->pause * 2 < pause_most ? b->pause * 2 : pause_most;
	b->until = now + b->pause;
	b->trying = false;
}

void breaker_failed(struct breaker *b, long failures_max, double now)
{
	if (b->trying || (long)++b->failures >= failures_max)
		breaker_open(b, now);
}
