/* head.c - see head.h */
#include "front/head.h"
#include "log.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static long refused_byte(char c, char why[HEAD_WHY_MAX])
{
	snprintf(why, HEAD_WHY_MAX, "%s", c == '\r' ? "a carriage return without a line feed in the head"
		 : c == '\n' ? "a line feed without a carriage return in the head" : "a control character in the head");
	return -1;
}

long head_measure(const char *text, size_t len, struct head_scan *scan, char why[HEAD_WHY_MAX])
{
	for (size_t i = scan->at; i < len; i++) {
		if (syntax_is(text[i], SYNTAX_VALUE))
			continue;
		scan->at = i;
		if (text[i] == '\r' && i + 1 == len)
			return 0;
		if (text[i] != '\r' || text[i + 1] != '\n')
			return refused_byte(text[i], why);
		if (i == scan->line && i)
			return (long)i + 2;
		if (!(scan->line ? syntax_header_line : syntax_request_line)(text + scan->line, i - scan->line, why))
			return -1;
		scan->line = ++i + 1;
	}
	scan->at = len;
	return 0;
}

/* --- what llhttp finds --- */

struct header {
	char *name, *value;
	size_t name_len, value_len;
};

struct reader {
	struct head *head;
	struct header *headers; /* owned while reading */
	size_t count, most;
	char *url;
	size_t url_len;
	bool in_value, split, complete, too_many;
};

static struct reader *reader_of(llhttp_t *p)
{
	return p->data;
}

static int on_url(llhttp_t *p, const char *at, size_t len)
{
	struct reader *r = reader_of(p);
	if (!r->url)
		r->url = (char *)(void *)(size_t)at;
	r->url_len += len;
	return 0;
}

static int on_field(llhttp_t *p, const char *at, size_t len)
{
	struct reader *r = reader_of(p);
	if (!r->count || r->in_value) {
		if (r->count == r->most) {
			r->too_many = true;
			return HPE_USER;
		}
		r->headers[r->count++] = (struct header){.name = (char *)(void *)(size_t)at};
	}
	r->in_value = false;
	r->headers[r->count - 1].name_len += len;
	return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t len)
{
	struct reader *r = reader_of(p);
	r->in_value = true;
	struct header *h = &r->headers[r->count - 1];
	if (!h->value)
		h->value = (char *)(void *)(size_t)at;
	else if (h->value + h->value_len != at)
		r->split = true;
	h->value_len += len;
	return 0;
}

static int on_headers_complete(llhttp_t *p)
{
	reader_of(p)->complete = true;
	p->upgrade = 0; /* nothing is spoken here but HTTP/1 */
	return HPE_PAUSED;
}

/* --- what they mean --- */

static bool wrong(struct head *h, int status, const char *format, const char *word)
{
	if (!h->status) {
		h->status = status;
		snprintf(h->why, sizeof h->why, format, word);
	}
	return false;
}

/* Each of these may come once. */
static const struct {
	const char *name;
	size_t offset;
} known[] = {
	{"host", offsetof(struct head, host)},
	{"origin", offsetof(struct head, origin)},
	{"authorization", offsetof(struct head, authorization)},
	{"content-type", offsetof(struct head, content_type)},
	{"content-encoding", offsetof(struct head, content_encoding)},
	{"mcp-session-id", offsetof(struct head, session)},
	{"last-event-id", offsetof(struct head, last_event)},
	{"mcp-protocol-version", offsetof(struct head, version)},
	{"mcp-method", offsetof(struct head, mcp_method)},
	{"mcp-name", offsetof(struct head, mcp_name)},
	{"access-control-request-method", offsetof(struct head, ask_method)},
	{"range", offsetof(struct head, range)},
	{"if-range", offsetof(struct head, if_range)},
	{"if-none-match", offsetof(struct head, if_none_match)},
};

static void take_accept(struct head *h, char *value)
{
	if (!h->accept) {
		h->accept = value;
		return;
	}
	char *joined = NULL; /* a list in several lines is one list */
	config_complain(&joined, "%s,%s", h->accept, value);
	free(h->accepts);
	h->accept = h->accepts = joined;
}

static void take_param(struct head *h, const char *name, const char *value)
{
	if (h->params_count == HEAD_PARAMS)
		wrong(h, 431, "more than %s headers Mcp-Param-*", "32");
	else
		h->params[h->params_count++] = (struct http_param){name, value};
}

