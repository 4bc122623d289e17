/* main_gateway.h - the commands of efrit-gateway; an exit status each. */
#ifndef MAIN_GATEWAY_H
#define MAIN_GATEWAY_H

#include "cli.h"

int gateway_serve(struct config *, const struct cli *, char **argv); /* main_serve.c */
int gateway_stop(const struct config *);                             /* main_gateway.c */
int gateway_token(const struct config *, const char *name); /* NULL: the one that is everybody's */
int gateway_reload(const struct config *, const struct cli *);       /* main_reload.c */
int gateway_migrate(struct config *, const struct cli *);            /* main_migrate.c */
int gateway_top(struct config *, const struct cli *);                /* main_top.c */
int gateway_load_test(const struct config *, const struct cli *);    /* main_load.c */

#endif
