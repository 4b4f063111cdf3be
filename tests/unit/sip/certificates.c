// Certificates of P-256, as a carrier's CA would sign them, good and bad.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "certificates.h"

enum { DAY_S = 86400 };

static void extend(X509 *x509, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX context;

	if (!value)
		return;
	X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(x509, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

struct certificate certificate_make(
	const struct certificate_spec *spec, const struct certificate *issuer)
{
	struct certificate made = {X509_new(), EVP_EC_gen("P-256")};
	const struct certificate *by = issuer ? issuer : &made;
	X509_NAME *name = X509_get_subject_name(made.x509);
	int serial;

	RAND_bytes((unsigned char *)&serial, sizeof(serial));
	X509_set_version(made.x509, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(made.x509), serial & INT32_MAX);
	X509_gmtime_adj(X509_getm_notBefore(made.x509), (spec->to ? spec->from : -1) * DAY_S);
	X509_gmtime_adj(X509_getm_notAfter(made.x509), (spec->to ? spec->to : 1) * DAY_S);
	X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_ASC, (const unsigned char *)spec->common_name, -1, -1, 0);
	X509_set_issuer_name(made.x509, X509_get_subject_name(by->x509));
	X509_set_pubkey(made.x509, made.key);
	extend(made.x509, by->x509, NID_basic_constraints,
		spec->is_ca ? "critical,CA:TRUE" : "CA:FALSE");
	extend(made.x509, by->x509, NID_subject_alt_name, spec->names);
	extend(made.x509, by->x509, NID_ext_key_usage, spec->usage);
	assert_true(X509_sign(made.x509, by->key, EVP_sha256()) > 0);
	return made;
}

void certificate_free(struct certificate *certificate)
{
	X509_free(certificate->x509);
	EVP_PKEY_free(certificate->key);
}

static FILE *file_open(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

	assert_non_null(file);
	return file;
}

void certificate_write(
	const struct certificate *certificate, const char *x509_file, const char *key_file)
{
	FILE *file;

	if (x509_file) {
		file = file_open(x509_file);
		assert_int_equal(PEM_write_X509(file, certificate->x509), 1);
		fclose(file);
	}
	if (key_file) {
		file = file_open(key_file);
		assert_int_equal(
			PEM_write_PrivateKey(file, certificate->key, NULL, NULL, 0, NULL, NULL), 1);
		fclose(file);
	}
}
