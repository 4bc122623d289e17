/* closer.c - a result that is cut anywhere becomes whole JSON again, marked as failed. */
#include "test.h"

#include "mcp/closer.h"
#include "mcp/text.h"

static const char note[] = "[the rest \"never\" came]";

static const char *const results[] = {
	"{}",
	"{\"content\":[]}",
	"{\"content\":[{\"type\":\"text\",\"text\":\"plain words\"}]}",
	"{\"content\":[{\"type\":\"text\",\"text\":\"a \\\"quoted\\\" \\\\ \\u00e9 \\ud83d\\ude00 \\n end\"}],\"isError\":true}",
	"{\"content\":[{\"type\":\"text\",\"text\":\"\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 \xED\x9F\xBF \xEE\x80\x80\"}]}",
	"{ \"content\" : [ { \"type\" : \"text\" , \"text\" : \"x\" } , { \"type\":\"image\",\"data\":\"AAAA\",\"mimeType\":\"image/png\"} ] }",
	"{\"structuredContent\":{\"a\":[1,-2.5e+10,0.1,true,false,null,[[]],{}],\"content\":[1]},\"content\":[{\"type\":\"text\",\"text\":\"y\"}]}",
	"{\"isError\":true,\"content\":[{\"type\":\"text\",\"text\":\"z\"}]}",
	"{\"content\":[{\"type\":\"text\",\"text\":\"\\ud800\\udc00\\udbff\\udfff\\uD7FF\\uE000\"}]}",
	"{\"_meta\":{\"text\":\"t\",\"isError\":false},\"content\":[{\"text\":\"q\",\"type\":\"text\"},{\"resource\":{\"text\":\"r\"}}]}",
};

static json_t *whole_of(const char *begin, size_t len, struct buf *end)
{
	struct buf all = {0};
	json_error_t error;
	text_add(&all, begin, len);
	text_add(&all, buf_data(end), buf_len(end));
	json_t *v = json_loadb(buf_data(&all), buf_len(&all), JSON_REJECT_DUPLICATES, &error);
	if (!v)
		fail_msg("%s: %.*s", error.text, (int)buf_len(&all), buf_data(&all));
	buf_finish(&all);
	return v;
}

static bool has_note(const json_t *v)
{
	const char *s = json_string_value(v), *key;
	json_t *member;
	bool found = s && strstr(s, note);
	for (size_t i = 0; i < json_array_size(v); i++)
		found |= has_note(json_array_get(v, i));
	json_object_foreach((json_t *)v, key, member)
		found |= has_note(member);
	return found;
}

static void cut_at(const char *result, size_t len)
{
	struct closer c;
	struct buf end = {0};
	closer_init(&c);
	assert_int_equal(closer_feed(&c, result + 1, len - 1), len - 1);
	assert_false(closer_done(&c));
	closer_finish(&c, note, &end);
	json_t *v = whole_of(result, len, &end);
	json_t *flag = json_object_get(v, "isError");
	if (!json_is_true(flag))
		fail_msg("not marked as failed: %.*s | %.*s", (int)len, result, (int)buf_len(&end), buf_data(&end));
	const char *content = strstr(result, "\"content\":["), *closed = strrchr(result, ']');
	if (content && content + 11 <= result + len && closed >= result + len && strncmp(result, "{\"struct", 8) != 0 && !has_note(v))
		fail_msg("the reader is not told: %.*s | %.*s", (int)len, result, (int)buf_len(&end), buf_data(&end));
	json_decref(v);
	buf_finish(&end);
}

static void test_cut_at_every_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof results / sizeof *results; i++)
		for (size_t len = 1; len < strlen(results[i]); len++)
			cut_at(results[i], len);
}

static void test_what_is_whole_stays(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
		struct closer c;
		struct buf end = {0};
		size_t len = strlen(results[i]);
		closer_init(&c);
		for (size_t k = 1; k < len; k++) { /* byte by byte is as good as at once */
			assert_false(closer_done(&c));
			assert_int_equal(closer_feed(&c, results[i] + k, 1), 1);
		}
		assert_true(closer_done(&c));
		closer_finish(&c, note, &end);
		assert_int_equal(buf_len(&end), 0);
		buf_finish(&end);
	}
}

/* The bytes before what is no JSON are kept (GOOD, where it is clear where that is), the rest
 * is not passed on, and the end is whole. */
