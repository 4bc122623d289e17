/* main_top.c - top: a terminal that shows instances, queues, clients and rates, anew each second,
 * at a key, when an instance comes or goes, and when the window has another size. */
#include "log.h"
#include "main_gateway.h"
#include "os.h"
#include "plain.h"
#include "top_source.h"
#include "top_view.h"
#include "wire/runtime.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { SIGNALS = 4, COLUMNS = 512 };
static const double pause_s = 1;        /* between looks */
static const double settle_s = 0.05;    /* events within this time are shown together */

struct top {
	struct ev_loop *loop;
	struct config *config;     /* borrowed */
	struct top_source *source; /* owned */
	struct os_watch *watches[RUNTIME_FOLDERS]; /* owned */
	ev_signal signals[SIGNALS];
	ev_io keys;
	ev_timer pause;
	struct termios before;     /* of the terminal */
	bool raw, over, woken;
	json_t *look;              /* owned; the latest */
};

/* --- the terminal --- */

static void say(const char *text)
{
	for (size_t at = 0, len = strlen(text); at < len;) {
		ssize_t n = write(STDOUT_FILENO, text + at, len - at);
		if (n <= 0)
			break;
		at += (size_t)n;
	}
}

/* Keys come at once and are not echoed; the screen is another one, without a cursor. */
static void enter_screen(struct top *t)
{
	struct termios mode;
	if (tcgetattr(STDIN_FILENO, &t->before) == 0) {
		mode = t->before;
		mode.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		mode.c_cc[VMIN] = 1;
		mode.c_cc[VTIME] = 0;
		t->raw = tcsetattr(STDIN_FILENO, TCSANOW, &mode) == 0;
	}
	say("\033[?1049h\033[?25l");
}

static void leave_screen(struct top *t)
{
	say("\033[?25h\033[?1049l");
	if (t->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
}

static void draw(struct top *t)
{
	struct winsize size = {.ws_row = 24, .ws_col = 80};
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || !size.ws_row || !size.ws_col)
		size = (struct winsize){.ws_row = 24, .ws_col = 80};
	char *lines = top_view_draw(t->look, size.ws_row - 1, size.ws_col - 1, "\033[K\r\n"), *page;
	if (asprintf(&page, "\033[H%s\033[J\033[%d;1H\033[Kq ends it", lines, size.ws_row) < 0)
		log_no_memory();
	say(page);
	free(page);
	free(lines);
}

/* --- what wakes it --- */

static void wake(struct top *t)
{
	t->woken = true;
	ev_break(t->loop, EVBREAK_ALL);
}

static void on_signal(EV_P_ ev_signal *watcher, int revents)
{
	struct top *t = watcher->data;
	(void)loop;
	(void)revents;
	t->over |= watcher->signum != SIGWINCH;
	wake(t);
}

static void on_key(EV_P_ ev_io *io, int revents)
{
	struct top *t = io->data;
	char keys[64];
	(void)revents;
	ssize_t n = read(io->fd, keys, sizeof keys);
	if (n <= 0)
		ev_io_stop(loop, io);
	t->over |= n <= 0 || memchr(keys, 'q', (size_t)n) || memchr(keys, 'Q', (size_t)n) || memchr(keys, 4, (size_t)n);
	wake(t);
}

static void on_pause(EV_P_ ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	wake(timer->data);
}

/* An instance came or went: it is looked at when it has settled. */
static void on_folder(void *data)
{
	struct top *t = data;
	ev_timer_stop(t->loop, &t->pause);
	ev_timer_set(&t->pause, settle_s, 0.);
	ev_timer_start(t->loop, &t->pause);
}

static void watch(struct top *t)
{
	static const int numbers[SIGNALS] = {SIGTERM, SIGINT, SIGHUP, SIGWINCH};
	char folders[RUNTIME_FOLDERS][RUNTIME_PATH_MAX], error[RUNTIME_ERROR];
	int n = runtime_folders(t->config->folders, folders, error);
	for (int i = 0; i < n; i++)
		t->watches[i] = os_watch_create(t->loop, folders[i], on_folder, t);
	for (int i = 0; i < SIGNALS; i++) {
		ev_signal_init(&t->signals[i], on_signal, numbers[i]);
		t->signals[i].data = t;
		ev_signal_start(t->loop, &t->signals[i]);
	}
	ev_io_init(&t->keys, on_key, STDIN_FILENO, EV_READ);
	t->keys.data = t;
	ev_io_start(t->loop, &t->keys);
}

static void unwatch(struct top *t)
{
	for (int i = 0; i < RUNTIME_FOLDERS; i++)
		os_watch_destroy(t->watches[i]);
	for (int i = 0; i < SIGNALS; i++)
		ev_signal_stop(t->loop, &t->signals[i]);
	ev_io_stop(t->loop, &t->keys);
	ev_timer_stop(t->loop, &t->pause);
}

/* --- looking --- */

static bool look(struct top *t)
{
	json_t *fresh = top_source_look(t->source);
	if (!fresh)
		return false;
	top_view_compare(fresh, t->look);
	json_decref(t->look);
	t->look = fresh;
	return true;
}

static int follow(struct top *t)
{
	bool good = true;
	watch(t);
	enter_screen(t);
	while (!t->over && (good = look(t)) && !t->over) {
		draw(t);
		t->woken = false;
		ev_timer_set(&t->pause, pause_s, 0.);
		ev_timer_start(t->loop, &t->pause);
		while (!t->woken)
			ev_run(t->loop, 0);
		ev_timer_stop(t->loop, &t->pause);
	}
	leave_screen(t);
	unwatch(t);
	return good ? EXIT_GOOD : EXIT_BROKEN;
}

/* Looks twice, so that there are rates. */
static int print_once(struct top *t, bool json)
{
	if (!look(t))
		return EXIT_BROKEN;
	ev_timer_set(&t->pause, pause_s, 0.);
	ev_timer_start(t->loop, &t->pause);
	while (!t->woken)
		ev_run(t->loop, 0);
	if (!look(t))
		return EXIT_BROKEN;
	char *text = json ? json_dumps(t->look, JSON_INDENT(2) | JSON_REAL_PRECISION(15)) : top_view_draw(t->look, 0, COLUMNS, "\n");
	if (!text)
		log_no_memory();
	plain_print(text, stdout);
	if (json)
		putchar('\n');
	free(text);
	if (fflush(stdout) != 0)
		return EXIT_FAILED;
	return json_array_size(json_object_get(t->look, "instances")) ? EXIT_GOOD : EXIT_NO_INSTANCE;
}

int gateway_top(struct config *config, const struct cli *cli)
{
	struct top t = {.loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV), .config = config};
	if (!t.loop) {
		log_error("this system offers no way to wait for events");
		return EXIT_BROKEN;
	}
	t.source = top_source_create(t.loop, config);
	ev_timer_init(&t.pause, on_pause, 0., 0.);
	t.pause.data = &t;
	bool follows = !cli->once && !cli->json && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO);
	int status = follows ? follow(&t) : print_once(&t, cli->json);
	json_decref(t.look);
	top_source_destroy(t.source);
	ev_loop_destroy(t.loop);
	return status;
}
