/* offers.h - what instances offer besides tools: resources, templates of resources,
 * prompts.  Where several instances offer the same, each one's is told apart: a URI gets
 * instance_id=NAME at its end, a prompt an argument of that name.  core alone calls. */
#ifndef OFFERS_H
#define OFFERS_H

#include "back/service.h"
#include "core/stage.h"

enum offer { OFFER_TOOLS, OFFER_RESOURCES, OFFER_TEMPLATES, OFFER_PROMPTS, OFFERS };

/* {"resources":[...]} and so on, in the same order whoever came first. */
void offers_list(const struct pipeline *, enum offer, enum version, struct buf *out);
uint64_t offers_hash(const struct pipeline *, enum offer); /* of that list */

/* Which Emacs has the resource URI; *plain (owned by the caller) is what that Emacs calls it.
 * NULL: r is refused with the reason. */
struct worker *offers_resource(struct request *r, const char *uri, char **plain);
struct worker *offers_prompt(struct request *r, const char *name, const char *instance);

/* For the completion of a template's variable. */
struct worker *offers_template(struct request *r, const char *uri, char **plain);

/* Does who asked for SUBSCRIBED hear of a change of URI in the instance NAME? */
bool offers_means(const char *subscribed, const char *uri, const char *name);

/* What the instance NAME calls the resource SUBSCRIBED, owned by the caller; NULL: it is another instance's. */
char *offers_plain(const char *subscribed, const char *name);

bool offers_uri_fits(const char *form, const char *uri); /* FORM may have {variables} */

#endif
