/* shared_portable.c - see shared.h; POSIX shared memory, whose name is taken away at once.
 * A child forked by another thread meanwhile may inherit a descriptor. */
#include "shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* *FD is for readers. */
static int make_file(int *fd)
{
	static _Atomic unsigned made;
	char name[32]; /* macOS: at most 31 bytes */
	snprintf(name, sizeof name, "/efrit-%lx-%x", (unsigned long)getpid(), ++made);
	int writer = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
	if (writer < 0)
		return -1;
	*fd = shm_open(name, O_RDONLY, 0);
	int error = errno;
	shm_unlink(name);
	if (*fd >= 0 && fcntl(*fd, F_SETFD, FD_CLOEXEC) == 0)
		return writer;
	close(writer);
	errno = error;
	return -1;
}

static int give_size(int fd, size_t size)
{
#ifdef __linux__ /* where it is a file system that may be full */
	int error = posix_fallocate(fd, 0, (off_t)size);
	errno = error ? error : errno;
	return error ? -1 : 0;
#else
	return ftruncate(fd, (off_t)size);
#endif
}

void *shared_make(size_t size, int *fd)
{
	*fd = -1;
	int writer = make_file(fd);
	void *memory = MAP_FAILED;
	if (writer >= 0 && give_size(writer, size) == 0)
		memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, writer, 0);
	int error = errno;
	if (writer >= 0)
		close(writer);
	if (memory != MAP_FAILED)
		return memory;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = error;
	return NULL;
}

const void *shared_map(int fd, size_t size)
{
	struct stat st;
	void *memory = MAP_FAILED;
	if (fstat(fd, &st) == 0 && st.st_size >= (off_t)size) /* macOS rounds it up to pages */
		memory = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	return memory == MAP_FAILED ? NULL : memory;
}

void shared_unmap(const void *memory, size_t size)
{
	if (memory)
		munmap((void *)memory, size);
}
