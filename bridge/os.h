/* os.h - what only some systems can do, behind one door: being told that a folder
 * changed, how a process is doing, when it ends.  Bridge loop only.  os_linux*.c use
 * inotify, /proc and pidfd, os_portable.c ev_stat, kill(2) and waitpid(2); the build
 * picks one of them.  os_common.c is the same everywhere. */
#ifndef OS_H
#define OS_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct os_watch;

/* Calls ON_CHANGE(DATA) whenever an entry of FOLDER appears, goes or is renamed, and
 * when FOLDER itself does.  FOLDER need not exist.  Not called for what is there already. */
struct os_watch *os_watch_create(struct ev_loop *loop, const char *folder, void (*on_change)(void *data), void *data);
void os_watch_destroy(struct os_watch *watch);

enum os_process { OS_PROCESS_UNKNOWN, OS_PROCESS_ALIVE, OS_PROCESS_STOPPED, OS_PROCESS_ZOMBIE, OS_PROCESS_GONE };

enum os_process os_process_state(pid_t pid);
enum os_mark { OS_MARK_UNKNOWN, OS_MARK_YES, OS_MARK_NO };

enum os_mark os_process_mark(pid_t pid, const char *entry); /* was it started with ENTRY ("NAME=VALUE") in its environment? */

/* Calls ON_EXIT(DATA, STATUS) once, from the loop, when PID has ended.  STATUS is waitpid's
 * for a child of ours, which is reaped, else -1.  NULL: it cannot be watched, errno says. */
struct os_exit;
struct os_exit *os_exit_create(struct ev_loop *loop, pid_t pid, void (*on_exit)(void *data, int status), void *data);
void os_exit_kill(struct os_exit *, int signal); /* that process, not another one that has got its number since */
void os_exit_destroy(struct os_exit *); /* NULL is fine; from inside ON_EXIT too */

/* What to start as a process of its own session and group: nothing to read, output to the
 * descriptor LOG, no other descriptor. */
struct os_program {
	const char *const *argv;
	const char *folder;             /* NULL: where we are */
	int log;
	const char *const *environment; /* "NAME=VALUE" over ours, "NAME" takes one away; ends with NULL; may be NULL */
	long memory, cpu, files;        /* limits: bytes of address space, seconds, descriptors; 0: ours */
	bool with_us;                   /* it is killed when we die, where the system can do that */
};

pid_t os_spawn(const struct os_program *); /* from the main thread; -1: errno */
void os_die_with(pid_t parent);            /* between fork and exec: see with_us */

/* Orphans of our children become ours, and are reaped when they end, where the system can do that. */
struct os_orphans;
struct os_orphans *os_orphans_create(struct ev_loop *);
void os_orphans_destroy(struct os_orphans *); /* NULL is fine */

/* Kills PID's group, and where the system can tell: all that descends from PID, and orphans
 * with MARK ("NAME=VALUE") in their environment.  PID is ALIVE, or was reaped just now. */
void os_kill_family(pid_t pid, bool alive, const char *mark);

/* Kills whoever is of our user and has NAME in its environment with a value that is STRAY, and what descends from
 * it; not what sits at a terminal and its kin, nor us and our parents.  Returns how many; it goes on from the loop of
 * os_orphans_create where somebody could not be told at once. */
size_t os_kill_strays(const char *name, bool (*stray)(const char *value));

enum { OS_PROCESS_ID = 80 };
/* Which process that is, among all that were or will be here: "PID." and more.  False: none such lives, or unknown. */
bool os_process_id(pid_t pid, char id[OS_PROCESS_ID]);

long os_process_memory(pid_t pid); /* bytes of it that are in memory; 0: unknown */

bool os_process_folder(pid_t pid, char *folder, size_t room); /* it works in; false: unknown */
bool os_peer_folder(int fd, char *folder, size_t room); /* the same of who is at the other end of a Unix socket */
bool os_peer_in_group(int fd, gid_t group); /* is who is there a member?  Where the system cannot tell, its check of the socket's mode counts */
const char *os_network_kind(long type); /* of a file system, as statfs has it: its name if others can write to it; else NULL */
const char *os_network_folder(int fd);  /* the same of where that file is */
void os_widen_pipe(int fd); /* lets a pipe hold more before its writer has to wait; nothing where that cannot be */
/* Sends some of a file's LEN bytes from AT to a socket, as send(2) says it went.  -1 with ENOTSUP: not so, or not
 * without waiting for the disk: read them. */
ssize_t os_send_file(int socket, int file, size_t at, size_t len);
void os_close_from(int fd); /* closes FD and all after it; between fork and exec */
char *os_self(void); /* absolute file name of this program; the caller frees; NULL: unknown */

void os_give_back(void); /* memory that is free goes back to the system, as far as it can */
/* This process holds tokens and people's text: it leaves no core, and others of its user cannot look into it, where the
 * system can do that.  Programs that os_spawn starts get the limit back. */
void os_leave_no_core(void);
void os_core_back(void);  /* between fork and exec */
void os_hide(bool hidden);

double os_now(void); /* seconds since some moment; setting the clock does not change it */

/* Milliseconds since 1970 as the clock had it when this program began, counted on since, also while the machine sleeps:
 * for what is kept longer than a program.  Setting the clock counts with the next start.  From any thread. */
int64_t os_clock(void);
int64_t os_clock_shown(int64_t ms); /* such a moment as the clock has it now: for people */

#endif
