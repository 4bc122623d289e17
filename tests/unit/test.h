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
#include <unistd.h>

/* How much longer things take on this machine now: tests/patience.py.  Looked at each time, as load comes and goes. */
static inline double test_stretch(void)
{
	const char *own = getenv("EFRIT_TESTS_STRETCH");
	double load = 0, factor = own && atof(own) > 1 ? atof(own) : 1;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	if (getloadavg(&load, 1) == 1 && processors > 0 && load > (double)processors)
		factor *= load / (double)processors;
	return factor < 50 ? factor : 50;
}

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
