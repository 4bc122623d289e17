/* uri.h - a URI reference made absolute (RFC 3986, section 5), for the $id and $ref
 * of a JSON Schema.  Nothing is fetched.  Pure functions, any thread. */
#ifndef MCP_URI_H
#define MCP_URI_H

char *uri_resolve(const char *base, const char *reference); /* malloc'd; keeps the reference's fragment */
char *uri_decode(const char *text);                         /* malloc'd; %41 -> A */

#endif
