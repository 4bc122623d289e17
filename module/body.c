/* body.c - see body.h */
#include "body.h"

#include "json.h"

#include <stdlib.h>
#include <string.h>

enum {
	PIECE = 16 * 1024, /* bytes of the source a step: what they become stays in the processor's cache */
	GROWTH = 6,        /* bytes that one of them may become */
	WORTH = 64,        /* bytes that are worth a further step */
};

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

bool body_fill(struct body *b, struct buf *out, size_t most)
{
	size_t begin = buf_len(out), room;
	while (b->left && (room = begin + most - buf_len(out)) > 0) {
		size_t had = buf_len(out), piece = room / GROWTH < PIECE ? room / GROWTH : PIECE;
		size_t n = json_cut(buf_data(&b->source), buf_len(&b->source), piece);
		if (buf_len(&b->source) ? !n || (piece < WORTH && had > begin) : room < b->left)
			break;
		bool ok = n ? json_put_escaped(out, false, buf_data(&b->source), n, NULL) : buf_add(out, b->end, b->left);
		if (!ok)
			return false;
		buf_eat(&b->source, n);
		b->left -= buf_len(out) - had;
	}
	return true;
}
