/* os.h - what only some systems can do, behind one door: being told that a folder
 * changed, and how a process is doing.  Bridge loop only.  os_linux.c uses inotify
 * and /proc, os_portable.c ev_stat and kill(2); the build picks one of them. */
#ifndef OS_H
#define OS_H

#include <ev.h>
#include <sys/types.h>

struct os_watch;

/* Calls ON_CHANGE(DATA) whenever an entry of FOLDER appears, goes or is renamed, and
 * when FOLDER itself does.  FOLDER need not exist.  Not called for what is there already. */
struct os_watch *os_watch_create(struct ev_loop *loop, const char *folder, void (*on_change)(void *data), void *data);
void os_watch_destroy(struct os_watch *watch);

enum os_process { OS_PROCESS_UNKNOWN, OS_PROCESS_ALIVE, OS_PROCESS_STOPPED, OS_PROCESS_ZOMBIE, OS_PROCESS_GONE };

enum os_process os_process_state(pid_t pid);
double os_now(void); /* seconds since some moment; setting the clock does not change it */

#endif
