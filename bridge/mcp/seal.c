/* seal.c - see seal.h.  XChaCha20-Poly1305 with a random nonce; what it is about, and the
 * time it ends, are authenticated with it. */
#include "mcp/seal.h"
#include "copy.h"
#include "log.h"
#include "os.h"
#include "wire/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY = crypto_aead_xchacha20poly1305_ietf_KEYBYTES, NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
       TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES, TIME = 8, HEAD = TIME + NONCE, VARIANT = sodium_base64_VARIANT_URLSAFE_NO_PADDING,
       SEALED_MAX = 1024 * 1024 };

struct seal {
	char *file; /* owned */
	bool ready;
	unsigned char key[KEY];
};

struct seal *seal_create(const char *key_file)
{
	struct seal *s = calloc(1, sizeof *s);
	if (!s)
		log_no_memory();
	s->file = copy_text(key_file);
	return s;
}

void seal_destroy(struct seal *s)
{
	if (!s)
		return;
	free(s->file);
	explicit_bzero(s, sizeof *s);
	free(s);
}

/* Nobody else may have been able to read or write it. */
static bool read_key(const char *path, unsigned char key[KEY])
{
	char why[TRUST_ERROR];
	int fd = trust_open(path, O_RDONLY, TRUST_PRIVATE, why);
	bool ok = fd >= 0 && read(fd, key, KEY) == KEY;
	if (fd < 0)
		log_warning("another key is used for as long as this program runs: %s", why);
	else if (!ok)
		log_warning("%s is not used: it must be a file of your own with mode 0600 and %d bytes", path, KEY);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* Linked into place whole: of two that start at once one wins. */
static bool write_key(const char *path, const unsigned char key[KEY])
{
	char *made;
	if (asprintf(&made, "%s.XXXXXX", path) < 0)
		log_no_memory();
	int fd = mkostemp(made, O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, key, KEY) == KEY && fsync(fd) == 0 && link(made, path) == 0;
	if (!ok && errno != EEXIST)
		log_warning("the key cannot be kept in %s: %s", path, strerror(errno));
	if (fd >= 0) {
		close(fd);
		unlink(made);
	}
	free(made);
	return ok;
}

static void get_ready(struct seal *s)
{
	if (s->ready)
		return;
	if (sodium_init() < 0)
		log_no_memory(); /* no source of chance: nothing is safe */
	s->ready = true;
	if (*s->file && access(s->file, F_OK) == 0 && read_key(s->file, s->key))
		return;
	randombytes_buf(s->key, KEY);
	if (*s->file && !write_key(s->file, s->key) && access(s->file, F_OK) == 0)
		read_key(s->file, s->key); /* somebody was quicker */
}

static void store_time(unsigned char to[TIME], int64_t seconds)
{
	for (int i = 0; i < TIME; i++)
		to[i] = (unsigned char)((uint64_t)seconds >> (56 - 8 * i));
}

static int64_t load_time(const unsigned char from[TIME])
{
	uint64_t seconds = 0;
	for (int i = 0; i < TIME; i++)
		seconds = seconds << 8 | from[i];
	return (int64_t)seconds;
}

/* What is authenticated besides the text: the time it ends, and what it is about. */
static unsigned char *bind(const unsigned char time[TIME], const char *about, size_t len)
{
	unsigned char *all = malloc(TIME + len);
	if (!all)
		log_no_memory();
	memcpy(all, time, TIME);
	memcpy(all + TIME, about, len);
	return all;
}

char *seal_close(struct seal *s, const char *text, size_t len, const char *about, size_t about_len, long seconds)
{
	size_t size = HEAD + len + TAG, room = sodium_base64_encoded_len(size, VARIANT);
	unsigned char *raw = malloc(size);
	char *sealed = malloc(room);
	get_ready(s);
	if (!raw || !sealed)
		log_no_memory();
	store_time(raw, os_clock() / 1000 + seconds);
	randombytes_buf(raw + TIME, NONCE);
	unsigned char *bound = bind(raw, about, about_len);
	crypto_aead_xchacha20poly1305_ietf_encrypt(raw + HEAD, NULL, (const unsigned char *)text, len, bound, TIME + about_len, NULL,
						   raw + TIME, s->key);
	sodium_bin2base64(sealed, room, raw, size, VARIANT);
	free(bound);
	free(raw);
	return sealed;
}

char *seal_open(struct seal *s, const char *sealed, const char *about, size_t about_len)
{
	size_t len = strlen(sealed), size = 0;
	unsigned char *raw = len <= SEALED_MAX ? malloc(len + 1) : NULL;
	char *text = NULL;
	get_ready(s);
	if (len > SEALED_MAX)
		return NULL;
	if (!raw)
		log_no_memory();
	if (sodium_base642bin(raw, len, sealed, len, NULL, &size, NULL, VARIANT) == 0 && size >= HEAD + TAG) {
		unsigned char *bound = bind(raw, about, about_len);
		text = calloc(1, size - HEAD - TAG + 1);
		if (!text)
			log_no_memory();
		bool good = crypto_aead_xchacha20poly1305_ietf_decrypt((unsigned char *)text, NULL, NULL, raw + HEAD, size - HEAD, bound,
								       TIME + about_len, raw + TIME, s->key) == 0
			    && load_time(raw) >= os_clock() / 1000;
		free(bound);
		if (!good) {
			free(text);
			text = NULL;
		}
	}
	free(raw);
	return text;
}
