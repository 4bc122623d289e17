/* openapi.h - the plain HTTP interface described for programs: OpenAPI 3.1 made from the
 * catalogue, and the list of services.  core alone calls. */
#ifndef OPENAPI_H
#define OPENAPI_H

#include "core/catalogue.h"

void openapi_write(struct catalogue *, unsigned wanted, struct buf *out); /* with the tools that are in the profiles WANTED */
void openapi_services(const struct service *, struct buf *out);

#endif
