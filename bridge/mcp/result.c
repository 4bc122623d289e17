/* result.c - see result.h */
#include "mcp/result.h"
#include "mcp/text.h"
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void result_text(struct request *r, const char *text, size_t len, bool failed)
{
	buf_eat(&r->reply, buf_len(&r->reply));
	text_put(&r->reply, "{\"content\":[{\"type\":\"text\",\"text\":\"");
	text_escape(&r->reply, text, len);
	text_put(&r->reply, failed ? "\"}],\"isError\":true}" : "\"}]}");
	r->ended = true;
}

void result_error(struct request *r, const char *code, json_t *extra, const char *format, ...)
{
	char *sentence;
	va_list ap;
	va_start(ap, format);
	if (vasprintf(&sentence, format, ap) < 0)
		log_no_memory();
	va_end(ap);
	if (r->exact) {
		json_t *data = extra ? extra : json_object();
		json_object_set_new(data, "error_code", json_string(code));
		request_fail(r, FAULT_INTERNAL, data, "%s", sentence);
		r->ended = true;
		free(sentence);
		return;
	}
	struct buf text = {0};
	text_put(&text, "{\"status\":\"error\",\"error\":");
	text_quote(&text, sentence);
	text_put(&text, ",\"error_code\":");
	text_quote(&text, code);
	const char *key;
	json_t *value;
	json_object_foreach(extra, key, value) {
		text_put(&text, ",");
		text_quote(&text, key);
		text_put(&text, ":");
		text_json(&text, value);
	}
	text_put(&text, "}");
	result_text(r, buf_data(&text), buf_len(&text), true);
	buf_finish(&text);
	json_decref(extra);
	free(sentence);
}
