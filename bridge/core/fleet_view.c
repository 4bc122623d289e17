/* fleet_view.c - what others ask of the fleet; see fleet.h. */
#include "core/fleet_impl.h"
#include "core/registry.h"
#include "mcp/text.h"

#include <string.h>

struct keeper *fleet_keeper_of(const struct fleet *f, const struct worker *w)
{
	struct group *g;
	struct keeper *k;
	if (!f || !w)
		return NULL;
	TAILQ_FOREACH(g, &f->groups, link)
		TAILQ_FOREACH(k, &g->keepers, link)
			if (strcmp(k->name, w->name) == 0)
				return k;
	return NULL;
}

struct keeper *fleet_keeper(const struct fleet *f, const char *name)
{
	struct group *g;
	if (!f || !name)
		return NULL;
	TAILQ_FOREACH(g, &f->groups, link)
		if (!g->pool && (strcmp(g->spec->name, name) == 0 || strcmp(TAILQ_FIRST(&g->keepers)->name, name) == 0))
			return TAILQ_FIRST(&g->keepers);
	return NULL;
}

const char *fleet_serves(const struct fleet *f, const char *name)
{
	const struct keeper *k = fleet_keeper(f, name);
	return k ? k->name : name;
}

long fleet_timeout(const struct fleet *f, const struct place *at)
{
	const struct group *g;
	const struct keeper *k = fleet_keeper_of(f, at->worker);
	if (f && at->pool)
		TAILQ_FOREACH(g, &f->groups, link)
			if (g->pool == at->pool)
				return g->spec->timeout;
	return k ? k->spec->timeout : 0;
}

long fleet_priority(const struct fleet *f, const struct worker *w)
{
	const struct keeper *k = fleet_keeper_of(f, w);
	return k ? k->spec->priority : 0;
}

bool fleet_may_batch(const struct fleet *f, const struct worker *w)
{
	const struct keeper *k = fleet_keeper_of(f, w);
	return k && k->state != KEEPER_FOREIGN;
}

/* What its timer is for; NULL: for nothing that others ask about. */
static const char *next_step(const struct keeper *k)
{
	switch (k->state) {
	case KEEPER_PAUSING:
		return "start";
	case KEEPER_CRASH_LOOP:
		return "try";
	case KEEPER_STARTING: /* it takes too long then */
	case KEEPER_DRAINING:
	case KEEPER_ENDING:
		return "end";
	case KEEPER_OFF:
	case KEEPER_UP:
	case KEEPER_FOREIGN:
		break;
	}
	return NULL;
}

void fleet_tell(const struct keeper *k, struct buf *out)
{
	text_format(out, ",\"kept\":\"%s\",\"starts\":%ld", keeper_word(k), k->starts);
	if (k->spec->pool)
		text_format(out, ",\"pool\":\"%s\"", k->spec->name);
	else if (strcmp(k->spec->name, k->name) != 0)
		text_format(out, ",\"declared\":\"%s\"", k->spec->name);
	if (*k->why) {
		text_put(out, ",\"kept_why\":");
		text_quote(out, k->why);
	}
	if (k->misses)
		text_format(out, ",\"misses\":%ld", k->misses);
	if (next_step(k) && ev_is_active(&k->timer)) {
		double left = ev_timer_remaining(k->host->loop, (ev_timer *)(size_t)&k->timer); /* it is only looked at */
		text_format(out, ",\"next\":\"%s\",\"next_ms\":%.0f", next_step(k), left > 0 ? left * 1000 : 0);
	}
}

void fleet_tell_absent(const struct keeper *k, struct buf *out)
{
	text_format(out, "{\"id\":\"%s\",\"instance\":\"%s\",\"state\":\"%s\",\"pid\":", k->name, k->name,
		    k->state == KEEPER_CRASH_LOOP || k->state == KEEPER_STARTING ? keeper_word(k) : "gone");
	if (k->process)
		text_format(out, "%ld", (long)process_pid(k->process));
	else
		text_put(out, "null");
	text_put(out, ",\"why\":");
	text_quote(out, *k->why ? k->why : k->state == KEEPER_OFF ? "it is declared and not started; the first call that names it starts it" : "");
	fleet_tell(k, out);
	text_put(out, "}");
}

size_t fleet_absent(const struct fleet *f, bool (*told)(const void *data, const char *name), const void *data, struct buf *out, bool comma)
{
	struct group *g;
	struct keeper *k;
	size_t count = 0;
	if (!f)
		return 0;
	TAILQ_FOREACH(g, &f->groups, link)
		TAILQ_FOREACH(k, &g->keepers, link) {
			if (told(data, k->name) || (g->pool && k->state == KEEPER_OFF))
				continue;
			text_put(out, comma || count ? "," : "");
			fleet_tell_absent(k, out);
			count++;
		}
	return count;
}
