/* wire.c - frames and call heads: round trips, every cut, every wrong length. */
#include "test.h"

#include "wire/wire.h"

static void put(struct buf *b, uint8_t type, uint8_t flags, uint64_t id, const char *text)
{
	assert_true(wire_put(b, type, flags, id, text, strlen(text)));
}

static void take(struct buf *b, uint8_t type, uint8_t flags, uint64_t id, const char *text)
{
	struct wire_frame f;
	const char *why = NULL;
	assert_int_equal(wire_take(b, &f, &why), WIRE_TAKE_FRAME);
	assert_int_equal(f.type, type);
	assert_int_equal(f.flags, flags);
	assert_true(f.id == id);
	assert_int_equal(f.len, strlen(text));
	assert_memory_equal(f.data, text, f.len);
	wire_eat(b, &f);
}

static void test_round_trip(void **state)
{
	struct buf b = {0};
	struct wire_frame f;
	const char *why = NULL;
	(void)state;
	put(&b, WIRE_HELLO, 0, 0, "{}");
	put(&b, WIRE_RESULT, WIRE_MORE | WIRE_FAILED, UINT64_MAX, "text");
	put(&b, 0xFF, 0xFF, 0x0123456789ABCDEFu, "");
	take(&b, WIRE_HELLO, 0, 0, "{}");
	take(&b, WIRE_RESULT, WIRE_MORE | WIRE_FAILED, UINT64_MAX, "text");
	take(&b, 0xFF, 0xFF, 0x0123456789ABCDEFu, "");
	assert_int_equal(wire_take(&b, &f, &why), WIRE_TAKE_NONE);
	buf_finish(&b);
}

/* WIRE.md is the contract: these bytes may never change. */
static void test_the_bytes_of_a_frame(void **state)
{
	static const unsigned char bytes[] = {0, 0, 0, 3, 0xEF, 3, 4, 1, 1, 2, 3, 4, 5, 6, 7, 8, 'a', 0, 'c'};
	struct buf b = {0};
	(void)state;
	assert_true(wire_put(&b, WIRE_CALL, WIRE_MORE, 0x0102030405060708u, "a\0c", 3));
	assert_int_equal(buf_len(&b), sizeof bytes);
	assert_memory_equal(buf_data(&b), bytes, sizeof bytes);
	buf_finish(&b);
}

static void test_one_byte_at_a_time(void **state)
{
	struct buf whole = {0}, in = {0};
	struct wire_frame f;
	const char *why = NULL;
	int frames = 0;
	(void)state;
	put(&whole, WIRE_PING, 0, 1, "");
	put(&whole, WIRE_STATUS, 0, 2, "{\"until\":\"idle\"}");
	put(&whole, WIRE_CANCEL, 0, 3, "reason");
	for (size_t i = 0; i < buf_len(&whole); i++) {
		assert_true(buf_add(&in, buf_data(&whole) + i, 1));
		enum wire_take t = wire_take(&in, &f, &why);
		assert_int_not_equal(t, WIRE_TAKE_BAD);
		if (t == WIRE_TAKE_FRAME) {
			assert_true(f.id == (uint64_t)++frames);
			wire_eat(&in, &f);
		}
	}
	assert_int_equal(frames, 3);
	assert_int_equal(buf_len(&in), 0);
	buf_finish(&whole);
	buf_finish(&in);
}

static void test_half_a_frame_is_waited_for(void **state)
{
	struct buf whole = {0};
	struct wire_frame f;
	const char *why = NULL;
	(void)state;
	put(&whole, WIRE_PING, 0, 1, "0123456789");
	for (size_t len = 0; len < buf_len(&whole); len++) {
		struct buf part = {0};
		assert_true(buf_add(&part, buf_data(&whole), len));
		assert_int_equal(wire_take(&part, &f, &why), WIRE_TAKE_NONE);
		assert_int_equal(buf_len(&part), len);
		buf_finish(&part);
	}
	buf_finish(&whole);
}

static enum wire_take take_raw(const char *bytes, size_t len, const char **why)
{
	struct buf b = {0};
	struct wire_frame f;
	assert_true(buf_add(&b, bytes, len));
	enum wire_take t = wire_take(&b, &f, why);
	buf_finish(&b);
	return t;
}

