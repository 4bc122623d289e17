/* setup.h - efrit-bridge setup HOST: what an agent's configuration needs to use this
 * bridge, shown or written.  main_bridge.c calls; the table is for the manual too. */
#ifndef SETUP_H
#define SETUP_H

#include <stdbool.h>
#include <stddef.h>

struct setup_host {
	const char *name, *doc;
	enum { SETUP_JSON, SETUP_TOML, SETUP_LISP } kind;
	const char *file; /* "~/" is the home folder; NULL: nothing is written */
	const char *key;  /* of the object that holds the servers; the Lisp where nothing is written */
	const char *more; /* said besides; NULL: nothing.  %s is the bridge */
};

extern const struct setup_host setup_hosts[];
extern const size_t setup_hosts_count;

/* BRIDGE is the absolute path of this program.  Returns an exit status; what is to be
 * done goes to stdout, what is wrong to stderr. */
int setup_run(const char *host, const char *bridge, bool apply);

#endif
