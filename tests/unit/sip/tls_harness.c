#include "tls_harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct tls_harness tls;

// Lengths that no busy machine exceeds; tests of deadlines set their own.
static const struct transport_limits patient = {.connections = 100, .per_source = 50};

static void files_make(void)
{
	struct tls_files *files = &tls.files;

	strcpy(files->folder, "/tmp/sluice-tls-XXXXXX");
	assert_non_null(mkdtemp(files->folder));
	snprintf(files->certificate, sizeof(files->certificate), "%s/certificate.pem",
		files->folder);
	snprintf(files->key, sizeof(files->key), "%s/key.pem", files->folder);
	snprintf(files->ca, sizeof(files->ca), "%s/ca.pem", files->folder);
	tls.ca = certificate_make(
		&(struct certificate_spec){.common_name = "CA", .is_ca = true}, NULL);
	tls.other_ca = certificate_make(
		&(struct certificate_spec){.common_name = "other", .is_ca = true}, NULL);
	tls.own = certificate_make(
		&(struct certificate_spec){.common_name = "gateway", .names = "DNS:gw.example.com"},
		&tls.ca);
	certificate_write(&tls.ca, files->ca, NULL);
	certificate_write(&tls.own, files->certificate, files->key);
}

static struct tls *end_make(enum tls_role role, enum tls_verify verify)
{
	struct tls_error error = {0};
	const struct tls_settings settings = {.role = role,
		.verify = verify,
		.certificate = tls.files.certificate,
		.key = tls.files.key,
		.ca = tls.files.ca,
		.server_name = role == TLS_CLIENT ? DOMAIN : NULL};
	struct tls *end = tls_create(&settings, &error);

	assert_string_equal(error.text, "");
	assert_non_null(end);
	return end;
}

int tls_setup(void **state)
{
	struct sip_address local;

	if (harness_setup(state))
		return -1;
	tls.h = *state;
	files_make();
	transport_limits_set(stack_transport(tls.h->stack), &patient);
	sip_address_parse(SLICE("127.0.0.1"), 0, &local);
	tls.h->listener = listener_open(
		stack_transport(tls.h->stack), TRANSPORT_TLS, &local, (struct slice){0});
	tls.h->to_peer.listener = tls.h->listener;
	tls.server = end_make(TLS_SERVER, TLS_VERIFY_NONE);
	tls.client = end_make(TLS_CLIENT, TLS_VERIFY_REQUIRED);
	listener_tls_set(tls.h->listener, tls.server, tls.client);
	return 0;
}

int tls_teardown(void **state)
{
	int rc = harness_teardown(state);

	tls_destroy(tls.server);
	tls_destroy(tls.client);
	certificate_free(&tls.ca);
	certificate_free(&tls.other_ca);
	certificate_free(&tls.own);
	unlink(tls.files.certificate);
	unlink(tls.files.key);
	unlink(tls.files.ca);
	rmdir(tls.files.folder);
	return rc;
}

void tls_verify_set(enum tls_verify verify)
{
	tls_destroy(tls.server);
	tls.server = end_make(TLS_SERVER, verify);
	listener_tls_set(tls.h->listener, tls.server, tls.client);
}

void log_start(void)
{
	tls.log = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	assert_true(tls.log >= 0);
	tls.log_before = dup(STDERR_FILENO);
	dup2(tls.log, STDERR_FILENO);
}

const char *log_stop(void)
{
	ssize_t n = pread(tls.log, tls.log_text, sizeof(tls.log_text) - 1, 0);

	dup2(tls.log_before, STDERR_FILENO);
	close(tls.log_before);
	close(tls.log);
	tls.log_text[n > 0 ? n : 0] = '\0';
	return tls.log_text;
}

static struct far_end far_make(int fd, const struct certificate *certificate)
{
	SSL_CTX *context = SSL_CTX_new(TLS_method());
	struct far_end far = {SSL_new(context), fd};

	SSL_CTX_free(context);
	if (certificate) {
		assert_int_equal(SSL_use_certificate(far.ssl, certificate->x509), 1);
		assert_int_equal(SSL_use_PrivateKey(far.ssl, certificate->key), 1);
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	SSL_set_fd(far.ssl, fd);
	SSL_set_mode(far.ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
	return far;
}

struct far_end far_connect(const struct certificate *certificate)
{
	struct far_end far = far_make(peer_connect(tls.h), certificate);

	SSL_set_connect_state(far.ssl);
	return far;
}

struct far_end far_accept(int listening, const struct certificate *certificate)
{
	struct far_end far = far_make(peer_accept(tls.h, listening), certificate);

	SSL_set_accept_state(far.ssl);
	return far;
}

void far_close(struct far_end *far)
{
	SSL_free(far->ssl);
	close(far->fd);
	ERR_clear_error();
}

bool is_worth_waiting(struct far_end *far, int rc, int *ms)
{
	int error = SSL_get_error(far->ssl, rc);

	ERR_clear_error();
	if ((error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) || --*ms <= 0)
		return false;
	harness_run(tls.h, 1);
	ERR_clear_error();
	return true;
}

bool far_shake_hands(struct far_end *far)
{
	int ms = 5000, rc;

	do {
		rc = SSL_do_handshake(far->ssl);
	} while (rc != 1 && is_worth_waiting(far, rc, &ms));
	return rc == 1;
}

void far_say(struct far_end *far, const char *text, size_t n)
{
	int ms = 5000;

	while (n) {
		int rc = SSL_write(far->ssl, text, (int)n);

		if (rc > 0) {
			text += rc;
			n -= (size_t)rc;
		} else if (!is_worth_waiting(far, rc, &ms)) {
			fail_msg("the far end cannot write");
		}
	}
}

const char *far_hear(struct far_end *far, const char *enough)
{
	char *text = tls.h->text;
	size_t n = 0;
	int ms = 5000;

	text[0] = '\0';
	while (!strstr(text, enough) && n < sizeof(tls.h->text) - 1) {
		int rc = SSL_read(far->ssl, text + n, (int)(sizeof(tls.h->text) - 1 - n));

		if (rc <= 0 && !is_worth_waiting(far, rc, &ms))
			break;
		n += rc > 0 ? (size_t)rc : 0;
		text[n] = '\0';
	}
	return text;
}

bool far_is_closed(struct far_end *far)
{
	char rest[4096];

	for (int ms = 0; ms < 5000; ms++) {
		ssize_t n = recv(far->fd, rest, sizeof(rest), MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno != EAGAIN))
			return true;
		harness_run(tls.h, 1);
	}
	return false;
}
