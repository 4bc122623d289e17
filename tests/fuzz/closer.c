/* closer.c - a result in pieces: the closer and jansson agree on what is JSON, pieces of
 * any size make no difference, and whatever was let through can be made whole.
 * Input: how it is cut, where it ends early (2 bytes), then the result without its first brace. */
#include "fuzz.h"

#include "mcp/closer.h"
#include "mcp/text.h"

static const char note[] = "[the rest \"never\" came]";

static size_t feed(struct closer *c, const char *data, size_t len, uint8_t pieces)
{
	size_t at = 0;
	closer_init(c);
	while (at < len) {
		size_t n = piece(&pieces, len - at);
		char *part = input_copy(data + at, n);
		size_t taken = closer_feed(c, part, n);
		free(part);
		must(taken <= n);
		at += taken;
		if (taken < n)
			break;
	}
	return at;
}

/* How deep it gets, strings apart. */
static unsigned depth_of(const char *data, size_t len)
{
	unsigned depth = 1, deepest = 1;
	bool string = false;
	for (size_t i = 0; i < len; i++) {
		if (string && data[i] == '\\')
			i++;
		else if (data[i] == '"')
			string = !string;
		else if (!string && (data[i] == '{' || data[i] == '['))
			deepest = ++depth > deepest ? depth : deepest;
		else if (!string && (data[i] == '}' || data[i] == ']'))
			depth--;
	}
	return deepest;
}

static bool judged(const struct buf *begin, const struct buf *end, bool *cannot_hold)
{
	struct buf all = {0};
	text_add(&all, buf_data(begin), buf_len(begin));
	text_add(&all, buf_data(end), buf_len(end));
	bool ok = fuzz_is_json(buf_data(&all), buf_len(&all), cannot_hold);
	buf_finish(&all);
	return ok;
}

static void finished(const char *data, size_t len, uint8_t pieces)
{
	struct closer a, b;
	struct buf begin = {0}, end = {0}, same = {0};
	bool cannot_hold;
	size_t n = feed(&a, data, len, 0);
	must(feed(&b, data, len, pieces) == n);
	must(closer_done(&a) == closer_done(&b));
	closer_finish(&a, note, &end);
	closer_finish(&b, note, &same);
	must(buf_len(&end) == buf_len(&same) && memcmp(buf_data(&end), buf_data(&same), buf_len(&end)) == 0);
	text_put(&begin, "{");
	text_add(&begin, data, n);
	must(judged(&begin, &end, &cannot_hold) || cannot_hold);
	buf_finish(&begin);
	buf_finish(&end);
	buf_finish(&same);
}

static void agreed(const char *data, size_t len)
{
	struct closer c;
	struct buf whole = {0}, nothing = {0};
	bool cannot_hold;
	while (len && strchr(" \t\r\n", data[len - 1]) && data[len - 1])
		len--; /* jansson lets space follow the end; the module sends none */
	bool ours = feed(&c, data, len, 0) == len && closer_done(&c);
	text_put(&whole, "{");
	text_add(&whole, data, len);
	bool theirs = judged(&whole, &nothing, &cannot_hold);
	must(!ours || theirs || cannot_hold);
	theirs = theirs && !memchr(data, 0, len); /* jansson steps over a NUL that follows a number */
	must(!theirs || ours || depth_of(data, len) > CLOSER_DEPTH);
	buf_finish(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint8_t pieces = input_byte(&in);
	size_t end = (size_t)input_byte(&in) << 8;
	end |= input_byte(&in);
	const char *text = (const char *)in.at;
	agreed(text, in.left);
	finished(text, in.left, pieces);
	finished(text, in.left ? end % in.left : 0, pieces);
	return 0;
}
