/* http_refused.c - says in the log whom the gateway refused, so many lines a minute of each
 * kind: a flood of wrong tokens must not fill a disk.  The lines left out are counted. */
#include "front/http_impl.h"
#include "log.h"

#include <stdarg.h>
#include <stdio.h>

static const double minute = 60;

static void tell_rest(struct http *h)
{
	static const char *const kinds[HTTP_REFUSED_KINDS] = {"requests without the right token", "requests for another host or from a web page",
							       "connections of other users", "connections over the limit"};
	for (int i = 0; i < HTTP_REFUSED_KINDS; i++) {
		if (h->refused[i].left_out)
			log_warning("%ld more %s were refused within a minute", h->refused[i].left_out, kinds[i]);
		h->refused[i].told = h->refused[i].left_out = 0;
	}
}

static void on_minute(EV_P_ ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	tell_rest(timer->data);
}

void refused_init(struct http *h)
{
	ev_timer_init(&h->refused_minute, on_minute, minute, 0.);
	h->refused_minute.data = h;
}

void refused_finish(struct http *h)
{
	ev_timer_stop(h->loop, &h->refused_minute);
	tell_rest(h);
}

void http_refused(struct http *h, enum http_refused_kind kind, const char *format, ...)
{
	char text[GUARD_WHY_MAX + 128];
	va_list ap;
	if (h->refused[kind].told >= h->config->log_refused) {
		h->refused[kind].left_out++;
	} else {
		va_start(ap, format);
		vsnprintf(text, sizeof text, format, ap);
		va_end(ap);
		h->refused[kind].told++;
		log_warning("%s", text);
	}
	if (!ev_is_active(&h->refused_minute)) {
		ev_timer_set(&h->refused_minute, minute, 0.);
		ev_timer_start(h->loop, &h->refused_minute);
	}
}
