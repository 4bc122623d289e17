/* migrate_queue.c - see migrate_queue.h */
#include "migrate_queue.h"
#include "config.h"
#include "copy.h"
#include "log.h"
#include "wire/trust.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum place { REQUESTS, PROCESSING, RESPONSES, ARCHIVE, MIGRATING, PLACES };
static const char *const names[PLACES] = {"requests", "processing", "responses", "archive", "migrating"};
static const char begun[] = ".begun", ending[] = ".json";

struct migrate_queue {
	char *path;       /* owned */
	int folder, at[PLACES], lock; /* owned; -1: it is not there */
	size_t size_max;
	struct migrate_item *items; /* owned */
	size_t count, room;
};

/* --- looking --- */

/* A folder or file that another user can write to would have his code run as ours. */
static bool is_ours(int fd, mode_t kind)
{
	struct stat st;
	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == kind && st.st_uid == geteuid() && !(st.st_mode & 022);
}

static int open_folder(int parent, const char *name, char **error)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (parent == AT_FDCWD ? 0 : O_NOFOLLOW));
	if (fd < 0 || is_ours(fd, S_IFDIR))
		return fd;
	config_complain(error, "the folder %s belongs to another user, or others can write to it; chmod go-w it if it is yours", name);
	close(fd);
	errno = EPERM;
	return -1;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);
	return n > m && strcmp(text + n - m, end) == 0;
}

static void add(struct migrate_queue *q, enum migrate_stage stage, const char *name, size_t len, time_t since)
{
	if (q->count == q->room) {
		q->room = q->room ? q->room * 2 : 32;
		q->items = realloc(q->items, q->room * sizeof *q->items);
		if (!q->items)
			log_no_memory();
	}
	struct migrate_item *item = &q->items[q->count++];
	*item = (struct migrate_item){.stage = stage, .file = strndup(name, len), .since = since};
	if (!item->file)
		log_no_memory();
}