static void test_garbage_is_refused_at_once(void **state)
{
	const char *why = NULL;
	(void)state;
	assert_int_equal(take_raw("GET / HTTP/1.1\r\n", 5, &why), WIRE_TAKE_BAD);
	assert_non_null(why);
	assert_int_equal(take_raw("{\"jsonrpc\":\"2.0\"}", 17, &why), WIRE_TAKE_BAD);
	/* Four bytes of anything may still be a length. */
	assert_int_equal(take_raw("GET ", 4, &why), WIRE_TAKE_NONE);
}

static void test_another_version(void **state)
{
	const char *why = NULL;
	(void)state;
	assert_int_equal(take_raw("\0\0\0\0\xEF\x04", 6, &why), WIRE_TAKE_BAD);
	assert_says(why, "version");
	assert_int_equal(take_raw("\0\0\0\0\xEF\x00", 6, &why), WIRE_TAKE_BAD);
	assert_says(why, "version");
}

static void test_the_largest_frame_and_one_more(void **state)
{
	struct buf b = {0};
	struct wire_frame f;
	const char *why = NULL;
	char *big = calloc(1, WIRE_FRAME_MAX + 1);
	(void)state;
	assert_non_null(big);
	assert_false(wire_put(&b, WIRE_PING, 0, 1, big, WIRE_FRAME_MAX + 1));
	assert_int_equal(buf_len(&b), 0);
	assert_true(wire_put(&b, WIRE_PING, 0, 1, big, WIRE_FRAME_MAX));
	assert_int_equal(wire_take(&b, &f, &why), WIRE_TAKE_FRAME);
	assert_int_equal(f.len, WIRE_FRAME_MAX);
	wire_eat(&b, &f);
	assert_int_equal(buf_len(&b), 0);
	buf_finish(&b);
	free(big);
	/* A head alone is enough to refuse, nothing is waited for or allocated. */
	assert_int_equal(take_raw("\x00\x10\x00\x01\xEF\x03\x02\x00\0\0\0\0\0\0\0\1", 16, &why), WIRE_TAKE_BAD);
	assert_says(why, "1 MiB");
	assert_int_equal(take_raw("\xFF\xFF\xFF\xFF\xEF\x03\x02\x00\0\0\0\0\0\0\0\1", 16, &why), WIRE_TAKE_BAD);
}

static void test_u32(void **state)
{
	static const uint32_t values[] = {0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x12345678, 0x7FFFFFFF, 0x80000000, UINT32_MAX};
	char bytes[4];
	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		wire_store_u32(bytes, values[i]);
		assert_int_equal(wire_load_u32(bytes), values[i]);
	}
	wire_store_u32(bytes, 0x01020304);
	assert_memory_equal(bytes, "\1\2\3\4", 4);
}

static struct wire_call call_of(const char *tool, const char *client, const char *arguments, size_t len)
{
	return (struct wire_call){.timeout_ms = 30000, .priority = WIRE_NORMAL, .tool = tool, .tool_len = strlen(tool),
				  .client = client, .client_len = strlen(client), .arguments = arguments, .arguments_len = len};
}

/* All frames of one call -> its payload. */
static void gather(struct buf *in, struct buf *payload, int *frames)
{
	struct wire_frame f;
	const char *why = NULL;
	bool more = true;
	for (*frames = 0; more; (*frames)++) {
		assert_int_equal(wire_take(in, &f, &why), WIRE_TAKE_FRAME);
		assert_int_equal(f.type, WIRE_CALL);
		assert_true(f.id == 9);
		assert_true(buf_add(payload, f.data, f.len));
		more = f.flags & WIRE_MORE;
		wire_eat(in, &f);
	}
	assert_int_equal(buf_len(in), 0);
}

static void check_call(size_t arguments_len, int want_frames)
{
	struct buf out = {0}, payload = {0};
	char *arguments = malloc(arguments_len + 1);
	const char *why = NULL;
	int frames;
	assert_non_null(arguments);
	for (size_t i = 0; i < arguments_len; i++)
		arguments[i] = (char)(i * 31);
	struct wire_call call = call_of("efrit_execute", "claude", arguments, arguments_len), got;
	assert_true(wire_put_call(&out, 9, &call));
	gather(&out, &payload, &frames);
	assert_int_equal(frames, want_frames);
	assert_true(wire_parse_call(buf_data(&payload), buf_len(&payload), &got, &why));
	assert_int_equal(got.timeout_ms, 30000);
	assert_int_equal(got.priority, WIRE_NORMAL);
	assert_int_equal(got.tool_len, 13);
	assert_memory_equal(got.tool, "efrit_execute", 13);
	assert_int_equal(got.client_len, 6);
	assert_memory_equal(got.client, "claude", 6);
	assert_int_equal(got.arguments_len, arguments_len);
	assert_memory_equal(got.arguments, arguments, arguments_len);
	buf_finish(&out);
	buf_finish(&payload);
	free(arguments);
}

