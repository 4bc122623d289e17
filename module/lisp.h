/* lisp.h - Emacs values <-> C strings and JSON text.  Thread: emacs, inside a
 * module function; the environment lives for that call only.  No function here
 * fails for what a string holds: raw bytes are shown as octal and *lossy is set. */
#ifndef LISP_H
#define LISP_H

#include "wire/buf.h"

#include <emacs-module.h>
#include <jansson.h>

bool lisp_init(emacs_env *env); /* once, from emacs_module_init */

bool lisp_exited(emacs_env *env); /* a signal or throw is pending: return to Lisp */
void lisp_error(emacs_env *env, const char *message); /* signals `efrit-mcp-error' */

emacs_value lisp_nil(emacs_env *env);
emacs_value lisp_t(emacs_env *env);
bool lisp_is_whole(emacs_env *env, emacs_value value); /* the keyword :whole */
emacs_value lisp_string(emacs_env *env, const char *text, size_t len);
emacs_value lisp_name(emacs_env *env, const char *text); /* of a tool, a client, an argument: not to be changed */
emacs_value lisp_symbol(emacs_env *env, const char *name);
emacs_value lisp_list(emacs_env *env, ptrdiff_t n, emacs_value *values);

/* Appends the string's text in UTF-8.  False: not a string, or no memory; whatever
 * was pending is cleared. */
bool lisp_put_text(emacs_env *env, emacs_value string, struct buf *out, bool *lossy);

/* Copies a short string; it is cut to fit. */
bool lisp_get_text(emacs_env *env, emacs_value string, char *into, size_t size);

/* Appends VALUE as JSON.  nil and :null are null, t true, :false false, a vector or
 * plain list an array, an alist (of symbols or strings), plist or hash table an object, another
 * symbol its name, (efrit-mcp--json . TEXT) that text, anything else its printed form.  NESTED: escaped once more, to stand in
 * a JSON string.  False: too large or no memory. */
bool lisp_put_json(emacs_env *env, emacs_value value, bool nested, struct buf *out, bool *lossy);

/* The members of ALIST, an object's, each with a comma before it but the FIRST. */
bool lisp_put_members(emacs_env *env, emacs_value alist, bool nested, bool first, struct buf *out, bool *lossy);

/* Objects become alists with string keys, arrays vectors, true t, false :false, null :null. */
emacs_value lisp_from_json(emacs_env *env, const json_t *json);

#endif
