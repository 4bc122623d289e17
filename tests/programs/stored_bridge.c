/* stored_bridge.c - the stdio front before a pipeline that was given a store, so that the
 * tasks extension can be played over pipes.  The gateway does the same behind HTTP.
 *
 *   stored-bridge STORE [--set NAME=VALUE]...     STORE: a file, or mem */
#include "back/finder.h"
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

static bool configure(struct config *config, int argc, char **argv)
{
	char *error = NULL;
	bool ok = config_environment(config, &error);
	for (int i = 2; ok && i + 1 < argc; i += 2)
		ok = strcmp(argv[i], "--set") == 0 && config_set(config, argv[i + 1], &error);
	if (!ok)
		fprintf(stderr, "%s\n", error ? error : "usage: stored-bridge STORE [--set NAME=VALUE]...");
	free(error);
	return ok;
}

static int serve(const struct config *config, const char *place)
{
	char *error = NULL;
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct store *store = strcmp(place, "mem") == 0 ? store_mem_create(loop) : store_sqlite_create(loop, place, &error);
	if (!store) {
		fprintf(stderr, "%s\n", error);
		free(error);
		return 1;
	}
	struct service *service = service_create(config);
	struct pipeline *pipeline = pipeline_create(loop, config, service);
	pipeline_use_store(pipeline, store);
	struct finder *finder = finder_create(loop, config, service);
	struct stdio *stdio = stdio_create(loop, config, pipeline);
	ev_signal term;
	ev_signal_init(&term, on_signal, SIGTERM);
	term.data = stdio;
	ev_signal_start(loop, &term);
	ev_run(loop, 0);
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
	int status = argc > 1 && configure(&config, argc, argv) ? serve(&config, argv[1]) : 2;
	config_finish(&config);
	return status;
}
