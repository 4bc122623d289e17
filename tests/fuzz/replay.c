/* replay.c - a harness without libFuzzer: each file named, or each in a folder named,
 * is one input, played in a child so that the one that breaks is named.
 * usage: NAME [FILE|FOLDER...]; without any tests/fuzz/corpus/NAME.  Inputs that only a
 * time-out would end are ended by SIGALRM. */
#include "fuzz.h"

#include <dirent.h>
#include <libgen.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS = 30, PATH = 4096 };

static unsigned played, broken;

static void play(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct buf text = {0};
	size_t n;
	must(file);
	do {
		must(buf_reserve(&text, 65536));
		n = fread(buf_room(&text), 1, 65536, file);
		buf_filled(&text, n);
	} while (n);
	fclose(file);
	char *copy = input_copy(buf_data(&text), buf_len(&text));
	setitimer(ITIMER_PROF, &(struct itimerval){.it_value.tv_sec = SECONDS}, NULL); /* of the processor: others may have the machine */
	LLVMFuzzerTestOneInput((const uint8_t *)copy, buf_len(&text));
	free(copy);
	buf_finish(&text);
}

static void play_file(const char *path)
{
	int status = -1;
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		play(path);
		exit(0); /* the leak sanitizer looks now */
	}
	must(child > 0 && waitpid(child, &status, 0) == child);
	played++;
	if (status == 0)
		return;
	broken++;
	printf("broken: %s (%s %d)\n", path, WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void play_path(const char *path)
{
	struct dirent **names;
	struct stat st;
	char file[PATH];
	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
		play_file(path);
		return;
	}
	int n = scandir(path, &names, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			play_file(file);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

int main(int argc, char **argv)
{
	char path[PATH];
	for (int i = 1; i < argc; i++)
		play_path(argv[i]);
	if (argc < 2) {
		snprintf(path, sizeof path, "tests/fuzz/corpus/%s", basename(argv[0]));
		play_path(path);
	}
	printf("%u inputs, %u broken\n", played, broken);
	return broken || !played;
}
