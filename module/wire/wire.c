/* wire.c - see wire.h */
#include "wire.h"

#include <string.h>

enum { CALL_HEAD = 10, CALL_CONTEXT = 0x01, CALL_PATIENT = 0x02 }; /* flags in the head: a context follows the names; wire_call::patient */

void wire_store_u32(char *at, uint32_t value)
{
	unsigned char *p = (unsigned char *)at;
	p[0] = (unsigned char)(value >> 24);
	p[1] = (unsigned char)(value >> 16);
	p[2] = (unsigned char)(value >> 8);
	p[3] = (unsigned char)value;
}

uint32_t wire_load_u32(const char *at)
{
	const unsigned char *p = (const unsigned char *)at;
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void store_u16(char *at, size_t value)
{
	((unsigned char *)at)[0] = (unsigned char)(value >> 8);
	((unsigned char *)at)[1] = (unsigned char)value;
}

static size_t load_u16(const char *at)
{
	const unsigned char *p = (const unsigned char *)at;
	return (size_t)p[0] << 8 | p[1];
}

bool wire_put(struct buf *out, uint8_t type, uint8_t flags, uint64_t id, const void *data, size_t len)
{
	if (len > WIRE_FRAME_MAX || !buf_reserve(out, WIRE_HEADER + len))
		return false;
	char *h = buf_room(out);
	wire_store_u32(h, (uint32_t)len);
	h[4] = (char)WIRE_MAGIC;
	h[5] = type == WIRE_GOODBYE ? WIRE_GOODBYE_VERSION : WIRE_VERSION;
	h[6] = (char)type;
	h[7] = (char)flags;
	wire_store_u32(h + 8, (uint32_t)(id >> 32));
	wire_store_u32(h + 12, (uint32_t)id);
	if (len)
		memcpy(h + WIRE_HEADER, data, len);
	buf_filled(out, WIRE_HEADER + len);
	return true;
}

void wire_grown(struct buf *out, size_t at, uint8_t flags)
{
	char *h = out->mem + out->head + at;
	wire_store_u32(h, (uint32_t)(buf_len(out) - at - WIRE_HEADER));
	h[7] = (char)flags;
}

bool wire_put_call(struct buf *out, uint64_t id, const struct wire_call *call)
{
	struct buf payload = {0};
	size_t names = call->tool_len + call->client_len + (call->context_len ? 4 : 0);
	if (call->tool_len > WIRE_TOOL_MAX || call->client_len > WIRE_CLIENT_MAX
	    || call->context_len > WIRE_REQUEST_MAX - CALL_HEAD - names
	    || call->arguments_len > WIRE_REQUEST_MAX - CALL_HEAD - names - call->context_len)
		return false;
	char head[CALL_HEAD], length[4];
	wire_store_u32(head, call->timeout_ms);
	head[4] = (char)call->priority;
	head[5] = (char)((call->context_len ? CALL_CONTEXT : 0) | (call->patient ? CALL_PATIENT : 0));
	wire_store_u32(length, (uint32_t)call->context_len);
	store_u16(head + 6, call->tool_len);
	store_u16(head + 8, call->client_len);
	bool ok = buf_add(&payload, head, sizeof head) && buf_add(&payload, call->tool, call->tool_len)
		  && buf_add(&payload, call->client, call->client_len)
		  && (!call->context_len || (buf_add(&payload, length, sizeof length) && buf_add(&payload, call->context, call->context_len)))
		  && buf_add(&payload, call->arguments, call->arguments_len);
	while (ok && buf_len(&payload) > WIRE_FRAME_MAX) {
		ok = wire_put(out, WIRE_CALL, WIRE_MORE, id, buf_data(&payload), WIRE_FRAME_MAX);
		buf_eat(&payload, WIRE_FRAME_MAX);
	}
	ok = ok && wire_put(out, WIRE_CALL, 0, id, buf_data(&payload), buf_len(&payload));
	buf_finish(&payload);
	return ok;
}

enum wire_take wire_take(const struct buf *in, struct wire_frame *frame, const char **why)
{
	const char *h = buf_data(in);
	size_t have = buf_len(in);
	/* Judged as soon as the bytes are there, so that garbage is refused and not waited for. */
	if (have > 4 && (unsigned char)h[4] != WIRE_MAGIC) {
		*why = "not a frame of the efrit-mcp wire";
		return WIRE_TAKE_BAD;
	}
	if (have > 5 && h[5] != WIRE_VERSION && (h[5] != WIRE_GOODBYE_VERSION || (have > 6 && (unsigned char)h[6] != WIRE_GOODBYE))) {
		*why = "another version of the efrit-mcp wire";
		return WIRE_TAKE_BAD;
	}
	if (have < WIRE_HEADER)
		return WIRE_TAKE_NONE;
	uint32_t len = wire_load_u32(h);
	if (len > WIRE_FRAME_MAX) {
		*why = "a frame over the limit of 1 MiB";
		return WIRE_TAKE_BAD;
	}
	if (have < WIRE_HEADER + (size_t)len)
		return WIRE_TAKE_NONE;
	*frame = (struct wire_frame){
		.type = (uint8_t)h[6],
		.flags = (uint8_t)h[7],
		.id = (uint64_t)wire_load_u32(h + 8) << 32 | wire_load_u32(h + 12),
		.data = h + WIRE_HEADER,
		.len = len,
	};
	return WIRE_TAKE_FRAME;
}

void wire_eat(struct buf *in, const struct wire_frame *frame)
{
	buf_eat(in, WIRE_HEADER + frame->len);
}

/* It stands where the arguments would. */
static bool take_context(const char *end, struct wire_call *call)
{
	size_t left = (size_t)(end - call->arguments);
	if (left < 4 || wire_load_u32(call->arguments) > left - 4)
		return false;
	call->context = call->arguments + 4;
	call->context_len = wire_load_u32(call->arguments);
	call->arguments = call->context + call->context_len;
	return true;
}

bool wire_parse_call(const char *data, size_t len, struct wire_call *call, const char **why)
{
	if (len < CALL_HEAD) {
		*why = "a call shorter than its head";
		return false;
	}
	call->timeout_ms = wire_load_u32(data);
	call->priority = (uint8_t)data[4];
	call->patient = data[5] & CALL_PATIENT;
	call->tool_len = load_u16(data + 6);
	call->client_len = load_u16(data + 8);
	if (call->tool_len == 0 || call->tool_len > WIRE_TOOL_MAX || call->client_len > WIRE_CLIENT_MAX
	    || CALL_HEAD + call->tool_len + call->client_len > len) {
		*why = "a call whose names do not fit";
		return false;
	}
	if (call->priority >= WIRE_PRIORITIES) {
		*why = "a call of an unknown priority";
		return false;
	}
	call->tool = data + CALL_HEAD;
	call->client = call->tool + call->tool_len;
	call->arguments = call->client + call->client_len;
	call->context = call->arguments;
	call->context_len = 0;
	if (data[5] & CALL_CONTEXT && !take_context(data + len, call)) {
		*why = "a call whose context does not fit";
		return false;
	}
	call->arguments_len = len - (size_t)(call->arguments - data);
	return true;
}
