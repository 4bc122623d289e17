/* tls.c - see tls.h */
#include "front/tls.h"
#include "config.h"
#include "log.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

struct tls {
	SSL_CTX *context; /* owned */
};

struct tls_pipe {
	SSL *ssl; /* owned */
};

static void say_why(char **error, const char *what, const char *file)
{
	char words[160];
	ERR_error_string_n(ERR_peek_last_error(), words, sizeof words);
	config_complain(error, "%s %s cannot be used: %s", what, file, words);
	ERR_clear_error();
}

static SSL_CTX *context(void)
{
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());
	if (!c)
		log_no_memory();
	SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
	SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	return c;
}

struct tls *tls_create(const char *cert, const char *key, char **error)
{
	struct tls *t = calloc(1, sizeof *t);
	if (!t)
		log_no_memory();
	ERR_clear_error();
	t->context = context();
	if (SSL_CTX_use_certificate_chain_file(t->context, cert) != 1)
		say_why(error, "the certificate tls_cert", cert);
	else if (SSL_CTX_use_PrivateKey_file(t->context, key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(t->context) != 1)
		say_why(error, "the key tls_key", key);
	else
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
