/* spool.c - see spool.h.  A clerk does all that touches a file or makes a digest; the loop
 * gives it orders and is told what became of them. */
#include "store/spool.h"
#include "copy.h"
#include "log.h"
#include "store/clerk.h"
#include "wire/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct thread_spool;

/* The clerk's, but for the first member. */
struct spool_file {
	struct thread_spool *spool; /* borrowed */
	int fd;
	int error; /* the first one; nothing more is written then */
	size_t size, expected;
	EVP_MD_CTX *digest; /* owned; NULL afterwards */
};

enum kind { OPEN, ADD, FINISH, READ, CLOSE };

struct order {
	struct clerk_order clerk; /* first member */
	enum kind kind;
	struct spool_file *file; /* borrowed; closed by the order CLOSE */
	struct buf bytes;
	size_t at, len;
	int error;
	spool_done *done; /* NULL: nobody is told */
};

struct thread_spool {
	struct spool spool;  /* first member */
	struct clerk *clerk; /* owned */
	char *folder;        /* owned */
};

/* --- the clerk --- */

/* Without a name where the file system can do that, else the name goes at once. */
static int open_nameless(const char *folder)
{
	int fd = -1;
#ifdef O_TMPFILE
	fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
#endif
	if (fd < 0) {
		char path[4096];
		if (snprintf(path, sizeof path, "%s/XXXXXX", folder) >= (int)sizeof path) {
			errno = ENAMETOOLONG;
			return -1;
		}
		fd = mkostemp(path, O_CLOEXEC);
		if (fd >= 0)
			unlink(path);
	}
	return fd;
}

static void open_file(struct spool_file *f)
{
	f->fd = open_nameless(f->spool->folder);
	f->digest = EVP_MD_CTX_new();
	if (!f->digest || !EVP_DigestInit_ex(f->digest, EVP_sha256(), NULL))
		log_no_memory();
	if (f->fd < 0)
		f->error = errno;
#ifdef __linux__
	else if (f->expected && fallocate(f->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)f->expected) != 0 && errno != EOPNOTSUPP && errno != EINTR)
		f->error = errno; /* a full disk is known at once */
#endif
}

static void write_bytes(struct spool_file *f, struct order *o)
{
	const char *at = buf_data(&o->bytes);
	size_t left = o->len = buf_len(&o->bytes);
	while (left && !f->error) {
		ssize_t n = pwrite(f->fd, at, left, (off_t)f->size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			f->error = n < 0 ? errno : ENOSPC;
			break;
		}
		if (!EVP_DigestUpdate(f->digest, at, (size_t)n))
			f->error = EIO;
		at += n;
		left -= (size_t)n;
		f->size += (size_t)n;
	}
	buf_finish(&o->bytes);
}

static void finish_file(struct spool_file *f, struct order *o)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	if (!f->error && !EVP_DigestFinal_ex(f->digest, digest, &len))
		f->error = EIO;
	if (!f->error && f->expected && ftruncate(f->fd, (off_t)f->size) != 0) /* gives back what was reserved */
		f->error = errno;
	for (unsigned i = 0; i < len; i++)
		if (!buf_printf(&o->bytes, "%02x", digest[i]))
			log_no_memory();
	EVP_MD_CTX_free(f->digest);
	f->digest = NULL;
}

static void read_bytes(struct spool_file *f, struct order *o)
{
	if (!buf_reserve(&o->bytes, o->len + 1))
		log_no_memory();
	while (buf_len(&o->bytes) < o->len) {
		size_t had = buf_len(&o->bytes);
		ssize_t n = pread(f->fd, buf_room(&o->bytes), o->len - had, (off_t)(o->at + had));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			o->error = errno;
		if (n <= 0)
			return;
		buf_filled(&o->bytes, (size_t)n);
	}
}

static void close_file(struct spool_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	EVP_MD_CTX_free(f->digest);
	free(f);
}

