/* store_folder.h - a loop, and a folder with the path of a store's file in it, for each test of a store. */
#ifndef STORE_FOLDER_H
#define STORE_FOLDER_H

#include "test.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>

static struct ev_loop *loop;
static char folder[64], path[96];

/* A folder below BASE. */
static int open_folder(const char *base)
{
	snprintf(folder, sizeof folder, "%s/efrit-store-XXXXXX", base);
	loop = ev_loop_new(EVFLAG_AUTO);
	if (!loop || !mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/store.db", folder);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];
	(void)state;
	ev_loop_destroy(loop);
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command);
}

#endif
