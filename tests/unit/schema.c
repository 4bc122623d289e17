/* schema.c - what the validator says and where, and that nothing can hold it up.
 * Whether it judges rightly is schema_suite's task. */
#include "test.h"

#include "mcp/schema.h"

static json_t *json(const char *text)
{
	json_error_t error;
	json_t *v = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	if (!v)
		fail_msg("%s: %s", error.text, text);
	return v;
}

static struct schema *compile(const char *text)
{
	char *error = NULL;
	json_t *document = json(text);
	struct schema *s = schema_compile(document, &error);
	json_decref(document); /* the schema keeps its own */
	if (!s)
		fail_msg("%s: %s", error, text);
	assert_null(error);
	return s;
}

static void check_value(const struct schema *s, const json_t *v, const char *where, const char *says)
{
	char *pointer = (char *)1, *reason = (char *)1;
	bool ok = schema_check(s, v, &pointer, &reason);
	if (ok != (where == NULL))
		fail_msg("%s", ok ? "it fits and should not" : reason);
	if (where) {
		assert_string_equal(pointer, where);
		assert_says(reason, says);
	} else {
		assert_null(pointer);
		assert_null(reason);
	}
	free(pointer);
	free(reason);
}

static void refuses(const char *schema, const char *instance, const char *where, const char *says)
{
	struct schema *s = compile(schema);
	json_t *v = json(instance);
	check_value(s, v, where, says);
	json_decref(v);
	schema_destroy(s);
}

static void fits(const char *schema, const char *instance)
{
	refuses(schema, instance, NULL, NULL);
}

static void no_schema(const char *text, const char *says)
{
	char *error = NULL;
	json_t *document = json(text);
	assert_null(schema_compile(document, &error));
	assert_says(error, says);
	free(error);
	json_decref(document);
}

static const char tool[] =
	"{\"type\":\"object\",\"properties\":{\"content\":{\"type\":\"string\"},\"type\":{\"enum\":[\"eval\",\"command\",\"chat\"]},"
	"\"timeout\":{\"anyOf\":[{\"type\":\"number\",\"minimum\":0,\"maximum\":3600},{\"type\":\"string\",\"pattern\":\"^[0-9.]+$\"}]},"
	"\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"maxItems\":2}},"
	"\"required\":[\"content\"],\"additionalProperties\":false}";

static void test_arguments_of_a_tool(void **state)
{
	(void)state;
	fits(tool, "{\"content\":\"(+ 1 2)\",\"timeout\":\"30\",\"tags\":[\"a\"]}");
	refuses(tool, "{}", "", "missing required property \"content\"");
	refuses(tool, "{\"content\":42}", "/content", "expected a string, got 42");
	refuses(tool, "{\"contnet\":\"x\"}", "/contnet", "unknown property \"contnet\"; did you mean \"content\"?");
	refuses(tool, "{\"content\":\"x\",\"zebra\":1}", "/zebra", "unknown property \"zebra\"; known are \"content\", \"type\", \"timeout\", \"tags\"");
	refuses(tool, "{\"content\":\"x\",\"type\":\"evla\"}", "/type", "expected one of \"eval\", \"command\", \"chat\"; got \"evla\"; did you mean \"eval\"?");
	refuses(tool, "{\"content\":\"x\",\"type\":3}", "/type", "expected one of \"eval\", \"command\", \"chat\"; got 3");
	refuses(tool, "{\"content\":\"x\",\"tags\":[\"a\",null]}", "/tags/1", "expected a string, got null");
	refuses(tool, "{\"content\":\"x\",\"tags\":[\"a\",\"b\",\"c\"]}", "/tags", "at most 2 items, got 3");
	refuses(tool, "{\"content\":\"x\",\"timeout\":[]}", "/timeout", "expected a number, got an empty array; or expected a string");
	refuses(tool, "{\"content\":\"x\",\"timeout\":-1}", "/timeout", "at least 0, got -1");
	refuses(tool, "{\"content\":\"x\",\"timeout\":\"soon\"}", "/timeout", "matches the pattern \"^[0-9.]+$\", got \"soon\"");
	refuses(tool, "[]", "", "expected an object, got an empty array");
	refuses(tool, "null", "", "expected an object, got null");
	refuses("{\"required\":[\"content\"]}", "{\"contnet\":1}", "", "missing required property \"content\"; is it meant by \"contnet\"?");
}

