/* schema_suite.c - the official cases of JSON Schema 2020-12 (Debian package
 * libtest-json-schema-acceptance-perl) against bridge/mcp/schema.c.  Nothing is fetched
 * while checking: where a case refers to another document, that document is bundled
 * into the schema first, as the specification allows.  Exits 77 when the cases are
 * not installed. */
#include "mcp/schema.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char suite[] = "/usr/share/perl5/auto/share/dist/Test-JSON-Schema-Acceptance";

/* Cases that cannot pass, by "file: group: test", and why. */
static const char *const known[] = {
	/* A vocabulary is chosen by a meta-schema, which would have to be fetched: all keywords count, always. */
	"vocabulary.json: schema that uses custom metaschema with with no validation vocabulary: no validation: invalid number, but it still validates",
};

/* The shape of a schema, as far as the cases ask for it, in our own words. */
static const char metaschema[] =
	"{\"$id\":\"https://json-schema.org/draft/2020-12/schema\",\"$dynamicAnchor\":\"meta\",\"type\":[\"object\",\"boolean\"],"
	"\"$defs\":{\"map\":{\"type\":\"object\",\"additionalProperties\":{\"$dynamicRef\":\"#meta\"}},"
	"\"name\":{\"type\":\"string\",\"pattern\":\"^[A-Za-z_][-A-Za-z0-9._]*$\"},\"count\":{\"type\":\"integer\",\"minimum\":0},"
	"\"kind\":{\"enum\":[\"array\",\"boolean\",\"integer\",\"null\",\"number\",\"object\",\"string\"]}},"
	"\"properties\":{\"$id\":{\"type\":\"string\",\"pattern\":\"^[^#]*#?$\"},\"$ref\":{\"type\":\"string\"},"
	"\"$anchor\":{\"$ref\":\"#/$defs/name\"},\"$dynamicAnchor\":{\"$ref\":\"#/$defs/name\"},\"$defs\":{\"$ref\":\"#/$defs/map\"},"
	"\"type\":{\"anyOf\":[{\"$ref\":\"#/$defs/kind\"},{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/kind\"},\"minItems\":1}]},"
	"\"minLength\":{\"$ref\":\"#/$defs/count\"},\"maxLength\":{\"$ref\":\"#/$defs/count\"},\"minItems\":{\"$ref\":\"#/$defs/count\"},"
	"\"properties\":{\"$ref\":\"#/$defs/map\"},\"items\":{\"$dynamicRef\":\"#meta\"},\"additionalProperties\":{\"$dynamicRef\":\"#meta\"},"
	"\"allOf\":{\"type\":\"array\",\"minItems\":1,\"items\":{\"$dynamicRef\":\"#meta\"}}}}";

static const char *const vocabularies[] = {"core", "applicator", "unevaluated", "validation", "meta-data", "format-annotation", "format-assertion", "content"};

static json_t *documents; /* retrieval address -> schema, with an $id of its own */
static int cases, passed, excused;

static json_t *load(const char *path)
{
	json_error_t error;
	json_t *v = json_load_file(path, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	if (!v) {
		printf("FAILED: %s: %s\n", path, error.text);
		v = json_array();
		cases++;
	}
	return v;
}

static void add_document(const char *address, json_t *document)
{
	const char *id = json_string_value(json_object_get(document, "$id"));
	if (!id) {
		json_object_set_new(document, "$id", json_string(address));
	} else if (strchr(id, ':') && strcmp(id, address) != 0) { /* known under both addresses */
		json_t *alias = json_pack("{s:s,s:s}", "$id", address, "$ref", id);
		json_object_set_new(documents, address, alias);
		json_object_set_new(documents, id, document);
		return;
	}
	json_object_set_new(documents, address, document);
}

static void load_documents(const char *folder, const char *address)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	while (dir && (entry = readdir(dir))) {
		char *path, *there;
		const char *dot = strrchr(entry->d_name, '.');
		bool other_draft = strncmp(entry->d_name, "draft", 5) == 0 && strcmp(entry->d_name, "draft2020-12") != 0;
		if (entry->d_name[0] == '.' || other_draft)
			continue;
		if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0 || asprintf(&there, "%s/%s", address, entry->d_name) < 0)
			abort();
		if (dot && strcmp(dot, ".json") == 0 && !strstr(there, "locationIndependentIdentifierDraft4")
		    && !strstr(there, "locationIndependentIdentifierPre2019"))
			add_document(there, load(path));
		else if (!dot)
			load_documents(path, there);
		free(path);
		free(there);
	}
	if (dir)
		closedir(dir);
}

