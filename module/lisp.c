/* lisp.c - see lisp.h */
#include "lisp.h"

#include "json.h"
#include "wire/wire.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DEPTH_MAX = 100,
	VALUES_MAX = 1000 * 1000, /* in one value: Emacs keeps a reference to each until the module function returns */
};

static unsigned values_left; /* of the value that is being written */

/* Global references, made once. */
static struct {
	emacs_value nil, t, k_false, k_null, integer, floating, string, symbol, cons_type, vector, hash_table;
	emacs_value car, cdr, cons, list, vec, string_bytes, symbol_name, clean_string, show, proper_list, error, members;
} sym;

static bool intern(emacs_env *env, emacs_value *to, const char *name)
{
	*to = env->make_global_ref(env, env->intern(env, name));
	return !lisp_exited(env);
}

bool lisp_init(emacs_env *env)
{
	return intern(env, &sym.nil, "nil") && intern(env, &sym.t, "t") && intern(env, &sym.k_false, ":false")
	       && intern(env, &sym.k_null, ":null") && intern(env, &sym.integer, "integer") && intern(env, &sym.floating, "float")
	       && intern(env, &sym.string, "string") && intern(env, &sym.symbol, "symbol") && intern(env, &sym.cons_type, "cons")
	       && intern(env, &sym.vector, "vector") && intern(env, &sym.car, "car-safe") && intern(env, &sym.cdr, "cdr-safe")
	       && intern(env, &sym.cons, "cons") && intern(env, &sym.list, "list") && intern(env, &sym.vec, "vector")
	       && intern(env, &sym.string_bytes, "string-bytes") && intern(env, &sym.symbol_name, "symbol-name")
	       && intern(env, &sym.clean_string, "efrit-mcp--clean-string") && intern(env, &sym.show, "efrit-mcp--show")
	       && intern(env, &sym.proper_list, "proper-list-p") && intern(env, &sym.error, "efrit-mcp-error")
	       && intern(env, &sym.hash_table, "hash-table") && intern(env, &sym.members, "efrit-mcp--members");
}

bool lisp_exited(emacs_env *env)
{
	return env->non_local_exit_check(env) != emacs_funcall_exit_return;
}

/* For what must go on: forgets an error that is pending. */
static bool clear(emacs_env *env)
{
	bool was = lisp_exited(env);
	if (was)
		env->non_local_exit_clear(env);
	return was;
}

static emacs_value call1(emacs_env *env, emacs_value function, emacs_value a)
{
	return env->funcall(env, function, 1, &a);
}

void lisp_error(emacs_env *env, const char *message)
{
	if (lisp_exited(env))
		return;
	emacs_value text = lisp_string(env, message, strlen(message));
	emacs_value data = env->funcall(env, sym.list, 1, &text);
	if (!lisp_exited(env))
		env->non_local_exit_signal(env, sym.error, data);
}

emacs_value lisp_nil(emacs_env *env)
{
	(void)env;
	return sym.nil;
}

emacs_value lisp_t(emacs_env *env)
{
	(void)env;
	return sym.t;
}

/* Emacs signals when the text is not UTF-8, and perhaps a client named itself so. */
emacs_value lisp_string(emacs_env *env, const char *text, size_t len)
{
	struct buf clean = {0};
	bool before = lisp_exited(env);
	emacs_value string = env->make_string(env, text, (ptrdiff_t)len);
	if (before || !lisp_exited(env) || json_is_utf8(text, len))
		return string;
	if (json_put_utf8(&clean, text, len)) {
		clear(env);
		string = env->make_string(env, buf_data(&clean), (ptrdiff_t)buf_len(&clean));
	}
	buf_finish(&clean);
	return string;
}

emacs_value lisp_symbol(emacs_env *env, const char *name)
{
	return env->intern(env, name);
}

emacs_value lisp_list(emacs_env *env, ptrdiff_t n, emacs_value *values)
{
	return env->funcall(env, sym.list, n, values);
}

/* `string-bytes' is the length in UTF-8 unless there are raw bytes, which the copy refuses. */
static bool copy_text(emacs_env *env, emacs_value string, struct buf *out)
{
	enum { SHORT = 512 }; /* nearly all are: one call does */
	ptrdiff_t room = SHORT;
	if (!buf_reserve(out, SHORT))
		return false;
	if (env->copy_string_contents(env, string, buf_room(out), &room)) {
		buf_filled(out, (size_t)room - 1);
		return true;
	}
	clear(env);
	emacs_value bytes = call1(env, sym.string_bytes, string);
	intmax_t n = lisp_exited(env) ? -1 : env->extract_integer(env, bytes);
	if (clear(env) || n < 0 || n > WIRE_RESULT_MAX || !buf_reserve(out, (size_t)n + 1))
		return false;
	ptrdiff_t size = (ptrdiff_t)n + 1;
	bool ok = env->copy_string_contents(env, string, buf_room(out), &size);
	if (clear(env) || !ok)
		return false;
	buf_filled(out, (size_t)size - 1);
	return true;
}

