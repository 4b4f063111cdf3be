// Ends of TLS (RFC 3261 26.3.1, RFC 5922): certificates, whom to believe, and the sessions of
// connections. TLS 1.2 and 1.3 with ECDHE and AEAD; no renegotiation, no compression, and no
// resumption, so that each connection is verified by what is believed now.
//
// Subtle: reloading changes what later connections do; those that are there keep what they have.
#pragma once

#include <stddef.h>

#include <openssl/types.h>

#include "sip_address.h"

struct bufferevent;
struct tls;

enum tls_role { TLS_CLIENT, TLS_SERVER };

enum tls_verify { TLS_VERIFY_NONE, TLS_VERIFY_OPTIONAL, TLS_VERIFY_REQUIRED };

// Files are PEM; NULL: none.
struct tls_settings {
	enum tls_role role;
	const char *certificate; // with its chain; a server must have one
	const char *key;	 // of it; others must not be able to read it
	const char *ca;		 // client: NULL believes those that the system does
	enum tls_verify verify;	 // server: the certificates of clients. A client always verifies
	const char *server_name; // client: the far end's domain; NULL: its IP address
};

struct tls_error {
	const char *field; // of the settings
	char text[256];
};

// The files are read. Returns NULL with errno and `error`.
struct tls *tls_create(const struct tls_settings *settings, struct tls_error *error);
void tls_destroy(struct tls *tls); // it goes with the last of its sessions

// Read the files again. Where that fails everything stays. Returns 0, or a negative errno with
// `error`.
int tls_reload(struct tls *tls, struct tls_error *error);

// A session for a new connection, to or from `remote`. Returns NULL without memory.
SSL *tls_session(struct tls *tls, const struct sip_address *remote);

// Whether `certificate` is that of the SIP domain `name` (RFC 5922 7.1 and 7.2): by the sip URIs of
// its subjectAltName, where it has none by its DNS names; whole names only, no wildcards, no CN.
bool tls_certificate_is_of(const X509 *certificate, const char *name);

// Say that nothing more comes from us.
void tls_close(SSL *ssl);

// What went wrong with a connection whose bufferevent has told of an error. Returns `out`, or NULL
// where it is nothing of TLS.
const char *tls_failure(struct bufferevent *stream, char *out, size_t size);
