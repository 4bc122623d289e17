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
	SHOWN_COST = 100,         /* of these, for what Lisp prints: nothing stops us meanwhile */
};

/* Global references, made once. */
static struct {
	emacs_value nil, t, k_false, k_null, integer, floating, string, symbol, cons_type, vector, hash_table;
	emacs_value car, cdr, cons, list, vec, string_bytes, symbol_name, clean_string, show, vconcat, json, error, members, k_whole, encode, one, proper;
	bool encodes; /* this Emacs has what `encode' calls */
} sym;

static bool intern(emacs_env *env, emacs_value *to, const char *name)
{
	*to = env->make_global_ref(env, env->intern(env, name));
	return !lisp_exited(env);
}

/* Of how many times `internal-encode-string-utf-8' encodes. */
static bool number_one(emacs_env *env)
{
	sym.one = env->make_global_ref(env, env->make_integer(env, 1));
	emacs_value has = env->funcall(env, env->intern(env, "fboundp"), 1, &sym.encode);
	sym.encodes = !lisp_exited(env) && env->is_not_nil(env, has);
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
	       && intern(env, &sym.vconcat, "vconcat") && intern(env, &sym.json, "efrit-mcp--json")
	       && intern(env, &sym.error, "efrit-mcp-error") && intern(env, &sym.hash_table, "hash-table")
	       && intern(env, &sym.members, "efrit-mcp--members") && intern(env, &sym.k_whole, ":whole")
	       && intern(env, &sym.encode, "internal-encode-string-utf-8") && intern(env, &sym.proper, "proper-list-p")
	       && number_one(env);
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

bool lisp_is_whole(emacs_env *env, emacs_value value)
{
	return env->eq(env, value, sym.k_whole);
}

/* Emacs signals when the text is not UTF-8, and perhaps a client named itself so. */
emacs_value lisp_string(emacs_env *env, const char *text, size_t len)
{
	struct buf clean = {0};
	if (json_is_utf8(text, len) || !json_put_utf8(&clean, text, len))
		return env->make_string(env, text, (ptrdiff_t)len);
	emacs_value string = env->make_string(env, buf_data(&clean), (ptrdiff_t)buf_len(&clean));
	buf_finish(&clean);
	return string;
}

/* Names come again and again: one string each, which nobody changes. */
emacs_value lisp_name(emacs_env *env, const char *text)
{
	enum { NAMES = 64 };
	static struct {
		char text[40];
		emacs_value string; /* global reference */
	} names[NAMES];
	static unsigned n_names, next, oldest;
	for (unsigned i = 0; i < n_names; i++) {
		unsigned at = (next + i) % n_names;
		if (strcmp(names[at].text, text) != 0)
			continue;
		next = at + 1;
		return names[at].string;
	}
	emacs_value string = lisp_string(env, text, strlen(text));
	if (strlen(text) >= sizeof names->text || lisp_exited(env))
		return string;
	emacs_value kept = env->make_global_ref(env, string);
	if (clear(env))
		return string;
	bool full = n_names == NAMES;
	unsigned at = full ? oldest : n_names++;
	if (full) {
		env->free_global_ref(env, names[at].string);
		oldest = (oldest + 1) % NAMES;
	}
	strcpy(names[at].text, text);
	names[at].string = kept;
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

/* The string, or what it is in UTF-8; false: it holds what is no Unicode.  Asked beforehand and
 * without an error, for that would enter the debugger of a person who has `debug-on-signal'. */
static bool encode(emacs_env *env, emacs_value *string)
{
	emacs_value args[7] = {*string, sym.nil, sym.t, sym.nil, sym.nil, sym.nil, sym.one};
	emacs_value encoded = env->funcall(env, sym.encode, 7, args);
	if (clear(env) || !env->is_not_nil(env, encoded))
		return false;
	*string = encoded;
	return true;
}

/* Nor is one provoked to learn the length. */
static bool copy_text(emacs_env *env, emacs_value string, struct buf *out)
{
	if (sym.encodes && !encode(env, &string))
		return false;
	emacs_value bytes = call1(env, sym.string_bytes, string);
	intmax_t n = lisp_exited(env) ? -1 : env->extract_integer(env, bytes);
	if (clear(env) || n < 0 || n > WIRE_RESULT_MAX || !buf_reserve(out, (size_t)n + 1))
		return false;
	buf_advise(out);
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

/* A value on its way into JSON text. */
struct writer {
	emacs_env *env;
	struct buf *out;
	bool nested; /* the text is written inside a JSON string */
	bool lossy;
	unsigned values_left;
};

static bool put_value(struct writer *w, emacs_value value, int depth);

static bool put_quote(struct writer *w)
{
	return w->nested ? buf_add(w->out, "\\\"", 2) : buf_add(w->out, "\"", 1);
}

static bool put_plain(struct writer *w, const char *text)
{
	return buf_add(w->out, text, strlen(text));
}

static bool put_string(struct writer *w, emacs_value string)
{
	struct buf text = {0};
	bool ok = lisp_put_text(w->env, string, &text, &w->lossy) && put_quote(w)
		  && json_put_escaped(w->out, w->nested, buf_data(&text), buf_len(&text), &w->lossy) && put_quote(w);
	buf_finish(&text);
	return ok;
}

/* The shortest text that reads back as the same number. */
static bool put_double(double d, struct buf *out)
{
	char text[40];
	int n = snprintf(text, sizeof text, "%.15g", d);
	if (strtod(text, NULL) != d)
		n = snprintf(text, sizeof text, "%.17g", d);
	return buf_add(out, text, (size_t)n);
}

static bool put_number(struct writer *w, emacs_value value, bool integer)
{
	emacs_env *env = w->env;
	if (integer) {
		emacs_limb_t limb = 0;
		ptrdiff_t limbs = 0;
		int sign = 0;
		bool ok = env->extract_big_integer(env, value, &sign, &limbs, NULL);
		ok = ok && (!sign || (limbs == 1 && env->extract_big_integer(env, value, &sign, &limbs, &limb)));
		if (!clear(env) && ok && limb <= INT64_MAX)
			return (sign >= 0 || buf_add(w->out, "-", 1)) && buf_digits(w->out, limb, 1);
	} else {
		double d = env->extract_float(env, value);
		if (!clear(env) && isfinite(d))
			return put_double(d, w->out);
	}
	emacs_value shown = call1(env, sym.show, value); /* a bignum, an infinity: its printed form */
	return !clear(env) && put_string(w, shown);
}

static bool is(emacs_env *env, emacs_value type, emacs_value which)
{
	return env->eq(env, type, which);
}

static bool put_symbol(struct writer *w, emacs_value value)
{
	emacs_env *env = w->env;
	if (!env->is_not_nil(env, value) || env->eq(env, value, sym.k_null))
		return put_plain(w, "null");
	if (env->eq(env, value, sym.t))
		return put_plain(w, "true");
	if (env->eq(env, value, sym.k_false))
		return put_plain(w, "false");
	return put_string(w, call1(env, sym.symbol_name, value));
}

static bool put_array(struct writer *w, emacs_value vector, int depth)
{
	bool ok = put_plain(w, "[");
	ptrdiff_t n = w->env->vec_size(w->env, vector);
	for (ptrdiff_t i = 0; ok && i < n; i++)
		ok = (!i || put_plain(w, ",")) && put_value(w, w->env->vec_get(w->env, vector, i), depth);
	return ok && put_plain(w, "]");
}

/* The names of symbols that were keys, ready to be written.  They come again and again, in
 * the same order, so the one that came next the last time is looked at first. */
static struct key {
	emacs_value symbol; /* global reference */
	char text[2][40];   /* with quotes and colon; [1]: nested */
	unsigned after;     /* the place of the key that came next */
} keys[64];
static unsigned n_keys, last_key, oldest_key;

static const struct key *known_key(emacs_env *env, emacs_value symbol)
{
	unsigned guess = keys[last_key].after;
	for (unsigned i = 0; i < n_keys; i++) {
		unsigned at = (guess + i) % n_keys;
		if (!env->eq(env, keys[at].symbol, symbol))
			continue;
		keys[last_key].after = at;
		last_key = at;
		return &keys[at];
	}
	return NULL;
}

/* Where all places are taken the oldest gives way: the catalogue has more keys than there is room. */
static void know_key(emacs_env *env, emacs_value symbol, const char *name, size_t len)
{
	enum { KEYS = sizeof keys / sizeof *keys };
	bool full = n_keys == KEYS;
	struct key *k = &keys[full ? oldest_key : n_keys];
	if (len > sizeof k->text[1] - sizeof "\\\"\\\":"
	    || strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") < len)
		return;
	emacs_value kept = env->make_global_ref(env, symbol);
	if (clear(env))
		return;
	if (full) {
		env->free_global_ref(env, k->symbol);
		oldest_key = (oldest_key + 1) % KEYS;
	} else {
		n_keys++;
	}
	snprintf(k->text[0], sizeof k->text[0], "\"%.*s\":", (int)len, name);
	snprintf(k->text[1], sizeof k->text[1], "\\\"%.*s\\\":", (int)len, name);
	k->symbol = kept;
}

/* A key without the colon of a keyword. */
static bool put_key(struct writer *w, emacs_value key, bool first)
{
	emacs_env *env = w->env;
	struct buf text = {0};
	bool symbol = is(env, env->type_of(env, key), sym.symbol);
	const struct key *known = symbol ? known_key(env, key) : NULL;
	if (!first && !put_plain(w, ","))
		return false;
	if (known)
		return put_plain(w, known->text[w->nested]);
	emacs_value name = symbol ? call1(env, sym.symbol_name, key) : is(env, env->type_of(env, key), sym.string) ? key : call1(env, sym.show, key);
	bool ok = lisp_put_text(env, name, &text, &w->lossy) && buf_add(&text, "", 1);
	if (ok) {
		size_t skip = buf_data(&text)[0] == ':', len = buf_len(&text) - 1 - skip;
		ok = put_quote(w) && json_put_escaped(w->out, w->nested, buf_data(&text) + skip, len, &w->lossy) && put_quote(w)
		     && put_plain(w, ":");
		if (symbol)
			know_key(env, key, buf_data(&text) + skip, len);
	}
	buf_finish(&text);
	return ok;
}

/* The members of an alist or plist, as a vector. */
static bool put_members(struct writer *w, emacs_value vector, bool plist, bool first, int depth)
{
	emacs_env *env = w->env;
	bool ok = true;
	ptrdiff_t n = env->vec_size(env, vector);
	for (ptrdiff_t i = 0; ok && i < n; i += 1 + plist) {
		emacs_value head = env->vec_get(env, vector, i), key = head, member = sym.nil;
		if (!plist) {
			key = call1(env, sym.car, head);
			member = call1(env, sym.cdr, head);
		} else if (i + 1 < n) {
			member = env->vec_get(env, vector, i + 1);
		}
		ok = put_key(w, key, first) && put_value(w, member, depth);
		first = false;
	}
	return ok;
}

static bool put_object(struct writer *w, emacs_value vector, bool plist, int depth)
{
	return put_plain(w, "{") && put_members(w, vector, plist, true, depth) && put_plain(w, "}");
}

static bool keyword(emacs_env *env, emacs_value value)
{
	char name[2];
	return is(env, env->type_of(env, value), sym.symbol) && env->is_not_nil(env, value)
	       && lisp_get_text(env, call1(env, sym.symbol_name, value), name, sizeof name) && name[0] == ':';
}

/* JSON text that was made before. */
static bool put_json(struct writer *w, emacs_value string)
{
	struct buf text = {0};
	bool ok = lisp_put_text(w->env, string, &text, &w->lossy)
		  && (w->nested ? json_put_escaped(w->out, false, buf_data(&text), buf_len(&text), &w->lossy)
				: buf_add(w->out, buf_data(&text), buf_len(&text)));
	buf_finish(&text);
	return ok;
}

static bool put_cons(struct writer *w, emacs_value value, int depth)
{
	emacs_env *env = w->env;
	if (env->eq(env, call1(env, sym.car, value), sym.json))
		return put_json(w, call1(env, sym.cdr, value));
	emacs_value proper = call1(env, sym.proper, value);
	if (clear(env) || !env->is_not_nil(env, proper)) /* dotted, or a circle without end */
		return put_string(w, call1(env, sym.show, value));
	emacs_value vector = call1(env, sym.vconcat, value);
	emacs_value head = env->vec_get(env, vector, 0);
	if (is(env, env->type_of(env, head), sym.cons_type)) {
		emacs_value type = env->type_of(env, call1(env, sym.car, head));
		if (is(env, type, sym.symbol) || is(env, type, sym.string))
			return put_object(w, vector, false, depth);
	} else if (keyword(env, head)) {
		return put_object(w, vector, true, depth);
	}
	return put_array(w, vector, depth);
}

static bool put_value(struct writer *w, emacs_value value, int depth)
{
	emacs_env *env = w->env;
	if (lisp_exited(env) || buf_len(w->out) > WIRE_RESULT_MAX || !w->values_left)
		return false;
	w->values_left--;
	if (depth > DEPTH_MAX)
		return put_quote(w) && put_plain(w, "...") && put_quote(w);
	emacs_value type = env->type_of(env, value);
	if (is(env, type, sym.string))
		return put_string(w, value);
	if (is(env, type, sym.symbol))
		return put_symbol(w, value);
	if (is(env, type, sym.integer) || is(env, type, sym.floating))
		return put_number(w, value, is(env, type, sym.integer));
	if (is(env, type, sym.vector))
		return put_array(w, value, depth + 1);
	if (is(env, type, sym.cons_type))
		return put_cons(w, value, depth + 1);
	if (is(env, type, sym.hash_table)) {
		emacs_value members = call1(env, sym.members, value);
		return env->is_not_nil(env, members) ? put_value(w, members, depth + 1) : put_plain(w, "{}");
	}
	if (w->values_left < SHOWN_COST)
		return false;
	w->values_left -= SHOWN_COST;
	emacs_value shown = call1(env, sym.show, value);
	return !lisp_exited(env) && put_string(w, shown);
}

static struct writer begin_writing(emacs_env *env, bool nested, struct buf *out)
{
	return (struct writer){.env = env, .out = out, .nested = nested, .values_left = VALUES_MAX};
}

bool lisp_put_json(emacs_env *env, emacs_value value, bool nested, struct buf *out, bool *lossy)
{
	struct writer w = begin_writing(env, nested, out);
	bool ok = put_value(&w, value, 0);
	*lossy = *lossy || w.lossy;
	return !clear(env) && ok;
}

bool lisp_put_members(emacs_env *env, emacs_value alist, bool nested, bool first, struct buf *out, bool *lossy)
{
	struct writer w = begin_writing(env, nested, out);
	emacs_value vector = call1(env, sym.vconcat, alist);
	bool ok = !lisp_exited(env) && put_members(&w, vector, false, first, 1);
	*lossy = *lossy || w.lossy;
	return !clear(env) && ok;
}

static emacs_value object(emacs_env *env, const json_t *json)
{
	emacs_value list = sym.nil;
	const char *key;
	json_t *member;
	json_object_foreach((json_t *)json, key, member) {
		emacs_value pair[2] = {lisp_name(env, key), lisp_from_json(env, member)};
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
