/* store_sqlite.c - the store in a file: SQLite with a write-ahead log.  A clerk writes;
 * what was put within one turn is one transaction, and is told when it is on the disk.
 * The loop never waits for it but at the start and at the end. */
#include "copy.h"
#include "log.h"
#include "os.h"
#include "store/clerk.h"
#include "store/store.h"
#include "wire/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SCHEMA = 1, BUSY_MS = 5000, LOG_PAGES = 32 };

struct order {
	struct clerk_order clerk; /* first member */
	char *kind, *id, *body; /* owned; body NULL: remove it */
	size_t body_len;
	int64_t expires;
	void (*done)(void *data, bool ok); /* NULL: nobody is told */
	bool ok;
};

struct sqlite {
	struct store store;  /* first member */
	struct clerk *clerk; /* owned */
	sqlite3 *db;         /* the loop's until there is a clerk, then the clerk's alone */
	sqlite3_stmt *put, *remove, *sweep;
	int log_pages; /* in the write-ahead log, as of the last commit */
};

static struct order *own(struct clerk_order *o)
{
	return (struct order *)(void *)o;
}

static void free_order(struct clerk_order *order)
{
	struct order *o = own(order);
	free(o->kind);
	free(o->id);
	free(o->body);
	free(o);
}

/* --- the clerk --- */

static bool step(sqlite3_stmt *s)
{
	int result = sqlite3_step(s);
	sqlite3_reset(s);
	return result == SQLITE_DONE || result == SQLITE_ROW;
}

static bool run_order(struct sqlite *s, const struct order *o)
{
	sqlite3_stmt *statement = o->body ? s->put : s->remove;
	sqlite3_bind_text(statement, 1, o->kind, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, o->id, -1, SQLITE_STATIC);
	if (o->body) {
		sqlite3_bind_int64(statement, 3, o->expires);
		sqlite3_bind_text64(statement, 4, o->body, o->body_len, SQLITE_STATIC, SQLITE_UTF8);
	}
	bool ok = step(statement);
	sqlite3_clear_bindings(statement);
	return ok;
}

static int on_commit(void *data, sqlite3 *db, const char *name, int pages)
{
	struct sqlite *s = data;
	(void)db;
	(void)name;
	s->log_pages = pages;
	return SQLITE_OK;
}

/* The log gives its room back: SQLite lets it grow to 4 MB, and a small disk is then full of it alone, for ever.
 * A reader is not waited for; the next commit tries again. */
static void empty_log(struct sqlite *s)
{
	sqlite3_busy_timeout(s->db, 0);
	sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	sqlite3_busy_timeout(s->db, BUSY_MS);
}

static void run_orders(void *data, const struct clerk_list *orders)
{
	struct sqlite *s = data;
	struct clerk_order *o;
	bool ok = sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK;
	sqlite3_bind_int64(s->sweep, 1, os_clock());
	ok = ok && step(s->sweep);
	TAILQ_FOREACH(o, orders, link) {
		own(o)->ok = ok && run_order(s, own(o));
		ok = ok && !sqlite3_get_autocommit(s->db); /* a full disk may end the transaction by itself, and nothing of it is there */
	}
	ok = ok && sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
	if (!ok) {
		log_warning("the store cannot be written: %s", sqlite3_errmsg(s->db));
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	} else if (s->log_pages >= LOG_PAGES) {
		empty_log(s);
	}
	TAILQ_FOREACH(o, orders, link)
		own(o)->ok = own(o)->ok && ok;
}

/* --- the loop's side --- */

static void tell(struct clerk_order *o)
{
	if (own(o)->done)
		own(o)->done(o->data, own(o)->ok);
}

static void give(struct store *store, struct order *o)
{
	clerk_give(((struct sqlite *)(void *)store)->clerk, &o->clerk);
}

static struct order *make(const char *kind, const char *id)
{
	struct order *o = calloc(1, sizeof *o);
	if (!o)
		log_no_memory();
	o->kind = copy_text(kind);
	o->id = copy_text(id);
	return o;
}

static void put(struct store *store, const struct store_record *what, void (*done)(void *data, bool ok), void *data)
{
	struct order *o = make(what->kind, what->id);
	o->body = copy_part(what->body, what->body_len);
	o->body_len = what->body_len;
	o->expires = what->expires;
	o->done = done;
	o->clerk.data = data;
	give(store, o);
}

static void remove_record(struct store *store, const char *kind, const char *id)
{
	give(store, make(kind, id));
}

