/* shim.c - LD_PRELOADed by tests: another time of day, and another kind of file system.
 * EFRIT_SHIM_CLOCK names a file of 8 bytes, the seconds CLOCK_REALTIME is off by, in the
 * machine's order; who writes it sets the clock of all who have it.  EFRIT_SHIM_FS is the
 * number statfs tells of what is in a folder whose name ends with "-far". */
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *off_by;

static void __attribute__((constructor)) begin(void)
{
	const char *path = getenv("EFRIT_SHIM_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *seen = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *off_by, PROT_READ, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	if (seen != MAP_FAILED)
		off_by = seen;
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
	int result = (int)syscall(SYS_clock_gettime, clock, t);
	if (result == 0 && off_by && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		t->tv_sec += *off_by;
	return result;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
	struct timespec now;
	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	t->tv_sec = now.tv_sec;
	t->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *t)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (t)
		*t = now.tv_sec;
	return now.tv_sec;
}

static void disguise(const char *path, struct statfs *s)
{
	const char *kind = getenv("EFRIT_SHIM_FS");
	if (kind && strstr(path, "-far/"))
		s->f_type = (__typeof__(s->f_type))strtoul(kind, NULL, 0);
}

int statfs(const char *path, struct statfs *s)
{
	int result = (int)syscall(SYS_statfs, path, s);
	if (result == 0)
		disguise(path, s);
	return result;
}

int fstatfs(int fd, struct statfs *s)
{
	char link[64], path[PATH_MAX];
	int result = (int)syscall(SYS_fstatfs, fd, s);
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof path - 1);
	if (result == 0 && n > 0) {
		path[n] = 0;
		disguise(path, s);
	}
	return result;
}
