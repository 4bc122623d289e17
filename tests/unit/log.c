/* log.c - the operator's log: whole lines, valid whatever was said, in the file it belongs to. */
#include "test.h"

#include "log.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/efrit-log-XXXXXX";
static char path[64], rotated[64], error[TRUST_ERROR];

static char *content(const char *file)
{
	static char text[16384];
	int fd = open(file, O_RDONLY);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	return text;
}

static int open_fresh(void **state)
{
	(void)state;
	unlink(path);
	log_set_level("info");
	log_set_format("text");
	return log_open(path, error) ? 0 : -1;
}

static void looks_like_time(const char *text)
{
	const char *shape = "0000-00-00T00:00:00.000Z";
	for (size_t i = 0; shape[i]; i++)
		assert_true(shape[i] == '0' ? text[i] >= '0' && text[i] <= '9' : text[i] == shape[i]);
}

static void test_text(void **state)
{
	struct stat st;
	(void)state;
	log_info("one %d", 1);
	log_debug("too quiet");
	const char *line = content(path);
	looks_like_time(line);
	assert_string_equal(line + 24, " efrit-bridge: info: one 1\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* Every byte, whole alphabets, and more than fits: one line, one object. */
static void test_any_bytes(void **state)
{
	static const char *const formats[] = {"text", "json"};
	char said[5000];
	(void)state;
	for (int f = 0; f < 2; f++)
		for (int round = 0; round < 4; round++) {
			open_fresh(NULL);
			log_set_format(formats[f]);
			for (size_t i = 0; i < sizeof said - 1; i++)
				said[i] = (char)(round == 0 ? (int)i % 255 + 1 : round == 1 ? '"' : round == 2 ? "\xE2\x82\xAC"[i % 3] : rand() % 255 + 1);
			said[sizeof said - 1] = 0;
			log_warning("%s", said);
			log_warning("%s", "x\nefrit-bridge: error: forged\r\033[2J\302\233\342\200\250");
			const char *text = content(path);
			size_t lines = 0;
			for (const char *p = text; *p; p++)
				lines += *p == '\n';
			assert_int_equal(lines, 2);
			assert_null(strchr(text, '\033'));
			assert_null(strstr(text, "\nefrit-bridge"));
			assert_null(strstr(text, "\342\200\250"));
			assert_true(strcspn(text, "\n") < 4096);
			for (int i = 0; f == 1 && i < 2; i++) {
				json_t *line = json_loadb(text, strcspn(text, "\n"), 0, NULL);
				assert_non_null(line);
				looks_like_time(json_string_value(json_object_get(line, "time")));
				assert_string_equal(json_string_value(json_object_get(line, "level")), "warning");
				assert_int_equal(json_integer_value(json_object_get(line, "pid")), getpid());
				assert_non_null(json_object_get(line, "message"));
				json_decref(line);
				text += strcspn(text, "\n") + 1;
			}
		}
}

static void test_rotated(void **state)
{
	(void)state;
	log_info("before");
	assert_int_equal(rename(path, rotated), 0);
	log_info("meanwhile");
	assert_true(log_open(path, error));
	log_info("after");
	assert_non_null(strstr(content(rotated), "meanwhile"));
	assert_null(strstr(content(rotated), "after"));
	assert_non_null(strstr(content(path), "after"));
	unlink(rotated);
}

/* A file that others can read, or a link, is not written to; the log stays where it is. */
static void test_refused(void **state)
{
	(void)state;
	close(open(rotated, O_WRONLY | O_CREAT, 0600));
	assert_int_equal(chmod(rotated, 0644), 0);
	assert_false(log_open(rotated, error));
	assert_non_null(strstr(error, "read by others"));
	unlink(rotated);
	assert_int_equal(symlink(path, rotated), 0);
	assert_false(log_open(rotated, error));
	unlink(rotated);
	log_info("still here");
	assert_non_null(strstr(content(path), "still here"));
}

/* Where the journal reads, it has the level from <N> and the time from itself. */
static void test_journal(void **state)
{
	struct stat st;
	char stream[64];
	(void)state;
	assert_int_equal(stat(path, &st), 0);
	snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_warning("careful");
	log_set_format("json");
	log_error("broken");
	unsetenv("JOURNAL_STREAM");
	const char *text = content(path);
	assert_memory_equal(text, "<4>efrit-bridge: warning: careful\n<3>{\"time\":\"", 46);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_text, open_fresh),
		cmocka_unit_test_setup(test_any_bytes, open_fresh),
		cmocka_unit_test_setup(test_rotated, open_fresh),
		cmocka_unit_test_setup(test_refused, open_fresh),
		cmocka_unit_test_setup(test_journal, open_fresh),
	};
	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof path, "%s/log", folder);
	snprintf(rotated, sizeof rotated, "%s/log.1", folder);
	unsetenv("JOURNAL_STREAM");
	int failed = RUN(tests);
	unlink(path);
	unlink(rotated);
	rmdir(folder);
	return failed;
}