static void test_calls_of_all_sizes(void **state)
{
	const size_t head = 10 + 13 + 6;
	(void)state;
	check_call(0, 1);
	check_call(2, 1);
	check_call(WIRE_FRAME_MAX - head, 1);
	check_call(WIRE_FRAME_MAX - head + 1, 2);
	check_call(2 * WIRE_FRAME_MAX - head, 2);
	check_call(WIRE_REQUEST_MAX - head, 4);
}

static void test_calls_over_a_limit(void **state)
{
	struct buf out = {0};
	char name[WIRE_TOOL_MAX + 2];
	(void)state;
	memset(name, 'n', sizeof name);
	name[WIRE_TOOL_MAX + 1] = 0;
	struct wire_call call = call_of(name, "c", "{}", 2);
	assert_false(wire_put_call(&out, 1, &call));
	call = call_of("t", name, "{}", 2);
	assert_false(wire_put_call(&out, 1, &call));
	call = call_of("t", "c", "{}", WIRE_REQUEST_MAX - 10 - 2 + 1); /* refused before it is read */
	assert_false(wire_put_call(&out, 1, &call));
	call.arguments_len = SIZE_MAX;
	assert_false(wire_put_call(&out, 1, &call));
	assert_int_equal(buf_len(&out), 0);
	name[WIRE_TOOL_MAX] = 0;
	call = call_of(name, name, "{}", 2);
	assert_true(wire_put_call(&out, 1, &call));
	buf_finish(&out);
}

static void test_call_heads_of_every_length(void **state)
{
	/* time-out 0, priority 1, zero, tool of 2, client of 1, "to" "c" "{}" */
	static const char good[] = "\0\0\0\0\1\0\0\2\0\1toc{}";
	struct wire_call call;
	const char *why = NULL;
	(void)state;
	for (size_t len = 0; len < sizeof good - 1; len++) {
		why = NULL;
		char *cut = malloc(len ? len : 1); /* of exactly that size: a sanitizer sees a byte too far */
		assert_non_null(cut);
		memcpy(cut, good, len);
		assert_int_equal(wire_parse_call(cut, len, &call, &why), len >= 13);
		assert_int_equal(why == NULL, len >= 13);
		free(cut);
	}
	assert_true(wire_parse_call(good, sizeof good - 1, &call, &why));
	assert_int_equal(call.arguments_len, 2);
	assert_memory_equal(call.arguments, "{}", 2);
}

/* The context stands between the names and the arguments, and may be as long as they leave. */
static void test_contexts(void **state)
{
	struct buf out = {0}, payload = {0};
	struct wire_call call = call_of("tool", "client", "{\"a\":1}", 7), got;
	int frames;
	const char *why = NULL;
	(void)state;
	call.context = "{\"wants\":[]}";
	call.context_len = 12;
	assert_true(wire_put_call(&out, 9, &call));
	gather(&out, &payload, &frames);
	assert_true(wire_parse_call(buf_data(&payload), buf_len(&payload), &got, &why));
	assert_int_equal(got.context_len, 12);
	assert_memory_equal(got.context, "{\"wants\":[]}", 12);
	assert_int_equal(got.arguments_len, 7);
	assert_memory_equal(got.arguments, "{\"a\":1}", 7);
	for (size_t len = 20; len < 20 + 4 + 12; len++) { /* cut anywhere inside it */
		char *cut = malloc(len);
		assert_non_null(cut);
		memcpy(cut, buf_data(&payload), len);
		assert_false(wire_parse_call(cut, len, &got, &why));
		assert_says(why, "context");
		free(cut);
	}
	buf_finish(&out);
	buf_finish(&payload);
	call.context_len = WIRE_REQUEST_MAX - 10 - 10 - 4 - 7 + 1;
	assert_false(wire_put_call(&out, 9, &call));
	call.context_len = SIZE_MAX;
	assert_false(wire_put_call(&out, 9, &call));
	assert_int_equal(buf_len(&out), 0);
}

