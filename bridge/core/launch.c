/* launch.c - see launch.h */
#include "core/launch.h"
#include "copy.h"
#include "log.h"
#include "mcp/text.h"
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { TAIL = 2000 }; /* bytes of the log in an error */

void launch_tail(const char *log, struct buf *out)
{
	char text[TAIL + 1];
	int fd = open(log, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	ssize_t n = fd < 0 ? -1 : pread(fd, text, TAIL, size > TAIL ? size - TAIL : 0);
	if (fd >= 0)
		close(fd);
	while (n > 0 && strchr(" \n\r\t", text[n - 1]))
		n--;
	text_format(out, ".  Its output is in %s", log);
	if (n > 0) {
		text_put(out, "; the end of it: ");
		text_add(out, text, (size_t)n);
	}
}

bool launch_short(int error)
{
	return error == EMFILE || error == ENFILE || error == EAGAIN || error == ENOMEM;
}

/* Adds the resource that errno says is short, and where its limit is raised. */
static void advise(int number, char error[LAUNCH_ERROR])
{
	struct rlimit most;
	size_t n = strlen(error);
	if ((number == EMFILE || number == EAGAIN) && getrlimit(number == EAGAIN ? RLIMIT_NPROC : RLIMIT_NOFILE, &most) == 0)
		snprintf(error + n, LAUNCH_ERROR - n, " (this process may have %lu of them: %s)", (unsigned long)most.rlim_cur,
			 number == EMFILE ? "ulimit -n, or LimitNOFILE= of its unit" : "ulimit -u, or TasksMax= of its unit");
}

void launch_failed(const struct config *config, const char *log, char error[LAUNCH_ERROR])
{
	int number = errno;
	snprintf(error, LAUNCH_ERROR, "%s cannot be started, its log being %s: %s", config->emacs, log, strerror(number));
	advise(number, error);
	errno = number;
}

void launch_refused(const struct config *config, const char *why, char error[LAUNCH_ERROR])
{
	int number = errno;
	snprintf(error, LAUNCH_ERROR, "%s cannot be started: %s", config->emacs, why);
	advise(number, error);
	errno = number;
}

static bool has_lisp(char *folder, size_t room, const char *base, const char *way)
{
	char file[PATH_MAX + 32];
	snprintf(folder, room, "%s%s", base, way);
	snprintf(file, sizeof file, "%s/efrit-mcp.el", folder);
	return access(file, R_OK) == 0;
}

static bool find_lisp(const struct config *c, char *folder, size_t room)
{
	char *self = os_self(), *slash = self ? strrchr(self, '/') : NULL;
	bool found = *c->lisp && has_lisp(folder, room, c->lisp, "");
	if (slash)
		*slash = 0;
	if (!*c->lisp && slash)
		found = has_lisp(folder, room, self, "/../lisp") || has_lisp(folder, room, self, "/../../lisp");
	free(self);
	return found;
}

/* Serves under that name whatever the init file has done before.  Without a person
 * nobody would read an error: it ends Emacs and stands in the log. */
static void write_form(const char *name, bool batch, struct buf *out)
{
	text_format(out, "(condition-case err (progn (setq efrit-mcp-instance \"%s\")", name);
	if (batch)
		text_put(out, " (efrit-mcp-serve))");
	else
		text_format(out, " (unless (equal efrit-mcp-server-instance \"%s\") (efrit-mcp-mode -1) (efrit-mcp-mode 1)))", name);
	text_put(out, " (error (message \"%s\" (error-message-string err)) (kill-emacs 1)))");
}

bool launch_emacs(struct launch *l, const struct config *config, const char *name, const char *init, bool batch, char error[LAUNCH_ERROR])
{
	char lisp[PATH_MAX], daemon[WORKER_NAME_MAX + 16];
	bool file = strcmp(init, "none") != 0 && strcmp(init, "default") != 0;
	size_t n = 0;
	*l = (struct launch){0};
	if (!find_lisp(config, lisp, sizeof lisp)) {
		snprintf(error, LAUNCH_ERROR, "the Lisp of efrit-mcp is not beside this bridge; name its folder in the setting lisp");
		return false;
	}
	snprintf(daemon, sizeof daemon, "--fg-daemon=%s", name); /* in its own session it is as good as one in the background, and its end can be seen */
	l->lisp = copy_text(lisp);
	l->daemon = copy_text(daemon);
	write_form(name, batch, &l->form);
	l->argv[n++] = config->emacs;
	if (file || strcmp(init, "none") == 0)
		l->argv[n++] = "-Q";
	l->argv[n++] = batch ? "--batch" : l->daemon;
	l->argv[n++] = "--eval";
	l->argv[n++] = "(setenv \"EFRIT_MCP_STARTED\" nil)"; /* what it starts itself was not started by a bridge */
	if (strcmp(init, "default") != 0) { /* a hundred workers would each compile our Lisp natively, all at once; what is compiled already is used */
		l->argv[n++] = "--eval";
		l->argv[n++] = "(setq native-comp-deferred-compilation nil native-comp-jit-compilation nil)";
	}
	if (file) {
		text_put(&l->name, init);
		l->argv[n++] = "-l";
		l->argv[n++] = text_string(&l->name);
	}
	l->argv[n++] = "-L";
	l->argv[n++] = l->lisp;
	l->argv[n++] = "-l";
	l->argv[n++] = "efrit-mcp";
	l->argv[n++] = "--eval";
	l->argv[n++] = text_string(&l->form);
	l->argv[n] = NULL;
	return true;
}

void launch_finish(struct launch *l)
{
	free(l->lisp);
	free(l->daemon);
	buf_finish(&l->form);
	buf_finish(&l->name);
}
