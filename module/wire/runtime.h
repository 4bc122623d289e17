/* runtime.h - where instances live: runtime folders, socket paths and names.
 * Both programs; any thread.  Errors are whole
 * sentences that say what to do, written into the caller's buffer. */
#ifndef WIRE_RUNTIME_H
#define WIRE_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	RUNTIME_PATH_MAX = 108, /* sizeof sockaddr_un.sun_path: 107 bytes and the end */
	RUNTIME_NAME_MAX = 48,  /* bytes of an instance's name */
	RUNTIME_FOLDERS = 16,   /* most folders a bridge looks in */
	RUNTIME_ERROR = 512,    /* bytes a caller gives for a sentence */
};

/* The folder a new instance puts its socket in: $XDG_RUNTIME_DIR/efrit, else
 * /tmp/efrit-UID.  Makes it (mode 0700) and verifies it as trust_folder does. */
bool runtime_make_folder(char path[RUNTIME_PATH_MAX], char error[RUNTIME_ERROR]) __attribute__((warn_unused_result));

/* The folders a bridge looks in, most specific first, without duplicates: those of
 * LIST, separated by colons; with an empty LIST $XDG_RUNTIME_DIR/efrit,
 * /run/user/UID/efrit, /tmp/efrit-UID.  They need not exist.  Returns how many; the
 * error, empty unless one was left out, says which and why. */
int runtime_folders(const char *list, char paths[RUNTIME_FOLDERS][RUNTIME_PATH_MAX], char error[RUNTIME_ERROR]);

/* False when FOLDER exists but may not be trusted: not a folder, another owner, open to
 * others, or on a way that others can change.  A missing one is false with an empty error. */
bool runtime_verify_folder(const char *folder, char error[RUNTIME_ERROR]) __attribute__((warn_unused_result));

/* FOLDER/NAME.sock.  False, with the reason, when it is longer than a socket path may be. */
bool runtime_socket_path(const char *folder, const char *name, char path[RUNTIME_PATH_MAX], char error[RUNTIME_ERROR])
	__attribute__((warn_unused_result));

/* True for 1 to RUNTIME_NAME_MAX bytes of [A-Za-z0-9._-] that do not begin with a dot. */
bool runtime_name_valid(const char *name);

/* "NAME.sock" -> "NAME".  False for a file that is no instance's socket. */
bool runtime_name_of(const char *file, char name[RUNTIME_NAME_MAX + 1]);

#endif
