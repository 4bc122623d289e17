/* guard.c - see guard.h */
#include "core/guard.h"
#include "core/stage.h"
#include "log.h"
#include "mcp/era.h"
#include "share.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PRINCIPALS = 64 };

/* The clients that come in, each with its profile. */
struct grants {
	char token[GUARD_TOKEN_MAX];
	bool wants_token;
	char profile[CONFIG_WORD_MAX];
	struct grant {
		char name[CONFIG_TOKEN_NAME + 1], token[GUARD_TOKEN_MAX], profile[CONFIG_WORD_MAX];
	} named[CONFIG_PAIRS_MAX];
	size_t count;
};

struct guard {
	const struct config *config; /* borrowed */
	struct grants now, before;   /* before the settings were read again */
	struct party {
		char name[GUARD_PRINCIPAL_MAX];
		long calls, requests;
	} parties[PRINCIPALS]; /* with something under way; a free place has nothing */
};

struct guard *guard_create(const struct config *config)
{
	struct guard *g = calloc(1, sizeof *g);
	if (!g)
		log_no_memory();
	g->config = config;
	return g;
}

void guard_destroy(struct guard *g)
{
	if (g)
		explicit_bzero(g, sizeof *g);
	free(g);
}

void guard_set_token(struct guard *g, const char *token)
{
	memcpy(&g->before, &g->now, sizeof g->before);
	explicit_bzero(&g->now, sizeof g->now);
	snprintf(g->now.token, sizeof g->now.token, "%s", token ? token : "");
	g->now.wants_token = token != NULL;
	snprintf(g->now.profile, sizeof g->now.profile, "%s", g->config->profile);
}

bool guard_add_token(struct guard *g, const char *name, const char *token)
{
	if (g->now.count == CONFIG_PAIRS_MAX || strlen(name) > CONFIG_TOKEN_NAME || !*token)
		return false;
	struct grant *one = &g->now.named[g->now.count++];
	snprintf(one->name, sizeof one->name, "%s", name);
	snprintf(one->token, sizeof one->token, "%s", token);
	if (!config_pair(g->config->tokens, name, one->profile))
		snprintf(one->profile, sizeof one->profile, "%s", g->config->profile);
	return true;
}

static const struct grant *named(const struct grants *all, const char *name)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->named[i].name, name) == 0)
			return &all->named[i];
	return NULL;
}

/* Another profile than full takes something away: none of them contains another one. */
static bool narrowed(const char *before, const char *now)
{
	return strcmp(before, now) != 0 && strcmp(now, "full") != 0;
}

bool guard_revoked(const struct guard *g, const char *principal)
{
	size_t len = strlen(GUARD_NAMED);
	if (strncmp(principal, GUARD_NAMED, len) == 0) {
		const struct grant *before = named(&g->before, principal + len), *now = named(&g->now, principal + len);
		return !before || !now || strcmp(before->token, now->token) != 0 || narrowed(before->profile, now->profile);
	}
	if (strcmp(principal, "token") == 0 && (!g->now.wants_token || strcmp(g->before.token, g->now.token) != 0))
		return true;
	return (strcmp(principal, "anyone") == 0 && g->now.wants_token) || narrowed(g->before.profile, g->now.profile);
}