static void run_order(void *data, const struct clerk_list *orders)
{
	struct order *o = (struct order *)(void *)TAILQ_FIRST(orders);
	struct spool_file *f = o->file;
	(void)data;
	switch (o->kind) {
	case OPEN:
		open_file(f);
		break;
	case ADD:
		write_bytes(f, o);
		break;
	case FINISH:
		finish_file(f, o);
		break;
	case READ:
		if (!f->error)
			read_bytes(f, o);
		break;
	case CLOSE:
		close_file(f);
		return;
	}
	if (!o->error)
		o->error = f->error;
}

/* --- the loop's side --- */

static void free_order(struct clerk_order *order)
{
	struct order *o = (struct order *)(void *)order;
	buf_finish(&o->bytes);
	free(o);
}

static void tell(struct clerk_order *order)
{
	struct order *o = (struct order *)(void *)order;
	if (o->done)
		o->done(o->clerk.data, o->error, buf_data(&o->bytes), o->kind == ADD ? o->len : buf_len(&o->bytes));
}

static struct order *make(enum kind kind, struct spool_file *f, spool_done *done, void *data)
{
	struct order *o = calloc(1, sizeof *o);
	if (!o)
		log_no_memory();
	o->kind = kind;
	o->file = f;
	o->done = done;
	o->clerk.data = data;
	return o;
}

static void give(struct order *o)
{
	clerk_give(o->file->spool->clerk, &o->clerk);
}

static struct spool_file *create(struct spool *spool, size_t expected)
{
	struct spool_file *f = calloc(1, sizeof *f);
	if (!f)
		log_no_memory();
	f->spool = (struct thread_spool *)(void *)spool;
	f->fd = -1;
	f->expected = expected;
	give(make(OPEN, f, NULL, NULL));
	return f;
}

static void add(struct spool_file *f, struct buf *bytes, spool_done *done, void *data)
{
	struct order *o = make(ADD, f, done, data);
	o->bytes = *bytes;
	*bytes = (struct buf){0};
	give(o);
}

static void finish(struct spool_file *f, spool_done *done, void *data)
{
	give(make(FINISH, f, done, data));
}

static void read_file(struct spool_file *f, size_t at, size_t len, spool_done *done, void *data)
{
	struct order *o = make(READ, f, done, data);
	o->at = at;
	o->len = len;
	give(o);
}

static int descriptor(struct spool_file *f)
{
	return f->error ? -1 : fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
}

static void forget(struct spool *spool, void *data)
{
	clerk_forget(((struct thread_spool *)(void *)spool)->clerk, data);
}

static void close_later(struct spool_file *f)
{
	if (f)
		give(make(CLOSE, f, NULL, NULL));
}

static void destroy(struct spool *spool)
{
	struct thread_spool *s = (struct thread_spool *)(void *)spool;
	clerk_destroy(s->clerk);
	free(s->folder);
	free(s);
}

struct spool *spool_create(struct ev_loop *loop, const char *folder, char **error)
{
	static const struct spool_ops ops = {create, add, finish, descriptor, read_file, forget, close_later, destroy};
	static const struct clerk_user user = {false, run_order, tell, free_order};
	struct thread_spool *s = calloc(1, sizeof *s);
	if (!s)
		log_no_memory();
	s->folder = copy_text(folder);
	*error = NULL;
	s->spool.ops = &ops;
	char why[TRUST_ERROR];
	bool trusted = trust_folder(folder, TRUST_MAKE, why);
	int fd = trusted ? open_nameless(folder) : -1; /* better now than with the first result */
	if (fd >= 0 && close(fd) == 0 && (s->clerk = clerk_create(loop, &user, s)))
		return &s->spool;
	if (asprintf(error, "long results cannot be kept in %s: %s", folder, trusted ? strerror(errno) : why) < 0)
		log_no_memory();
	destroy(&s->spool);
	return NULL;
}
