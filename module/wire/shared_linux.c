/* shared_linux.c - see shared.h.  The seals: nobody makes it shorter under a reader, who
 * would get SIGBUS, and nobody but its maker writes. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "shared.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL /* a kernel may insist on it */
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

enum { SIZE_SEALS = F_SEAL_SHRINK | F_SEAL_GROW };

static int make_file(void)
{
	int fd = memfd_create("efrit-mcp", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	return fd >= 0 || errno != EINVAL ? fd : memfd_create("efrit-mcp", MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

void *shared_make(size_t size, int *fd)
{
	*fd = make_file();
	if (*fd < 0)
		return NULL;
	int error = posix_fallocate(*fd, 0, (off_t)size);
	void *memory = error ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (memory != MAP_FAILED && fcntl(*fd, F_ADD_SEALS, SIZE_SEALS) == 0) {
		(void)fcntl(*fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE); /* since Linux 5.1 */
		return memory;
	}
	error = error ? error : errno;
	if (memory != MAP_FAILED)
		munmap(memory, size);
	close(*fd);
	*fd = -1;
	errno = error;
	return NULL;
}

const void *shared_map(int fd, size_t size)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);
	void *memory = MAP_FAILED;
	if (seals >= 0 && (seals & SIZE_SEALS) == SIZE_SEALS && fstat(fd, &st) == 0 && st.st_size == (off_t)size)
		memory = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	return memory == MAP_FAILED ? NULL : memory;
}

void shared_unmap(const void *memory, size_t size)
{
	if (memory)
		munmap((void *)memory, size);
}
