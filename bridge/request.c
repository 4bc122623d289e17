/* request.c - see request.h */
#include "request.h"
#include "log.h"
#include "os.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct request *request_create(void)
{
	struct request *r = calloc(1, sizeof *r);
	if (!r)
		log_no_memory();
	r->tail = "";
	r->log_level = LOG_NOTHING;
	r->progressed = -1;
	return r;
}

uint32_t request_timeout(const struct request *r)
{
	return r->timeout_ms ? r->timeout_ms : REQUEST_TIMEOUT;
}

uint32_t request_left(const struct request *r)
{
	enum { PLAIN = 50 }; /* ms */
	double whole = request_timeout(r), waited = (os_now() - r->clock) * 1000;
	if (r->patient || waited < PLAIN)
		return (uint32_t)whole;
	return whole - waited > 1 ? (uint32_t)(whole - waited) : 1;
}

void request_forget_message(struct request *r)
{
	r->name = NULL;
	r->params = NULL;
	json_decref(r->message);
	r->message = NULL;
}

void request_destroy(struct request *r)
{
	if (!r)
		return;
	request_forget_message(r);
	json_decref(r->data);
	json_decref(r->listens_uris);
	json_decref(r->listens_tasks);
	json_decref(r->capabilities);
	buf_finish(&r->about);
	buf_finish(&r->context);
	free(r->folder);
	buf_finish(&r->said);
	buf_finish(&r->arguments);
	buf_finish(&r->head);
	buf_finish(&r->reply);
	free(r->id);
	free(r->token);
	free(r->reason);
	free(r->broken);
	free(r->closer);
	free(r);
}

bool request_fail(struct request *r, enum fault fault, json_t *data, const char *format, ...)
{
	if (r->fault) {
		json_decref(data);
		return false;
	}
	va_list ap;
	va_start(ap, format);
	if (vasprintf(&r->reason, format, ap) < 0)
		log_no_memory();
	va_end(ap);
	r->fault = fault;
	r->data = data;
	return false;
}
