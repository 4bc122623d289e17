/* result.h - the result of tools/call where the bridge itself makes it: one text,
 * or a failure in Efrit's shape.  Pure; core and back call. */
#ifndef RESULT_H
#define RESULT_H

#include "request.h"

/* {"content":[{"type":"text","text":TEXT}]}, "isError" where it failed. */
void result_text(struct request *, const char *text, size_t len, bool failed);

/* {"status":"error","error":SENTENCE,"error_code":CODE, EXTRA...} as failed text.
 * EXTRA, an object, is taken and may be NULL. */
void result_error(struct request *, const char *code, json_t *extra, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
