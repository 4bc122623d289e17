/* schedule.c - what the waiting line and the choice of a worker cost, without Emacs, sockets
 * or JSON: workers that answer as soon as they are asked to.
 *
 *   schedule [REQUESTS [WORKERS [CLIENTS [DEPTH]]]]
 *
 * CLIENTS keep DEPTH requests waiting in all, of all three priorities; each turn one worker
 * answers and its client sends the next.  Prints what was measured as one line of JSON, the
 * requests a second last measured and the least and most that one client got of a thousand. */
#include "../unit/stub_worker.h"
#include "log.h"
#include "os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long done, by_client[1024];

static void on_resume(struct request *r)
{
	done++;
	by_client[r->client_key - 1]++;
}

static void on_release(struct request *r)
{
	(void)r;
}

static struct request *make(uint64_t client, enum priority priority)
{
	struct request *r = stub_request(client, priority, NULL);
	r->resume = on_resume;
	r->release = on_release;
	return r;
}

/* As the wire would: the whole result at once. */
static void answer(struct worker *w)
{
	static const char reply[] = "{\"content\":[{\"type\":\"text\",\"text\":\"ok\"}]}";
	struct request *r = TAILQ_FIRST(&w->flying);
	r->received = sizeof reply - 1;
	text_put(&r->reply, reply);
	w->on_reply(w, r, true);
}

/* The same one again: what a request costs besides is not measured here. */
static void again(struct pool *p, struct request *r)
{
	buf_eat(&r->reply, buf_len(&r->reply));
	r->received = 0;
	r->ended = false;
	r->tries = 0;
	if (!pool_submit(p, r)) {
		fputs("schedule: the line is full\n", stderr);
		exit(1);
	}
}

static double turn(struct pool *p, struct worker **workers, long n, long requests)
{
	double begun = os_now();
	for (long i = 0; i < requests; i++) {
		struct worker *w = workers[(i * 7919) % n];
		struct request *r = TAILQ_FIRST(&w->flying);
		if (!r)
			continue;
		answer(w);
		again(p, r);
	}
	return os_now() - begun;
}

static long number(int argc, char **argv, int i, long otherwise, long most)
{
	long n = argc > i ? strtol(argv[i], NULL, 10) : otherwise;
	return n < 1 ? 1 : n > most ? most : n;
}

int main(int argc, char **argv)
{
	struct config config;
	long requests = number(argc, argv, 1, 1000000, 100000000), n = number(argc, argv, 2, 20, 256);
	long clients = number(argc, argv, 3, 100, 1024), depth = number(argc, argv, 4, 1000, 9000);
	config_init(&config);
	struct service *service = service_create(&config);
	struct pool *pool = pool_create(service, "bench", &(struct pool_policy){.interactive_reserve = 1, .flight = 1});
	struct worker **workers = calloc((size_t)n, sizeof(struct worker *));
	struct request **all = calloc((size_t)(n + depth), sizeof(struct request *));
	if (!workers || !all)
		log_no_memory();
	for (long i = 0; i < n; i++) {
		char name[24];
		snprintf(name, sizeof name, "w%ld", i);
		pool_join(pool, workers[i] = stub_worker(service, name));
	}
	for (long i = 0; i < n + depth; i++) {
		all[i] = make((uint64_t)(i % clients) + 1, (enum priority)(i % 3));
		again(pool, all[i]);
	}
	turn(pool, workers, n, requests / 10);
	memset(by_client, 0, sizeof by_client);
	done = 0;
	double took = turn(pool, workers, n, requests);
	long least = by_client[0], most = by_client[0];
	for (long i = 0; i < clients; i++) {
		least = by_client[i] < least ? by_client[i] : least;
		most = by_client[i] > most ? by_client[i] : most;
	}
	printf("{\"workers\":%ld,\"clients\":%ld,\"waiting\":%ld,\"requests\":%ld,\"seconds\":%.3f,\"a_second\":%.0f,\"least\":%.2f,\"most\":%.2f}\n", n,
	       clients, depth, done, took, (double)done / took, 1000.0 * (double)least / (double)(done ? done : 1),
	       1000.0 * (double)most / (double)(done ? done : 1));
	for (long i = 0; i < n + depth; i++)
		all[i]->settled = true;
	service_destroy(service);
	for (long i = 0; i < n + depth; i++)
		request_destroy(all[i]);
	free(workers);
	free(all);
	config_finish(&config);
	return 0;
}
