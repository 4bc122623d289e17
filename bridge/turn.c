/* turn.c - see turn.h */
#include "turn.h"

static void on_prepare(EV_P_ ev_prepare *prepare, int revents)
{
	struct turn *t = prepare->data;
	(void)loop;
	(void)revents;
	turn_stop(t);
	t->on_end(t->data);
}

static void on_awake(EV_P_ ev_idle *idle, int revents)
{
	(void)loop;
	(void)idle;
	(void)revents;
}

void turn_init(struct turn *t, struct ev_loop *loop, void (*on_end)(void *data), void *data)
{
	t->loop = loop;
	t->on_end = on_end;
	t->data = data;
	ev_prepare_init(&t->prepare, on_prepare);
	ev_idle_init(&t->awake, on_awake);
	t->prepare.data = t;
}

void turn_want(struct turn *t)
{
	ev_prepare_start(t->loop, &t->prepare);
	ev_idle_start(t->loop, &t->awake);
}

void turn_stop(struct turn *t)
{
	ev_prepare_stop(t->loop, &t->prepare);
	ev_idle_stop(t->loop, &t->awake);
}
