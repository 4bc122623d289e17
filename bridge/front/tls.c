/* tls.c - see tls.h */
#include "front/tls.h"
#include "config.h"
#include "log.h"
#include "wire/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>

struct tls {
	SSL_CTX *context; /* owned */
};

struct tls_pipe {
	SSL *ssl; /* owned */
};

static const char suites[] = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AESCCM"; /* of TLS 1.2; 1.3 has no others */

/* A key with a password would have OpenSSL ask at the terminal. */
static int no_password(char *room, int size, int writing, void *data)
{
	(void)room;
	(void)size;
	(void)writing;
	(void)data;
	return -1;
}

static bool say_why(char **error, const char *what, const char *file)
{
	char words[160];
	ERR_error_string_n(ERR_peek_last_error(), words, sizeof words);
	ERR_clear_error();
	return config_complain(error, "%s %s cannot be used: %s", what, file, words);
}

static SSL_CTX *context(void)
{
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());
	if (!c || SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) != 1 || SSL_CTX_set_cipher_list(c, suites) != 1)
		log_no_memory();
	SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	return c;
}

/* The file as OpenSSL reads it; whose it is was judged by the descriptor.  NULL: *ERROR. */
static BIO *open_pem(const char *file, const char *what, enum trust kind, char **error)
{
	char why[TRUST_ERROR];
	int fd = trust_open(file, O_RDONLY, kind, why);
	BIO *bio = fd >= 0 ? BIO_new_fd(fd, BIO_CLOSE) : NULL;
	if (fd < 0)
		config_complain(error, "%s cannot be used: %s", what, why);
	else if (!bio)
		log_no_memory();
	return bio;
}

/* The first certificate is the server's, the others lead to whom clients know. */
static bool use_chain(SSL_CTX *c, const char *file, char **error)
{
	static const char what[] = "the certificate tls_cert";
	BIO *bio = open_pem(file, what, TRUST_SETTINGS, error);
	X509 *one = bio ? PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL) : NULL;
	bool good = one && SSL_CTX_use_certificate(c, one) == 1;
	X509_free(one);
	while (good && (one = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		good = SSL_CTX_add0_chain_cert(c, one) == 1;
		if (!good)
			X509_free(one);
	}
	unsigned long last = ERR_peek_last_error();
	good = good && ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE; /* the end of the file */
	if (bio && !good)
		say_why(error, what, file);
	ERR_clear_error();
	BIO_free(bio);
	return good;
}

static bool use_key(SSL_CTX *c, const char *file, char **error)
{
	static const char what[] = "the key tls_key";
	BIO *bio = open_pem(file, what, TRUST_KEY, error);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
	bool good = key && SSL_CTX_use_PrivateKey(c, key) == 1 && SSL_CTX_check_private_key(c) == 1;
	if (bio && !good)
		say_why(error, what, file);
	EVP_PKEY_free(key);
	BIO_free(bio);
	return good;
}

struct tls *tls_create(const char *cert, const char *key, char **error)
{
	struct tls *t = calloc(1, sizeof *t);
	if (!t)
		log_no_memory();
	ERR_clear_error();
	t->context = context();
	if (use_chain(t->context, cert, error) && use_key(t->context, key, error))
		return t;
	tls_destroy(t);
	return NULL;
}

void tls_destroy(struct tls *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->context);
	free(t);
}

struct tls_pipe *tls_open(struct tls *t, int fd)
{
	struct tls_pipe *p = calloc(1, sizeof *p);
	if (!p || !(p->ssl = SSL_new(t->context)) || SSL_set_fd(p->ssl, fd) != 1)
		log_no_memory();
	SSL_set_accept_state(p->ssl);
	return p;
}

void tls_close(struct tls_pipe *p)
{
	if (!p)
		return;
	if (SSL_is_init_finished(p->ssl))
		SSL_shutdown(p->ssl);
	ERR_clear_error();
	SSL_free(p->ssl);
	free(p);
}

static ssize_t outcome(struct tls_pipe *p, int n, int wanted_other, bool *wants_other)
{
	int e = SSL_get_error(p->ssl, n);
	ERR_clear_error();
	*wants_other = e == wanted_other;
	if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
		errno = EAGAIN;
	else if (e == SSL_ERROR_ZERO_RETURN)
		return 0;
	else if (e != SSL_ERROR_SYSCALL || errno == 0)
		errno = ECONNABORTED;
	return -1;
}

ssize_t tls_read(struct tls_pipe *p, void *to, size_t len, bool *wants_write)
{
	errno = 0;
	int n = SSL_read(p->ssl, to, len > INT_MAX ? INT_MAX : (int)len);
	*wants_write = false;
	return n > 0 ? n : outcome(p, n, SSL_ERROR_WANT_WRITE, wants_write);
}

ssize_t tls_write(struct tls_pipe *p, const void *from, size_t len, bool *wants_read)
{
	errno = 0;
	int n = SSL_write(p->ssl, from, len > INT_MAX ? INT_MAX : (int)len);
	*wants_read = false;
	return n > 0 ? n : outcome(p, n, SSL_ERROR_WANT_READ, wants_read);
}
