/* test.h - cmocka and what it wants included before it.  For tests/unit only. */
#ifndef TEST_H
#define TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN(tests) cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL)

/* PART occurs in TEXT; both are shown when it does not. */
#define assert_says(text, part) test_says((text), (part), __FILE__, __LINE__)

static inline void test_says(const char *text, const char *part, const char *file, int line)
{
	if (text && strstr(text, part))
		return;
	print_error("\"%s\" does not say \"%s\"\n", text ? text : "(null)", part);
	_fail(file, line);
}

#endif
