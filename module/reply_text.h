/* reply_text.h - a tool's value as the text of a RESULT.  Thread: emacs, inside a module
 * function.  False: too large or no memory; what was written then is the caller's to drop. */
#ifndef REPLY_TEXT_H
#define REPLY_TEXT_H

#include "body.h"

#include <emacs-module.h>

/* One block of text.  SEEN non-nil: VALUE is an alist in Efrit's shape, to which INSTANCE, what it
 * TOOK and the members of SEEN (t: none) are added.  What is long is left in *rest. */
bool reply_text(emacs_env *env, const char *instance, double took, emacs_value value, bool failed, emacs_value seen,
		struct buf *out, struct body **rest);

/* VALUE is the whole result: an object with members.  SPECIAL: a fault or a question, which are short. */
bool reply_text_whole(emacs_env *env, emacs_value value, bool special, struct buf *out);

#endif
