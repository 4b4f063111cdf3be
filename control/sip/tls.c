// Contexts of OpenSSL, made of files and made again when the files change.
//
// Subtle: OpenSSL's queue of errors belongs to the thread, and what is left there would be taken
// for an error of the next connection; so every function leaves it empty.
#include "tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "uri.h"

static const char ciphers_of_1_2[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
static const char ciphers_of_1_3[] =
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

struct tls {
	unsigned int refs;	      // of its owner and its sessions
	struct tls_settings settings; // strings are our own
	SSL_CTX *context;
};

// ---- files

static int failed(struct tls_error *error, const char *field, const char *format, const char *file)
{
	error->field = field;
	snprintf(error->text, sizeof(error->text), format, file);
	ERR_clear_error();
	return -EINVAL;
}

// With the first reason that OpenSSL has; later ones say only where it was met.
static int not_loaded(struct tls_error *error, const char *field, const char *file)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	error->field = field;
	snprintf(error->text, sizeof(error->text), "'%s' cannot be used: %s", file,
		reason ? reason : "no PEM");
	ERR_clear_error();
	return -EINVAL;
}

static int check_file(const char *field, const char *file, struct tls_error *error)
{
	struct stat status;

	if (stat(file, &status) || access(file, R_OK)) {
		error->field = field;
		snprintf(error->text, sizeof(error->text), "'%s' cannot be read: %s", file,
			strerror(errno));
		return -EINVAL;
	}
	if (!S_ISREG(status.st_mode))
		return failed(error, field, "'%s' is not a file", file);
	if (!strcmp(field, "key") && status.st_mode & S_IRWXO)
		return failed(error, field,
			"'%s' is open to every user of this host: take that away (chmod o=)", file);
	return 0;
}

// A passphrase is asked of nobody.
static int no_passphrase(char *, int, int, void *)
{
	return 0;
}

static int load_certificate(
	SSL_CTX *context, const struct tls_settings *settings, struct tls_error *error)
{
	int rc;

	if (!settings->certificate && !settings->key)
		return settings->role == TLS_SERVER
			       ? failed(error, "certificate", "a server must have one%s", "")
			       : 0;
	if (!settings->certificate || !settings->key)
		return failed(error, settings->key ? "key" : "certificate",
			"certificate and key go together%s", "");
	rc = check_file("certificate", settings->certificate, error);
	if (!rc)
		rc = check_file("key", settings->key, error);
	if (rc)
		return rc;
	if (SSL_CTX_use_certificate_chain_file(context, settings->certificate) != 1)
		return not_loaded(error, "certificate", settings->certificate);
	// This says so as well where the key is of another certificate.
	if (SSL_CTX_use_PrivateKey_file(context, settings->key, SSL_FILETYPE_PEM) == 1)
		return 0;
	if (ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH ||
		ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_TYPE_MISMATCH)
		return failed(
			error, "key", "'%s' is not the key of the certificate", settings->key);
	return not_loaded(error, "key", settings->key);
}

static int load_ca(SSL_CTX *context, const struct tls_settings *settings, struct tls_error *error)
{
	int rc;

	if (!settings->ca && settings->role == TLS_CLIENT) {
		SSL_CTX_set_default_verify_paths(context);
		return 0;
	}
	if (!settings->ca)
		return settings->verify == TLS_VERIFY_NONE
			       ? 0
			       : failed(error, "ca",
					 "needed to verify the certificates of clients%s", "");
	rc = check_file("ca", settings->ca, error);
	if (rc)
		return rc;
	if (SSL_CTX_load_verify_file(context, settings->ca) != 1)
		return not_loaded(error, "ca", settings->ca);
	if (settings->role == TLS_SERVER)
		SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(settings->ca));
	return 0;
}

// ---- whom to believe

static struct slice text_of(const ASN1_STRING *string)
{
	return (struct slice){
		(const char *)ASN1_STRING_get0_data(string), (size_t)ASN1_STRING_length(string)};
}

// Of a sip URI without user; absent for all else.
static struct slice sip_host(const GENERAL_NAME *name)
{
	struct uri uri;

	if (name->type != GEN_URI || uri_parse(text_of(name->d.uniformResourceIdentifier), &uri) ||
		uri.scheme != URI_SIP || uri.user.p)
		return (struct slice){0};
	return uri.host;
}

bool tls_certificate_is_of(const X509 *certificate, const char *name)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	struct slice wanted = slice_of(name);
	bool has_uri = false, by_uri = false, by_dns = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *one = sk_GENERAL_NAME_value(names, i);
		struct slice host = sip_host(one);

		has_uri |= host.p != NULL;
		by_uri |= host.p && slice_equal_nocase(host, wanted);
		by_dns |=
			one->type == GEN_DNS && slice_equal_nocase(text_of(one->d.dNSName), wanted);
	}
	GENERAL_NAMES_free(names);
	return has_uri ? by_uri : by_dns;
}

// The chain is judged by OpenSSL; whose certificate it is, by us.
static int verify(int ok, X509_STORE_CTX *store)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	const struct tls *tls = SSL_get_app_data(ssl);

	if (!ok || X509_STORE_CTX_get_error_depth(store) || !tls->settings.server_name)
		return ok;
	if (tls_certificate_is_of(
		    X509_STORE_CTX_get_current_cert(store), tls->settings.server_name))
		return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
	return 0;
}

