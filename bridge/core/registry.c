/* registry.c - see registry.h */
#include "core/registry.h"
#include "core/stage.h"
#include "mcp/result.h"
#include "mcp/text.h"

#include <string.h>

bool registry_empty(const struct service *s)
{
	for (struct worker *w = service_first(s); w; w = service_next(w))
		if (w->listed)
			return false;
	return true;
}

void registry_absence(const struct service *s, struct buf *out)
{
	text_format(out,
		    "no Emacs with efrit-mcp is running; start one with: emacs -L lisp -l efrit-mcp -f efrit-mcp-mode, or call "
		    "M-x efrit-mcp-mode in a running one. Looked in: %s",
		    service_places(s));
	if (*service_trouble(s))
		text_format(out, ". Not used: %s", service_trouble(s));
}

static bool fits(const struct request *r, const struct worker *w, const struct tool *tool)
{
	return w->listed && (!tool || catalogue_has(r->pipeline->catalogue, w, tool));
}

/* The ids that could have been meant, as an array and in words. */
static json_t *known(const struct request *r, const struct tool *tool, struct buf *words)
{
	json_t *ids = json_array();
	for (struct worker *w = service_first(r->pipeline->service); w; w = service_next(w)) {
		if (!fits(r, w, tool))
			continue;
		text_format(words, "%s%s", buf_len(words) ? ", " : "", w->name);
		json_array_append_new(ids, json_string(w->name));
	}
	if (!buf_len(words))
		text_put(words, "none");
	return ids;
}

static struct worker *refuse(struct request *r, const char *code, const char *asked, const struct tool *tool, const char *sentence)
{
	struct buf words = {0};
	json_t *extra = json_object();
	json_t *ids = known(r, tool, &words);
	if (asked)
		json_object_set_new(extra, "instance_id", json_string(asked));
	json_object_set_new(extra, "instances", ids);
	json_object_set_new(extra, "may_have_run", json_false());
	result_error(r, code, extra, "%s: %s", sentence, text_string(&words));
	buf_finish(&words);
	return NULL;
}

static struct worker *by_name(struct request *r, const char *asked, const struct tool *tool)
{
	struct service *s = r->pipeline->service;
	struct worker *w = service_find(s, asked);
	struct buf sentence = {0};
	if (w && fits(r, w, tool))
		return w;
	if (w && w->listed) {
		text_format(&sentence, "the Emacs \"%s\" has no tool %s; these have", asked, tool->name);
		refuse(r, "unknown_tool", asked, tool, text_string(&sentence));
	} else if (w && w->pid) { /* it was here, so the name is right */
		text_format(&sentence, "the Emacs \"%s\" is gone (%s); start it again, or use one of these", asked, w->why);
		refuse(r, "emacs_gone", asked, NULL, text_string(&sentence));
	} else if (registry_empty(s)) {
		registry_absence(s, &sentence);
		result_error(r, "no_instance", json_pack("{s:s,s:[],s:b}", "instance_id", asked, "instances", "may_have_run", 0),
			     "there is no Emacs \"%.100s\": %s", asked, text_string(&sentence));
	} else {
		text_format(&sentence, "there is no Emacs \"%.100s\"; these are known", asked);
		refuse(r, "unknown_instance", asked, NULL, text_string(&sentence));
	}
	buf_finish(&sentence);
	return NULL;
}

/* The only one, or the one called "default"; one that is merely listed as gone counts last. */
static struct worker *by_itself(const struct request *r, const struct tool *tool, long *count)
{
	struct worker *only = NULL, *standard = NULL, *gone = NULL;
	*count = 0;
	for (struct worker *w = service_first(r->pipeline->service); w; w = service_next(w)) {
		if (!fits(r, w, tool))
			continue;
		if (w->state == WORKER_GONE) {
			gone = w;
			continue;
		}
		only = w;
		++*count;
		if (strcmp(w->name, "default") == 0)
			standard = w;
	}
	return *count == 0 ? gone : *count == 1 ? only : standard;
}

struct worker *registry_choose(struct request *r, const char *asked, const struct tool *tool)
{
	const struct service *s = r->pipeline->service;
	long count;
	if (!asked && *r->pipeline->config->instance)
		asked = r->pipeline->config->instance;
	if (asked)
		return by_name(r, asked, tool);
	struct worker *w = by_itself(r, tool, &count);
	if (w)
		return w;
	if (count)
		return refuse(r, "ambiguous_instance", NULL, tool, "several Emacs instances run; pass instance_id, one of these");
	if (!registry_empty(s))
		return refuse(r, "unknown_tool", NULL, NULL, "no Emacs that runs now has this tool; these run");
	struct buf sentence = {0};
	registry_absence(s, &sentence);
	result_error(r, "no_instance", json_pack("{s:[],s:b}", "instances", "may_have_run", 0), "%s", text_string(&sentence));
	buf_finish(&sentence);
	return NULL;
}
