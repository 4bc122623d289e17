/* setup_file.c - see setup_file.h */
#include "setup_file.h"
#include "copy.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES = 16 * 1024 * 1024, TRIES = 100 };

char *setup_file_read(const char *path, bool *exists)
{
	struct stat st;
	FILE *file = fopen(path, "re");
	int error = errno;
	*exists = file || error != ENOENT || lstat(path, &st) == 0; /* a link to nothing is something */
	errno = error;
	if (!file)
		return *exists ? NULL : copy_text("");
	char *text = NULL;
	size_t len = 0, room = 0;
	do {
		room = room ? room * 2 : 4096;
		text = realloc(text, room + 1);
		if (!text)
			log_no_memory();
		len += fread(text + len, 1, room - len, file);
	} while (len == room && room < FILE_BYTES);
	error = ferror(file) ? errno : len == room ? EFBIG : 0;
	fclose(file);
	text[len] = 0;
	if (!error && strlen(text) == len)
		return text;
	free(text);
	errno = error ? error : EILSEQ;
	return NULL;
}

static char *beside(const char *path, const char *ending)
{
	char *made;
	if (asprintf(&made, "%s%s", path, ending) < 0)
		log_no_memory();
	return made;
}

/* A new file with MODE, or what the umask leaves of 0666 where it is 0. */
static bool put(const char *path, const char *text, mode_t mode, const struct stat *owner)
{
	size_t len = strlen(text);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode ? 0600 : 0666);
	if (fd < 0)
		return false;
	bool good = !mode || fchmod(fd, mode) == 0;
	if (owner && fchown(fd, owner->st_uid, owner->st_gid) != 0)
		log_debug("%s: the owner could not be kept", path);
	for (size_t at = 0; good && at < len;) {
		ssize_t n = write(fd, text + at, len - at);
		good = n > 0 || (n < 0 && errno == EINTR);
		at += n > 0 ? (size_t)n : 0;
	}
	good = good && fsync(fd) == 0;
	int error = errno;
	close(fd);
	if (!good)
		unlink(path);
	errno = error;
	return good;
}

static bool make_parent(const char *path)
{
	char *copy = beside(path, "");
	const char *folder = dirname(copy);
	bool good = mkdir(folder, 0777) == 0 || errno == EEXIST;
	free(copy);
	return good;
}

/* The first of FILE.bak, FILE.bak1, ... that is free: an older backup stays. */
static char *keep(const char *path, const struct stat *st)
{
	bool exists;
	char ending[16] = ".bak", *old = setup_file_read(path, &exists);
	for (int i = 0; old && i < TRIES; i++) {
		if (i)
			snprintf(ending, sizeof ending, ".bak%d", i);
		char *name = beside(path, ending);
		if (put(name, old, st->st_mode & 07777, st)) {
			free(old);
			return name;
		}
		free(name);
		if (errno != EEXIST)
			break;
	}
	free(old);
	return NULL;
}

bool setup_file_write(const char *path, const char *text, char **backup)
{
	struct stat st;
	char *real = realpath(path, NULL); /* a link stays one */
	const char *target = real ? real : path;
	bool exists = stat(target, &st) == 0, good;
	*backup = NULL;
	if (exists)
		good = (*backup = keep(target, &st)) != NULL;
	else
		good = make_parent(target);
	char *fresh = beside(target, ".efrit-new");
	if (good)
		unlink(fresh); /* of one that was killed */
	good = good && put(fresh, text, exists ? st.st_mode & 07777 : 0, exists ? &st : NULL);
	if (good && rename(fresh, target) != 0) {
		int error = errno;
		unlink(fresh);
		errno = error;
		good = false;
	}
	free(fresh);
	free(real);
	return good;
}