static void scan(struct migrate_queue *q, enum place place)
{
	int fd = q->at[place] >= 0 ? openat(q->at[place], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	struct stat st;
	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;
		bool is_begun = place == MIGRATING && ends_with(name, begun);
		size_t len = strlen(name) - (is_begun ? sizeof begun - 1 : 0);
		if (*name == '.' || len < sizeof ending || strncmp(name + len - (sizeof ending - 1), ending, sizeof ending - 1) != 0
		    || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		add(q, place == REQUESTS ? MIGRATE_WAITING : place == PROCESSING ? MIGRATE_FOREIGN : is_begun ? MIGRATE_BEGUN : MIGRATE_TAKEN,
		    name, len, st.st_mtime);
	}
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
}

static int by_age(const void *a, const void *b)
{
	const struct migrate_item *x = a, *y = b;
	if (x->since != y->since)
		return x->since < y->since ? -1 : 1;
	return strcmp(x->file, y->file);
}

struct migrate_queue *migrate_queue_open(const char *folder, size_t size_max, char **error)
{
	struct migrate_queue *q = calloc(1, sizeof *q);
	if (!q)
		log_no_memory();
	q->path = copy_text(folder);
	q->lock = -1;
	q->size_max = size_max;
	char why[TRUST_ERROR];
	q->folder = trust_way(folder, why) ? open_folder(AT_FDCWD, folder, error) : -1;
	if (q->folder < 0 && *why)
		config_complain(error, "%s", why);
	bool good = q->folder >= 0;
	if (!good && !*error)
		config_complain(error, "%s cannot be looked into: %s", folder, strerror(errno));
	for (int i = 0; i < PLACES; i++) {
		q->at[i] = good ? open_folder(q->folder, names[i], error) : -1;
		if (good && q->at[i] < 0 && errno != ENOENT) {
			if (!*error)
				config_complain(error, "%s/%s cannot be looked into: %s", folder, names[i], strerror(errno));
			good = false;
		}
	}
	if (!good) {
		migrate_queue_close(q);
		return NULL;
	}
	scan(q, MIGRATING);
	scan(q, REQUESTS);
	scan(q, PROCESSING);
	qsort(q->items, q->count, sizeof *q->items, by_age);
	return q;
}

static void forget(struct migrate_item *item)
{
	migrate_request_finish(&item->request);
	free(item->why);
	item->why = NULL;
}

void migrate_queue_close(struct migrate_queue *q)
{
	if (!q)
		return;
	for (size_t i = 0; i < q->count; i++) {
		forget(&q->items[i]);
		free(q->items[i].file);
	}
	for (int i = 0; i < PLACES; i++)
		if (q->at[i] >= 0)
			close(q->at[i]);
	if (q->lock >= 0)
		close(q->lock);
	if (q->folder >= 0)
		close(q->folder);
	free(q->items);
	free(q->path);
	free(q);
}

size_t migrate_queue_count(const struct migrate_queue *q)
{
	return q->count;
}

struct migrate_item *migrate_queue_item(struct migrate_queue *q, size_t i)
{
	return i < q->count ? &q->items[i] : NULL;
}

static enum place place_of(const struct migrate_item *item)
{
	return item->stage == MIGRATE_WAITING ? REQUESTS : item->stage == MIGRATE_FOREIGN ? PROCESSING : MIGRATING;
}

/* The name where the item is now; in a buffer of the caller. */
static const char *name_of(const struct migrate_item *item, char name[NAME_MAX + 1])
{
	snprintf(name, NAME_MAX + 1, "%s%s", item->file, item->stage == MIGRATE_BEGUN ? begun : "");
	return name;
}

bool migrate_queue_read(struct migrate_queue *q, struct migrate_item *item)
{
	char name[NAME_MAX + 1];
	forget(item);
	int fd = openat(q->at[place_of(item)], name_of(item, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return false;
	char *text = malloc(q->size_max + 1);
	if (!text)
		log_no_memory();
	size_t len = 0;
	ssize_t n = 1;
	bool ours = fd >= 0 && is_ours(fd, S_IFREG);
	while (ours && n > 0 && len <= q->size_max && ((n = read(fd, text + len, q->size_max + 1 - len)) > 0 || (n < 0 && errno == EINTR)))
		len += n > 0 ? (size_t)n : 0;
	if (fd < 0)
		config_complain(&item->why, "it cannot be read: %s", strerror(errno));
	else if (!ours)
		config_complain(&item->why, "it is no file of yours alone: others own it or can write to it");
	else if (n < 0)
		config_complain(&item->why, "it cannot be read: %s", strerror(errno));
	else if (len > q->size_max)
		config_complain(&item->why, "it is longer than %zu bytes (request_max)", q->size_max);
	else if (migrate_request_read(text, len, &item->request, &item->why))
		assert(!item->why);
	free(text);
	if (fd >= 0)
		close(fd);
	return true;
}

static void response_name(const struct migrate_request *r, char name[NAME_MAX + 1])
{
	snprintf(name, NAME_MAX + 1, "resp_%s%s", r->name, ending);
}

bool migrate_queue_answered(const struct migrate_queue *q, const struct migrate_request *r)
{
	char name[NAME_MAX + 1];
	response_name(r, name);
	return q->at[RESPONSES] >= 0 && faccessat(q->at[RESPONSES], name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* --- changing --- */

bool migrate_queue_lock(struct migrate_queue *q, char **error)
{
	for (int i = 0; i < PLACES; i++) {
		if (q->at[i] < 0 && mkdirat(q->folder, names[i], 0700) != 0 && errno != EEXIST)
			return config_complain(error, "%s/%s cannot be made: %s", q->path, names[i], strerror(errno));
		if (q->at[i] < 0 && (q->at[i] = open_folder(q->folder, names[i], error)) < 0)
			return *error ? false : config_complain(error, "%s/%s cannot be looked into: %s", q->path, names[i], strerror(errno));
	}
	q->lock = openat(q->at[MIGRATING], ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (q->lock < 0)
		return config_complain(error, "%s/%s cannot be written: %s", q->path, names[MIGRATING], strerror(errno));
	if (flock(q->lock, LOCK_EX | LOCK_NB) != 0)
		return config_complain(error, "another efrit-bridge migrate works in %s", q->path);
	return true;
}

/* A rename that replaces nothing. */
static bool move(struct migrate_queue *q, enum place from, const char *old, enum place to, const char *new)
{
#ifdef RENAME_NOREPLACE
	if (renameat2(q->at[from], old, q->at[to], new, RENAME_NOREPLACE) == 0)
		return fsync(q->at[to]) == 0 && fsync(q->at[from]) == 0;
	if (errno != ENOSYS && errno != EINVAL)
		return false;
#endif
	if (linkat(q->at[from], old, q->at[to], new, 0) != 0)
		return false;
	return unlinkat(q->at[from], old, 0) == 0 && fsync(q->at[to]) == 0 && fsync(q->at[from]) == 0;
}

static bool complain(const struct migrate_queue *q, const struct migrate_item *item, enum place to, char **error)
{
	return config_complain(error, "%s/%s/%s could not be moved to %s: %s", q->path, names[place_of(item)], item->file, names[to],
			       strerror(errno));
}

static bool change(struct migrate_queue *q, struct migrate_item *item, enum migrate_stage stage, char **error)
{
	char old[NAME_MAX + 1], new[NAME_MAX + 1];
	struct migrate_item then = {.stage = stage, .file = item->file};
	name_of(item, old);
	name_of(&then, new);
	if (!move(q, place_of(item), old, place_of(&then), new))
		return complain(q, item, place_of(&then), error);
	item->stage = stage;
	return true;
}

bool migrate_queue_take(struct migrate_queue *q, struct migrate_item *item, char **error)
{
	if (strlen(item->file) > NAME_MAX - sizeof begun)
		return config_complain(error, "%s: the name of this file is too long", item->file);
	if (change(q, item, MIGRATE_TAKEN, error))
		return true;
	if (errno == ENOENT) { /* Efrit, or its client, has taken it away */
		free(*error);
		*error = NULL;
	}
	return false;
}

bool migrate_queue_begin(struct migrate_queue *q, struct migrate_item *item, char **error)
{
	return change(q, item, MIGRATE_BEGUN, error);
}

bool migrate_queue_give_back(struct migrate_queue *q, struct migrate_item *item, char **error)
{
	return change(q, item, MIGRATE_WAITING, error);
}

/* Whole or not at all, as the client expects it. */
static bool write_answer(struct migrate_queue *q, const struct migrate_request *r, const json_t *answer, char **error)
{
	char name[NAME_MAX + 1], temporary[64];
	char *text = json_dumps(answer, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
	if (!text)
		log_no_memory();
	response_name(r, name);
	snprintf(temporary, sizeof temporary, ".migrating-%ld.tmp", (long)getpid());
	unlinkat(q->at[RESPONSES], temporary, 0); /* of one that was killed */
	int fd = openat(q->at[RESPONSES], temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	size_t len = strlen(text), at = 0;
	ssize_t n = fd < 0 ? -1 : 0;
	while (n >= 0 && at < len) {
		n = write(fd, text + at, len - at);
		at += n > 0 ? (size_t)n : 0;
	}
	bool good = n >= 0 && fsync(fd) == 0 && renameat(q->at[RESPONSES], temporary, q->at[RESPONSES], name) == 0
		    && fsync(q->at[RESPONSES]) == 0;
	if (!good)
		config_complain(error, "%s/%s/%s could not be written: %s", q->path, names[RESPONSES], name, strerror(errno));
	if (!good && fd >= 0)
		unlinkat(q->at[RESPONSES], temporary, 0);
	if (fd >= 0)
		close(fd);
	free(text);
	return good;
}

bool migrate_queue_answer(struct migrate_queue *q, struct migrate_item *item, const json_t *answer, char **error)
{
	char old[NAME_MAX + 1], new[NAME_MAX + 1];
	enum place from = place_of(item);
	if (answer && !write_answer(q, &item->request, answer, error))
		return false;
	name_of(item, old);
	snprintf(new, sizeof new, "%s", item->file);
	for (int i = 1; !move(q, from, old, ARCHIVE, new); i++) {
		if (errno != EEXIST || i > 999)
			return complain(q, item, ARCHIVE, error);
		snprintf(new, sizeof new, "%.*s.%d%s", (int)(strlen(item->file) - (sizeof ending - 1)), item->file, i, ending);
	}
	return true;
}
