/* wire.c - bytes of a peer as frames: the same frames however they are cut, nothing read
 * past the end, and what is read can be written again. */
#include "fuzz.h"

#include "wire/wire.h"

/* What a stream holds: how many frames, a sum over them, how it ends. */
struct tale {
	size_t frames, bytes;
	uint64_t sum;
	enum wire_take end;
};

static uint64_t mix(uint64_t sum, const void *data, size_t len)
{
	const unsigned char *p = data;
	for (size_t i = 0; i < len; i++)
		sum = (sum ^ p[i]) * 0x100000001B3u;
	return sum;
}

/* A payload that is a call -> frames -> the same call. */
static void call_again(const char *data, size_t len)
{
	struct wire_call call, got;
	const char *why = NULL;
	struct buf out = {0}, payload = {0};
	struct wire_frame f;
	bool ok = wire_parse_call(data, len, &call, &why);
	must(ok == (why == NULL));
	if (!ok)
		return;
	must(call.arguments + call.arguments_len == data + len);
	must(wire_put_call(&out, 77, &call));
	do {
		must(wire_take(&out, &f, &why) == WIRE_TAKE_FRAME && f.type == WIRE_CALL && f.id == 77);
		must(buf_add(&payload, f.data, f.len));
		wire_eat(&out, &f);
	} while (f.flags & WIRE_MORE);
	must(!buf_len(&out));
	must(wire_parse_call(buf_data(&payload), buf_len(&payload), &got, &why));
	must(got.timeout_ms == call.timeout_ms && got.priority == call.priority);
	must(got.tool_len == call.tool_len && got.client_len == call.client_len && got.arguments_len == call.arguments_len);
	must(got.context_len == call.context_len);
	must(memcmp(got.tool, call.tool, call.tool_len + call.client_len) == 0);
	must(memcmp(got.context, call.context, call.context_len) == 0);
	must(memcmp(got.arguments, call.arguments, call.arguments_len) == 0);
	buf_finish(&out);
	buf_finish(&payload);
}

static void frame_again(const struct wire_frame *f)
{
	struct buf out = {0};
	struct wire_frame got;
	const char *why;
	must(f->len <= WIRE_FRAME_MAX);
	must(wire_put(&out, f->type, f->flags, f->id, f->data, f->len));
	must(wire_take(&out, &got, &why) == WIRE_TAKE_FRAME);
	must(got.type == f->type && got.flags == f->flags && got.id == f->id && got.len == f->len);
	must(memcmp(got.data, f->data, f->len) == 0);
	wire_eat(&out, &got);
	must(!buf_len(&out));
	buf_finish(&out);
}

static void take_all(struct buf *in, struct tale *t)
{
	struct wire_frame f;
	const char *why = NULL;
	while ((t->end = wire_take(in, &f, &why)) == WIRE_TAKE_FRAME) {
		frame_again(&f);
		if (f.type == WIRE_CALL)
			call_again(f.data, f.len);
		t->frames++;
		t->bytes += WIRE_HEADER + f.len;
		t->sum = mix(mix(t->sum, &f.id, sizeof f.id), f.data, f.len);
		wire_eat(in, &f);
	}
	must((t->end == WIRE_TAKE_BAD) == (why != NULL));
}

static struct tale read_stream(const char *data, size_t len, uint8_t pieces)
{
	struct tale t = {0};
	struct buf in = {0};
	for (size_t at = 0; at < len && t.end != WIRE_TAKE_BAD;) {
		size_t n = piece(&pieces, len - at);
		must(buf_add(&in, data + at, n));
		at += n;
		take_all(&in, &t);
	}
	must(t.end == WIRE_TAKE_BAD || t.bytes + buf_len(&in) == len);
	buf_finish(&in);
	return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint8_t pieces = input_byte(&in);
	const char *stream = (const char *)in.at;
	struct tale whole = read_stream(stream, in.left, 0), cut = read_stream(stream, in.left, pieces);
	must(whole.frames == cut.frames && whole.sum == cut.sum && whole.end == cut.end);
	char *payload = input_copy(stream, in.left);
	call_again(payload, in.left);
	free(payload);
	return 0;
}
