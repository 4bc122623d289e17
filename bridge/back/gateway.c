/* gateway.c - see gateway.h */
#include "back/gateway_impl.h"
#include "log.h"
#include "mcp/text.h"
#include "os.h"
#include "wire/socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { UNSENT_MAX = 4 * 1024 * 1024 }; /* bytes it has not read yet at which no more calls are sent */

static void connect_now(struct gateway *g);

static struct gateway *of(struct worker *w)
{
	return (struct gateway *)(void *)w; /* worker is the first member */
}

static struct gateway *of_plug(struct plug *plug)
{
	return (struct gateway *)(void *)((char *)plug - offsetof(struct gateway, plug));
}

bool gateway_socket(const struct config *config, char path[RUNTIME_PATH_MAX], char error[RUNTIME_ERROR])
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	int n;
	if (*config->socket)
		n = snprintf(path, RUNTIME_PATH_MAX, "%s", config->socket);
	else if (base && *base == '/')
		n = snprintf(path, RUNTIME_PATH_MAX, "%s/efrit-gateway.sock", base);
	else
		n = snprintf(path, RUNTIME_PATH_MAX, "/tmp/efrit-gateway-%ld/efrit-gateway.sock", (long)geteuid());
	if (n < RUNTIME_PATH_MAX - 5)
		return true;
	snprintf(error, RUNTIME_ERROR, "the socket path %.60s... is too long; give a shorter one with the setting socket", path);
	return false;
}

const char *gateway_version(const struct worker *w)
{
	return ((const struct gateway *)(const void *)w)->version;
}

/* --- coming and going --- */

static void complain(struct gateway *g, const char *why)
{
	if (strcmp(g->logged, why) != 0)
		log_warning("the gateway: %s", why);
	snprintf(g->logged, sizeof g->logged, "%s", why);
}

static void retry_after(struct gateway *g, double seconds)
{
	ev_timer_stop(g->loop, &g->retry);
	ev_timer_set(&g->retry, seconds, 0.);
	ev_timer_start(g->loop, &g->retry);
}

static void retry_later(struct gateway *g)
{
	retry_after(g, g->pause);
	g->pause = g->pause * 2 < (double)g->config->retry_max ? g->pause * 2 : (double)g->config->retry_max;
}

/* There is none: nothing is tried until its folder changes. */
static void hide(struct gateway *g)
{
	char why[WORKER_WHY_MAX];
	ev_timer_stop(g->loop, &g->retry);
	g->pause = 1;
	g->worker.listed = false;
	snprintf(why, sizeof why, "none listens on %s", g->path);
	service_set_state(&g->worker, WORKER_GONE, why);
}

static void drop_asks(struct gateway *g)
{
	struct ask *ask;
	while ((ask = TAILQ_FIRST(&g->asks))) {
		g->worker.ops->drop(&g->worker, ask);
		ask->on_answer(ask, NULL, 0);
	}
}

/* What it had is not offered any more, and who asked it for something hears how that ended. */
static void forget_it(struct gateway *g, const char *why)
{
	char sentence[WORKER_WHY_MAX + 64];
	ev_timer_stop(g->loop, &g->hello);
	ev_timer_stop(g->loop, &g->tick);
	g->worker.linked = g->worker.clogged = false;
	parley_end(g);
	service_set_state(&g->worker, WORKER_GONE, why);
	drop_asks(g);
	snprintf(sentence, sizeof sentence, "the gateway went away: %s", why);
	g->worker.on_lost(&g->worker, sentence);
	if (!*g->worker.hash)
		return;
	g->worker.hash[0] = 0;
	g->worker.on_hash(&g->worker);
}

static void on_plug_end(struct plug *plug, const char *why)
{
	struct gateway *g = of_plug(plug);
	char reason[WORKER_WHY_MAX];
	bool was_linked = g->worker.linked && !g->ending;
	snprintf(reason, sizeof reason, "%s", *g->parting ? g->parting : why);
	forget_it(g, reason);
	if (g->news || was_linked) /* another one may have taken over already */
		retry_after(g, 0.);
	else
		retry_later(g);
}

void gateway_refuse(struct gateway *g, const char *why)
{
	if (g->ending)
		return;
	snprintf(g->parting, sizeof g->parting, "%s", why);
	complain(g, g->parting);
	g->ending = true;
	if (g->plug.fd >= 0)
		plug_end(&g->plug, g->parting);
}

void gateway_distrust(struct worker *w, const char *why)
{
	char sentence[WORKER_WHY_MAX];
	snprintf(sentence, sizeof sentence, "it does not speak MCP properly (%s)", why);
	gateway_refuse(of(w), sentence);
}

static void start_hello(struct gateway *g)
{
	ev_timer_stop(g->loop, &g->hello);
	ev_timer_set(&g->hello, (double)g->config->hello_timeout / 1000, 0.);
	ev_timer_start(g->loop, &g->hello);
}