static void test_pointers(void **state)
{
	const char *s = "{\"additionalProperties\":{\"items\":{\"additionalProperties\":{\"type\":\"null\"}}}}";
	(void)state;
	refuses(s, "{\"a/b\":[{},{\"c~d\":1}]}", "/a~1b/1/c~0d", "null");
	refuses(s, "{\"\":[{\"\":1}]}", "//0/", "null");
	refuses(s, "{\"\\u00e9 \\\"\":[{\"x\":1}]}", "/\xC3\xA9 \"/0/x", "null");
}

static void test_sentences(void **state)
{
	(void)state;
	refuses("{\"type\":[\"string\",\"integer\"]}", "1.5", "", "expected a string or an integer, got 1.5");
	refuses("{\"type\":\"integer\"}", "\"1\"", "", "expected an integer, got \"1\"");
	refuses("{\"type\":\"boolean\"}", "\"true\"", "", "expected a boolean, got \"true\"");
	refuses("{\"const\":\"x\"}", "\"y\"", "", "expected \"x\", got \"y\"");
	refuses("{\"exclusiveMinimum\":1}", "1", "", "more than 1, got 1");
	refuses("{\"exclusiveMaximum\":1.5}", "2", "", "less than 1.5, got 2");
	refuses("{\"multipleOf\":3}", "4", "", "a multiple of 3, got 4");
	refuses("{\"minLength\":3}", "\"\\u00e9\\u00e9\"", "", "at least 3 characters, got 2");
	refuses("{\"maxProperties\":1}", "{\"a\":1,\"b\":2}", "", "at most 1 properties, got 2");
	refuses("{\"uniqueItems\":true}", "[1,{\"a\":[2]},1.0]", "", "number 0 and 2 are the same");
	refuses("{\"not\":{\"type\":\"string\"}}", "\"x\"", "", "excluded");
	refuses("{\"oneOf\":[{\"type\":\"number\"},{\"type\":\"integer\"}]}", "1", "", "exactly one");
	refuses("{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1}", "", "missing required property \"b\", needed beside \"a\"");
	refuses("{\"propertyNames\":{\"maxLength\":2}}", "{\"abc\":1}", "/abc", "a property's name: expected at most 2 characters");
	refuses("{\"contains\":{\"type\":\"null\"}}", "[1]", "", "at least 1 items");
	refuses("{\"prefixItems\":[true],\"items\":false}", "[1,2]", "", "at most 1 items, got 2");
	refuses("{\"allOf\":[{\"properties\":{\"a\":true}}],\"unevaluatedProperties\":false}", "{\"a\":1,\"b\":2}", "/b", "unknown property \"b\"");
	refuses("false", "1", "", "no value is allowed here");
	refuses("{\"if\":{\"required\":[\"a\"]},\"then\":{\"required\":[\"b\"]}}", "{\"a\":1}", "", "missing required property \"b\"");
}

/* Of several forms the one is explained that was meant. */
static void test_the_form_that_was_meant(void **state)
{
	const char *s = "{\"anyOf\":[{\"type\":\"null\"},{\"properties\":{\"kind\":{\"const\":\"a\"},\"n\":{\"type\":\"integer\"}},\"type\":\"object\"}]}";
	(void)state;
	refuses(s, "{\"kind\":\"a\",\"n\":\"1\"}", "/n", "expected an integer, got \"1\"");
	refuses(s, "3", "", "expected null, got 3; or expected an object, got 3");
}

static void test_long_values_are_shortened(void **state)
{
	char instance[5000] = "\"", schema[20000] = "{\"enum\":[0";
	(void)state;
	memset(instance + 1, 'x', sizeof instance - 3);
	strcpy(instance + sizeof instance - 2, "\"");
	refuses("{\"type\":\"null\"}", instance, "", "xxx...\"");
	for (int i = 1; i < 1000; i++)
		snprintf(schema + strlen(schema), 16, ",%d", i);
	strcat(schema, "]}");
	refuses(schema, "-1", "", "18, 19 and 980 more; got -1");
	/* Cut between characters, never inside of one. */
	for (int i = 0; i < 40; i++)
		memcpy(instance + 1 + 3 * i, "\xE2\x82\xAC", 3);
	memmove(instance + 2, instance + 1, 120);
	instance[1] = 'y';
	refuses("{\"type\":\"null\"}", instance, "", "\xE2\x82\xAC...\"");
}