/* A list in several lines is one list; what ends with chunked, and has it once, can be read. */
static void take_coding(struct head *h, const char *value)
{
	if (h->chunked)
		wrong(h, 400, "chunked must be the last transfer encoding, and come once%s", "");
	for (const char *p = value; !h->status; p++) {
		p += strspn(p, " \t");
		size_t n = strcspn(p, ", \t");
		bool chunked = n == 7 && strncasecmp(p, "chunked", 7) == 0;
		p += n + strspn(p + n, " \t");
		if (!*p && !chunked)
			wrong(h, 400, "the transfer encoding %.40s does not end with chunked, so the end of the body is not known", value);
		else if (!*p && n != strlen(value))
			wrong(h, 501, "the transfer encoding %.40s is not known here; chunked is", value);
		else if (*p && (chunked || *p != ','))
			wrong(h, 400, "the transfer encoding %.40s is no list that ends with chunked", value);
		if (!*p)
			break;
	}
	h->chunked = true;
}

static void take_length(struct head *h, const char *value)
{
	if (h->has_length)
		wrong(h, 400, "the header %s comes twice", "Content-Length");
	size_t n = strspn(value, "0123456789");
	if (!n || value[n] || n > 18)
		wrong(h, 400, "Content-Length is \"%.40s\" and no number of bytes", value);
	h->has_length = true;
	h->length = strtoull(value, NULL, 10);
}

static void take_header(struct head *h, char *name, char *value)
{
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (strcasecmp(known[i].name, name) != 0)
			continue;
		const char **at = (const char **)(void *)((char *)h + known[i].offset);
		if (*at)
			wrong(h, 400, "the header %.40s comes twice", name);
		*at = value;
		return;
	}
	if (strcasecmp(name, "accept") == 0)
		take_accept(h, value);
	else if (strncasecmp(name, "mcp-param-", 10) == 0)
		take_param(h, name + 10, value);
	else if (strcasecmp(name, "expect") == 0 && strcasecmp(value, "100-continue") == 0)
		h->expects_continue = true;
	else if (strcasecmp(name, "expect") == 0)
		wrong(h, 417, "%.40s cannot be expected here", value);
	else if (strcasecmp(name, "transfer-encoding") == 0)
		take_coding(h, value);
	else if (strcasecmp(name, "content-length") == 0)
		take_length(h, value);
}

static void take_headers(struct head *h, struct reader *r)
{
	for (size_t i = 0; i < r->count; i++) {
		struct header *one = &r->headers[i];
		while (one->value_len && strchr(" \t", one->value[one->value_len - 1]))
			one->value_len--;
		one->name[one->name_len] = 0;
		if (one->value)
			one->value[one->value_len] = 0;
		take_header(h, one->name, one->value ? one->value : one->name + one->name_len);
	}
}

/* "http://host/path?query" -> "/path?query".  Another host than that of the header would be two requests in one. */
static char *take_authority(struct head *h, char *url)
{
	static char slash[] = "/";
	char *host = strchr(url, ':') + 3;
	size_t n = strcspn(host, "/?");
	if (!syntax_host(host, n))
		wrong(h, 400, "the request line names no host%s", "");
	if (h->host && (strlen(h->host) != n || strncasecmp(h->host, host, n) != 0))
		wrong(h, 400, "the request line names another host than the header %s", "Host");
	if (host[n] == '/')
		return host + n;
	h->query = host[n] ? host + n + 1 : NULL;
	return slash;
}

static void take_url(struct head *h, char *url, size_t len)
{
	url[len] = 0;
	if (strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0)
		url = take_authority(h, url);
	if (strpbrk(url, "[]") || (h->query && strpbrk(h->query, "[]")))
		wrong(h, 400, "the request target has a byte that must be written with %s there", "%");
	h->path = url;
	if (!h->query && (h->query = strchr(url, '?')))
		*h->query++ = 0;
	if (h->method == HTTP_CONNECT || (*url != '/' && !(strcmp(url, "*") == 0 && !h->query && h->method == HTTP_OPTIONS)))
		wrong(h, 400, "the request line names no path%s", "");
}

