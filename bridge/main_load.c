/* main_load.c - load-test. */
#include "main_gateway.h"

int gateway_load_test(const struct config *config, const struct cli *cli)
{
	(void)config;
	(void)cli;
	return EXIT_FAILED;
}
