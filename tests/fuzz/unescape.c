/* unescape.c - a JSON string in pieces: what jansson reads of it is what comes out, and what
 * it refuses is refused; pieces of any size make no difference.
 * Input: how it is cut, then the string behind its opening quote. */
#include "fuzz.h"

#include "mcp/text.h"
#include "mcp/unescape.h"

static size_t feed(struct unescape *u, const char *data, size_t len, uint8_t pieces, struct buf *out)
{
	size_t at = 0;
	memset(u, 0, sizeof *u);
	while (at < len) {
		size_t n = piece(&pieces, len - at);
		char *part = input_copy(data + at, n);
		size_t taken = unescape_feed(u, part, n, out);
		free(part);
		must(taken <= n && (taken == n || u->ended || u->wrong));
		at += taken;
		if (taken < n || u->ended)
			break;
	}
	return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unescape u, other;
	struct buf out = {0}, same = {0}, json = {0};
	if (!size)
		return 0;
	const char *text = (const char *)data + 1;
	size_t len = size - 1, n = feed(&u, text, len, data[0], &out);
	must(feed(&other, text, len, 0, &same) == n && u.ended == other.ended && u.wrong == other.wrong);
	must(buf_len(&out) == buf_len(&same) && memcmp(buf_data(&out), buf_data(&same), buf_len(&out)) == 0);
	must(!(u.ended && u.wrong) && buf_len(&out) <= n);
	text_put(&json, "\"");
	text_add(&json, text, n);
	json_t *value = json_loadb(buf_data(&json), buf_len(&json), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (value) {
		must(u.ended && json_string_length(value) == buf_len(&out));
		must(memcmp(json_string_value(value), buf_data(&out), buf_len(&out)) == 0);
	}
	must(value || !u.ended);
	json_decref(value);
	buf_finish(&json);
	buf_finish(&out);
	buf_finish(&same);
	return 0;
}
