/* main_state.c - see main_state.h */
#include "main_state.h"
#include "back/gateway.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOKEN_BYTES = 24, PLACE = RUNTIME_PATH_MAX * 4 };

/* Its presence tells every Emacs, also one that never heard of this folder, that no agent is to read what is here. */
static void keep_agents_out(const char *folder)
{
	static const char words[] = "The gateway of efrit-mcp keeps its tokens and results here.  While this file is here, the tools of agents read nothing in this folder.\n";
	char path[PLACE + sizeof STATE_SIGN + 1];
	snprintf(path, sizeof path, "%s/%s", folder, STATE_SIGN);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		if (errno != EEXIST)
			log_warning("%s cannot be written: %s; agents' tools may read the tokens beside it", path, strerror(errno));
		return;
	}
	if (write(fd, words, sizeof words - 1) != (ssize_t)sizeof words - 1)
		log_warning("%s cannot be written whole: %s", path, strerror(errno)); /* that it is there is enough */
	close(fd);
}

bool state_folder(const struct config *config, char path[PLACE], char **error)
{
	const char *base = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char why[TRUST_ERROR];
	int n;
	if (*config->state)
		n = snprintf(path, PLACE, "%s", config->state);
	else if (base && *base == '/')
		n = snprintf(path, PLACE, "%s/efrit-mcp", base);
	else if (home && *home == '/')
		n = snprintf(path, PLACE, "%s/.local/state/efrit-mcp", home);
	else
		return config_complain(error, "there is no home folder for the token: set HOME, or the setting state");
	if (n >= PLACE - 32)
		return config_complain(error, "the name of the state folder is too long: %.100s...", path);
	if (!trust_folder(path, TRUST_MAKE | TRUST_PARENTS | TRUST_LINK, why))
		return config_complain(error, "%s", why);
	keep_agents_out(path);
	return true;
}

bool state_log(const struct config *config, bool daemon, char path[PLACE], char **error)
{
	*path = 0;
	if (snprintf(path, PLACE, "%s", config->log_file) >= PLACE)
		return config_complain(error, "the name of log_file is too long: %.100s...", config->log_file);
	if (*path || !daemon)
		return true;
	if (!state_folder(config, path, error))
		return false;
	strcat(path, "/gateway.log");
	return true;
}

static bool make_token(char token[GUARD_TOKEN_MAX])
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
	unsigned char bytes[TOKEN_BYTES * 4 / 3];
	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		return false;
	for (size_t i = 0; i < sizeof bytes; i++)
		token[i] = digits[bytes[i] & 63];
	token[sizeof bytes] = 0;
	return true;
}

/* Whole or not at all, and never open to others. */
static bool write_token(const char *path, const char *token, char **error)
{
	char temporary[PLACE + 16];
	snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
	int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	size_t len = strlen(token);
	bool good = fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, token, len) == (ssize_t)len && write(fd, "\n", 1) == 1 && fsync(fd) == 0;
	if (fd >= 0 && close(fd) != 0)
		good = false;
	/* Another one may have been faster: then its token is the one. */
	if (good && link(temporary, path) != 0 && errno != EEXIST)
		good = false;
	if (!good)
		config_complain(error, "the file %s cannot be written: %s", path, strerror(errno));
	unlink(temporary);
	return good;
}

static bool read_token(const char *path, char token[GUARD_TOKEN_MAX], char **error)
{
	char why[TRUST_ERROR];
	int fd = trust_open(path, O_RDONLY, TRUST_PRIVATE, why);
	if (fd < 0)
		return config_complain(error, "the token cannot be read: %s", why);
	ssize_t n = read(fd, token, GUARD_TOKEN_MAX - 1);
	if (n < 0)
		config_complain(error, "the token cannot be read from %s: %s", path, strerror(errno));
	close(fd);
	if (n < 0)
		return false;
	token[n] = 0;
	token[strcspn(token, "\r\n")] = 0;
	if (strlen(token) < 16)
		return config_complain(error, "the token in %s is too short: remove the file, the next start makes another one", path);
	return true;
}

bool state_token(const struct config *config, const char *name, char token[GUARD_TOKEN_MAX], char **error)
{
	char path[PLACE + CONFIG_TOKEN_NAME], word[CONFIG_WORD_MAX];
	if (name && !config_pair(config->tokens, name, word))
		return config_complain(error, "there is no token called %s: add %s=PROFILE to the setting tokens", name, name);
	if (!state_folder(config, path, error))
		return false;
	strcat(path, "/token");
	if (name)
		strcat(strcat(path, "-"), name);
	if (access(path, F_OK) != 0 && errno == ENOENT) {
		if (!make_token(token))
			return config_complain(error, "the system gives no random numbers: %s", strerror(errno));
		if (!write_token(path, token, error))
			return false;
	}
	return read_token(path, token, error);
}

bool state_socket(const struct config *config, char path[RUNTIME_PATH_MAX], char **error)
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	char why[RUNTIME_ERROR], *slash;
	if (!gateway_socket(config, path, why))
		return config_complain(error, "%s", why);
	if (*config->socket || (base && *base == '/'))
		return trust_way(path, why) || config_complain(error, "%s", why);
	slash = strrchr(path, '/');
	*slash = 0;
	if (!trust_folder(path, TRUST_MAKE, why))
		return config_complain(error, "%s", why);
	*slash = '/';
	return true;
}

