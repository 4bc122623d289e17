/* trust.c - see trust.h */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "trust.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef O_PATH
#define O_PATH O_RDONLY
#endif

enum { LINKS_MAX = 40, SHOWN = 200 };

/* A walk along a path, one component a step. */
struct way {
	int at;                     /* owned; the folder reached */
	char rest[2 * PATH_MAX];    /* of the path, from there */
	char name[NAME_MAX + 1];    /* the last component; "." of the root */
	const char *path;           /* borrowed; for sentences */
	bool make;                  /* missing folders are made */
	bool follow;                /* the last component may be a link */
	int links;
	char *error;
};

static bool __attribute__((format(printf, 3, 4))) refuse(char *error, int number, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vsnprintf(error, TRUST_ERROR, format, ap);
	va_end(ap);
	errno = number;
	return false;
}

static bool cannot(struct way *w, const char *what)
{
	int number = errno;
	return refuse(w->error, number, "%.*s cannot be %s: %s", SHOWN, w->path, what, strerror(number));
}

/* In a user namespace without root, files of root show the number that stands for all that are not mapped. */
static bool stands_for_root(uid_t uid)
{
	enum { OVERFLOW = 65534 };
	unsigned long inside = 1, outside = 0, count = 0;
	FILE *map = uid == OVERFLOW ? fopen("/proc/self/uid_map", "re") : NULL;
	bool mapped = !map;
	while (map && fscanf(map, "%lu %lu %lu", &inside, &outside, &count) == 3)
		mapped |= inside == 0 || (uid >= inside && uid - inside < count);
	if (map)
		fclose(map);
	return !mapped;
}

static bool is_root(uid_t uid)
{
	return uid == 0 || stands_for_root(uid);
}

/* A group of one: where the umask is 002, folders of a person are open to it. */
static bool is_own_group(gid_t gid)
{
	struct group entry, *group = NULL;
	struct passwd person, *user = NULL;
	char room[4096], more[4096];
	return gid == getegid() && getgrgid_r(gid, &entry, room, sizeof room, &group) == 0 && group && !*group->gr_mem
	       && getpwuid_r(geteuid(), &person, more, sizeof more, &user) == 0 && user && strcmp(user->pw_name, group->gr_name) == 0;
}

/* May the way lead through this folder? */
static bool judge_folder(struct way *w, const struct stat *st, const char *name)
{
	bool open = !(st->st_mode & S_ISVTX) && ((st->st_mode & 002) || ((st->st_mode & 020) && !is_own_group(st->st_gid)));
	if (st->st_uid != geteuid() && !is_root(st->st_uid))
		return refuse(w->error, EPERM, "%.*s is not used: the folder %.60s on the way there belongs to user %u, neither you (%u) nor root; "
					       "name another place", SHOWN, w->path, name, (unsigned)st->st_uid, (unsigned)geteuid());
	if (open)
		return refuse(w->error, EPERM, "%.*s is not used: other users can write to the folder %.60s on the way there (mode %04o); "
					       "chmod go-w that folder, or name another place",
			      SHOWN, w->path, name, (unsigned)(st->st_mode & 07777));
	return true;
}

static bool enter(struct way *w, int parent, const char *name)
{
	struct stat st;
	int fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool good = fd >= 0 && fstat(fd, &st) == 0;
	if (!good)
		cannot(w, "opened");
	else
		good = judge_folder(w, &st, name);
	if (w->at >= 0)
		close(w->at);
	w->at = good ? fd : -1;
	if (!good && fd >= 0)
		close(fd);
	return good;
}

/* The next component of the rest; false: there is none.  *LAST: nothing but slashes follows. */
static bool next(struct way *w, bool *last)
{
	char *begin = w->rest + strspn(w->rest, "/");
	size_t len = strcspn(begin, "/");
	if (!len || len > NAME_MAX)
		return false;
	memcpy(w->name, begin, len);
	w->name[len] = 0;
	begin += len;
	*last = !begin[strspn(begin, "/")];
	memmove(w->rest, begin, strlen(begin) + 1);
	return true;
}

/* A link of this user or of root leads on from where it lies. */
static bool follow(struct way *w, const struct stat *st)
{
	char target[PATH_MAX], rest[sizeof w->rest];
	ssize_t n = readlinkat(w->at, w->name, target, sizeof target - 1);
	if (st->st_uid != geteuid() && !is_root(st->st_uid))
		return refuse(w->error, EPERM, "%.*s is not used: the link %.60s on the way there belongs to user %u; remove it", SHOWN, w->path,
			      w->name, (unsigned)st->st_uid);
	if (n < 0)
		return cannot(w, "followed");
	target[n] = 0;
	int len = snprintf(rest, sizeof rest, "%s/%s", target, w->rest);
	if (++w->links > LINKS_MAX || len >= (int)sizeof rest) {
		errno = ELOOP;
		return cannot(w, "followed");
	}
	memcpy(w->rest, rest, (size_t)len + 1);
	return *target != '/' || enter(w, AT_FDCWD, "/");
}

/* From the root to the folder of PATH; w->name is what is left. */
static bool walk(struct way *w)
{
	struct stat st;
	bool last = false, relative = *w->path != '/';
	char here[PATH_MAX] = "";
	if (relative && !getcwd(here, sizeof here))
		return cannot(w, "found");
	if (snprintf(w->rest, sizeof w->rest, "%s/%s", here, w->path) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return cannot(w, "opened");
	}
	strcpy(w->name, ".");
	if (!enter(w, AT_FDCWD, "/"))
		return false;
	while (next(w, &last)) {
		bool there = fstatat(w->at, w->name, &st, AT_SYMLINK_NOFOLLOW) == 0;
		if (there && S_ISLNK(st.st_mode) && (!last || w->follow)) {
			if (!follow(w, &st))
				return false;
			continue;
		}
		if (last)
			return true;
		if (!there && errno == ENOENT && w->make && mkdirat(w->at, w->name, 0700) != 0 && errno != EEXIST)
			return cannot(w, "made");
		if (!enter(w, w->at, w->name))
			return false;
	}
	if (*w->name == '.')
		return true;
	errno = ENAMETOOLONG;
	return cannot(w, "opened");
}

