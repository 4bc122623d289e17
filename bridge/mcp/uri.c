/* uri.c - see uri.h */
#include "mcp/uri.h"
#include "copy.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct piece {
	const char *at; /* NULL: absent, which is not the same as empty */
	size_t len;
};

struct uri {
	struct piece scheme, authority, path, query, fragment;
};

static struct piece piece_of(const char *at, const char *end)
{
	return (struct piece){at, (size_t)(end - at)};
}

static struct uri split(const char *s)
{
	struct uri u = {0};
	const char *colon = s + strcspn(s, ":/?#");
	if (*colon == ':' && colon > s && isalpha((unsigned char)*s)) {
		u.scheme = piece_of(s, colon);
		s = colon + 1;
	}
	if (s[0] == '/' && s[1] == '/') {
		const char *end = s + 2 + strcspn(s + 2, "/?#");
		u.authority = piece_of(s + 2, end);
		s = end;
	}
	const char *end = s + strcspn(s, "?#");
	u.path = piece_of(s, end);
	if (*end == '?') {
		s = end + 1;
		end = s + strcspn(s, "#");
		u.query = piece_of(s, end);
	}
	if (*end == '#')
		u.fragment = piece_of(end + 1, end + strlen(end));
	return u;
}

/* RFC 3986, 5.2.4: takes "." and ".." out of PATH, in place. */
static void remove_dots(char *path)
{
	char *in = path, *out = path;
	while (*in) {
		size_t len = 1 + strcspn(in + 1, "/"); /* one segment with its leading slash */
		bool last = !in[len];
		const char *name = in + (*in == '/');
		size_t name_len = len - (*in == '/');
		bool one = name_len == 1 && name[0] == '.';
		bool two = name_len == 2 && name[0] == '.' && name[1] == '.';
		if (two)
			while (out > path && *--out != '/')
				;
		if (one || two) {
			if (last && *in == '/')
				*out++ = '/';
		} else {
			memmove(out, in, len);
			out += len;
		}
		in += len;
	}
	*out = 0;
}

/* The path of a reference that is relative to BASE's: up to the last slash, then REF's. */
static char *merge(const struct uri *base, const struct uri *ref)
{
	size_t keep = base->path.len;
	while (keep && base->path.at[keep - 1] != '/')
		keep--;
	bool root = base->authority.at && !base->path.len;
	char *path = NULL;
	if (asprintf(&path, "%s%.*s%.*s", root ? "/" : "", (int)keep, base->path.at, (int)ref->path.len, ref->path.at) < 0)
		abort();
	return path;
}

static char *join(struct piece scheme, struct piece authority, const char *path, struct piece query, struct piece fragment)
{
	char *out = NULL;
	if (asprintf(&out, "%.*s%s%s%.*s%s%s%.*s%s%.*s", (int)scheme.len, scheme.at ? scheme.at : "", scheme.at ? ":" : "",
		     authority.at ? "//" : "", (int)authority.len, authority.at ? authority.at : "", path, query.at ? "?" : "",
		     (int)query.len, query.at ? query.at : "", fragment.at ? "#" : "", (int)fragment.len,
		     fragment.at ? fragment.at : "") < 0)
		abort();
	return out;
}

char *uri_resolve(const char *base_text, const char *reference)
{
	struct uri ref = split(reference), base = split(base_text);
	struct piece query = ref.query, authority = ref.authority;
	char *path;
	if (ref.scheme.at || ref.authority.at || (ref.path.len && ref.path.at[0] == '/')) {
		path = copy_part(ref.path.at, ref.path.len);
	} else if (ref.path.len) {
		path = merge(&base, &ref);
	} else {
		path = copy_part(base.path.at, base.path.len);
		if (!query.at)
			query = base.query;
	}
	struct piece scheme = ref.scheme.at ? ref.scheme : base.scheme;
	if (!ref.scheme.at && !ref.authority.at)
		authority = base.authority;
	if (authority.at || ref.path.len)
		remove_dots(path);
	char *out = join(scheme, authority, path, query, ref.fragment);
	free(path);
	return out;
}

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? (c | 0x20) - 'a' + 10 : -1;
}

char *uri_decode(const char *text)
{
	char *out = copy_text(text), *to = out;
	for (const char *s = text; *s; s++) {
		bool coded = *s == '%' && hex(s[1]) >= 0 && hex(s[2]) >= 0 && (hex(s[1]) || hex(s[2]));
		*to++ = coded ? (char)(hex(s[1]) << 4 | hex(s[2])) : *s;
		if (coded)
			s += 2;
	}
	*to = 0;
	return out;
}
