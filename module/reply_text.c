/* reply_text.c - see reply_text.h */
#include "reply_text.h"

#include "json.h"
#include "lisp.h"
#include "wire/wire.h"

#include <string.h>

/* VALUE as the text of the one block: a string as it is, all else as JSON.  A long string
 * is left in *rest, with END behind it. */
static bool put_text(emacs_env *env, emacs_value value, const char *end, struct buf *out, struct body **rest)
{
	struct buf text = {0};
	bool lossy = false, ok = lisp_put_text(env, value, &text, &lossy);
	if (ok && buf_len(&text) > WIRE_WINDOW) {
		*rest = body_create(&text, end);
		buf_finish(&text);
		return *rest != NULL;
	}
	if (ok)
		ok = json_put_escaped(out, false, buf_data(&text), buf_len(&text), NULL);
	else
		ok = lisp_put_json(env, value, true, out, &lossy);
	if (ok && lossy && !buf_len(&text) && buf_data(out)[buf_len(out) - 1] == '}') {
		out->tail--;
		ok = buf_printf(out, ",\\\"lossy\\\":true}");
	}
	buf_finish(&text);
	return ok && buf_add(out, end, strlen(end));
}

static bool put_plain(struct buf *out, const char *text)
{
	return buf_add(out, text, strlen(text));
}

/* VALUE, an alist in Efrit's shape, with what the server knows and what was SEEN. */
static bool put_shaped(emacs_env *env, const char *instance, double took, emacs_value value, emacs_value seen, struct buf *out)
{
	bool lossy = false, more = !env->eq(env, seen, lisp_t(env));
	unsigned long long us = (unsigned long long)(took * 1e6);
	return buf_add(out, "{", 1) && lisp_put_members(env, value, true, true, out, &lossy)
	       && put_plain(out, ",\\\"instance_id\\\":\\\"") && put_plain(out, instance) && put_plain(out, "\\\",\\\"execution_time\\\":")
	       && buf_digits(out, us / 1000000, 1) && put_plain(out, ".") && buf_digits(out, us % 1000000, 6)
	       && (!more || lisp_put_members(env, seen, true, false, out, &lossy))
	       && (!lossy || buf_printf(out, ",\\\"lossy\\\":true")) && buf_add(out, "}", 1);
}

/* A result of one block of text. */
bool reply_text(emacs_env *env, const char *instance, double took, emacs_value value, bool failed, emacs_value seen, struct buf *out, struct body **rest)
{
	static const char head[] = "{\"content\":[{\"type\":\"text\",\"text\":\"";
	const char *end = failed ? "\"}],\"isError\":true}" : "\"}]}";
	return buf_reserve(out, 1024) && buf_add(out, head, sizeof head - 1)
	       && (env->is_not_nil(env, seen) ? put_shaped(env, instance, took, value, seen, out) && buf_add(out, end, strlen(end))
					       : put_text(env, value, end, out, rest))
	       && buf_len(out) + (*rest ? (*rest)->left : 0) <= WIRE_RESULT_MAX;
}

/* VALUE is the whole result: an object with members. */
bool reply_text_whole(emacs_env *env, emacs_value value, bool special, struct buf *out)
{
	bool lossy = false;
	return lisp_put_json(env, value, false, out, &lossy) && buf_len(out) <= (special ? WIRE_SPECIAL_MAX : WIRE_RESULT_MAX)
	       && buf_len(out) > 2 && buf_data(out)[0] == '{' && buf_data(out)[1] == '"';
}
