/* head.c - the head of an HTTP request: where it ends, what is in it, what is refused. */
#include "test.h"

#include "front/head.h"

static struct config config;

static struct head *read_head(const char *text)
{
	return head_read(strdup(text), strlen(text), &config);
}

static void test_where_it_ends(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
	char why[HEAD_WHY_MAX];
	struct head_scan scanned = {0};
	size_t end = sizeof text - 1 - 4;
	(void)state;
	for (size_t n = 0; n < end; n++) /* byte by byte */
		assert_int_equal(head_measure(text, n, &scanned, why), 0);
	assert_int_equal(head_measure(text, end, &scanned, why), end);
	scanned = (struct head_scan){0};
	assert_int_equal(head_measure(text, sizeof text - 1, &scanned, why), end);
}

static void test_line_ends(void **state)
{
	static const char *const bad[] = {"GET / HTTP/1.1\n", "A\rB", "A: b\r\n c", "A: b\r\n\tc", "A: b\r\n: c"};
	char why[HEAD_WHY_MAX];
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct head_scan scanned = {0};
		why[0] = 0;
		assert_int_equal(head_measure(bad[i], strlen(bad[i]), &scanned, why), -1);
		assert_true(why[0]);
	}
}

static void test_headers(void **state)
{
	(void)state;
	struct head *h = read_head("POST /a/b?c=d%20e&f=g HTTP/1.1\r\nhOsT: h:1\r\nMcp-Param-Region:  eu west \t\r\nMcp-Name:\r\n"
				   "Accept: text/html\r\nContent-Length: 12\r\nAccept: application/json;q=0.5\r\n\r\n");
	char value[8];
	assert_int_equal(h->status, 0);
	assert_string_equal(h->path, "/a/b");
	assert_string_equal(h->host, "h:1");
	assert_string_equal(h->mcp_name, "");
	assert_int_equal(h->params_count, 1);
	assert_string_equal(h->params[0].name, "Region");
	assert_string_equal(h->params[0].value, "eu west");
	assert_int_equal(h->length, 12);
	assert_true(h->keep_alive && !h->chunked && !h->http10);
	assert_true(head_accepts(h->accept, "application/json"));
	assert_false(head_accepts(h->accept, "text/event-stream"));
	assert_true(head_query(h, "c", value, sizeof value));
	assert_string_equal(value, "d e");
	assert_true(head_query(h, "f", value, 1));
	assert_string_equal(value, "");
	assert_false(head_query(h, "e", value, sizeof value));
	head_destroy(h);
}

static void test_refused(void **state)
{
	static const struct { const char *text; int status; } all[] = {
		{"GET / HTTP/1.1\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nMcp-Method: a\r\nMCP-METHOD: b\r\n\r\n", 400},
		{"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505},
		{"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
		{"POST / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", 417},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		{"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\nE: 1\r\nF: 1\r\nG: 1\r\nH: 1\r\n\r\n", 431},
	};
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct head *h = read_head(all[i].text);
		if (h->status != all[i].status)
			fail_msg("%d and not %d for %s", h->status, all[i].status, all[i].text);
		assert_true(h->why[0]);
		head_destroy(h);
	}
}

static void test_media_types(void **state)
{
	(void)state;
	assert_true(head_accepts(NULL, "text/plain"));
	assert_true(head_accepts("*/*", "text/plain"));
	assert_true(head_accepts("text/*;q=0.1", "text/plain"));
	assert_true(head_accepts("a/b , TEXT/plain", "text/plain"));
	assert_false(head_accepts("text/plainer", "text/plain"));
	assert_false(head_accepts("text/plain;q=0", "text/plain"));
	assert_false(head_accepts("", "text/plain"));
	assert_true(head_is_type("Application/JSON; charset=utf-8", "application/json"));
	assert_false(head_is_type("application/jsonp", "application/json"));
	assert_false(head_is_type(NULL, "application/json"));
}

int main(void)
{
	config_init(&config);
	config.headers_max = 8;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where_it_ends), cmocka_unit_test(test_line_ends), cmocka_unit_test(test_headers),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_media_types),
	};
	int failed = RUN(tests);
	config_finish(&config);
	return failed;
}
