/* large.c - a long result on its way from a worker into a kept file, what the client is
 * told instead of it, and how it reads the pieces (resources/read).
 *
 *   note "size" -> large_announced: is it to be kept?        r->grown is set
 *   RESULT      -> on_grown: it is what was announced, and JSON; unescaped, in blocks to the spool; credit as they are written
 *   its end     -> on_finished: the result becomes a preview and a link; on with r->resume
 *
 * What cannot be kept is thrown away to its end, then the call is answered with the reason. */
#include "back/service.h"
#include "copy.h"
#include "core/handles.h"
#include "core/session.h"
#include "log.h"
#include "mcp/era.h"
#include "mcp/result.h"
#include "mcp/text.h"
#include "mcp/unescape.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BLOCK = 256 * 1024,        /* bytes written at a time */
	BEHIND = 2 * 1024 * 1024,  /* bytes the disk may be behind before less is asked for */
	TAIL_MAX = 24,             /* bytes behind the text */
};

static const char scheme[] = "efrit-result://", head[] = "{\"content\":[{\"type\":\"text\",\"text\":\"";
static const char good_tail[] = "}]}", failed_tail[] = "}],\"isError\":true}", mime[] = "text/plain; charset=utf-8";

struct large {
	struct request *request; /* borrowed */
	struct handle *handle;   /* held; NULL: it cannot be kept */
	char *why;               /* owned; then, for people */
	const char *code;        /* static; and for programs */
	struct unescape unescape;
	struct buf block, preview;
	char tail[TAIL_MAX + 1]; /* behind the text */
	size_t at, tail_len;     /* bytes of the head seen; of the tail */
	size_t size;             /* of the text */
	size_t pending;          /* and of it under way to the disk */
	bool failed;             /* the tool said so */
	bool come;               /* all of it; on_finished is under way */

	/* of resources/read */
	char *uri;               /* owned */
	size_t wanted;
};

static void fail(struct large *l, const char *code, char *why) /* why: taken; the first one stays */
{
	if (l->why) {
		free(why);
		return;
	}
	l->code = code;
	l->why = why;
	if (l->handle)
		handles_release(l->handle, l);
	l->handle = NULL;
	l->pending = 0;
	buf_finish(&l->block);
}

static void fail_on_disk(struct large *l, int error)
{
	char *why;
	if (asprintf(&why, "the result is so long that it has to be kept in a file, and it could not be written: %s", strerror(error)) < 0)
		log_no_memory();
	log_warning("%s", why);
	fail(l, "no_room", why);
}

/* --- what the client is told --- */

static void write_preview(struct large *l, struct buf *out)
{
	text_add(out, buf_data(&l->preview), buf_len(&l->preview));
	if (l->size > buf_len(&l->preview))
		text_put(out, "\n[...]");
}

/* A sentence or two. */
static void explain(const struct large *l, const struct request *r, struct buf *out)
{
	const struct config *c = r->pipeline->config;
	size_t block = (size_t)c->large_block, blocks = (l->size + block - 1) / block;
	text_format(out, "The result of %s is %zu bytes long, too long to be sent at once. It is kept for %ld s as %s%s (SHA-256 %s), in %zu blocks of "
		    "%zu bytes. Read block N, from 0 to %zu, by resources/read with the URI %s%s?block=N, bytes A to B with ?range=A-B; over HTTP "
		    "all of it, or a Range, by GET /api/v1/results/%s. Or call again for less (max_chars, a narrower question).", r->tool, l->size,
		    c->large_ttl, scheme, l->handle->id, l->handle->digest, blocks, block, blocks - 1, scheme, l->handle->id, l->handle->id);
}