static void test_what_is_no_schema(void **state)
{
	(void)state;
	no_schema("3", "an object or a boolean");
	no_schema("{\"type\":12}", "\"type\" must be a type's name");
	no_schema("{\"type\":\"text\"}", "\"type\" must be");
	no_schema("{\"properties\":[]}", "\"properties\" must be an object of schemas");
	no_schema("{\"properties\":{\"a\":{\"minimum\":\"1\"}}}", "\"minimum\" must be a number");
	no_schema("{\"minLength\":-1}", "whole number");
	no_schema("{\"minLength\":1.5}", "whole number");
	no_schema("{\"multipleOf\":0}", "over 0");
	no_schema("{\"required\":\"a\"}", "array of strings");
	no_schema("{\"allOf\":[]}", "non-empty array");
	no_schema("{\"pattern\":\"(\"}", "the pattern \"(\" cannot be used");
	no_schema("{\"patternProperties\":{\"[\":true}}", "the pattern \"[\" cannot be used");
	no_schema("{\"$ref\":\"#/$defs/none\"}", "\"#/$defs/none\" leads to nothing");
	no_schema("{\"$ref\":\"#none\"}", "leads to nothing");
	no_schema("{\"$ref\":\"https://example.com/schema.json\"}", "nothing is fetched");
	no_schema("{\"$ref\":\"file:///etc/passwd\"}", "nothing is fetched");
	no_schema("{\"$dynamicRef\":\"#none\"}", "leads to nothing");
	no_schema("{\"$defs\":{\"a\":{\"default\":[1]}},\"$ref\":\"#/$defs/a/default/0\"}", "does not lead to a schema");
	schema_destroy(NULL);
}

static void test_references(void **state)
{
	(void)state;
	refuses("{\"$defs\":{\"a/b\":{\"type\":\"null\"}},\"$ref\":\"#/$defs/a~1b\"}", "1", "", "null");
	refuses("{\"$defs\":{\"a b\":{\"type\":\"null\"}},\"$ref\":\"#/$defs/a%20b\"}", "1", "", "null");
	refuses("{\"$id\":\"http://x.invalid/a/b\",\"$defs\":{\"c\":{\"$id\":\"../c\",\"type\":\"null\"}},\"$ref\":\"http://x.invalid/c\"}", "1", "", "null");
	refuses("{\"$defs\":{\"c\":{\"$anchor\":\"here\",\"type\":\"null\"}},\"items\":{\"$ref\":\"#here\"}}", "[1]", "/0", "null");
	refuses("{\"unknown\":{\"deep\":[{\"type\":\"null\"}]},\"$ref\":\"#/unknown/deep/0\"}", "1", "", "null");
	fits("{\"format\":\"email\",\"x-mcp-header\":\"Region\",\"$comment\":\"c\",\"contentEncoding\":\"base64\"}", "\"no mail\"");
	fits("{\"properties\":{\"next\":{\"$ref\":\"#\"}},\"additionalProperties\":false}", "{\"next\":{\"next\":{}}}");
	refuses("{\"properties\":{\"next\":{\"$ref\":\"#\"}},\"additionalProperties\":false}", "{\"next\":{\"nxet\":{}}}", "/next/nxet", "did you mean \"next\"?");
}

static void test_patterns_are_those_of_ecmascript(void **state)
{
	(void)state;
	refuses("{\"pattern\":\"^a$\"}", "\"a\\n\"", "", "pattern");
	refuses("{\"pattern\":\"^\\\\d$\"}", "\"\\u0967\"", "", "pattern");
	refuses("{\"pattern\":\"^\\\\w$\"}", "\"\\u00e9\"", "", "pattern");
	fits("{\"pattern\":\"^\\\\s$\"}", "\"\\ufeff\"");
	fits("{\"pattern\":\"^[\\\\s]$\"}", "\"\\u2003\"");
	refuses("{\"pattern\":\"^\\\\S$\"}", "\"\\u00a0\"", "", "pattern");
	fits("{\"pattern\":\"^\\\\p{Letter}$\"}", "\"\\u00e9\"");
	fits("{\"pattern\":\"^\\\\p{Script=Greek}+$\"}", "\"\\u03b1\"");
	fits("{\"pattern\":\"^\\\\u00e9\\\\x41\\\\cA$\"}", "\"\\u00e9A\\u0001\"");
	fits("{\"pattern\":\"^[[:a]+$\"}", "\"[:a\"");
	fits("{\"pattern\":\"^.$\"}", "\"\\ud83d\\ude00\"");
	fits("{\"pattern\":\"b\"}", "\"a\\u0000b\"");
}

