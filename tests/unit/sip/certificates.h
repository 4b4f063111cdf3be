// Certificates made for a test, and the files that hold them.
#pragma once

#include <stdbool.h>

#include <openssl/types.h>

// What a certificate says. Times are in days from now.
struct certificate_spec {
	const char *common_name;
	const char *names; // subjectAltName as openssl.cnf has it; NULL: none
	const char *usage; // extendedKeyUsage; NULL: none
	long from, to;	   // both 0: valid
	bool is_ca;
};

struct certificate {
	X509 *x509;
	EVP_PKEY *key;
};

// Signed by `issuer`, or by itself.
struct certificate certificate_make(
	const struct certificate_spec *spec, const struct certificate *issuer);
void certificate_free(struct certificate *certificate);

// Into files of PEM that only we may read; a NULL name is left out.
void certificate_write(
	const struct certificate *certificate, const char *x509_file, const char *key_file);