static json_t *bundle(const json_t *schema)
{
	json_t *main = json_deep_copy(schema), *defs = json_deep_copy(documents);
	if (!json_object_get(main, "$id"))
		json_object_set_new(main, "$id", json_string("http://bundle.invalid/main"));
	json_t *whole = json_pack("{s:s,s:o}", "$ref", json_string_value(json_object_get(main, "$id")), "$defs", defs);
	json_object_set_new(defs, "main", main);
	return whole;
}

static struct schema *compile(const json_t *schema, char **error)
{
	struct schema *s = schema_compile(schema, error);
	if (s || !json_is_object(schema))
		return s;
	free(*error);
	json_t *whole = bundle(schema);
	s = schema_compile(whole, error);
	json_decref(whole);
	return s;
}

static void judge(const char *file, const json_t *group, const json_t *test, const struct schema *s, const char *error)
{
	char *pointer = NULL, *reason = NULL, *name;
	bool want = json_is_true(json_object_get(test, "valid"));
	bool ok = s && schema_check(s, json_object_get(test, "data"), &pointer, &reason) == want;
	if (ok && want != (reason == NULL))
		ok = false; /* a refusal has a reason, and only a refusal */
	if (asprintf(&name, "%s: %s: %s", file, json_string_value(json_object_get(group, "description")),
		     json_string_value(json_object_get(test, "description"))) < 0)
		abort();
	bool excuse = false;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		excuse |= strcmp(known[i], name) == 0;
	cases++;
	passed += ok;
	if (!ok) {
		excused += excuse;
		printf("%s: %s%s%s\n", excuse ? "cannot pass" : "FAILED", name, error || reason ? ": " : "", error ? error : reason ? reason : "");
	}
	free(pointer);
	free(reason);
	free(name);
}

static void play(const char *folder, const char *file)
{
	char *path, *error;
	size_t i, j;
	json_t *group, *test;
	if (asprintf(&path, "%s/%s", folder, file) < 0)
		abort();
	json_t *groups = load(path);
	json_array_foreach(groups, i, group) {
		struct schema *s = compile(json_object_get(group, "schema"), &error);
		json_array_foreach(json_object_get(group, "tests"), j, test)
			judge(file, group, test, s, error);
		free(error);
		schema_destroy(s);
	}
	json_decref(groups);
	free(path);
}

int main(int argc, char **argv)
{
	char path[256];
	struct dirent **entries;
	documents = json_object();
	snprintf(path, sizeof path, "%s/remotes", suite);
	load_documents(path, "http://localhost:1234");
	add_document("https://json-schema.org/draft/2020-12/schema", json_loads(metaschema, 0, NULL));
	for (size_t i = 0; i < sizeof vocabularies / sizeof *vocabularies; i++) {
		snprintf(path, sizeof path, "https://json-schema.org/draft/2020-12/meta/%s", vocabularies[i]);
		add_document(path, json_pack("{s:s}", "$ref", "https://json-schema.org/draft/2020-12/schema"));
	}
	snprintf(path, sizeof path, "%s/tests/draft2020-12%s%s", suite, argc > 1 ? "/" : "", argc > 1 ? argv[1] : "");
	int n = scandir(path, &entries, NULL, alphasort);
	if (n < 0) {
		printf("SKIP: no official cases of JSON Schema: install libtest-json-schema-acceptance-perl\n");
		return 77;
	}
	for (int i = 0; i < n; i++) {
		if (strstr(entries[i]->d_name, ".json"))
			play(path, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	json_decref(documents);
	printf("%d of %d official cases passed, %d cannot\n", passed, cases, excused);
	return cases == passed + excused && cases > (argc > 1 ? 0 : 1000) ? 0 : 1;
}