static int verify_mode(const struct tls_settings *settings)
{
	if (settings->role == TLS_CLIENT)
		return SSL_VERIFY_PEER;
	switch (settings->verify) {
	case TLS_VERIFY_REQUIRED:
		return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	case TLS_VERIFY_OPTIONAL:
		return SSL_VERIFY_PEER;
	default:
		return SSL_VERIFY_NONE;
	}
}

// ---- contexts

static bool protocol_set(SSL_CTX *context)
{
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					     SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
	// Messages say how long they are, so an end without close_notify cuts none short unseen.
	SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(context, 0);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_default_passwd_cb(context, no_passphrase);
	return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_cipher_list(context, ciphers_of_1_2) == 1 &&
	       SSL_CTX_set_ciphersuites(context, ciphers_of_1_3) == 1;
}

static SSL_CTX *context_create(const struct tls_settings *settings, struct tls_error *error)
{
	SSL_CTX *context = SSL_CTX_new(
		settings->role == TLS_SERVER ? TLS_server_method() : TLS_client_method());

	if (!context || !protocol_set(context)) {
		not_loaded(error, "certificate", "OpenSSL");
		SSL_CTX_free(context);
		errno = ENOMEM;
		return NULL;
	}
	if (load_certificate(context, settings, error) || load_ca(context, settings, error)) {
		SSL_CTX_free(context);
		errno = EINVAL;
		return NULL;
	}
	SSL_CTX_set_verify(context, verify_mode(settings), verify);
	ERR_clear_error();
	return context;
}

static bool copy(const char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return !from || *to;
}

struct tls *tls_create(const struct tls_settings *settings, struct tls_error *error)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	if (!tls)
		return NULL;
	tls->refs = 1;
	tls->settings = (struct tls_settings){.role = settings->role, .verify = settings->verify};
	if (!copy(&tls->settings.certificate, settings->certificate) ||
		!copy(&tls->settings.key, settings->key) ||
		!copy(&tls->settings.ca, settings->ca) ||
		!copy(&tls->settings.server_name, settings->server_name)) {
		tls_destroy(tls);
		errno = ENOMEM;
		return NULL;
	}
	tls->context = context_create(settings, error);
	if (!tls->context) {
		int reason = errno;

		tls_destroy(tls);
		errno = reason;
		return NULL;
	}
	return tls;
}

static void tls_drop(struct tls *tls)
{
	if (!tls || --tls->refs)
		return;
	SSL_CTX_free(tls->context);
	free((char *)tls->settings.certificate);
	free((char *)tls->settings.key);
	free((char *)tls->settings.ca);
	free((char *)tls->settings.server_name);
	free(tls);
}

void tls_destroy(struct tls *tls)
{
	tls_drop(tls);
}

int tls_reload(struct tls *tls, struct tls_error *error)
{
	SSL_CTX *context = context_create(&tls->settings, error);

	if (!context)
		return -errno;
	SSL_CTX_free(tls->context); // sessions that were made of it hold it
	tls->context = context;
	return 0;
}

// ---- sessions

static bool expect_address(SSL *ssl, const struct sip_address *remote)
{
	X509_VERIFY_PARAM *parameters = SSL_get0_param(ssl);

	if (remote->any.sa_family == AF_INET6)
		return X509_VERIFY_PARAM_set1_ip(
			parameters, (const unsigned char *)&remote->v6.sin6_addr, 16);
	return X509_VERIFY_PARAM_set1_ip(
		parameters, (const unsigned char *)&remote->v4.sin_addr, 4);
}

static void on_session_freed(void *, void *tls, CRYPTO_EX_DATA *, int, long, void *)
{
	tls_drop(tls);
}

// Where a session holds what it was made of; OpenSSL gives an index once for the process.
static int holder_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_get_ex_new_index(0, NULL, NULL, NULL, on_session_freed);
	return index;
}

SSL *tls_session(struct tls *tls, const struct sip_address *remote)
{
	SSL *ssl = SSL_new(tls->context);
	bool done = ssl && SSL_set_ex_data(ssl, holder_index(), tls);

	if (done) {
		tls->refs++;
		SSL_set_app_data(ssl, tls);
	}
	if (done && tls->settings.role == TLS_CLIENT)
		done = tls->settings.server_name
			       ? SSL_set_tlsext_host_name(ssl, tls->settings.server_name)
			       : expect_address(ssl, remote);
	ERR_clear_error();
	if (done)
		return ssl;
	SSL_free(ssl);
	return NULL;
}

void tls_close(SSL *ssl)
{
	SSL_shutdown(ssl);
	ERR_clear_error();
}

const char *tls_failure(struct bufferevent *stream, char *out, size_t size)
{
	const SSL *ssl = bufferevent_openssl_get_ssl(stream);
	const struct tls *tls = SSL_get_app_data(ssl);
	const char *reason = NULL, *text;
	unsigned long error = 0, next;
	long verified = SSL_get_verify_result(ssl);

	// Newest first; libevent puts codes of its own among them, which are no text.
	while ((next = bufferevent_get_openssl_error(stream))) {
		text = ERR_reason_error_string(next);
		error = text ? next : error;
		reason = text ? text : reason;
	}
	if (!reason)
		return NULL;
	if (ERR_GET_REASON(error) != SSL_R_CERTIFICATE_VERIFY_FAILED)
		snprintf(out, size, "%s", reason);
	else if (verified == X509_V_ERR_HOSTNAME_MISMATCH)
		snprintf(out, size, "the certificate is not of %s", tls->settings.server_name);
	else
		snprintf(out, size, "certificate: %s", X509_verify_cert_error_string(verified));
	return out;
}
