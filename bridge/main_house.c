/* main_house.c - the rooms that both programs have, put together; see main_house.h. */
#include "main_house.h"
#include "front/oneshot.h"
#include "log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Without them the first socket would become somebody's stdout. */
void house_fill_descriptors(void)
{
	int fd;
	while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO)
		;
	if (fd > STDERR_FILENO)
		close(fd);
}

bool house_init(struct house *h, struct config *config)
{
	return house_init_on(h, config, ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV));
}

bool house_init_on(struct house *h, struct config *config, struct ev_loop *loop)
{
	*h = (struct house){.config = config, .loop = loop};
	if (!loop) {
		log_error("this system offers no way to wait for events");
		return false;
	}
	h->service = service_create(config);
	h->pipeline = pipeline_create(h->loop, config, h->service);
	h->finder = finder_create(h->loop, config, h->service);
	return true;
}

struct ev_loop *house_finish(struct house *h)
{
	if (!h->loop)
		return NULL;
	pipeline_rest(h->pipeline, NULL, NULL);
	finder_destroy(h->finder);
	if (h->outer) {
		service_destroy(h->outer);
		pipeline_use_outer(h->pipeline, NULL);
	}
	service_destroy(h->service);
	pipeline_destroy(h->pipeline);
	return h->loop;
}

void house_find_gateway(struct house *h)
{
	h->outer = service_create(h->config);
	pipeline_use_outer(h->pipeline, h->outer);
	h->gateway = gateway_create(h->loop, h->config, h->outer);
}

void house_know_gateway(struct house *h)
{
	while (h->gateway && h->gateway->state == WORKER_STARTING)
		ev_run(h->loop, EVRUN_ONCE);
}

bool house_gateway_words(const struct house *h, char words[HOUSE_WORDS])
{
	const struct worker *w = h->gateway;
	if (!w)
		snprintf(words, HOUSE_WORDS, "%s", strcmp(h->config->gateway, "off") == 0 ? "not looked for (the setting gateway is off)"
											  : "not looked for: its socket has no proper path");
	else if (!w->listed)
		snprintf(words, HOUSE_WORDS, "none (%s); this bridge starts and stops instances itself", w->why);
	else if (w->state == WORKER_READY)
		snprintf(words, HOUSE_WORDS, "used: process %ld, version %s, on %s", (long)w->pid, gateway_version(w), service_places(h->outer));
	else
		snprintf(words, HOUSE_WORDS, "not used: %s", w->why);
	return !w || !w->listed || w->state == WORKER_READY;
}

json_t *house_call(struct house *h, const char *tool, json_t *arguments)
{
	struct oneshot *o = oneshot_create(h->loop, h->config, h->pipeline, tool, arguments);
	const struct buf *answer = oneshot_answer(o);
	json_decref(arguments);
	while (!buf_len(answer)) {
		ev_run(h->loop, 0);
		answer = oneshot_answer(o);
	}
	json_t *response = json_loadb(buf_data(answer), buf_len(answer), JSON_ALLOW_NUL, NULL);
	oneshot_destroy(o);
	return response;
}

/* The first text of a result; NULL: none. */
static const char *text_of(const json_t *response)
{
	json_t *content = json_object_get(json_object_get(response, "result"), "content");
	return json_string_value(json_object_get(json_array_get(content, 0), "text"));
}

enum exit_status house_status_of(const json_t *response, json_t **said)
{
	json_t *fault = json_object_get(response, "error");
	const char *text = text_of(response);
	*said = text ? json_loads(text, JSON_ALLOW_NUL, NULL) : NULL;
	if (fault)
		return json_integer_value(json_object_get(fault, "code")) == -32602 ? EXIT_USAGE : EXIT_FAILED;
	if (!json_is_true(json_object_get(json_object_get(response, "result"), "isError")))
		return EXIT_GOOD;
	return cli_status_of(json_string_value(json_object_get(*said, "error_code")));
}