static void judge(struct head *h, const llhttp_t *p)
{
	h->http10 = p->http_minor == 0;
	h->keep_alive = llhttp_should_keep_alive(p) != 0;
	if (p->http_major != 1 || p->http_minor > 1)
		wrong(h, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here%s", "");
	if (!h->host && !h->http10)
		wrong(h, 400, "the header %s is missing", "Host");
	if (h->host && !syntax_host(h->host, strlen(h->host)))
		wrong(h, 400, "the header Host is \"%.100s\" and no host with a port", h->host);
	if (h->chunked && h->http10)
		wrong(h, 400, "HTTP/1.0 has no transfer encodings%s", "");
	if (h->chunked && h->has_length)
		wrong(h, 400, "both Transfer-Encoding and Content-Length%s", "");
}

static const llhttp_settings_t *settings(void)
{
	static llhttp_settings_t s;
	if (!s.on_url) {
		llhttp_settings_init(&s);
		s.on_url = on_url;
		s.on_header_field = on_field;
		s.on_header_value = on_value;
		s.on_headers_complete = on_headers_complete;
	}
	return &s;
}

static void complain(struct head *h, const llhttp_t *p, enum llhttp_errno e)
{
	const char *reason = llhttp_get_error_reason(p);
	if (e == HPE_INVALID_VERSION)
		wrong(h, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here%s", "");
	else if (e == HPE_INVALID_METHOD)
		wrong(h, 400, "that is no HTTP request; HTTP/1.1 is spoken here%s", "");
	else
		wrong(h, 400, "the head cannot be read: %.100s", reason && *reason ? reason : llhttp_errno_name(e));
}

struct head *head_read(char *text, size_t len, const struct config *config)
{
	llhttp_t parser;
	struct head *h = calloc(1, sizeof *h);
	struct reader r = {.head = h, .most = (size_t)config->headers_max};
	if (!h || !(r.headers = calloc(r.most, sizeof *r.headers)))
		log_no_memory();
	h->text = text;
	llhttp_init(&parser, HTTP_REQUEST, settings());
	parser.data = &r;
	enum llhttp_errno e = llhttp_execute(&parser, text, len);
	if (e != HPE_PAUSED || !r.complete) {
		if (r.too_many)
			wrong(h, 431, "more headers than are read here%s", "");
		else
			complain(h, &parser, e);
	} else if (r.split) {
		wrong(h, 400, "a header that goes on in the next line%s", "");
	} else {
		h->method = parser.method;
		take_headers(h, &r);
		take_url(h, r.url, r.url_len);
		judge(h, &parser);
	}
	free(r.headers);
	return h;
}

void head_destroy(struct head *h)
{
	if (!h)
		return;
	free(h->text);
	free(h->accepts);
	free(h);
}

/* --- media types --- */

static bool word_is(const char *at, size_t len, const char *word)
{
	return strlen(word) == len && strncasecmp(at, word, len) == 0;
}

static bool refused(const char *parameters, size_t len)
{
	for (size_t i = 0; i + 2 < len; i++)
		if (parameters[i] == 'q' && parameters[i + 1] == '=')
			return strtod(parameters + i + 2, NULL) <= 0;
	return false;
}

bool head_accepts(const char *accept, const char *type)
{
	size_t family = strcspn(type, "/") + 1;
	char whole[64];
	if (!accept)
		return true;
	snprintf(whole, sizeof whole, "%.*s*", (int)family, type);
	for (const char *p = accept; *p; ) {
		size_t n = strcspn(p, ","), w;
		const char *at = p + strspn(p, " \t");
		w = strcspn(at, ";, \t");
		if ((word_is(at, w, type) || word_is(at, w, "*/*") || word_is(at, w, whole)) && !refused(at + w, (size_t)(p + n - at - (long)w)))
			return true;
		p += n + (p[n] == ',');
	}
	return false;
}

bool head_is_type(const char *content_type, const char *type)
{
	return content_type && word_is(content_type, strcspn(content_type, "; \t"), type);
}

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

bool head_query(const struct head *h, const char *key, char *value, size_t size)
{
	size_t k = strlen(key), n = 0;
	for (const char *p = h->query; p && *p; p += strcspn(p, "&"), p += *p == '&') {
		if (strncmp(p, key, k) != 0 || p[k] != '=')
			continue;
		for (p += k + 1; *p && *p != '&' && n + 1 < size; p++) {
			bool coded = *p == '%' && hex(p[1]) >= 0 && hex(p[2]) >= 0;
			value[n++] = coded ? (char)(hex(p[1]) * 16 + hex(p[2])) : *p;
			p += coded ? 2 : 0;
		}
		value[n] = 0;
		return true;
	}
	return false;
}