/* A connection of its own: the other one is the clerk's. */
static void each(struct store *store, const char *kind, void (*on_record)(void *data, const struct store_record *), void *data)
{
	struct sqlite *s = (struct sqlite *)(void *)store;
	sqlite3 *db = NULL;
	sqlite3_stmt *select = NULL;
	if (sqlite3_open_v2(sqlite3_db_filename(s->db, "main"), &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK
	    && sqlite3_prepare_v2(db, "SELECT id, expires, body FROM record WHERE kind = ? AND expires >= ? ORDER BY id", -1, &select, NULL)
		       == SQLITE_OK) {
		sqlite3_busy_timeout(db, BUSY_MS);
		sqlite3_bind_text(select, 1, kind, -1, SQLITE_STATIC);
		sqlite3_bind_int64(select, 2, os_clock());
		while (sqlite3_step(select) == SQLITE_ROW)
			on_record(data, &(struct store_record){kind, (const char *)sqlite3_column_text(select, 0),
							       sqlite3_column_int64(select, 1), (const char *)sqlite3_column_text(select, 2),
							       (size_t)sqlite3_column_bytes(select, 2)});
	} else {
		log_warning("the store cannot be read: %s", sqlite3_errmsg(db));
	}
	sqlite3_finalize(select);
	sqlite3_close(db);
}

static void destroy(struct store *store)
{
	struct sqlite *s = (struct sqlite *)(void *)store;
	clerk_destroy(s->clerk);
	sqlite3_finalize(s->put);
	sqlite3_finalize(s->remove);
	sqlite3_finalize(s->sweep);
	sqlite3_close(s->db);
	free(s);
}

/* --- the file --- */

/* Files beside the database that SQLite plays back into it. */
static bool is_trusted(const char *path, char why[TRUST_ERROR])
{
	static const char *const besides[] = {"-wal", "-shm", "-journal"};
	char name[4096];
	bool good = true;
	for (size_t i = 0; good && i < sizeof besides / sizeof besides[0]; i++) {
		snprintf(name, sizeof name, "%s%s", path, besides[i]);
		good = trust_file(name, TRUST_PRIVATE, why);
	}
	return good;
}

/* A write-ahead log needs memory that all who write share: over a network there is none. */
static bool make_file(const char *path, const char **network, char why[TRUST_ERROR])
{
	int fd = trust_open(path, O_RDWR | O_CREAT, TRUST_PRIVATE, why);
	*network = fd >= 0 ? os_network_folder(fd) : NULL;
	if (fd >= 0)
		close(fd);
	return fd >= 0 && !*network && is_trusted(path, why);
}

static int version_of(sqlite3 *db)
{
	sqlite3_stmt *select = NULL;
	int version = -1;
	if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &select, NULL) == SQLITE_OK && sqlite3_step(select) == SQLITE_ROW)
		version = sqlite3_column_int(select, 0);
	sqlite3_finalize(select);
	return version;
}

static bool prepare(struct sqlite *s)
{
	static const char schema[] = "BEGIN IMMEDIATE;"
				     "CREATE TABLE IF NOT EXISTS record(kind TEXT NOT NULL, id TEXT NOT NULL, expires INTEGER NOT NULL,"
				     " body TEXT NOT NULL, PRIMARY KEY(kind, id)) STRICT, WITHOUT ROWID;"
				     "CREATE INDEX IF NOT EXISTS record_expires ON record(expires);"
				     "PRAGMA user_version = 1; COMMIT";
	sqlite3_busy_timeout(s->db, BUSY_MS);
	sqlite3_wal_hook(s->db, on_commit, s);
	return sqlite3_exec(s->db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", NULL, NULL, NULL) == SQLITE_OK
	       && (version_of(s->db) == SCHEMA || sqlite3_exec(s->db, schema, NULL, NULL, NULL) == SQLITE_OK)
	       && sqlite3_prepare_v3(s->db, "INSERT INTO record(kind, id, expires, body) VALUES(?, ?, ?, ?) ON CONFLICT(kind, id) DO UPDATE"
					    " SET expires = excluded.expires, body = excluded.body", -1, SQLITE_PREPARE_PERSISTENT, &s->put, NULL) == SQLITE_OK
	       && sqlite3_prepare_v3(s->db, "DELETE FROM record WHERE kind = ? AND id = ?", -1, SQLITE_PREPARE_PERSISTENT, &s->remove, NULL) == SQLITE_OK
	       && sqlite3_prepare_v3(s->db, "DELETE FROM record WHERE expires < ?", -1, SQLITE_PREPARE_PERSISTENT, &s->sweep, NULL) == SQLITE_OK;
}

struct store *store_sqlite_create(struct ev_loop *loop, const char *path, char **error)
{
	static const struct store_ops ops = {put, remove_record, each, destroy};
	static const struct clerk_user user = {true, run_orders, tell, free_order};
	struct sqlite *s = calloc(1, sizeof *s);
	if (!s)
		log_no_memory();
	*error = NULL;
	s->store.ops = &ops;
	const char *network;
	char distrust[TRUST_ERROR];
	bool file = make_file(path, &network, distrust);
	bool open = file && sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK;
	int version = open ? version_of(s->db) : 0;
	if (open && version <= SCHEMA && prepare(s) && (s->clerk = clerk_create(loop, &user, s)))
		return &s->store;
	const char *why = network ? network : !file ? distrust : version > SCHEMA ? "a newer version of efrit-mcp wrote it" : sqlite3_errmsg(s->db);
	if (asprintf(error, network ? "the store %s cannot be used: it is on a network file system (%s), where a crash can spoil it; name a folder on a "
				      "local disk in the setting state"
				    : "the store %s cannot be used: %s", path, why) < 0)
		log_no_memory();
	destroy(&s->store);
	return NULL;
}