static void lock_path(const char *socket, char path[RUNTIME_PATH_MAX + 8])
{
	snprintf(path, RUNTIME_PATH_MAX + 8, "%s.lock", socket);
}

static long pid_in(int fd)
{
	char text[32];
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	text[n > 0 ? n : 0] = 0;
	return strtol(text, NULL, 10);
}

static bool is_there(const char *path, int fd)
{
	struct stat by_name, by_fd;
	return stat(path, &by_name) == 0 && fstat(fd, &by_fd) == 0 && by_name.st_ino == by_fd.st_ino && by_name.st_dev == by_fd.st_dev;
}

int state_lock(const char *socket, int fd, char **error)
{
	char path[RUNTIME_PATH_MAX + 8], text[32], why[TRUST_ERROR];
	lock_path(socket, path);
	if (fd < 0) {
		fd = trust_open(path, O_RDWR | O_CREAT, TRUST_PRIVATE, why);
		if (fd < 0) {
			config_complain(error, "%s", why);
			return -1;
		}
		if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
			config_complain(error, "a gateway runs already, as process %ld, on %s; efrit-bridge stop ends it", pid_in(fd), socket);
			close(fd);
			return -1;
		}
		if (!is_there(path, fd)) { /* the one before has just removed it */
			close(fd);
			return state_lock(socket, -1, error);
		}
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
	if (pwrite(fd, text, (size_t)n, 0) != n || ftruncate(fd, n) != 0) /* in this order: a reader always finds a number */
		log_warning("%s cannot be written: %s", path, strerror(errno));
	return fd;
}

bool state_keep_lock(const struct config *config, const char *socket, int *fd, char **error)
{
	char path[RUNTIME_PATH_MAX + 8], where[RUNTIME_PATH_MAX];
	lock_path(socket, path);
	if (is_there(path, *fd))
		return true;
	if (!state_socket(config, where, error)) /* makes its folder, where that is the gateway's to make */
		return false;
	int fresh = state_lock(socket, -1, error);
	if (fresh < 0)
		return false;
	close(*fd);
	*fd = fresh;
	return true;
}

void state_unlock(const char *socket, int fd)
{
	char path[RUNTIME_PATH_MAX + 8];
	lock_path(socket, path);
	if (is_there(path, fd))
		unlink(path);
	close(fd);
	snprintf(path, sizeof path, "%s.told", socket);
	unlink(path);
}

static void told_path(const char *socket, const char *ending, char path[RUNTIME_PATH_MAX + 16])
{
	snprintf(path, RUNTIME_PATH_MAX + 16, "%s.told%s", socket, ending);
}

long state_told(const char *socket, char word[STATE_WORD_MAX])
{
	char path[RUNTIME_PATH_MAX + 16], text[STATE_WORD_MAX + 32], why[TRUST_ERROR], *end;
	told_path(socket, "", path);
	int fd = trust_open(path, O_RDONLY, TRUST_PRIVATE, why);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	long generation = strtol(text, &end, 10);
	snprintf(word, STATE_WORD_MAX, "%.*s", (int)strcspn(end, "\n"), *end == ' ' ? end + 1 : "");
	return generation;
}

void state_tell(const char *socket, bool read, const char *why)
{
	char word[STATE_WORD_MAX], path[RUNTIME_PATH_MAX + 16], fresh[RUNTIME_PATH_MAX + 16];
	long generation = state_told(socket, word) + 1;
	told_path(socket, "", path);
	told_path(socket, ".new", fresh);
	snprintf(word, sizeof word, "%ld %s%s", generation, read ? "read" : "kept: ", read ? "" : why);
	word[strcspn(word, "\n")] = 0;
	unlink(fresh);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	size_t len = strlen(word);
	bool good = fd >= 0 && write(fd, word, len) == (ssize_t)len && rename(fresh, path) == 0; /* who waits is told by that */
	if (!good)
		log_warning("%s cannot be written: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

pid_t state_holder(const char *socket)
{
	char path[RUNTIME_PATH_MAX + 8], why[TRUST_ERROR];
	pid_t pid = 0;
	lock_path(socket, path);
	int fd = trust_open(path, O_RDONLY, TRUST_PRIVATE, why); /* its number is sent signals */
	if (fd < 0 && errno != ENOENT)
		log_warning("%s", why);
	if (fd < 0)
		return 0;
	if (flock(fd, LOCK_SH | LOCK_NB) != 0)
		pid = (pid_t)pid_in(fd);
	close(fd);
	return pid;
}

static void on_alarm(int number)
{
	(void)number;
}

bool state_wait(const char *socket, unsigned seconds)
{
	char path[RUNTIME_PATH_MAX + 8], why[TRUST_ERROR];
	struct sigaction action = {.sa_handler = on_alarm}; /* no SA_RESTART: it ends the waiting */
	lock_path(socket, path);
	int fd = trust_open(path, O_RDONLY, TRUST_PRIVATE, why);
	if (fd < 0)
		return errno == ENOENT;
	sigaction(SIGALRM, &action, NULL);
	alarm(seconds);
	bool free_now = flock(fd, LOCK_SH) == 0;
	alarm(0);
	close(fd);
	return free_now;
}