bool guard_is_loopback(const char *address)
{
	struct in_addr v4;
	struct in6_addr v6;
	if (strcasecmp(address, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, address, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool guard_listen_ok(const char *address, bool tls, bool token, char why[GUARD_WHY_MAX])
{
	why[0] = 0;
	if (guard_is_loopback(address))
		return true;
	if (!token)
		snprintf(why, GUARD_WHY_MAX, "%.60s can be reached from other machines, and without a token everybody there could run code in Emacs: "
			 "leave out --auth none", address);
	else if (!tls)
		snprintf(why, GUARD_WHY_MAX, "%.60s can be reached from other machines, and without TLS everybody on the way could read the token: "
			 "set tls_cert and tls_key", address);
	return !why[0];
}

/* --- names --- */

/* "[::1]:80" -> "::1", "localhost:80" -> "localhost".  False: no host and port. */
static bool host_of(const char *text, char host[256])
{
	const char *begin = text, *end = text + strcspn(text, ":");
	if (*text == '[') {
		begin = text + 1;
		end = strchr(begin, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
		text = end + 1;
	} else {
		text = end;
	}
	if (*text == ':' && (strlen(text) > 6 || text[1 + strspn(text + 1, "0123456789")]))
		return false;
	if (end == begin || end - begin > 255)
		return false;
	snprintf(host, 256, "%.*s", (int)(end - begin), begin);
	return true;
}

/* The host part of listen: who was told to connect there may. */
static bool is_own(const char *list, const char *host)
{
	for (const char *p = list; *p; ) {
		char one[300], own[256];
		size_t n = strcspn(p, ", ");
		snprintf(one, sizeof one, "%.*s", (int)(n < 299 ? n : 299), p);
		if (host_of(one, own) && strcasecmp(own, host) == 0)
			return true;
		p += n + (p[n] != 0);
	}
	return false;
}

static bool host_ok(const struct guard *g, const char *host)
{
	char name[256];
	if (!host_of(host, name))
		return false;
	return guard_is_loopback(name) || is_own(g->config->listen, name) || config_lists(g->config->hosts, host) || config_lists(g->config->hosts, name);
}

bool guard_origin_ok(const struct guard *g, const char *origin)
{
	char name[256];
	const char *after = strncasecmp(origin, "http://", 7) == 0 ? origin + 7 : strncasecmp(origin, "https://", 8) == 0 ? origin + 8 : NULL;
	if (config_lists(g->config->origins, origin))
		return true;
	return after && host_of(after, name) && guard_is_loopback(name);
}

/* In a time that says nothing about where they differ. */
static bool same_secret(const char *given, const char *ours)
{
	volatile unsigned char differs = 0;
	size_t n = strlen(given), m = strlen(ours);
	differs |= (unsigned char)(n != m);
	for (size_t i = 0; i < m; i++)
		differs |= (unsigned char)(ours[i] ^ (i < n ? given[i] : 0));
	return !differs;
}

static const char *bearer(const char *authorization)
{
	if (!authorization || strncasecmp(authorization, "Bearer ", 7) != 0)
		return NULL;
	return authorization + 7 + strspn(authorization + 7, " ");
}

static enum guard_verdict refuse(struct guard_visit *v, enum guard_verdict verdict, const char *format, const char *word)
{
	snprintf(v->why, sizeof v->why, format, word);
	return verdict;
}

void guard_principal_of(long uid, char principal[GUARD_PRINCIPAL_MAX])
{
	snprintf(principal, GUARD_PRINCIPAL_MAX, "uid:%ld", uid);
}

enum guard_verdict guard_admit(const struct guard *g, struct guard_visit *v)
{
	if (!v->local_socket && (!v->host || !host_ok(g, v->host)))
		return refuse(v, GUARD_HOST, "the name '%.100s' is not served here; add it to the setting hosts", v->host ? v->host : "");
	if (v->origin && !guard_origin_ok(g, v->origin))
		return refuse(v, GUARD_ORIGIN, "pages of '%.100s' may not use this; add it to the setting origins", v->origin);
	if (v->local_socket) {
		guard_principal_of(v->uid, v->principal);
		return GUARD_WELCOME;
	}
	if (v->open_door || !g->now.wants_token) {
		snprintf(v->principal, sizeof v->principal, "anyone");
		return GUARD_WELCOME;
	}
	const char *given = bearer(v->authorization);
	if (!given)
		return refuse(v, GUARD_TOKEN, "%s", "a token is needed: send the header Authorization: Bearer TOKEN; efrit-bridge token prints it");
	const char *whose = same_secret(given, g->now.token) ? "" : NULL;
	for (size_t i = 0; i < g->now.count; i++) /* all of them, whichever it is */
		if (same_secret(given, g->now.named[i].token) && !whose)
			whose = g->now.named[i].name;
	if (!whose)
		return refuse(v, GUARD_TOKEN, "%s", "the token is another one; efrit-bridge token prints the right one");
	snprintf(v->principal, sizeof v->principal, *whose ? GUARD_NAMED "%s" : "token", whose);
	return GUARD_WELCOME;
}

/* --- the stage --- */

/* NULL: more have something under way than are counted. */
static struct party *party_of(struct guard *g, const char *principal)
{
	struct party *room = NULL;
	for (struct party *p = g->parties; p < g->parties + PRINCIPALS; p++) {
		if (strcmp(p->name, principal) == 0) /* also where it had something */
			return p;
		if (!p->calls && !p->requests && !room)
			room = p;
	}
	if (room)
		snprintf(room->name, sizeof room->name, "%s", principal);
	return room;
}

bool guard_hold(struct guard *g, const char *principal)
{
	struct party *p = party_of(g, principal);
	if (!p || p->requests >= share_of(g->config, g->config->conns_max))
		return false;
	p->requests++;
	return true;
}

void guard_let_go(struct guard *g, const char *principal)
{
	party_of(g, principal)->requests--;
}

/* A session bounds what its client may ask at a time; over HTTP every request is its own. */
enum verdict guard_enter(struct request *r)
{
	struct guard *g = r->pipeline->guard;
	if (!r->http || r->method->id != METHOD_TOOLS_CALL)
		return NEXT;
	if (!*r->principal) {
		request_fail(r, FAULT_DENIED, NULL, "nobody has said who asks");
		return DONE;
	}
	struct party *p = party_of(g, r->principal);
	if (!p || p->calls >= g->config->calls_max) {
		request_fail(r, FAULT_DENIED, json_pack("{s:i}", "retry_after", 1),
			     "%ld calls of tools are unanswered already; wait for some of them", p ? p->calls : PRINCIPALS);
		return DONE;
	}
	p->calls++;
	r->admitted = true;
	return NEXT;
}

void guard_leave(struct request *r)
{
	if (!r->admitted)
		return;
	r->admitted = false;
	party_of(r->pipeline->guard, r->principal)->calls--;
}
