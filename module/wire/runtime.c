/* runtime.c - see runtime.h */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "runtime.h"
#include "trust.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool __attribute__((format(printf, 2, 3))) say(char *error, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vsnprintf(error, RUNTIME_ERROR, format, ap);
	va_end(ap);
	return false;
}

static bool too_long(char *error, const char *path, size_t len)
{
	return say(error, "the socket path %.160s%s would be %zu bytes long and the system allows %d; set XDG_RUNTIME_DIR to a shorter folder%s",
		   path, len > 160 ? "..." : "", len, RUNTIME_PATH_MAX - 1, " or choose a shorter efrit-mcp-instance");
}

bool runtime_verify_folder(const char *folder, char error[RUNTIME_ERROR])
{
	bool good = trust_folder(folder, 0, error);
	if (!good && errno == ENOENT)
		error[0] = 0;
	return good;
}

/* XDG base directory specification: a relative path is to be ignored. */
static const char *xdg(void)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	return dir && dir[0] == '/' ? dir : NULL;
}

bool runtime_make_folder(char path[RUNTIME_PATH_MAX], char error[RUNTIME_ERROR])
{
	const char *base = xdg();
	char want[4096];
	if (base) {
		struct stat st;
		if (stat(base, &st) != 0)
			return say(error, "XDG_RUNTIME_DIR is %.200s, which cannot be used (%s): make it or unset the variable",
				   base, strerror(errno));
		snprintf(want, sizeof want, "%.4000s/efrit", base);
	} else {
		snprintf(want, sizeof want, "/tmp/efrit-%u", (unsigned)geteuid());
	}
	if (strlen(want) >= RUNTIME_PATH_MAX)
		return too_long(error, want, strlen(want));
	memcpy(path, want, strlen(want) + 1);
	return trust_folder(path, TRUST_MAKE, error);
}

static int add_folder(char paths[RUNTIME_FOLDERS][RUNTIME_PATH_MAX], int n, const char *path, char *error)
{
	/* A folder in which no socket's path could fit is of no use. */
	size_t len = strlen(path), least = len + strlen("/x.sock");
	if (least >= RUNTIME_PATH_MAX) {
		too_long(error, path, least);
		return n;
	}
	for (int i = 0; i < n; i++)
		if (strcmp(paths[i], path) == 0)
			return n;
	if (n == RUNTIME_FOLDERS) {
		say(error, "more than %d folders are named; %.200s is not looked in", RUNTIME_FOLDERS, path);
		return n;
	}
	memcpy(paths[n], path, len + 1);
	return n + 1;
}

int runtime_folders(const char *list, char paths[RUNTIME_FOLDERS][RUNTIME_PATH_MAX], char error[RUNTIME_ERROR])
{
	char path[4096];
	int n = 0;
	error[0] = 0;
	while (*list) {
		size_t len = strcspn(list, ":");
		if (len) {
			snprintf(path, sizeof path, "%.*s", (int)(len < sizeof path ? len : sizeof path - 1), list);
			n = add_folder(paths, n, path, error);
		}
		list += len + (list[len] == ':');
		if (!*list)
			return n;
	}
	if (xdg()) {
		snprintf(path, sizeof path, "%.4000s/efrit", xdg());
		n = add_folder(paths, n, path, error);
	}
	snprintf(path, sizeof path, "/run/user/%u/efrit", (unsigned)geteuid());
	n = add_folder(paths, n, path, error);
	snprintf(path, sizeof path, "/tmp/efrit-%u", (unsigned)geteuid());
	return add_folder(paths, n, path, error);
}

bool runtime_socket_path(const char *folder, const char *name, char path[RUNTIME_PATH_MAX], char error[RUNTIME_ERROR])
{
	char want[4096];
	int n = snprintf(want, sizeof want, "%.3000s/%.1000s.sock", folder, name);
	if (n >= RUNTIME_PATH_MAX)
		return too_long(error, want, (size_t)n);
	memcpy(path, want, (size_t)n + 1);
	return true;
}

bool runtime_name_valid(const char *name)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
	return n > 0 && n <= RUNTIME_NAME_MAX && !name[n] && name[0] != '.';
}

bool runtime_name_of(const char *file, char name[RUNTIME_NAME_MAX + 1])
{
	size_t len = strlen(file);
	if (len <= 5 || len - 5 > RUNTIME_NAME_MAX || strcmp(file + len - 5, ".sock") != 0)
		return false;
	memcpy(name, file, len - 5);
	name[len - 5] = 0;
	return runtime_name_valid(name);
}