static void put_link(const struct large *l, const struct request *r, struct buf *out)
{
	size_t block = (size_t)r->pipeline->config->large_block;
	text_format(out, "{\"type\":\"resource_link\",\"uri\":\"%s%s\",\"name\":\"result of %s\",\"mimeType\":\"%s\",\"size\":%zu,\"_meta\":{"
		    "\"efrit-mcp/sha256\":\"%s\",\"efrit-mcp/blocks\":%zu,\"efrit-mcp/block_size\":%zu,\"efrit-mcp/seconds\":%ld}}", scheme,
		    l->handle->id, r->tool, mime, l->size, l->handle->digest, (l->size + block - 1) / block, block, r->pipeline->config->large_ttl);
}

static bool takes_links(const struct request *r)
{
	return r->version >= VERSION_2025_06_18 && strcmp(r->pipeline->config->large_answer, "link") == 0;
}

static void tell_link(struct large *l, struct request *r)
{
	struct buf words = {0};
	explain(l, r, &words);
	text_put(&words, " It begins:\n");
	write_preview(l, &words);
	text_put(&r->reply, "{\"content\":[{\"type\":\"text\",\"text\":\"");
	text_escape(&r->reply, buf_data(&words), buf_len(&words));
	text_put(&r->reply, "\"},");
	put_link(l, r, &r->reply);
	text_put(&r->reply, l->failed ? "],\"isError\":true}" : "]}");
	r->ended = true;
	buf_finish(&words);
}

static void tell_error(struct large *l, struct request *r)
{
	struct buf words = {0}, shown = {0};
	char uri[sizeof scheme + HANDLE_ID];
	explain(l, r, &words);
	write_preview(l, &shown);
	snprintf(uri, sizeof uri, "%s%s", scheme, l->handle->id);
	json_t *more = json_pack("{s:I,s:s,s:s,s:I,s:b,s:b}", "size", (json_int_t)l->size, "sha256", l->handle->digest, "uri", uri, "block_size",
				 (json_int_t)r->pipeline->config->large_block, "tool_failed", l->failed, "may_have_run", 1);
	json_t *preview = json_stringn(buf_data(&shown), buf_len(&shown));
	if (!more)
		log_no_memory();
	if (preview)
		json_object_set_new(more, "preview", preview);
	result_error(r, "result_too_large", more, "%s", text_string(&words));
	buf_finish(&words);
	buf_finish(&shown);
}

static void tell_why_not(struct large *l, struct request *r)
{
	result_error(r, l->code, json_pack("{s:I,s:b}", "size", (json_int_t)r->received, "may_have_run", 1), "%s; the call has run", l->why);
}

/* --- it comes in --- */

static void take_credit(struct large *l)
{
	struct request *r = l->request;
	r->consumed = r->received - (l->pending > BEHIND ? l->pending : 0);
	if (r->worker)
		r->drained(r);
}

static void answer_why_not(struct large *l)
{
	struct request *r = l->request;
	r->grown = NULL;
	tell_why_not(l, r);
	r->resume(r);
}

static void on_written(void *data, int error, const char *bytes, size_t len)
{
	struct large *l = data;
	(void)bytes;
	if (error)
		fail_on_disk(l, error); /* and the handle tells nothing more */
	else
		l->pending -= len;
	if (error && l->come)
		answer_why_not(l);
	else
		take_credit(l);
}

static void write_block(struct large *l)
{
	l->size += buf_len(&l->block);
	l->pending += buf_len(&l->block);
	handles_add(l->handle, &l->block, on_written, l);
}

static void keep_preview(struct large *l, const char *text, size_t len)
{
	size_t most = (size_t)l->request->pipeline->config->large_preview, had = buf_len(&l->preview);
	if (had < most)
		text_add(&l->preview, text, len < most - had ? len : most - had);
}

/* Ends with a whole character. */
static void trim_preview(struct buf *preview)
{
	size_t len = buf_len(preview), back = 0;
	const char *text = buf_data(preview);
	while (back < len && back < 4 && ((unsigned char)text[len - 1 - back] & 0xC0) == 0x80)
		back++;
	if (back < len && !text_sequence(text + len - 1 - back, back + 1))
		preview->tail -= back + 1;
}