void gateway_welcome(struct gateway *g, const char *version)
{
	snprintf(g->version, sizeof g->version, "%s", version);
	g->pause = 1;
	g->logged[0] = 0;
	g->worker.linked = true;
	start_hello(g);
	parley_list(g);
	service_set_state(&g->worker, WORKER_READY, "");
	g->worker.on_room(&g->worker);
}

static void on_hello_late(EV_P_ ev_timer *timer, int revents)
{
	struct gateway *g = timer->data;
	char why[WORKER_WHY_MAX];
	(void)loop;
	(void)revents;
	if (g->worker.linked) {
		parley_no_offers(g);
		return;
	}
	service_explain(&g->worker, why);
	service_set_state(&g->worker, WORKER_BLOCKED, why);
}

static void on_retry(EV_P_ ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	connect_now(timer->data);
}

/* Somebody listens there: is it ours?  Never we ourselves, or calls would go round. */
static bool is_ours(struct gateway *g)
{
	char why[WORKER_WHY_MAX];
	uid_t uid = (uid_t)-1;
	bool known = socket_peer(g->plug.fd, &uid, &g->worker.pid);
	if (known && uid == geteuid() && g->worker.pid != getpid())
		return true;
	if (known && uid == geteuid())
		snprintf(why, sizeof why, "%s is this very program", g->path);
	else
		snprintf(why, sizeof why, "%s is served by another user (%ld) and not by you: it is not used", g->path, (long)uid);
	complain(g, why);
	plug_close(&g->plug);
	g->worker.listed = true;
	service_set_state(&g->worker, WORKER_GONE, why);
	retry_later(g);
	return false;
}

static void connect_now(struct gateway *g)
{
	char error[WORKER_WHY_MAX];
	ev_timer_stop(g->loop, &g->retry);
	g->ending = g->news = false;
	g->parting[0] = g->version[0] = 0;
	switch (plug_open(&g->plug, g->path)) {
	case PLUG_OPEN:
		if (!is_ours(g))
			return;
		g->worker.listed = true;
		g->heard = os_now();
		parley_begin(g);
		start_hello(g);
		service_set_state(&g->worker, WORKER_STARTING, "it was greeted and has not answered yet");
		return;
	case PLUG_REFUSED: /* a file that a gateway left behind is none */
		hide(g);
		return;
	case PLUG_BUSY:
		g->worker.listed = true;
		service_set_state(&g->worker, WORKER_BLOCKED, "it takes no more connections; its process may be stopped");
		break;
	case PLUG_ERROR:
		snprintf(error, sizeof error, "%s cannot be connected to: %s", g->path, strerror(errno));
		service_set_state(&g->worker, WORKER_GONE, error);
		complain(g, error);
		break;
	}
	retry_later(g);
}

static void on_folder(void *data)
{
	struct gateway *g = data;
	g->news = true;
	if (g->plug.fd < 0)
		connect_now(g);
}

/* --- what is asked of it --- */

/* While calls fly: is it still there?  As with an Emacs, what it does not answer although its
 * time is long over is answered for it, as soon as nothing is heard of it at all. */
static void on_tick(EV_P_ ev_timer *timer, int revents)
{
	struct gateway *g = timer->data;
	double now = os_now(), interval = (double)g->config->ping_interval / 1000;
	char why[WORKER_WHY_MAX], sentence[WORKER_WHY_MAX + 64];
	(void)revents;
	if (!g->worker.flying_count) {
		ev_timer_stop(loop, timer);
		return;
	}
	if (now - g->ticked > 2 * interval) /* it was us who slept */
		g->heard = now;
	g->ticked = now;
	parley_ping(g);
	if (now - g->heard < (double)g->config->silence / 1000)
		return;
	service_explain(&g->worker, why);
	service_set_state(&g->worker, WORKER_BLOCKED, why);
	snprintf(sentence, sizeof sentence, "the gateway has not answered for %.0f s: %s", now - g->heard, why);
	struct request *r, *next;
	for (r = TAILQ_FIRST(&g->worker.flying); r; r = next) {
		double own = r->timeout_ms ? r->timeout_ms + (double)g->config->call_margin : (double)g->config->gateway_patience;
		next = TAILQ_NEXT(r, of_worker);
		if ((now - r->sent) * 1000 >= own)
			service_give_up(&g->worker, r, "not_responding", sentence);
	}
}

static void call(struct worker *w, struct request *r)
{
	struct gateway *g = of(w);
	parley_call(g, r);
	r->sent = os_now();
	w->clogged = buf_len(&g->plug.out) > UNSENT_MAX;
	if (!ev_is_active(&g->tick)) {
		g->heard = g->ticked = r->sent;
		ev_timer_again(g->loop, &g->tick);
	}
}

/* What is cancelled is not answered: it flies no more. */
static void cancel(struct worker *w, struct request *r, const char *reason)
{
	parley_cancel(of(w), r, reason);
	w->on_refused(w, r);
}