static void test_numbers(void **state)
{
	(void)state;
	fits("{\"type\":\"integer\"}", "1.0");
	fits("{\"type\":\"integer\"}", "1e300");
	fits("{\"const\":1}", "1.0");
	fits("{\"enum\":[{\"a\":[1.0]}]}", "{\"a\":[1]}");
	refuses("{\"const\":9007199254740993}", "9007199254740992", "", "expected 9007199254740993");
	refuses("{\"maximum\":9223372036854775806}", "9223372036854775807", "", "at most 9223372036854775806");
	fits("{\"multipleOf\":0.01}", "4.35");
	fits("{\"multipleOf\":0.0001}", "0.0075");
	refuses("{\"multipleOf\":0.0001}", "0.00751", "", "multiple");
	refuses("{\"multipleOf\":0.123456789}", "1e308", "", "multiple");
	refuses("{\"multipleOf\":5e-324,\"maximum\":1}", "1.7e308", "", "at most 1");
	fits("{\"const\":0}", "-0.0");
	fits("{\"uniqueItems\":true}", "[1,true,0,false,\"1\",[1],{\"a\":1},null]");
	refuses("{\"uniqueItems\":true}", "[{\"a\":1,\"b\":2},{\"b\":2.0,\"a\":1}]", "", "the same");
}

/* --- hostile --- */

static char *nest(const char *open, const char *middle, const char *close, int times)
{
	char *text = malloc((strlen(open) + strlen(close)) * (size_t)times + strlen(middle) + 1), *p = text;
	assert_non_null(text);
	for (int i = 0; i < times; i++)
		p = stpcpy(p, open);
	p = stpcpy(p, middle);
	for (int i = 0; i < times; i++)
		p = stpcpy(p, close);
	return text;
}

static void test_deep_values(void **state)
{
	char *deep = nest("[", "", "]", 2000);
	(void)state;
	fits("{}", deep);
	refuses("{\"items\":{\"$ref\":\"#\"}}", deep, "", "too deep");
	refuses("{\"unevaluatedItems\":{\"$ref\":\"#\"}}", deep, "", "too deep");
	refuses("{\"not\":{\"items\":{\"$ref\":\"#\"}}}", deep, "", "too deep"); /* giving up is no answer that "not" may turn round */
	refuses("{\"anyOf\":[{\"items\":{\"$ref\":\"#\"}},true]}", deep, "", "too deep");
	free(deep);
	deep = nest("[", "", "]", 200);
	fits("{\"items\":{\"$ref\":\"#\"}}", deep);
	free(deep);
}

static void test_deep_schemas(void **state)
{
	char *deep = nest("{\"not\":", "{}", "}", 1000);
	(void)state;
	no_schema(deep, "too large or too deep");
	free(deep);
	deep = nest("{\"items\":", "{\"type\":\"null\"}", "}", 150);
	char *value = nest("[", "1", "]", 150);
	struct schema *s = compile(deep);
	json_t *v = json(value);
	char *pointer, *reason;
	assert_false(schema_check(s, v, &pointer, &reason));
	assert_int_equal(strlen(pointer), 300);
	free(pointer);
	free(reason);
	json_decref(v);
	schema_destroy(s);
	free(deep);
	free(value);
}

static void test_references_in_circles(void **state)
{
	(void)state;
	refuses("{\"$ref\":\"#\"}", "1", "", "too deep");
	refuses("{\"$defs\":{\"a\":{\"$ref\":\"#/$defs/b\"},\"b\":{\"$ref\":\"#/$defs/a\"}},\"$ref\":\"#/$defs/a\"}", "1", "", "too deep");
	refuses("{\"$dynamicAnchor\":\"a\",\"$dynamicRef\":\"#a\"}", "1", "", "too deep");
	refuses("{\"$dynamicAnchor\":\"a\",\"not\":{\"$dynamicRef\":\"#a\"}}", "1", "", "too deep");
	/* Two ways at every step: 2^600 of them. */
	refuses("{\"anyOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}", "1", "", "");
	refuses("{\"allOf\":[{\"not\":{\"$ref\":\"#\"}},{\"not\":{\"$ref\":\"#\"}}]}", "1", "", "");
}

/* Forty levels of two ways each: no circle, not deep, and yet without end. */
static void test_references_that_multiply(void **state)
{
	char schema[8000] = "{\"$defs\":{\"d0\":{\"type\":\"null\"}";
	(void)state;
	for (int i = 1; i <= 40; i++)
		snprintf(schema + strlen(schema), 150, ",\"d%d\":{\"anyOf\":[{\"$ref\":\"#/$defs/d%d\"},{\"$ref\":\"#/$defs/d%d\"}]}", i, i - 1, i - 1);
	strcat(schema, "},\"$ref\":\"#/$defs/d40\"}");
	refuses(schema, "1", "", "more work");
}