bool lisp_put_text(emacs_env *env, emacs_value string, struct buf *out, bool *lossy)
{
	if (lisp_exited(env) || !env->eq(env, env->type_of(env, string), sym.string)) {
		clear(env);
		return false;
	}
	size_t before = buf_len(out);
	if (copy_text(env, string, out)) {
		if (json_is_utf8(buf_data(out) + before, buf_len(out) - before))
			return true;
		out->tail -= buf_len(out) - before; /* a unibyte string is copied as it is */
	}
	emacs_value clean = call1(env, sym.clean_string, string);
	if (clear(env))
		return false;
	*lossy = true;
	return copy_text(env, clean, out);
}

bool lisp_get_text(emacs_env *env, emacs_value string, char *into, size_t size)
{
	struct buf text = {0};
	bool lossy, ok = lisp_put_text(env, string, &text, &lossy);
	if (ok)
		snprintf(into, size, "%.*s", (int)(buf_len(&text) < size ? buf_len(&text) : size), buf_data(&text));
	buf_finish(&text);
	return ok;
}

static bool put_string(emacs_env *env, emacs_value string, struct buf *out, bool *lossy)
{
	struct buf text = {0};
	bool ok = lisp_put_text(env, string, &text, lossy) && json_put_string(out, buf_data(&text), buf_len(&text), lossy);
	buf_finish(&text);
	return ok;
}

/* The shortest text that reads back as the same number. */
static bool put_double(double d, struct buf *out)
{
	char text[40];
	snprintf(text, sizeof text, "%.15g", d);
	if (strtod(text, NULL) != d)
		snprintf(text, sizeof text, "%.17g", d);
	return buf_add(out, text, strlen(text));
}

static bool put_number(emacs_env *env, emacs_value value, bool integer, struct buf *out)
{
	if (integer) {
		intmax_t n = env->extract_integer(env, value);
		if (!clear(env))
			return buf_printf(out, "%jd", n);
	} else {
		double d = env->extract_float(env, value);
		if (!clear(env) && isfinite(d))
			return put_double(d, out);
	}
	emacs_value shown = call1(env, sym.show, value); /* a bignum, an infinity: its printed form */
	bool lossy;
	return !clear(env) && put_string(env, shown, out, &lossy);
}

static bool is(emacs_env *env, emacs_value type, emacs_value which)
{
	return env->eq(env, type, which);
}

static bool put_value(emacs_env *env, emacs_value value, struct buf *out, bool *lossy, int depth);

static bool put_symbol(emacs_env *env, emacs_value value, struct buf *out, bool *lossy)
{
	if (!env->is_not_nil(env, value) || env->eq(env, value, sym.k_null))
		return buf_printf(out, "null");
	if (env->eq(env, value, sym.t))
		return buf_printf(out, "true");
	if (env->eq(env, value, sym.k_false))
		return buf_printf(out, "false");
	return put_string(env, call1(env, sym.symbol_name, value), out, lossy);
}

static bool put_array(emacs_env *env, emacs_value value, bool vector, struct buf *out, bool *lossy, int depth)
{
	bool ok = buf_add(out, "[", 1);
	ptrdiff_t n = vector ? env->vec_size(env, value) : 0;
	for (ptrdiff_t i = 0; ok && vector && i < n; i++)
		ok = (!i || buf_add(out, ",", 1)) && put_value(env, env->vec_get(env, value, i), out, lossy, depth);
	for (bool first = true; ok && !vector && is(env, env->type_of(env, value), sym.cons_type); first = false) {
		ok = (first || buf_add(out, ",", 1)) && put_value(env, call1(env, sym.car, value), out, lossy, depth);
		value = call1(env, sym.cdr, value);
	}
	return ok && buf_add(out, "]", 1);
}

/* A key without the colon of a keyword. */
static bool put_key(emacs_env *env, emacs_value key, bool first, struct buf *out, bool *lossy)
{
	struct buf text = {0};
	if (is(env, env->type_of(env, key), sym.symbol))
		key = call1(env, sym.symbol_name, key);
	bool ok = lisp_put_text(env, key, &text, lossy);
	size_t skip = buf_len(&text) && buf_data(&text)[0] == ':';
	ok = ok && (first || buf_add(out, ",", 1)) && json_put_string(out, buf_data(&text) + skip, buf_len(&text) - skip, lossy)
	     && buf_add(out, ":", 1);
	buf_finish(&text);
	return ok;
}

