/* trust.h - opens files and folders whose contents the programs believe.  The way there may
 * not be in the hands of other users: each folder on it, and each link, belongs to this user or
 * to root, and others may write to a folder only where the sticky bit keeps them from renaming.
 * The file itself is judged by its descriptor.  Both programs; any thread; no state. */
#ifndef WIRE_TRUST_H
#define WIRE_TRUST_H

#include <stdbool.h>

enum { TRUST_ERROR = 512 }; /* bytes a caller gives for a sentence that says why, and the remedy */

enum trust {
	TRUST_PRIVATE,  /* this user's alone, no link: state, tokens, locks */
	TRUST_KEY,      /* the same, or root's, whose group may read it */
	TRUST_SETTINGS, /* this user's or root's; nobody else may write it */
};

/* open(2) with FLAGS, close-on-exec, of a regular file; a new one has mode 0600.  -1: errno and the sentence. */
int trust_open(const char *path, int flags, enum trust, char error[TRUST_ERROR]) __attribute__((warn_unused_result));

/* Is there no such file, or one that trust_open would open?  False: the sentence. */
bool trust_file(const char *path, enum trust, char error[TRUST_ERROR]) __attribute__((warn_unused_result));

/* The folder PATH is this user's alone (mode 0700).  TRUST_MAKE: it is made where it is missing, TRUST_PARENTS: and
 * its parents too; TRUST_LINK: it may be a link of this user.  False: errno and the sentence. */
enum { TRUST_MAKE = 1, TRUST_LINK = 2, TRUST_PARENTS = 4 };
bool trust_folder(const char *path, int how, char error[TRUST_ERROR]) __attribute__((warn_unused_result));

/* Only the way to PATH is judged, and the last component need not exist. */
bool trust_way(const char *path, char error[TRUST_ERROR]) __attribute__((warn_unused_result));

#endif
