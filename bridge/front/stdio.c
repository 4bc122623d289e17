/* stdio.c - see stdio.h */
#include "front/stdio.h"
#include "front/lines.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct stdio {
	struct ev_loop *loop;  /* borrowed */
	struct lines *lines;   /* owned */
	int out_fd, out_flags; /* our own stdout, and how we found it */
};

/* stdout becomes ours alone: what a library prints must not spoil the conversation. */
static bool take_stdout(struct stdio *s)
{
	s->out_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (s->out_fd < 0 || fcntl(STDIN_FILENO, F_GETFD) < 0) {
		log_error("standard input and output must be open: %s", strerror(errno));
		return false;
	}
	if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		close(STDOUT_FILENO);
	fcntl(STDIN_FILENO, F_SETFD, FD_CLOEXEC);
	s->out_flags = fcntl(s->out_fd, F_GETFL);
	fcntl(s->out_fd, F_SETFL, s->out_flags | O_NONBLOCK);
	return true;
}

static void on_end(void *data)
{
	struct stdio *s = data;
	ev_break(s->loop, EVBREAK_ALL);
}

struct stdio *stdio_create(struct ev_loop *loop, const struct config *config, struct pipeline *pipeline)
{
	struct stdio *s = calloc(1, sizeof *s);
	if (!s)
		log_no_memory();
	s->loop = loop;
	if (!take_stdout(s)) {
		free(s);
		return NULL;
	}
	s->lines = lines_create(loop, config, pipeline, STDIN_FILENO, s->out_fd, on_end, s);
	char *folder = getcwd(NULL, 0); /* agents start us in the folder they work in */
	lines_place(s->lines, folder);
	free(folder);
	return s;
}

void stdio_stop(struct stdio *s)
{
	lines_stop(s->lines);
}

void stdio_destroy(struct stdio *s)
{
	if (!s)
		return;
	lines_destroy(s->lines);
	fcntl(s->out_fd, F_SETFL, s->out_flags); /* others may share it */
	close(s->out_fd);
	free(s);
}