static void test_patterns_without_end(void **state)
{
	static const char *const patterns[] = {
		"{\"pattern\":\"^(a+)+$\"}", "{\"pattern\":\"^(a|aa)+$\"}", "{\"pattern\":\"^(a|a?)+$\"}", "{\"pattern\":\"^(a*)*[xy]$\"}",
		"{\"pattern\":\"^(\\\\w+\\\\s?)*$\"}", "{\"patternProperties\":{\"^(a+)+$\":false}}", "{\"not\":{\"pattern\":\"^(a+)+$\"}}",
	};
	char a[100];
	(void)state;
	memset(a, 'a', sizeof a);
	a[sizeof a - 2] = '!';
	a[sizeof a - 1] = 0;
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
		struct schema *s = compile(patterns[i]);
		json_t *v = i == 5 ? json_pack("{s:i}", a, 1) : json_string(a);
		check_value(s, v, "", "more work");
		json_decref(v);
		schema_destroy(s);
	}
	no_schema("{\"pattern\":\"((a{1000}){1000}){1000}\"}", "cannot be used");
}

/* Many searches, each of which is allowed: the sum is not. */
static void test_many_slow_patterns(void **state)
{
	struct schema *s = compile("{\"items\":{\"pattern\":\"^(a+)+$\"}}");
	json_t *v = json_array();
	(void)state;
	for (int i = 0; i < 100 * 1000; i++)
		json_array_append_new(v, json_string("aaaaaaaaaaaaaaa"));
	json_array_append_new(v, json_string("aaaaaaaaaaaaaaa!"));
	char *pointer, *reason;
	assert_false(schema_check(s, v, &pointer, &reason));
	free(pointer);
	free(reason);
	json_decref(v);
	schema_destroy(s);
}

static void test_large_values(void **state)
{
	struct schema *s = compile("{\"items\":{\"type\":\"integer\",\"minimum\":0},\"uniqueItems\":true}");
	json_t *v = json_array();
	(void)state;
	for (int i = 0; i < 300 * 1000; i++)
		json_array_append_new(v, json_integer(i));
	check_value(s, v, NULL, NULL); /* an honest value of that size is judged */
	json_array_append_new(v, json_integer(7));
	check_value(s, v, "", "number 7 and 300000 are the same");
	json_decref(v);
	schema_destroy(s);
}

/* What was evaluated is remembered for each schema in place: that too has an end. */
static void test_large_values_remembered(void **state)
{
	char *schema = nest("{\"allOf\":[", "true", "],\"unevaluatedItems\":false}", 90);
	struct schema *s = compile(schema);
	json_t *v = json_array();
	(void)state;
	for (int i = 0; i < 1000 * 1000; i++)
		json_array_append_new(v, json_null());
	char *pointer, *reason;
	assert_false(schema_check(s, v, &pointer, &reason));
	free(pointer);
	free(reason);
	json_decref(v);
	schema_destroy(s);
	free(schema);
}

static void test_huge_schemas(void **state)
{
	json_t *document = json_object(), *properties = json_object();
	char name[32], *error = NULL;
	(void)state;
	for (int i = 0; i < 30 * 1000; i++) {
		snprintf(name, sizeof name, "p%d", i);
		json_object_set_new(properties, name, json_object());
	}
	json_object_set_new(document, "properties", properties);
	assert_null(schema_compile(document, &error));
	assert_says(error, "parts");
	free(error);
	json_decref(document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments_of_a_tool),
		cmocka_unit_test(test_pointers),
		cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_the_form_that_was_meant),
		cmocka_unit_test(test_long_values_are_shortened),
		cmocka_unit_test(test_what_is_no_schema),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_patterns_are_those_of_ecmascript),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_deep_values),
		cmocka_unit_test(test_deep_schemas),
		cmocka_unit_test(test_references_in_circles),
		cmocka_unit_test(test_references_that_multiply),
		cmocka_unit_test(test_patterns_without_end),
		cmocka_unit_test(test_many_slow_patterns),
		cmocka_unit_test(test_large_values),
		cmocka_unit_test(test_large_values_remembered),
		cmocka_unit_test(test_huge_schemas),
	};
	return RUN(tests);
}
