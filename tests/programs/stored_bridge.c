/* stored_bridge.c - the stdio front before a pipeline that was given a store, so that the
 * tasks extension can be played over pipes.  The gateway does the same behind HTTP.
 *
 *   stored-bridge STORE [--set NAME=VALUE | --pool NAME]...     STORE: a file, or mem
 *
 * A pool's workers are the Emacs instances that are called NAME-...; one is kept free of
 * batch work. */
#include "back/finder.h"
#include "back/pool.h"
#include "back/service.h"
#include "config.h"
#include "core/pipeline.h"
#include "front/stdio.h"
#include "log.h"
#include "store/store.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_signal(EV_P_ ev_signal *watcher, int revents)
{
	(void)loop;
	(void)revents;
	stdio_stop(watcher->data);
}

static struct service *service;

/* Who has come since, is in its pool before anything else happens. */
static void on_turn(EV_P_ ev_prepare *watcher, int revents)
{
	(void)loop;
	(void)watcher;
	(void)revents;
	for (struct pool *p = pool_first(service); p; p = pool_next(p))
		for (struct worker *w = service_first(service); w; w = service_next(w)) {
			size_t len = strlen(pool_name(p));
			if (!w->pool && strncmp(w->name, pool_name(p), len) == 0 && w->name[len] == '-')
				pool_join(p, w);
		}
}

static bool configure(struct config *config, int argc, char **argv)
{
	char *error = NULL;
	bool ok = config_environment(config, &error);
	for (int i = 2; ok && i + 1 < argc; i += 2)
		ok = strcmp(argv[i], "--pool") == 0 || (strcmp(argv[i], "--set") == 0 && config_set(config, argv[i + 1], &error));
	if (!ok)
		fprintf(stderr, "%s\n", error ? error : "usage: stored-bridge STORE [--set NAME=VALUE | --pool NAME]...");
	free(error);
	return ok;
}

static int serve(const struct config *config, const char *place, char **options)
{
	char *error = NULL;
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct store *store = strcmp(place, "mem") == 0 ? store_mem_create(loop) : store_sqlite_create(loop, place, &error);
	if (!store) {
		fprintf(stderr, "%s\n", error);
		free(error);
		return 1;
	}
	service = service_create(config);
	for (; *options && options[1]; options += 2)
		if (strcmp(*options, "--pool") == 0)
			pool_create(service, options[1], &(struct pool_policy){.loop = loop, .interactive_reserve = 1});
	struct pipeline *pipeline = pipeline_create(loop, config, service);
	pipeline_use_store(pipeline, store);
	struct finder *finder = finder_create(loop, config, service);
	struct stdio *stdio = stdio_create(loop, config, pipeline);
	ev_signal term;
	ev_signal_init(&term, on_signal, SIGTERM);
	term.data = stdio;
	ev_signal_start(loop, &term);
	ev_prepare turn;
	ev_prepare_init(&turn, on_turn);
	ev_prepare_start(loop, &turn);
	on_turn(loop, &turn, 0);
	pipeline_resume_batches(pipeline);
	ev_run(loop, 0);
	ev_prepare_stop(loop, &turn);
	pipeline_rest(pipeline, NULL, NULL);
	ev_signal_stop(loop, &term);
	stdio_destroy(stdio);
	finder_destroy(finder);
	service_destroy(service);
	pipeline_destroy(pipeline);
	store->ops->destroy(store);
	ev_loop_destroy(loop);
	return 0;
}

int main(int argc, char **argv)
{
	struct config config;
	config_init(&config);
	json_object_seed(0);
	int status = argc > 1 && configure(&config, argc, argv) ? serve(&config, argv[1], argv + 2) : 2;
	config_finish(&config);
	return status;
}
