/* manual.h - the manual page efrit-bridge.1, made from the tables of commands, statuses,
 * options, settings and hosts.  cli.c calls for --man; `make man` keeps what it prints. */
#ifndef MANUAL_H
#define MANUAL_H

#include <stdio.h>

void manual_print(FILE *out);

#endif