/* --- what is at the end --- */

static bool judge_private(const char *path, const struct stat *st, char *error)
{
	bool folder = S_ISDIR(st->st_mode);
	if (st->st_uid != geteuid())
		return refuse(error, EPERM, "%.*s belongs to user %u and not to you (%u); it is not used: remove it, or name another place", SHOWN, path,
			      (unsigned)st->st_uid, (unsigned)geteuid());
	if (st->st_mode & 077)
		return refuse(error, EPERM, "%.*s %s (mode %04o); it is not used: look at what is in it, then remove it or chmod %s it", SHOWN, path,
			      folder ? "is open to other users" : "can be read by others, or written", (unsigned)(st->st_mode & 07777), folder ? "700" : "600");
	return true;
}

static bool judge(const char *path, const struct stat *st, enum trust kind, char *error)
{
	bool roots = st->st_uid != geteuid() && is_root(st->st_uid);
	unsigned mode = st->st_mode & 07777, closed = kind == TRUST_SETTINGS ? 022 : roots ? 037 : 077;
	if (!S_ISREG(st->st_mode))
		return refuse(error, EPERM, "%.*s cannot be read or written: it is not a regular file; remove it", SHOWN, path);
	if (kind == TRUST_PRIVATE)
		return judge_private(path, st, error);
	if (!roots && st->st_uid != geteuid())
		return refuse(error, EPERM, "%.*s belongs to user %u, neither you (%u) nor root; it is not used: name another file", SHOWN, path,
			      (unsigned)st->st_uid, (unsigned)geteuid());
	if (mode & closed)
		return refuse(error, EPERM, "other users can %s %.*s (mode %04o); it is not used: chmod %s it", kind == TRUST_KEY ? "read or write" : "write to",
			      SHOWN, path, mode, kind == TRUST_KEY ? "600" : "go-w");
	return true;
}

/* A descriptor that whoever started the program gave along: <(command) of a shell. */
static bool is_given(const char *path)
{
	return strncmp(path, "/dev/fd/", 8) == 0 || strncmp(path, "/proc/self/fd/", 14) == 0 || strcmp(path, "/dev/stdin") == 0;
}

int trust_open(const char *path, int flags, enum trust kind, char error[TRUST_ERROR])
{
	struct way w = {.at = -1, .path = path, .follow = kind != TRUST_PRIVATE, .error = error};
	const char *what = (flags & O_ACCMODE) == O_RDONLY ? "read" : "written";
	struct stat st;
	error[0] = 0;
	if (kind != TRUST_PRIVATE && is_given(path)) {
		w.at = open(path, flags | O_CLOEXEC);
		if (w.at < 0)
			cannot(&w, what);
		return w.at;
	}
	/* Without O_NONBLOCK a pipe in the file's place would block the program. */
	int fd = walk(&w) ? openat(w.at, w.name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600) : -1;
	if (fd < 0 && !error[0] && (errno != EACCES || fstatat(w.at, w.name, &st, AT_SYMLINK_NOFOLLOW) != 0 || judge(path, &st, kind, error)))
		cannot(&w, what);
	int number = errno;
	bool good = fd >= 0 && fstat(fd, &st) == 0 && judge(path, &st, kind, error) && fcntl(fd, F_SETFL, flags & (O_APPEND | O_ACCMODE)) == 0;
	if (fd >= 0)
		number = errno;
	if (w.at >= 0)
		close(w.at);
	if (fd >= 0 && !good)
		close(fd);
	errno = number;
	return good ? fd : -1;
}

bool trust_file(const char *path, enum trust kind, char error[TRUST_ERROR])
{
	int fd = trust_open(path, O_RDONLY, kind, error);
	if (fd >= 0)
		close(fd);
	else if (errno == ENOENT)
		error[0] = 0;
	return !error[0];
}

bool trust_way(const char *path, char error[TRUST_ERROR])
{
	struct way w = {.at = -1, .path = path, .error = error};
	error[0] = 0;
	bool good = walk(&w);
	int number = errno;
	if (w.at >= 0)
		close(w.at);
	errno = number;
	return good;
}

bool trust_folder(const char *path, int how, char error[TRUST_ERROR])
{
	bool make = how & TRUST_MAKE;
	struct way w = {.at = -1, .path = path, .make = how & TRUST_PARENTS, .follow = how & TRUST_LINK, .error = error};
	struct stat st;
	error[0] = 0;
	bool good = walk(&w);
	bool made = good && make && mkdirat(w.at, w.name, 0700) == 0;
	if (made && fchmodat(w.at, w.name, 0700, 0) != 0) /* the umask may have taken bits of this user; it is never touched */
		good = cannot(&w, "given mode 0700");
	int fd = good ? openat(w.at, w.name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
	if (good && fd < 0)
		good = errno == ENOTDIR || errno == ELOOP ? refuse(error, ENOTDIR, "%.*s is not a folder; it is not used: remove it", SHOWN, path)
							  : cannot(&w, make && errno == ENOENT ? "made" : "opened");
	good = fd >= 0 && fstat(fd, &st) == 0 && judge_private(path, &st, error);
	int number = errno;
	if (w.at >= 0)
		close(w.at);
	if (fd >= 0)
		close(fd);
	errno = number;
	return good;
}