static bool put_object(emacs_env *env, emacs_value value, bool plist, struct buf *out, bool *lossy, int depth)
{
	bool ok = buf_add(out, "{", 1);
	for (bool first = true; ok && is(env, env->type_of(env, value), sym.cons_type); first = false) {
		emacs_value key = call1(env, sym.car, value), member;
		if (plist) {
			value = call1(env, sym.cdr, value);
			member = call1(env, sym.car, value);
		} else {
			member = call1(env, sym.cdr, key);
			key = call1(env, sym.car, key);
		}
		ok = put_key(env, key, first, out, lossy) && put_value(env, member, out, lossy, depth);
		value = call1(env, sym.cdr, value);
	}
	return ok && buf_add(out, "}", 1);
}

static bool keyword(emacs_env *env, emacs_value value)
{
	char name[2];
	return is(env, env->type_of(env, value), sym.symbol) && env->is_not_nil(env, value)
	       && lisp_get_text(env, call1(env, sym.symbol_name, value), name, sizeof name) && name[0] == ':';
}

static bool put_cons(emacs_env *env, emacs_value value, struct buf *out, bool *lossy, int depth)
{
	if (!env->is_not_nil(env, call1(env, sym.proper_list, value))) /* dotted, or a circle without end */
		return put_string(env, call1(env, sym.show, value), out, lossy);
	emacs_value head = call1(env, sym.car, value);
	if (is(env, env->type_of(env, head), sym.cons_type)) {
		emacs_value type = env->type_of(env, call1(env, sym.car, head));
		if (is(env, type, sym.symbol) || is(env, type, sym.string))
			return put_object(env, value, false, out, lossy, depth);
	} else if (keyword(env, head)) {
		return put_object(env, value, true, out, lossy, depth);
	}
	return put_array(env, value, false, out, lossy, depth);
}

static bool put_value(emacs_env *env, emacs_value value, struct buf *out, bool *lossy, int depth)
{
	if (lisp_exited(env) || buf_len(out) > WIRE_RESULT_MAX || !values_left)
		return false;
	values_left--;
	if (depth > DEPTH_MAX)
		return buf_printf(out, "\"...\"");
	emacs_value type = env->type_of(env, value);
	if (is(env, type, sym.string))
		return put_string(env, value, out, lossy);
	if (is(env, type, sym.symbol))
		return put_symbol(env, value, out, lossy);
	if (is(env, type, sym.integer) || is(env, type, sym.floating))
		return put_number(env, value, is(env, type, sym.integer), out);
	if (is(env, type, sym.vector))
		return put_array(env, value, true, out, lossy, depth + 1);
	if (is(env, type, sym.cons_type))
		return put_cons(env, value, out, lossy, depth + 1);
	if (is(env, type, sym.hash_table)) {
		emacs_value members = call1(env, sym.members, value);
		return env->is_not_nil(env, members) ? put_value(env, members, out, lossy, depth + 1) : buf_add(out, "{}", 2);
	}
	emacs_value shown = call1(env, sym.show, value);
	return !lisp_exited(env) && put_string(env, shown, out, lossy);
}

bool lisp_put_json(emacs_env *env, emacs_value value, struct buf *out, bool *lossy)
{
	unsigned before = values_left; /* printing may run Lisp that comes here again */
	values_left = VALUES_MAX;
	bool ok = put_value(env, value, out, lossy, 0);
	values_left = before;
	return !clear(env) && ok;
}

static emacs_value object(emacs_env *env, const json_t *json)
{
	emacs_value list = sym.nil;
	const char *key;
	json_t *member;
	json_object_foreach((json_t *)json, key, member) {
		emacs_value pair[2] = {lisp_string(env, key, strlen(key)), lisp_from_json(env, member)};
		if (lisp_exited(env))
			return sym.nil;
		emacs_value cell[2] = {env->funcall(env, sym.cons, 2, pair), list};
		list = env->funcall(env, sym.cons, 2, cell);
	}
	return list;
}

static emacs_value array(emacs_env *env, const json_t *json)
{
	size_t n = json_array_size(json);
	emacs_value *values = calloc(n ? n : 1, sizeof *values), vector = sym.nil;
	if (!values) {
		lisp_error(env, "no memory for an array");
		return vector;
	}
	for (size_t i = 0; i < n && !lisp_exited(env); i++)
		values[i] = lisp_from_json(env, json_array_get(json, i));
	if (!lisp_exited(env))
		vector = env->funcall(env, sym.vec, (ptrdiff_t)n, values);
	free(values);
	return vector;
}

emacs_value lisp_from_json(emacs_env *env, const json_t *json)
{
	if (lisp_exited(env))
		return sym.nil;
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		return object(env, json);
	case JSON_ARRAY:
		return array(env, json);
	case JSON_STRING:
		return lisp_string(env, json_string_value(json), json_string_length(json));
	case JSON_INTEGER:
		return env->make_integer(env, json_integer_value(json));
	case JSON_REAL:
		return env->make_float(env, json_real_value(json));
	case JSON_TRUE:
		return sym.t;
	case JSON_FALSE:
		return sym.k_false;
	default:
		return sym.k_null;
	}
}