static double heard(const struct worker *w)
{
	return ((const struct gateway *)(const void *)w)->heard;
}

static void credit(struct worker *w, struct request *r, size_t bytes)
{
	(void)w;
	(void)r;
	(void)bytes;
}

/* What it offers is known, and told from the loop; so is that it did not answer in time. */
static void on_ask(EV_P_ ev_timer *timer, int revents)
{
	struct ask *ask = timer->data;
	struct gateway *g = of(ask->worker);
	bool known = ask->kind == ASK_CATALOGUE && buf_len(&g->offers);
	(void)loop;
	(void)revents;
	ask->worker->ops->drop(ask->worker, ask);
	ask->on_answer(ask, known ? buf_data(&g->offers) : NULL, known ? buf_len(&g->offers) : 0);
}

static void ask_it(struct worker *w, struct ask *ask, const char *payload, double timeout)
{
	struct gateway *g = of(w);
	bool asked = ask->kind == ASK_STATUS && payload && w->linked && w->state == WORKER_READY;
	ask->worker = w;
	ask->number = ++g->numbers;
	TAILQ_INSERT_TAIL(&g->asks, ask, of_worker);
	if (asked)
		parley_ask(g, ask->number, payload);
	ev_timer_init(&ask->timer, on_ask, asked ? timeout : 0., 0.);
	ask->timer.data = ask;
	ev_timer_start(g->loop, &ask->timer);
}

static void drop(struct worker *w, struct ask *ask)
{
	struct gateway *g = of(w);
	ev_timer_stop(g->loop, &ask->timer);
	TAILQ_REMOVE(&g->asks, ask, of_worker);
	ask->worker = NULL;
}

static void on_sent(struct plug *plug)
{
	struct gateway *g = of_plug(plug);
	if (!g->worker.clogged)
		return;
	g->worker.clogged = false;
	g->worker.on_room(&g->worker);
}

static void destroy(struct worker *w)
{
	struct gateway *g = of(w);
	os_watch_destroy(g->watch);
	drop_asks(g);
	w->on_lost(w, "the bridge ends");
	plug_flush(&g->plug); /* cancellations, as far as they go without waiting */
	plug_close(&g->plug);
	ev_timer_stop(g->loop, &g->hello);
	ev_timer_stop(g->loop, &g->tick);
	ev_timer_stop(g->loop, &g->retry);
	parley_end(g);
	free(g);
}

/* A gateway that ends answers all that it has read: what its socket did not take has not run. */
static bool unbegun(const struct worker *w, const struct request *r)
{
	const struct buf *unsent = &((const struct gateway *)(const void *)w)->plug.unsent;
	char begin[80];
	int n = snprintf(begin, sizeof begin, "\n{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":", (unsigned long long)r->number);
	return (buf_len(unsent) >= (size_t)n - 1 && memcmp(buf_data(unsent), begin + 1, (size_t)n - 1) == 0)
	       || memmem(buf_data(unsent), buf_len(unsent), begin, (size_t)n);
}

static const struct worker_ops ops = {
	.noun = "the gateway", .key = "service", .gone = "gateway_gone",
	.call = call, .heard = heard, .unbegun = unbegun, .cancel = cancel, .credit = credit, .ask = ask_it, .drop = drop,
	.distrust = gateway_distrust, .destroy = destroy};

struct worker *gateway_create(struct ev_loop *loop, const struct config *config, struct service *service)
{
	struct gateway *g = calloc(1, sizeof *g);
	char error[RUNTIME_ERROR], folder[RUNTIME_PATH_MAX];
	if (!g)
		log_no_memory();
	if (!gateway_socket(config, g->path, error) || g->path[0] != '/') {
		log_warning("no gateway is looked for: %s", g->path[0] != '/' ? "the setting socket is no absolute path" : error);
		free(g);
		return NULL;
	}
	g->loop = loop;
	g->config = config;
	g->pause = 1;
	g->worker.ops = &ops;
	g->worker.state = WORKER_GONE;
	snprintf(g->worker.name, sizeof g->worker.name, "gateway");
	TAILQ_INIT(&g->asks);
	plug_init(&g->plug, loop);
	g->plug.on_bytes = parley_on_bytes;
	g->plug.on_end = on_plug_end;
	g->plug.on_sent = on_sent;
	g->plug.keeps = true;
	ev_timer_init(&g->hello, on_hello_late, 0., 0.);
	ev_timer_init(&g->tick, on_tick, 0., (double)config->ping_interval / 1000);
	ev_timer_init(&g->retry, on_retry, 0., 0.);
	g->hello.data = g->tick.data = g->retry.data = g;
	service_add(service, &g->worker);
	service_set_places(service, g->path, "");
	snprintf(folder, sizeof folder, "%s", g->path);
	char *slash = strrchr(folder, '/');
	slash[slash == folder] = 0;
	g->watch = os_watch_create(loop, folder, on_folder, g); /* before the first look: nothing falls between */
	connect_now(g);
	return &g->worker;
}
