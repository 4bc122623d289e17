/* folder.c - see folder.h */
#include "core/folder.h"
#include "copy.h"
#include "core/session.h"
#include "mcp/era.h"
#include "mcp/text.h"

#include <stdlib.h>
#include <string.h>

static void put_member(struct buf *out, const char *name, const char *folder)
{
	text_format(out, "%s\"%s\":", buf_len(out) ? "," : "", name);
	text_quote(out, folder);
}

/* That a program was started in / or in the home folder says nothing about its work. */
static bool says_something(const char *folder)
{
	const char *home = getenv("HOME");
	size_t len = home ? strlen(home) : 0;
	while (len > 1 && home[len - 1] == '/')
		len--;
	return folder && *folder == '/' && folder[1] && !(len && strlen(folder) == len && memcmp(folder, home, len) == 0);
}

char *folder_members(const char *said, const char *started)
{
	struct buf out = {0};
	if (said)
		put_member(&out, "folder", said);
	if (says_something(started))
		put_member(&out, "cwd", started);
	char *members = buf_len(&out) ? copy_text(text_string(&out)) : NULL;
	buf_finish(&out);
	return members;
}

void folder_learn(struct request *r)
{
	json_t *meta = json_object_get(r->params, "_meta");
	json_t *said = json_object_get(meta, era_key_folder), *started = json_object_get(meta, era_key_started);
	if (!said && !started)
		return;
	free(r->folder);
	r->folder = folder_members(json_string_value(said), started ? json_string_value(started) : r->session->folder);
	if (!r->folder)
		r->folder = copy_text(""); /* a bridge that has none said so */
}
