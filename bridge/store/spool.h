/* spool.h - bytes too many to be held in memory: written to a file while they come, with
 * their digest, read again in pieces.  The files have no names: nothing is left of them
 * when they are closed, or when the program ends, however it ends.  core and main call;
 * bridge loop only.  What is ordered of one spool is done in that order. */
#ifndef SPOOL_H
#define SPOOL_H

#include "wire/buf.h"

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

enum { SPOOL_DIGEST = 64 }; /* characters: SHA-256 in hexadecimal */

struct spool;
struct spool_file;

/* ERROR: an errno, 0 if all is well.  BYTES are borrowed, until it returns. */
typedef void spool_done(void *data, int error, const char *bytes, size_t len);

struct spool_ops {
	/* For about EXPECTED bytes; whether there is room is told by what comes next.  Never NULL. */
	struct spool_file *(*create)(struct spool *, size_t expected);
	void (*add)(struct spool_file *, struct buf *bytes, spool_done *, void *data); /* bytes: taken, empty afterwards */
	void (*finish)(struct spool_file *, spool_done *, void *data); /* all was added: the digest */
	int (*descriptor)(struct spool_file *); /* after finish was told: one of the caller's own, to read from; -1: none */
	void (*read)(struct spool_file *, size_t at, size_t len, spool_done *, void *data); /* fewer at its end */
	void (*forget)(struct spool *, void *data); /* nothing is told to DATA any more */
	void (*close)(struct spool_file *); /* after what was ordered; NULL is fine */
	void (*destroy)(struct spool *);    /* nothing is told any more; all files are closed before */
};

struct spool {
	const struct spool_ops *ops;
};

/* In FOLDER, made with mode 0700 where it is missing.  NULL: *error (caller frees) says why. */
struct spool *spool_create(struct ev_loop *, const char *folder, char **error);

#endif