/* The head, the text, the tail; false: it is something else. */
static bool take(struct large *l, const char *data, size_t len)
{
	size_t had, n = 0;
	while (n < len && l->at < sizeof head - 1)
		if (data[n++] != head[l->at++])
			return false;
	if (!l->unescape.ended) {
		had = buf_len(&l->block);
		n += unescape_feed(&l->unescape, data + n, len - n, &l->block);
		keep_preview(l, buf_data(&l->block) + had, buf_len(&l->block) - had);
	}
	if (l->unescape.wrong || len - n > TAIL_MAX - l->tail_len)
		return false;
	memcpy(l->tail + l->tail_len, data + n, len - n);
	l->tail_len += len - n;
	return true;
}

static void distrust(struct large *l)
{
	static const char why[] = "a result that is not what was announced";
	struct worker *w = l->request->worker;
	char *words;
	if (asprintf(&words, "the Emacs \"%s\" sent %s", l->request->instance, why) < 0)
		log_no_memory();
	fail(l, "bad_answer", words);
	if (w)
		w->ops->distrust(w, why);
}

static void feed(struct large *l)
{
	struct request *r = l->request;
	if (!l->why && !take(l, buf_data(&r->reply), buf_len(&r->reply)))
		distrust(l);
	buf_eat(&r->reply, buf_len(&r->reply));
}

static void on_finished(void *data, int error, const char *bytes, size_t len)
{
	struct large *l = data;
	struct request *r = l->request;
	char digest[SPOOL_DIGEST + 1];
	if (error) {
		fail_on_disk(l, error);
		answer_why_not(l);
		return;
	}
	r->grown = NULL;
	snprintf(digest, sizeof digest, "%.*s", (int)len, bytes);
	handles_keep(l->handle, l->size, digest);
	trim_preview(&l->preview);
	if (takes_links(r))
		tell_link(l, r);
	else
		tell_error(l, r);
	r->resume(r);
}

/* All of it has come. */
static void finish(struct large *l)
{
	if (!l->why && strcmp(l->tail, good_tail) != 0 && strcmp(l->tail, failed_tail) != 0)
		distrust(l);
	l->failed = strcmp(l->tail, failed_tail) == 0;
	if (l->why) {
		answer_why_not(l);
		return;
	}
	l->come = true;
	l->request->ended = false; /* until it is kept; it may still be stopped */
	if (buf_len(&l->block))
		write_block(l);
	handles_finish(l->handle, on_finished, l);
}

static void on_grown(struct request *r)
{
	struct large *l = r->large;
	bool last = r->ended;
	feed(l);
	if (last) {
		finish(l);
		return;
	}
	if (buf_len(&l->block) >= BLOCK)
		write_block(l);
	take_credit(l);
}

static struct large *create(struct request *r)
{
	struct large *l = calloc(1, sizeof *l);
	if (!l)
		log_no_memory();
	l->request = r;
	r->large = l;
	return l;
}

/* What is judged as a whole, or belongs to a task or a batch, is not kept. */
void large_announced(struct request *r, size_t size)
{
	char *why = NULL;
	long least = r->pipeline->config->large_min;
	if (!r->pipeline->handles || !least || size <= (size_t)least || r->method->id != METHOD_TOOLS_CALL || r->parent || r->whole || r->owner
	    || r->large || r->received || r->ended)
		return;
	struct large *l = create(r);
	l->handle = handles_make(r->pipeline->handles, r->session->principal, size, &why);
	if (!l->handle)
		fail(l, "no_room", why);
	r->grown = on_grown;
}

void large_drop(struct request *r)
{
	struct large *l = r->large;
	if (!l)
		return;
	if (l->handle)
		handles_release(l->handle, l);
	buf_finish(&l->block);
	buf_finish(&l->preview);
	free(l->why);
	free(l->uri);
	free(l);
	r->large = NULL;
	r->grown = NULL;
}

