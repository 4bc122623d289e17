/* config_file.c - the configuration file; see config.h. */
#include "config.h"
#include "config_line.h"
#include "config_trail.h"
#include "fleet_config.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES = 1024 * 1024 };

char *config_place(void)
{
	const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char *path = NULL;
	if (base && *base == '/')
		config_complain(&path, "%s/efrit-mcp/config.json", base);
	else if (home && *home == '/')
		config_complain(&path, "%s/.config/efrit-mcp/config.json", home);
	return path;
}

char *config_text(const char *path, size_t *size, char why[TRUST_ERROR])
{
	int fd = trust_open(path, O_RDONLY, TRUST_SETTINGS, why);
	FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (!file)
		return NULL;
	char *text = malloc(FILE_BYTES + 1);
	if (!text)
		log_no_memory();
	size_t len = fread(text, 1, FILE_BYTES, file);
	int error = ferror(file) ? errno : feof(file) || len < FILE_BYTES ? 0 : EFBIG;
	fclose(file);
	text[len] = 0;
	*size = len;
	if (!error)
		return text;
	free(text);
	snprintf(why, TRUST_ERROR, "%.200s cannot be read: %s", path, strerror(error));
	errno = error;
	return NULL;
}

static bool is_setting(const char *key)
{
	struct config_row row;
	for (size_t i = 0; config_row(i, &row); i++)
		if (strcmp(row.name, key) == 0)
			return true;
	return false;
}

static bool take(struct config *c, const char *path, const char *text, const char *key, const json_t *value, char **error)
{
	char number[32], *why = NULL;
	const char *words = json_string_value(value);
	if (fleet_config_is_section(key))
		return fleet_config_take(c->fleet, path, text, key, value, error);
	if (json_is_integer(value)) {
		snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		words = number;
	}
	int line = config_line(text, &key, 1);
	config_trail_at(c->trail, CONFIG_OF_FILE, "%s, line %d", path, line);
	if (!words && is_setting(key))
		config_complain(&why, "%s must be a number or a string", key);
	else if (config_assign(c, key, key, words ? words : "", &why))
		return true;
	config_complain(error, "%s, line %d: %s", path, line, why);
	free(why);
	return false;
}

static bool read_settings(struct config *c, const char *path, const char *text, size_t len, char **error)
{
	static const char mark[] = "\xEF\xBB\xBF"; /* some editors put it there */
	size_t skip = strncmp(text, mark, sizeof mark - 1) == 0 ? sizeof mark - 1 : 0;
	json_error_t where;
	const char *key;
	json_t *value, *all = json_loadb(text + skip, len - skip, JSON_REJECT_DUPLICATES, &where);
	if (!all)
		return config_complain(error, "%s, line %d: no JSON: %s", path, where.line, where.text);
	bool good = json_is_object(all);
	if (!good)
		config_complain(error, "%s must be an object of settings, for example {\"log_level\": \"info\"}", path);
	else
		json_object_foreach(all, key, value)
			good = good && take(c, path, text, key, value, error);
	json_decref(all);
	return good;
}

bool config_file(struct config *c, const char *path, char **error)
{
	char *place = path ? NULL : config_place();
	const char *from = path ? path : place;
	size_t len = 0;
	char why[TRUST_ERROR], *text = from ? config_text(from, &len, why) : NULL;
	bool good = true;
	if (text)
		good = read_settings(c, from, text, len, error);
	else if (from && (path || (errno != ENOENT && errno != ENOTDIR)))
		good = config_complain(error, "%s", why);
	free(text);
	free(place);
	return good;
}
