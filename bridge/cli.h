/* cli.h - the command line of efrit-bridge.  main_bridge.c alone calls. */
#ifndef CLI_H
#define CLI_H

#include "config.h"

/* Fills CONFIG from the environment and the arguments.  Ends the program itself for
 * --help, --version, and for what cannot be understood (status 2). */
void cli_read(int argc, char **argv, struct config *config);

#endif