static void spoiled(const char *result, const char *good)
{
	struct closer c;
	struct buf end = {0};
	closer_init(&c);
	size_t kept = closer_feed(&c, result + 1, strlen(result) - 1);
	if (good)
		assert_int_equal(kept + 1, strlen(good));
	assert_true(kept < strlen(result) - 1);
	closer_finish(&c, note, &end);
	json_t *v = whole_of(result, kept + 1, &end);
	assert_true(json_is_true(json_object_get(v, "isError")));
	json_decref(v);
	buf_finish(&end);
}

static void test_what_is_no_json(void **state)
{
	(void)state;
	spoiled("{\"content\":[{\"text\":\"a\nb\"}]}", "{\"content\":[{\"text\":\"a");
	spoiled("{\"content\":[{\"text\":\"a\\x\"}]}", "{\"content\":[{\"text\":\"a\\");
	spoiled("{\"content\":[{\"text\":\"\xC0\x80\"}]}", "{\"content\":[{\"text\":\"");
	spoiled("{\"content\":[{\"text\":\"\xED\xA0\x80\"}]}", "{\"content\":[{\"text\":\"\xED");
	spoiled("{\"content\":[{\"text\":\"\xF4\x90\x80\x80\"}]}", "{\"content\":[{\"text\":\"\xF4");
	spoiled("{\"content\":[{\"text\":\"\xE0x\"}]}", "{\"content\":[{\"text\":\"\xE0");
	spoiled("{\"content\":[{\"text\":\"\xF0x\"}]}", "{\"content\":[{\"text\":\"\xF0");
	spoiled("{\"content\":[{\"text\":\"\\ud800\\u0041\"}]}", NULL);
	spoiled("{\"content\":[{\"text\":\"\\udc00\"}]}", NULL);
	spoiled("{\"content\":[{\"text\":\"\\ud800\\n\"}]}", "{\"content\":[{\"text\":\"\\ud800\\");
	spoiled("{\"content\":[{\"text\":\"\\ud800x\"}]}", "{\"content\":[{\"text\":\"\\ud800");
	spoiled("{\"content\":[{\"text\":tru}]}", "{\"content\":[{\"text\":tru");
	spoiled("{\"content\":[}", "{\"content\":[");
	spoiled("{\"content\":[]]", "{\"content\":[]");
	spoiled("{\"content\" []}", "{\"content\" ");
	spoiled("{content", "{");
	spoiled("{,", "{");
	spoiled("{\"a\":1,}", "{\"a\":1,");
	spoiled("{\"a\":[1,]}", "{\"a\":[1,");
}

static void test_too_deep(void **state)
{
	char deep[1000] = "{\"a\":";
	struct closer c;
	struct buf end = {0};
	(void)state;
	memset(deep + 5, '[', 990);
	closer_init(&c);
	size_t kept = closer_feed(&c, deep + 1, strlen(deep) - 1);
	assert_int_equal(kept, 4 + CLOSER_DEPTH - 1);
	closer_finish(&c, note, &end);
	json_decref(whole_of(deep, kept + 1, &end));
	buf_finish(&end);
}

/* Noise made of JSON's own letters: whatever was passed on can be finished. */
static void test_noise(void **state)
{
	static const char letters[] = "{}[]\",:\\u0d8c1-.eE tfn\xC3\xA9\xF0\x9F";
	unsigned seed = 5;
	(void)state;
	for (int i = 0; i < 200 * 1000; i++) {
		char bytes[40] = "{";
		struct closer c;
		struct buf end = {0};
		size_t len = 1 + (size_t)rand_r(&seed) % (sizeof bytes - 1);
		for (size_t k = 1; k < len; k++)
			bytes[k] = letters[(size_t)rand_r(&seed) % (sizeof letters - 1)];
		if (i % 2 && len > 12)
			memcpy(bytes + 1, "\"content\":[", 11);
		closer_init(&c);
		size_t kept = closer_feed(&c, bytes + 1, len - 1);
		closer_finish(&c, note, &end);
		/* Numbers are not judged letter by letter: "1.e5" passes.  All else is JSON. */
		struct buf all = {0};
		json_error_t error;
		text_add(&all, bytes, kept + 1);
		text_add(&all, buf_data(&end), buf_len(&end));
		json_t *v = json_loadb(buf_data(&all), buf_len(&all), 0, &error);
		bool number = strpbrk(bytes, "0123456789-") != NULL;
		if (!v && !number)
			fail_msg("%s: %.*s", error.text, (int)buf_len(&all), buf_data(&all));
		json_decref(v);
		buf_finish(&all);
		buf_finish(&end);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_what_is_whole_stays),
		cmocka_unit_test(test_what_is_no_json),
		cmocka_unit_test(test_too_deep),
		cmocka_unit_test(test_noise),
	};
	return RUN(tests);
}
