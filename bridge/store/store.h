/* store.h - memory that outlives a request, and where the kind of store allows it the
 * program: records with a kind, an id, an end and a text.  What is put is answered for when
 * it is as safe as that store makes it.  core, watch and main call; bridge loop only. */
#ifndef STORE_H
#define STORE_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_record {
	const char *kind, *id;
	int64_t expires; /* ms since 1970; it may be forgotten after that */
	const char *body;
	size_t body_len;
};

struct store;

struct store_ops {
	/* Copies the record.  DONE, which may be NULL, comes once, from the loop; not after destroy. */
	void (*put)(struct store *, const struct store_record *, void (*done)(void *data, bool ok), void *data);
	void (*remove)(struct store *, const char *kind, const char *id);
	/* All of KIND that have not expired, at once: for the start, it may block. */
	void (*each)(struct store *, const char *kind, void (*on_record)(void *data, const struct store_record *), void *data);
	void (*destroy)(struct store *); /* what was put is written before */
};

struct store {
	const struct store_ops *ops;
};

struct store *store_mem_create(struct ev_loop *);

/* PATH is made with mode 0600 where it is missing.  NULL: *error (caller frees) says why. */
struct store *store_sqlite_create(struct ev_loop *, const char *path, char **error);

#endif
