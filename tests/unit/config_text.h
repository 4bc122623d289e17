/* config_text.h - a configuration file of the test's own and what is read of it.  For
 * tests/unit/config_file.c and fleet_config.c. */
#ifndef CONFIG_TEXT_H
#define CONFIG_TEXT_H

#include "test.h"

#include "config.h"

static char folder[64], path[128];
static struct config config;
static char *error;

static int begin(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/efrit-unit-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/config.json", folder);
	config_init(&config);
	error = NULL;
	return 0;
}

static int end(void **state)
{
	char command[160];
	(void)state;
	config_finish(&config);
	free(error);
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command);
}

static void put(const char *text, size_t len)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

/* Over what was taken before. */
static bool take(const char *text)
{
	put(text, strlen(text));
	free(error);
	error = NULL;
	return config_file(&config, path, &error);
}

#endif
