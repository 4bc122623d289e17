/* os_portable.c - see os.h; for systems without inotify and /proc.  ev_stat looks at
 * the folder once a second where the system has nothing better to offer.  It sees whole
 * seconds, so a second change within one goes unseen: looked at again when it is over. */
#include "os.h"
#include "log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct os_watch {
	ev_stat stat;
	ev_timer again;
	char *folder; /* owned; libev borrows it */
	void (*on_change)(void *data);
	void *data;
	struct ev_loop *loop; /* borrowed */
};

static const double past_the_second = 1.1;

static void on_again(EV_P_ ev_timer *timer, int revents)
{
	struct os_watch *w = timer->data;
	(void)loop;
	(void)revents;
	w->on_change(w->data);
}

static void on_stat(EV_P_ ev_stat *stat, int revents)
{
	struct os_watch *w = stat->data;
	(void)revents;
	ev_timer_stop(loop, &w->again);
	ev_timer_set(&w->again, past_the_second, 0.);
	ev_timer_start(loop, &w->again);
	w->on_change(w->data);
}

struct os_watch *os_watch_create(struct ev_loop *loop, const char *folder, void (*on_change)(void *data), void *data)
{
	struct os_watch *w = calloc(1, sizeof *w);
	if (!w || !(w->folder = strdup(folder)))
		log_no_memory();
	w->loop = loop;
	w->on_change = on_change;
	w->data = data;
	ev_stat_init(&w->stat, on_stat, w->folder, 1.0);
	ev_timer_init(&w->again, on_again, past_the_second, 0.);
	w->stat.data = w->again.data = w;
	ev_stat_start(loop, &w->stat);
	ev_timer_start(loop, &w->again);
	return w;
}

void os_watch_destroy(struct os_watch *w)
{
	if (!w)
		return;
	ev_stat_stop(w->loop, &w->stat);
	ev_timer_stop(w->loop, &w->again);
	free(w->folder);
	free(w);
}

enum os_process os_process_state(pid_t pid)
{
	if (pid <= 0)
		return OS_PROCESS_UNKNOWN;
	return kill(pid, 0) == 0 || errno == EPERM ? OS_PROCESS_ALIVE : OS_PROCESS_GONE;
}

double os_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
