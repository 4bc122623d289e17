/* handles.h - long results that were kept, each under an id that cannot be guessed, for one
 * principal, until its time is over.  Where it is written is the spool's.  core calls. */
#ifndef HANDLES_H
#define HANDLES_H

#include "core/stage.h"
#include "store/spool.h"

enum { HANDLE_ID = 32 }; /* characters */

struct handle {
	TAILQ_ENTRY(handle) link, of_all;
	struct handles *all;      /* borrowed */
	char id[HANDLE_ID + 1];
	char principal[REQUEST_CLIENT_MAX + 1];
	struct spool_file *file;  /* owned */
	size_t size;              /* that it has, or while it comes that it may have */
	char digest[SPOOL_DIGEST + 1];
	double expires;           /* os_now */
	bool ready;               /* all of it is there */
	bool listed;
	unsigned held;
};

struct handles *handles_create(struct pipeline *, struct spool *); /* borrowed */
void handles_destroy(struct handles *);

/* Room for SIZE bytes and who may have them; it is held.  NULL: *why (caller frees) says why not. */
struct handle *handles_make(struct handles *, const char *principal, size_t size, char **why);
void handles_keep(struct handle *, size_t size, const char *digest); /* it is whole: from now on it can be found */
struct handle *handles_find(struct handles *, const char *id, const char *principal); /* held, or NULL */
void handles_release(struct handle *, void *data); /* DATA is told nothing more.  Who is not kept is gone then */

void handles_add(struct handle *, struct buf *bytes, spool_done *, void *data);
void handles_finish(struct handle *, spool_done *, void *data);
void handles_read(struct handle *, size_t at, size_t len, spool_done *, void *data);

#endif