/* A GOODBYE is read by every version, and by ours from every version that can send one. */
static void test_goodbyes_cross_versions(void **state)
{
	struct buf b = {0};
	struct wire_frame f;
	const char *why = NULL;
	(void)state;
	assert_true(wire_put(&b, WIRE_GOODBYE, 0, 0, "{}", 2));
	assert_int_equal(buf_data(&b)[5], 1);
	assert_int_equal(wire_take(&b, &f, &why), WIRE_TAKE_FRAME);
	assert_int_equal(f.type, WIRE_GOODBYE);
	buf_finish(&b);
	assert_int_equal(take_raw("\0\0\0\0\xEF\x01", 6, &why), WIRE_TAKE_NONE);
	assert_int_equal(take_raw("\0\0\0\0\xEF\x01\x41", 7, &why), WIRE_TAKE_BAD);
	assert_says(why, "version");
}

static void refuse_head(const char *head, const char *says)
{
	char payload[600] = {0};
	struct wire_call call;
	const char *why = NULL;
	memcpy(payload, head, 10);
	assert_false(wire_parse_call(payload, sizeof payload, &call, &why));
	assert_says(why, says);
}

static void test_wrong_call_heads(void **state)
{
	(void)state;
	refuse_head("\0\0\0\0\1\0\0\0\0\1", "names");       /* no tool */
	refuse_head("\0\0\0\0\1\0\0\x81\0\1", "names");     /* a tool's name of 129 */
	refuse_head("\0\0\0\0\1\0\0\1\0\x81", "names");     /* a client's of 129 */
	refuse_head("\0\0\0\0\1\0\xFF\xFF\xFF\xFF", "names");
	refuse_head("\0\0\0\0\3\0\0\1\0\1", "priority");
	refuse_head("\0\0\0\0\xFF\0\0\1\0\1", "priority");
}

/* Whatever comes: never a read outside of the bytes that are there, never a frame over the limit. */
static void test_noise(void **state)
{
	unsigned seed = 11;
	(void)state;
	for (int i = 0; i < 50000; i++) {
		size_t len = (size_t)rand_r(&seed) % 64;
		char *bytes = malloc(len ? len : 1);
		struct wire_frame f;
		struct wire_call call;
		const char *why = NULL;
		assert_non_null(bytes);
		for (size_t k = 0; k < len; k++)
			bytes[k] = (char)(rand_r(&seed) % 8 ? rand_r(&seed) % 3 : rand_r(&seed));
		if (len > 5 && i % 2) {
			bytes[4] = (char)WIRE_MAGIC;
			bytes[5] = WIRE_VERSION;
		}
		struct buf b = {.mem = bytes, .cap = len, .head = 0, .tail = len};
		enum wire_take t = wire_take(&b, &f, &why);
		if (t == WIRE_TAKE_FRAME)
			assert_true(f.len <= len - WIRE_HEADER && f.data == bytes + WIRE_HEADER);
		assert_int_equal(t == WIRE_TAKE_BAD, why != NULL);
		why = NULL;
		if (wire_parse_call(bytes, len, &call, &why))
			assert_true(call.arguments + call.arguments_len == bytes + len);
		else
			assert_non_null(why);
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_the_bytes_of_a_frame),
		cmocka_unit_test(test_one_byte_at_a_time),
		cmocka_unit_test(test_half_a_frame_is_waited_for),
		cmocka_unit_test(test_garbage_is_refused_at_once),
		cmocka_unit_test(test_another_version),
		cmocka_unit_test(test_the_largest_frame_and_one_more),
		cmocka_unit_test(test_u32),
		cmocka_unit_test(test_calls_of_all_sizes),
		cmocka_unit_test(test_calls_over_a_limit),
		cmocka_unit_test(test_call_heads_of_every_length),
		cmocka_unit_test(test_contexts),
		cmocka_unit_test(test_goodbyes_cross_versions),
		cmocka_unit_test(test_wrong_call_heads),
		cmocka_unit_test(test_noise),
	};
	return RUN(tests);
}
