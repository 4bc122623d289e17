/* clerk.c - see clerk.h */
#include "store/clerk.h"
#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct clerk {
	const struct clerk_user *user; /* borrowed */
	void *data;
	struct ev_loop *loop; /* borrowed */
	ev_async told;
	pthread_t thread;

	pthread_mutex_t lock; /* what follows is used by both */
	pthread_cond_t more;
	struct clerk_list orders, running, done;
	bool ending;
};

/* --- the thread --- */

static void take_orders(struct clerk *c)
{
	struct clerk_order *o = TAILQ_FIRST(&c->orders);
	if (c->user->together) {
		TAILQ_CONCAT(&c->running, &c->orders, link);
	} else {
		TAILQ_REMOVE(&c->orders, o, link);
		TAILQ_INSERT_TAIL(&c->running, o, link);
	}
}

static void *run(void *data)
{
	struct clerk *c = data;
	pthread_mutex_lock(&c->lock);
	for (;;) {
		while (TAILQ_EMPTY(&c->orders) && !c->ending)
			pthread_cond_wait(&c->more, &c->lock);
		if (TAILQ_EMPTY(&c->orders))
			break;
		take_orders(c);
		pthread_mutex_unlock(&c->lock);
		c->user->work(c->data, &c->running);
		pthread_mutex_lock(&c->lock);
		TAILQ_CONCAT(&c->done, &c->running, link);
		if (!c->ending)
			ev_async_send(c->loop, &c->told);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* Returns an errno. */
static int start(struct clerk *c)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&c->thread, NULL, run, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

/* --- the loop's side --- */

/* What is done may be forgotten meanwhile by who is told, so one at a time. */
static struct clerk_order *take_done(struct clerk *c)
{
	pthread_mutex_lock(&c->lock);
	struct clerk_order *o = TAILQ_FIRST(&c->done);
	if (o)
		TAILQ_REMOVE(&c->done, o, link);
	pthread_mutex_unlock(&c->lock);
	return o;
}

static void on_told(EV_P_ ev_async *async, int revents)
{
	struct clerk *c = async->data;
	struct clerk_order *o;
	(void)loop;
	(void)revents;
	while ((o = take_done(c))) {
		if (!o->forgotten)
			c->user->tell(o);
		c->user->free(o);
	}
}

void clerk_give(struct clerk *c, struct clerk_order *o)
{
	pthread_mutex_lock(&c->lock);
	TAILQ_INSERT_TAIL(&c->orders, o, link);
	pthread_cond_signal(&c->more);
	pthread_mutex_unlock(&c->lock);
}

void clerk_forget(struct clerk *c, const void *data)
{
	struct clerk_list *const lists[] = {&c->orders, &c->running, &c->done};
	struct clerk_order *o;
	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < sizeof lists / sizeof *lists; i++)
		TAILQ_FOREACH(o, lists[i], link)
			if (o->data == data)
				o->forgotten = true;
	pthread_mutex_unlock(&c->lock);
}

static void free_clerk(struct clerk *c)
{
	struct clerk_order *o;
	while ((o = TAILQ_FIRST(&c->done))) {
		TAILQ_REMOVE(&c->done, o, link);
		c->user->free(o);
	}
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->more);
	free(c);
}

void clerk_destroy(struct clerk *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->ending = true;
	pthread_cond_signal(&c->more);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	ev_async_stop(c->loop, &c->told);
	free_clerk(c);
}

struct clerk *clerk_create(struct ev_loop *loop, const struct clerk_user *user, void *data)
{
	struct clerk *c = calloc(1, sizeof *c);
	if (!c)
		log_no_memory();
	c->user = user;
	c->data = data;
	c->loop = loop;
	TAILQ_INIT(&c->orders);
	TAILQ_INIT(&c->running);
	TAILQ_INIT(&c->done);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->more, NULL);
	ev_async_init(&c->told, on_told);
	c->told.data = c;
	int error = start(c);
	if (error) {
		free_clerk(c);
		errno = error;
		return NULL;
	}
	ev_async_start(loop, &c->told);
	return c;
}
