/* line.c - see line.h */
#include "back/line.h"
#include "log.h"

#include <stdlib.h>

enum { TURN = 8 }; /* of so many, one goes to those that have waited too long */

struct lane {
	struct lane *next; /* of the same place in line::lanes */
	uint64_t key, owner;
	long count;
	struct lane_turn turns[PRIORITIES];
};

void line_init(struct line *l, const struct line_policy *policy)
{
	*l = (struct line){.policy = policy};
	for (int p = 0; p < PRIORITIES; p++) {
		TAILQ_INIT(&l->ranks[p].turns);
		TAILQ_INIT(&l->ranks[p].arrived);
	}
}

static struct lane **place_of(const struct line *l, uint64_t key)
{
	uint64_t mixed = key * 0x9E3779B97F4A7C15u;
	struct lane **at = (struct lane **)(size_t)&l->lanes[mixed >> 59];
	while (*at && (*at)->key != key)
		at = &(*at)->next;
	return at;
}
_Static_assert(LINE_LANES == 1 << (64 - 59), "five bits choose the lane");

static struct lane *lane_of(struct line *l, uint64_t key, uint64_t owner)
{
	struct lane **at = place_of(l, key);
	if (*at)
		return *at;
	struct lane *lane = calloc(1, sizeof *lane);
	if (!lane)
		log_no_memory();
	lane->key = key;
	lane->owner = owner;
	for (int p = 0; p < PRIORITIES; p++) {
		lane->turns[p].lane = lane;
		TAILQ_INIT(&lane->turns[p].waiting);
	}
	return *at = lane;
}

/* A client may give itself any number of names, and proves one identity. */
static long count_of(const struct line *l, uint64_t owner)
{
	long n = 0;
	for (int i = 0; i < LINE_LANES; i++)
		for (const struct lane *lane = l->lanes[i]; lane; lane = lane->next)
			n += lane->owner == owner ? lane->count : 0;
	return n;
}

enum line_room line_room(const struct line *l, const struct request *r)
{
	if (l->count >= l->policy->max || l->bytes + (long)buf_len(&r->arguments) > l->policy->bytes)
		return LINE_FULL;
	const struct lane *lane = *place_of(l, r->client_key);
	if (lane && lane->count >= l->policy->client_max)
		return LINE_CLIENT_FULL;
	return r->owner_key && l->policy->owner_max && l->count >= l->policy->owner_max && count_of(l, r->owner_key) >= l->policy->owner_max ? LINE_CLIENT_FULL : LINE_ROOM;
}

static struct lane_turn *join(struct line *l, struct request *r)
{
	struct line_rank *rank = &l->ranks[r->priority];
	struct lane *lane = lane_of(l, r->client_key, r->owner_key);
	struct lane_turn *turn = &lane->turns[r->priority];
	if (TAILQ_EMPTY(&turn->waiting))
		TAILQ_INSERT_TAIL(&rank->turns, turn, link);
	r->lane = lane;
	r->line_bytes = (long)buf_len(&r->arguments);
	lane->count++;
	rank->count++;
	l->count++;
	l->bytes += r->line_bytes;
	return turn;
}

void line_add(struct line *l, struct request *r, double now)
{
	struct lane_turn *turn = join(l, r);
	r->queued = now;
	TAILQ_INSERT_TAIL(&turn->waiting, r, of_worker);
	TAILQ_INSERT_TAIL(&l->ranks[r->priority].arrived, r, of_line);
}

void line_return(struct line *l, struct request *r)
{
	struct lane_turn *turn = join(l, r);
	TAILQ_INSERT_HEAD(&turn->waiting, r, of_worker);
	TAILQ_INSERT_HEAD(&l->ranks[r->priority].arrived, r, of_line);
}

void line_remove(struct line *l, struct request *r)
{
	struct line_rank *rank = &l->ranks[r->priority];
	struct lane *lane = r->lane;
	struct lane_turn *turn = &lane->turns[r->priority];
	TAILQ_REMOVE(&turn->waiting, r, of_worker);
	TAILQ_REMOVE(&rank->arrived, r, of_line);
	if (TAILQ_EMPTY(&turn->waiting))
		TAILQ_REMOVE(&rank->turns, turn, link);
	if (!--rank->count)
		rank->passed = 0;
	l->count--;
	l->bytes -= r->line_bytes;
	r->lane = NULL;
	if (--lane->count)
		return;
	*place_of(l, lane->key) = lane->next;
	free(lane);
}

static bool late(const struct line *l, int p, double now)
{
	const struct request *first = TAILQ_FIRST(&l->ranks[p].arrived);
	return first && now - first->queued > l->policy->age;
}

/* The most urgent ones, but for those whose patience was tried often enough. */
static int choose(struct line *l, int least, double now)
{
	int urgent = 0;
	while (urgent <= least && TAILQ_EMPTY(&l->ranks[urgent].turns))
		urgent++;
	for (int p = urgent + 1; p <= least; p++) {
		if (!late(l, p, now))
			continue;
		if (++l->ranks[p].passed < TURN)
			continue;
		l->ranks[p].passed = 0;
		return p;
	}
	return urgent;
}

static struct lane_turn *turn_in(struct line *l, int p, bool (*may)(const void *, uint64_t), const void *data)
{
	struct lane_turn *turn;
	TAILQ_FOREACH(turn, &l->ranks[p].turns, link)
		if (!may || may(data, turn->lane->key))
			return turn;
	return NULL;
}

struct request *line_next(struct line *l, enum priority least, double now, bool (*may)(const void *data, uint64_t client), const void *data)
{
	if (!l->count)
		return NULL;
	int p = choose(l, (int)least, now);
	struct lane_turn *turn = p <= (int)least ? turn_in(l, p, may, data) : NULL;
	for (p = turn ? p : 0; !turn && p <= (int)least; p += !turn)
		turn = turn_in(l, p, may, data);
	if (!turn)
		return NULL;
	struct request *r = TAILQ_FIRST(&turn->waiting);
	TAILQ_REMOVE(&l->ranks[p].turns, turn, link); /* the others come first next time */
	TAILQ_INSERT_TAIL(&l->ranks[p].turns, turn, link);
	line_remove(l, r);
	return r;
}

struct request *line_oldest(const struct line *l)
{
	struct request *oldest = NULL;
	for (int p = 0; p < PRIORITIES; p++) {
		struct request *first = TAILQ_FIRST(&l->ranks[p].arrived);
		if (first && (!oldest || first->queued < oldest->queued))
			oldest = first;
	}
	return oldest;
}
