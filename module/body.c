/* body.c - see body.h */
#include "body.h"

#include "json.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 16 * 1024 }; /* bytes of the source a step: what they become stays in the processor's cache */

struct body *body_create(struct buf *source, const char *end)
{
	struct body *b = calloc(1, sizeof *b);
	if (!b)
		return NULL;
	b->left = json_escaped_length(buf_data(source), buf_len(source)) + strlen(end);
	b->end = end;
	b->source = *source;
	*source = (struct buf){0};
	return b;
}

void body_destroy(struct body *b)
{
	if (!b)
		return;
	buf_finish(&b->source);
	free(b);
}

static bool fill_some(struct body *b, struct buf *out)
{
	size_t n = json_cut(buf_data(&b->source), buf_len(&b->source), PIECE);
	if (!json_put_escaped(out, false, buf_data(&b->source), n, NULL))
		return false;
	buf_eat(&b->source, n);
	return true;
}

bool body_fill(struct body *b, struct buf *out, size_t least)
{
	size_t before = buf_len(out);
	while (b->left && buf_len(out) - before < least) {
		size_t had = buf_len(out);
		bool ok = buf_len(&b->source) ? fill_some(b, out) : buf_add(out, b->end, strlen(b->end));
		if (!ok)
			return false;
		b->left -= buf_len(out) - had;
	}
	return true;
}
