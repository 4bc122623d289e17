/* batch.c - arrays of messages, which only protocol version 2025-03-26 has.  The batch
 * is a request itself; its elements are its children, and their answers, in the order
 * they come, its reply. */
#include "core/pipeline.h"
#include "core/session.h"
#include "mcp/era.h"
#include "mcp/text.h"

#include <string.h>

static void finish(struct request *batch)
{
	batch->ended = true;
	batch->silent = !buf_len(&batch->reply);
	if (batch->session->closing)
		pipeline_settle(batch);
	else
		batch->resume(batch);
}

void batch_forget(struct request *child)
{
	struct request *batch = child->parent;
	child->parent = NULL;
	if (--batch->children == 0)
		finish(batch);
}

static void on_child(struct outlet *outlet, struct request *child)
{
	struct buf *reply = &child->parent->reply;
	(void)outlet;
	if (buf_len(reply))
		text_put(reply, ",");
	text_add(reply, buf_data(&child->head), buf_len(&child->head));
	text_add(reply, buf_data(&child->reply), buf_len(&child->reply));
	text_put(reply, child->tail);
	pipeline_settle(child);
}

/* A child has no pieces: the service collects its whole result. */
static struct outlet collector = {.deliver = on_child};

static bool acceptable(struct request *r)
{
	size_t i;
	json_t *element;
	if (!session_takes_batches(r->session))
		return request_fail(r, FAULT_INVALID, NULL,
				    "batches exist only in protocol version 2025-03-26: send the messages one by one");
	if (json_array_size(r->message) == 0)
		return request_fail(r, FAULT_INVALID, NULL, "an empty batch");
	if ((long)json_array_size(r->message) > r->pipeline->config->requests_max)
		return request_fail(r, FAULT_INVALID, NULL, "a batch has at most %ld messages", r->pipeline->config->requests_max);
	json_array_foreach(r->message, i, element)
		if (era_is_modern(json_object_get(element, "params")))
			return request_fail(r, FAULT_INVALID, NULL,
					    "protocol version 2026-07-28 has no batches: send the messages one by one");
	return true;
}

enum verdict batch_enter(struct request *r)
{
	size_t i;
	json_t *element;
	if (!acceptable(r))
		return DONE;
	r->children = 1; /* ours, until all have started */
	json_array_foreach(r->message, i, element) {
		struct request *child = pipeline_new(r->session);
		child->message = json_incref(element);
		child->parent = r;
		child->http = r->http;
		memcpy(child->principal, r->principal, sizeof child->principal);
		child->outlet = &collector;
		r->children++;
		pipeline_run(child);
	}
	r->silent = !buf_len(&r->reply);
	r->ended = --r->children == 0;
	return r->ended ? DONE : WAIT;
}
