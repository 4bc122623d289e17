/* era.h - the dialects of MCP: which one a message speaks, what it must bring along,
 * what its result carries in addition.  Pure functions; core calls.  era.c tells the
 * eras apart, era_modern.c and era_legacy.c know one each. */
#ifndef ERA_H
#define ERA_H

#include "request.h"

enum method_id {
#define METHOD(id, name, modern, legacy, notification, cacheable) METHOD_##id,
#include "mcp/methods.def"
#undef METHOD
};

struct method {
	enum method_id id;
	const char *name;
	bool modern, legacy, notification, cacheable;
};

bool era_is_modern(const json_t *params); /* the message itself says so */

/* Judges a request and fills method, era, version, client and token.  version and
 * client hold what the session knows when it is called.  False: r->fault says why. */
bool era_enter(struct request *r) __attribute__((warn_unused_result));
const struct method *era_method(const char *name); /* NULL: unknown */

/* What the era adds to r's result: JSON members without the outer commas; TRACK: more for
 * _meta, a comma before each. */
void era_members(const struct request *r, long list_ttl, const char *track, struct buf *out);

int era_log_level(const json_t *word); /* of enum loudness; LOG_NOTHING: no such level */
void era_keep_name(char to[REQUEST_CLIENT_MAX + 1], const json_t *client_info); /* cut at a character */
extern const char era_instructions[];

/* era_modern.c */
extern const char era_key_version[], era_key_capabilities[], era_key_client[], era_key_subscription[];
extern const char era_key_folder[], era_key_started[]; /* our own: where the client works, where its bridge was started */
bool era_modern_enter(struct request *r) __attribute__((warn_unused_result));
void era_modern_members(const struct request *r, long list_ttl, const char *track, struct buf *out);
void era_modern_discover(struct buf *reply, bool tasks);
extern const char era_key_tasks[];

/* era_legacy.c */
bool era_legacy_enter(struct request *r) __attribute__((warn_unused_result));
enum version era_legacy_negotiate(const json_t *params);
void era_legacy_initialize(enum version version, struct buf *reply);

#endif
