/* listen.h - the instance's name and its socket.  Thread: emacs, before the loop
 * runs and after it ended; loop: whether the socket is still in its folder. */
#ifndef LISTEN_H
#define LISTEN_H

#include "wire/runtime.h"

struct listening {
	int fd; /* -1: none */
	char name[RUNTIME_NAME_MAX + 1];
	char path[RUNTIME_PATH_MAX];
	dev_t dev;
	ino_t ino; /* of the socket file, so that only our own is removed */
};

/* Listens under WANTED; with a living Emacs there under WANTED-2, -3...  A socket
 * nobody listens on is replaced.  False: error says why. */
bool listen_open(struct listening *l, const char *wanted, char error[RUNTIME_ERROR]) __attribute__((warn_unused_result));

bool listen_there(const struct listening *l); /* is the file at the path the socket? */

/* Listens under the same name again, in a folder that is made where it is missing.  Returns the new descriptor, and
 * leaves the old one to the caller; -1: error says why, for example that another server has taken the name. */
int listen_again(struct listening *l, char error[RUNTIME_ERROR]) __attribute__((warn_unused_result));

void listen_close(struct listening *l); /* removes the file if it is still ours */

#endif
