/* text.h - building JSON text in buffers.  No memory ends the program.  Any caller. */
#ifndef TEXT_H
#define TEXT_H

#include "request.h"

void text_add(struct buf *, const char *data, size_t len);
void text_put(struct buf *, const char *words);
void text_format(struct buf *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_json(struct buf *, const json_t *value); /* compact */

/* The inside of a JSON string: escaped, what is no UTF-8 replaced.  No quotes around it. */
void text_escape(struct buf *, const char *data, size_t len);
void text_base64(struct buf *, const char *data, size_t len);
size_t text_sequence(const char *data, size_t len); /* of the UTF-8 character there; 0: none */
void text_quote(struct buf *, const char *words); /* with quotes */

const char *text_string(struct buf *); /* what is in it, terminated; borrowed until the next change */
char *text_dump(const json_t *value); /* compact; caller frees */

#endif