/* --- resources/read --- */

bool large_is_uri(const char *uri)
{
	return strncmp(uri, scheme, sizeof scheme - 1) == 0;
}

static bool read_number(const char **at, size_t *value)
{
	char *end;
	if (**at < '0' || **at > '9')
		return false;
	errno = 0;
	unsigned long long n = strtoull(*at, &end, 10);
	*value = (size_t)n;
	*at = end;
	return errno == 0 && n < (1ull << 53);
}

/* "block=3" or "range=0-99"; the bytes it means, both ends included. */
static bool read_query(const char *query, size_t block, size_t *from, size_t *to)
{
	if (strncmp(query, "block=", 6) == 0) {
		query += 6;
		if (!read_number(&query, from) || *query || *from > SIZE_MAX / 2 / block)
			return false;
		*from *= block;
		*to = *from + block - 1;
		return true;
	}
	if (strncmp(query, "range=", 6) != 0)
		return false;
	query += 6;
	return read_number(&query, from) && *query++ == '-' && read_number(&query, to) && !*query && *to >= *from;
}

static bool refuse(struct request *r, const char *uri, const char *format, size_t a, size_t b)
{
	char why[300];
	snprintf(why, sizeof why, format, a, b);
	return request_fail(r, FAULT_PARAMS, json_pack("{s:s}", "uri", uri), "%s", why);
}

/* Text where both ends are those of characters. */
static void on_read(void *data, int error, const char *bytes, size_t len)
{
	struct large *l = data;
	struct request *r = l->request;
	size_t n = len < l->wanted ? len : l->wanted;
	bool text = n && ((unsigned char)bytes[0] & 0xC0) != 0x80 && (n == len || ((unsigned char)bytes[n] & 0xC0) != 0x80);
	if (error || !n) {
		request_fail(r, FAULT_INTERNAL, NULL, "the kept result could not be read: %s", error ? strerror(error) : "it ends early");
	} else {
		text_put(&r->reply, "{\"contents\":[{\"uri\":");
		text_quote(&r->reply, l->uri);
		text_format(&r->reply, ",\"mimeType\":\"%s\",\"%s\":\"", text ? mime : "application/octet-stream", text ? "text" : "blob");
		if (text)
			text_escape(&r->reply, bytes, n);
		else
			text_base64(&r->reply, bytes, n);
		text_put(&r->reply, "\"}]}");
	}
	r->ended = true;
	r->resume(r);
}

enum verdict large_read(struct request *r, const char *uri)
{
	const char *rest = uri + sizeof scheme - 1, *query = strchr(rest, '?');
	size_t block = (size_t)r->pipeline->config->large_block, from, to;
	char *id = query ? copy_part(rest, (size_t)(query - rest)) : copy_text(rest);
	struct handle *h = handles_find(r->pipeline->handles, id, r->session->principal);
	free(id);
	bool good = false;
	if (!h)
		refuse(r, uri, "there is no such result for you, or not any more: make the call again that had it", 0, 0);
	else if (!query || !read_query(query + 1, block, &from, &to))
		refuse(r, uri, "the result has %zu bytes: end the URI with ?block=N (of %zu bytes, from 0) or ?range=A-B (bytes, from 0, B included)",
		       h->size, block);
	else if (from >= h->size)
		refuse(r, uri, "the result has %zu bytes, and this begins at byte %zu", h->size, from);
	else if (to - from >= block)
		refuse(r, uri, "a range of %zu bytes is more than is given at a time: %zu (large_block)", to - from + 1, block);
	else
		good = true;
	if (!good) {
		if (h)
			handles_release(h, r);
		return DONE;
	}
	struct large *l = create(r);
	l->handle = h;
	l->wanted = to - from + 1;
	l->uri = copy_text(uri);
	handles_read(h, from, l->wanted + 1, on_read, l); /* one more, to see whether the next is a new character */
	request_forget_message(r);
	return WAIT;
}
