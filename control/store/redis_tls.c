// TLS to Redis: the server's certificate is always checked, against its name or address.
#include <arpa/inet.h>
#include <errno.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "redis_link.h"

static SSL_CTX *refuse(SSL_CTX *context, const char *what, const char *file)
{
	char text[160];

	ERR_error_string_n(ERR_get_error(), text, sizeof(text));
	ERR_clear_error();
	log_error(
		&log_store, "tls", "cannot=%s file=%s error=\"%s\"", what, file ? file : "-", text);
	SSL_CTX_free(context);
	errno = EINVAL;
	return NULL;
}

SSL_CTX *redis_tls_create(const struct store_tls *tls)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (!context || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
		return refuse(context, "start", NULL);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	if ((tls->ca_file ? SSL_CTX_load_verify_locations(context, tls->ca_file, NULL)
			  : SSL_CTX_set_default_verify_paths(context)) != 1)
		return refuse(context, "read_ca", tls->ca_file);
	if (tls->cert_file && SSL_CTX_use_certificate_chain_file(context, tls->cert_file) != 1)
		return refuse(context, "read_certificate", tls->cert_file);
	if (tls->key_file &&
		SSL_CTX_use_PrivateKey_file(context, tls->key_file, SSL_FILETYPE_PEM) != 1)
		return refuse(context, "read_key", tls->key_file);
	return context;
}

static bool is_address(const char *name)
{
	struct in6_addr address;

	return inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1;
}

SSL *redis_tls_open(SSL_CTX *context, const char *name)
{
	SSL *ssl = SSL_new(context);
	int ok;

	if (!ssl)
		return NULL;
	if (is_address(name))
		ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name);
	else
		ok = SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
	if (ok == 1)
		return ssl;
	SSL_free(ssl);
	return NULL;
}
