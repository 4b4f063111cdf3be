// TLS on loopback: whom we believe, and what a far end does to us that is slow, wrong or no TLS.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "message.h"
#include "tls_harness.h"
#include "transport_internal.h"

enum issuer { BY_CA, BY_OTHER, BY_ITSELF };

static struct certificate make(const struct certificate_spec *spec, enum issuer issuer)
{
	const struct certificate *issuers[] = {&tls.ca, &tls.other_ca, NULL};

	return certificate_make(spec, issuers[issuer]);
}

// ---- whom we believe

static const struct server_case {
	const char *title;
	struct certificate_spec spec;
	enum issuer issuer;
	const char *refused; // NULL: believed
	bool by_address;
} server_cases[] = {
	{"DNS name", {.names = "DNS:" DOMAIN}},
	{"case does not matter", {.names = "DNS:SIP.Example.COM"}},
	{"one of several", {.names = "DNS:a.example.com,DNS:" DOMAIN}},
	{"sip URI", {.names = "URI:sip:" DOMAIN}},
	{"sip URI counts, not DNS", {.names = "URI:sip:a.example.com,DNS:" DOMAIN},
		.refused = "is not of " DOMAIN},
	{"URI of something else, and DNS", {.names = "URI:https://a.example.com,DNS:" DOMAIN}},
	{"sips URI", {.names = "URI:sips:" DOMAIN}, .refused = "is not of " DOMAIN},
	{"URI of a user", {.names = "URI:sip:user@" DOMAIN}, .refused = "is not of " DOMAIN},
	{"wildcard", {.names = "DNS:*.example.com"}, .refused = "is not of " DOMAIN},
	{"domain above", {.names = "DNS:example.com"}, .refused = "is not of " DOMAIN},
	{"begins the same", {.names = "DNS:" DOMAIN ".net"}, .refused = "is not of " DOMAIN},
	{"common name only", {.common_name = DOMAIN}, .refused = "is not of " DOMAIN},
	{"usage as a server", {.names = "DNS:" DOMAIN, .usage = "serverAuth,clientAuth"}},
	{"usage as a client only", {.names = "DNS:" DOMAIN, .usage = "clientAuth"},
		.refused = "unsuitable certificate purpose"},
	{"expired", {.names = "DNS:" DOMAIN, .from = -9, .to = -1},
		.refused = "certificate has expired"},
	{"not yet valid", {.names = "DNS:" DOMAIN, .from = 1, .to = 9},
		.refused = "certificate is not yet valid"},
	{"unknown CA", {.names = "DNS:" DOMAIN}, BY_OTHER,
		"unable to get local issuer certificate"},
	{"self-signed", {.names = "DNS:" DOMAIN}, BY_ITSELF, "self-signed certificate"},
	{"address", {.names = "IP:127.0.0.1"}, .by_address = true},
	{"other address", {.names = "IP:127.0.0.2"}, .refused = "IP address mismatch",
		.by_address = true},
	{"address as a name", {.names = "DNS:127.0.0.1"}, .refused = "IP address mismatch",
		.by_address = true},
};

// One request to a far end with that certificate.
static void try_server(struct harness *h, const struct server_case *c)
{
	struct certificate_spec spec = c->spec;
	struct certificate certificate;
	int listening = peer_listen(h);
	struct far_end far;
	const char *log;

	spec.common_name = spec.common_name ? spec.common_name : "far end";
	certificate = make(&spec, c->issuer);
	h->n_seen = 0;
	log_start();
	transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL);
	far = far_accept(listening, &certificate);
	far_shake_hands(&far);
	if (!c->refused) {
		far_hear(&far, "\r\n\r\n");
		assert_non_null(strstr(h->text, "OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/TLS 127"));
		assert_string_equal(log_stop(), "");
	} else {
		assert_string_equal(far_hear(&far, "OPTIONS"), "");
		harness_until(h, "failed 503", 1);
		log = log_stop();
		if (!strstr(log, "event=tls_failed to=127.0.0.1:") || !strstr(log, c->refused))
			fail_msg("%s: %s", c->title, log);
		assert_int_equal(harness_count(h, "failed 503"), 1);
	}
	far_close(&far);
	run_until(connections, 0);
	certificate_free(&certificate);
	close(listening);
}

static void server_is_believed_where_its_certificate_says_so(void **state)
{
	struct harness *h = *state;
	struct tls_error error;
	const struct tls_settings by_address = {.role = TLS_CLIENT, .ca = tls.files.ca};
	struct tls *address = tls_create(&by_address, &error);
	unsigned int n_refused = 0;

	assert_non_null(address);
	for (size_t i = 0; i < sizeof(server_cases) / sizeof(server_cases[0]); i++) {
		const struct server_case *c = &server_cases[i];

		listener_tls_set(h->listener, tls.server, c->by_address ? address : tls.client);
		try_server(h, c);
		n_refused += c->refused != NULL;
		if (counters(h)->handshakes_failed != n_refused)
			fail_msg("%s: %lu", c->title, counters(h)->handshakes_failed);
	}
	assert_int_equal(counters(h)->connect_errors, n_refused);
	tls_destroy(address);
}

enum { NO_CERTIFICATE = 3, EXPIRED };

// Whether a client is let in, by its certificate and our policy.
static const struct client_case {
	int certificate; // enum issuer, or one of the above
	bool let_in[3];	 // by enum tls_verify
	const char *refused;
} client_cases[] = {
	{NO_CERTIFICATE, {true, true, false}, "peer did not return a certificate"},
	{BY_CA, {true, true, true}, NULL},
	{BY_OTHER, {true, false, false}, "unable to get local issuer certificate"},
	{BY_ITSELF, {true, false, false}, "self-signed certificate"},
	{EXPIRED, {true, false, false}, "certificate has expired"},
};

static struct certificate client_certificate(int kind)
{
	struct certificate_spec spec = {.common_name = "client"};

	if (kind == EXPIRED)
		spec = (struct certificate_spec){.common_name = "client", .from = -9, .to = -1};
	return make(&spec, kind == EXPIRED ? BY_CA : (enum issuer)kind);
}

static void try_client(struct harness *h, const struct client_case *c, enum tls_verify verify)
{
	struct certificate certificate = {0};
	struct far_end far;
	const char *log;
	bool answered;

	if (c->certificate != NO_CERTIFICATE)
		certificate = client_certificate(c->certificate);
	tls_verify_set(verify);
	log_start();
	far = far_connect(certificate.x509 ? &certificate : NULL);
	if (far_shake_hands(&far)) // of TLS 1.3 the client's part is judged after that
		(void)SSL_write(far.ssl, request("OPTIONS", 5061, "a"),
			(int)strlen(request("OPTIONS", 5061, "a")));
	answered = strstr(far_hear(&far, "\r\n\r\n"), "SIP/2.0 200 OK\r\n");
	log = log_stop();
	if (answered != c->let_in[verify] ||
		(!answered && (!strstr(log, "event=tls_failed from=127.0.0.1:") ||
				      !strstr(log, c->refused))))
		fail_msg("certificate %d, verify %d: %s", c->certificate, verify, log);
	far_close(&far);
	run_until(connections, 0);
	assert_int_equal(counters(h)->handshakes, 0);
	certificate_free(&certificate);
}

static void client_is_let_in_by_its_certificate_and_our_policy(void **state)
{
	struct harness *h = *state;

	h->on_request = answer_ok;
	for (size_t i = 0; i < sizeof(client_cases) / sizeof(client_cases[0]); i++)
		for (int verify = TLS_VERIFY_NONE; verify <= TLS_VERIFY_REQUIRED; verify++)
			try_client(h, &client_cases[i], (enum tls_verify)verify);
}

static void our_certificate_is_shown_and_the_domain_asked_for(void **state)
{
	struct certificate certificate =
		make(&(struct certificate_spec){.common_name = "x", .names = "DNS:" DOMAIN}, BY_CA);
	struct harness *h = *state;
	int listening = peer_listen(h);
	struct far_end far;
	X509 *shown;

	transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL);
	far = far_accept(listening, &certificate);
	SSL_set_verify(far.ssl, SSL_VERIFY_PEER, NULL);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(SSL_get_SSL_CTX(far.ssl)), tls.ca.x509);
	assert_true(far_shake_hands(&far));
	assert_string_equal(SSL_get_servername(far.ssl, TLSEXT_NAMETYPE_host_name), DOMAIN);
	shown = SSL_get1_peer_certificate(far.ssl);
	assert_int_equal(X509_cmp(shown, tls.own.x509), 0);
	X509_free(shown);
	far_close(&far);
	certificate_free(&certificate);
	close(listening);
}

static void refusal_of_our_certificate_is_logged(void **state)
{
	struct certificate certificate =
		make(&(struct certificate_spec){.common_name = "x", .names = "DNS:" DOMAIN}, BY_CA);
	struct harness *h = *state;
	int listening = peer_listen(h);
	struct far_end far;
	const char *log;

	log_start();
	transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL);
	far = far_accept(listening, &certificate);
	SSL_set_verify(far.ssl, SSL_VERIFY_PEER, NULL); // and believe no CA
	assert_false(far_shake_hands(&far));
	run_until(connections, 0);
	log = log_stop();
	if (!strstr(log, "warn sip event=tls_failed to=127.0.0.1:") || !strstr(log, "unknown ca"))
		fail_msg("%s", log);
	far_close(&far);
	certificate_free(&certificate);
	close(listening);
}

static void connection_is_of_the_target_that_is_nearest(void **state)
{
	struct sip_address exact, same_host, elsewhere;
	struct harness *h = *state;
	struct tls *ends[2] = {(struct tls *)&exact, (struct tls *)&same_host}; // only compared

	sip_address_parse(SLICE("192.0.2.1"), 5061, &exact);
	sip_address_parse(SLICE("192.0.2.1"), 40000, &same_host);
	sip_address_parse(SLICE("192.0.2.2"), 5061, &elsewhere);
	assert_int_equal(listener_tls_expect(h->listener, &exact, ends[0]), 0);
	sip_address_port_set(&exact, 5062);
	assert_int_equal(listener_tls_expect(h->listener, &exact, ends[1]), 0);
	assert_ptr_equal(listener_tls_to(h->listener, &exact), ends[1]);
	sip_address_port_set(&exact, 5061);
	assert_ptr_equal(listener_tls_to(h->listener, &exact), ends[0]);
	assert_ptr_equal(listener_tls_to(h->listener, &same_host), ends[0]);
	assert_ptr_equal(listener_tls_to(h->listener, &elsewhere), tls.client);
}

// ---- protocol

static const struct protocol_case {
	int version; // the far end's newest
	const char *ciphers;
	bool let_in;
} protocol_cases[] = {
	{TLS1_3_VERSION, NULL, true},
	{TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", true},
	{TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", true},
	{TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0", false}, // no AEAD
	{TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0", false},
	{TLS1_1_VERSION, "ALL:@SECLEVEL=0", false},
	{TLS1_VERSION, "ALL:@SECLEVEL=0", false},
};

static void versions_and_ciphers_are_those_that_are_safe(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(protocol_cases) / sizeof(protocol_cases[0]); i++) {
		const struct protocol_case *c = &protocol_cases[i];
		struct far_end far = far_connect(NULL);

		SSL_set_min_proto_version(far.ssl, TLS1_VERSION);
		SSL_set_max_proto_version(far.ssl, c->version);
		if (c->ciphers)
			assert_int_equal(SSL_set_cipher_list(far.ssl, c->ciphers), 1);
		log_start();
		if (far_shake_hands(&far) != c->let_in)
			fail_msg("%x %s: %s", c->version, c->ciphers, log_stop());
		log_stop();
		far_close(&far);
	}
}

static void sessions_are_not_resumed_nor_renegotiated(void **state)
{
	struct harness *h = *state;

	h->on_request = answer_ok;
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct far_end first = far_connect(NULL), second;

		SSL_set_max_proto_version(first.ssl, version);
		assert_true(far_shake_hands(&first));
		far_say(&first, request("OPTIONS", 5061, "a"),
			strlen(request("OPTIONS", 5061, "a")));
		assert_non_null(strstr(far_hear(&first, "\r\n\r\n"), " 200 OK"));
		second = far_connect(NULL);
		SSL_set_max_proto_version(second.ssl, version);
		SSL_set_session(second.ssl, SSL_get_session(first.ssl));
		assert_true(far_shake_hands(&second));
		assert_false(SSL_session_reused(second.ssl));
		if (version == TLS1_2_VERSION) {
			SSL_renegotiate(first.ssl);
			assert_false(far_shake_hands(&first));
		}
		far_close(&first);
		far_close(&second);
	}
}

// ---- streams

// A record a byte, and many messages a record.
static void messages_may_be_split_and_joined_by_records(void **state)
{
	struct harness *h = *state;
	struct far_end far = far_connect(NULL);
	char three[4096] = "";

	h->on_request = answer_ok;
	assert_true(far_shake_hands(&far));
	for (const char *branch = "abc"; *branch; branch++)
		strcat(three, request("OPTIONS", 5061, (char[]){*branch, '\0'}));
	far_say(&far, three, strlen(three));
	far_hear(&far, "Call-ID: c\r\n");
	assert_int_equal(occurrences(h->text, "SIP/2.0 200 OK\r\n"), 3);
	for (const char *p = request("OPTIONS", 5061, "d"); *p; p++)
		far_say(&far, p, 1);
	assert_non_null(strstr(far_hear(&far, "Call-ID: d\r\n"), "SIP/2.0 200 OK\r\n"));
	far_say(&far, "\r\n\r\n", 4);
	assert_string_equal(far_hear(&far, "\r\n"), "\r\n");
	assert_int_equal(counters(h)->accepted, 1);
	assert_int_equal(counters(h)->received, 4);
	assert_int_equal(counters(h)->keepalives, 1);
	far_close(&far);
	run_until(connections, 0);
	assert_int_equal(counters(h)->connections, 0);
}

// What comes in torn records.
static void records_may_be_torn(void **state)
{
	struct harness *h = *state;
	struct far_end far = far_connect(NULL);
	BIO *memory = BIO_new(BIO_s_mem());
	char *bytes;
	long n;

	h->on_request = answer_ok;
	assert_true(far_shake_hands(&far));
	SSL_set0_wbio(far.ssl, memory);
	assert_true(SSL_write(far.ssl, request("OPTIONS", 5061, "a"),
			    (int)strlen(request("OPTIONS", 5061, "a"))) > 0);
	n = BIO_get_mem_data(memory, &bytes);
	setsockopt(far.fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	for (long i = 0; i < n; i++) {
		assert_int_equal(send(far.fd, bytes + i, 1, MSG_NOSIGNAL), 1);
		if (i % 32 == 0)
			harness_run(h, 1);
	}
	assert_non_null(strstr(far_hear(&far, "\r\n\r\n"), "SIP/2.0 200 OK\r\n"));
	far_close(&far);
}

// Returns the end of a request of `size` bytes in all, written to `out`.
static char *large_request(char *out, char branch, size_t size)
{
	const char *small = request("OPTIONS", 5061, (char[]){branch, '\0'});
	size_t n = (size_t)(strstr(small, "Content-Length") - small);

	memcpy(out, small, n);
	n += (size_t)sprintf(out + n, "Content-Length: %5zu\r\n\r\n", size - n - 25);
	memset(out + n, 'x', size - n);
	return out + size;
}

// Sizes that end in the middle of a record: what OpenSSL holds of it must not wait for more from
// the network.
static void large_messages_in_a_row_all_come(void **state)
{
	static const size_t sizes[] = {400, 65500, 400, 65535, 65535, 30000, 30000, 30000, 400};
	enum { N = sizeof(sizes) / sizeof(sizes[0]) };
	struct harness *h = *state;
	char *text = malloc(N * MESSAGE_MAX_SIZE), *end;

	h->on_request = answer_ok;
	for (unsigned int last = 1; last <= N; last++) {
		struct far_end far = far_connect(NULL);
		uint64_t before = counters(h)->received;

		end = text;
		for (unsigned int i = 0; i < last; i++)
			end = large_request(end, (char)('a' + i), sizes[i]);
		assert_true(far_shake_hands(&far));
		far_say(&far, text, (size_t)(end - text));
		run_until(received, before + last);
		if (counters(h)->received != before + last)
			fail_msg("%lu of %u", counters(h)->received - before, last);
		far_close(&far);
	}
	assert_int_equal(counters(h)->framing_errors, 0);
	free(text);
}

static void requests_share_a_connection_and_wait_for_its_handshake(void **state)
{
	struct certificate certificate =
		make(&(struct certificate_spec){.common_name = "x", .names = "DNS:" DOMAIN}, BY_CA);
	struct harness *h = *state;
	int listening = peer_listen(h);
	struct far_end far;

	for (int i = 0; i < 3; i++)
		transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL);
	far = far_accept(listening, &certificate);
	assert_true(far_shake_hands(&far));
	for (int i = 0; i < 3000 && counters(h)->sent < 3; i++)
		harness_run(h, 1);
	transaction_start(h->stack, &h->to_peer, slice_of(invite_text), NULL);
	far_hear(&far, "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(occurrences(h->text, "OPTIONS sip:b"), 3);
	assert_int_equal(counters(h)->connected, 1);
	assert_true(accept(listening, NULL, NULL) < 0);
	far_close(&far);
	certificate_free(&certificate);
	close(listening);
}

static void far_end_that_does_not_read_is_given_up(void **state)
{
	enum { SIZE = 60000 };
	struct certificate certificate =
		make(&(struct certificate_spec){.common_name = "x", .names = "DNS:" DOMAIN}, BY_CA);
	struct transport_limits hasty = {.message_ms = 200};
	struct harness *h = *state;
	int listening = peer_listen(h);
	char *text = malloc(SIZE);
	struct far_end far;
	int n = 0;

	transport_limits_set(stack_transport(h->stack), &hasty);
	memset(text, 'x', SIZE);
	transport_send(&h->to_peer, (struct slice){text, SIZE});
	far = far_accept(listening, &certificate);
	assert_true(far_shake_hands(&far));
	while (!counters(h)->send_errors && n++ < 1000) {
		transport_send(&h->to_peer, (struct slice){text, SIZE});
		transport_flush(stack_transport(h->stack));
		if (n % 4 == 0)
			harness_run(h, 1);
	}
	assert_in_range(n, 4, 999);
	run_until(connections, 0);
	assert_int_equal(counters(h)->timed_out, 1);
	assert_int_equal(counters(h)->connections, 0);
	free(text);
	far_close(&far);
	certificate_free(&certificate);
	close(listening);
}

// Messages that are taken while others still leave stay as they are.
static void far_end_that_reads_late_gets_all_that_was_taken(void **state)
{
	enum { SIZE = 60000 };
	struct certificate certificate =
		make(&(struct certificate_spec){.common_name = "x", .names = "DNS:" DOMAIN}, BY_CA);
	struct harness *h = *state;
	int listening = peer_listen(h), ms = 5000, rc;
	char *text = malloc(SIZE);
	size_t n = 0, at = 0;
	struct far_end far;

	transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL);
	far = far_accept(listening, &certificate);
	assert_true(far_shake_hands(&far));
	far_hear(&far, "\r\n\r\n");
	while (!counters(h)->send_errors && n < 1000) {
		memset(text, 'a' + (int)(n++ % 26), SIZE);
		transport_send(&h->to_peer, (struct slice){text, SIZE});
		transport_flush(stack_transport(h->stack));
		if (n % 4 == 0)
			harness_run(h, 1);
	}
	assert_in_range(n, 5, 999);
	while (at < (n - 1) * SIZE) {
		rc = SSL_read(far.ssl, text, SIZE);
		if (rc <= 0)
			assert_true(is_worth_waiting(&far, rc, &ms));
		for (int i = 0; i < rc; i++, at++)
			assert_int_equal(text[i], 'a' + (int)(at / SIZE % 26));
	}
	free(text);
	far_close(&far);
	certificate_free(&certificate);
	close(listening);
}

// OpenSSL finds out while we send, in the middle of a turn; the connection must live until its end.
static void messages_to_a_connection_that_was_reset_fail(void **state)
{
	struct linger at_once = {.l_onoff = 1};
	struct harness *h = *state;
	struct far_end far = far_connect(NULL);
	socklen_t length = sizeof(h->to_peer.remote);

	assert_true(far_shake_hands(&far));
	run_until(handshakes, 0);
	getsockname(far.fd, &h->to_peer.remote.any, &length);
	setsockopt(far.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(far.fd);
	for (int i = 0; i < 3; i++) {
		transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL);
		transport_flush(stack_transport(h->stack));
	}
	assert_int_equal(counters(h)->connections, 1);
	harness_until(h, "failed 503", 3);
	assert_int_equal(harness_count(h, "failed 503"), 3);
	assert_int_equal(counters(h)->connections, 0);
	SSL_free(far.ssl);
}

// ---- what is no TLS, or comes to nothing

static void garbage_and_plain_sip_are_closed_and_counted(void **state)
{
	static const char garbage[] = "\x16\x03\x01\x40\x00\x01\x00\x3f\xfc garbage";
	const char *texts[] = {request("OPTIONS", 5061, "a"), "GET / HTTP/1.1\r\n\r\n", garbage};
	struct harness *h = *state;

	for (unsigned int i = 0; i < 3; i++) {
		int fd = peer_connect(h);

		log_start();
		send(fd, texts[i], i == 2 ? sizeof(garbage) : strlen(texts[i]), MSG_NOSIGNAL);
		if (i == 2)
			shutdown(fd, SHUT_WR);
		run_until(handshakes_failed, i + 1);
		assert_non_null(strstr(log_stop(), "event=tls_failed from=127.0.0.1:"));
		assert_int_equal(counters(h)->handshakes_failed, i + 1);
		assert_int_equal(counters(h)->connections, 0);
		close(fd);
	}
	assert_int_equal(counters(h)->received, 0);
}

static void garbage_in_an_open_stream_closes_it(void **state)
{
	struct harness *h = *state;
	struct far_end far = far_connect(NULL);

	assert_true(far_shake_hands(&far));
	log_start();
	assert_int_equal(
		send(far.fd, "\x17\x03\x03\x00\x20 this is not encrypted at all..", 37, 0), 37);
	run_until(connections, 0);
	log_stop();
	assert_int_equal(counters(h)->connections, 0);
	assert_int_equal(counters(h)->received, 0);
	far_close(&far);
}

static void sip_without_an_end_is_answered_and_closed(void **state)
{
	struct harness *h = *state;
	struct far_end far = far_connect(NULL);
	char text[1024];

	assert_true(far_shake_hands(&far));
	strcpy(text, request("OPTIONS", 5061, "a"));
	memcpy(strstr(text, "Content-Length: 0"), "Content-Length: x", 17);
	far_say(&far, text, strlen(text));
	assert_non_null(strstr(far_hear(&far, "\r\n\r\n"), "SIP/2.0 400 "));
	assert_string_equal(far_hear(&far, "never"), "");
	assert_int_equal(SSL_get_shutdown(far.ssl), SSL_RECEIVED_SHUTDOWN); // said, not just cut
	assert_int_equal(counters(h)->framing_errors, 1);
	far_close(&far);
	run_until(connections, 0);
	assert_int_equal(counters(h)->connections, 0);
}

static void close_within_a_message_ends_the_connection(void **state)
{
	struct harness *h = *state;

	for (int with_notify = 0; with_notify < 2; with_notify++) {
		struct far_end far = far_connect(NULL);

		assert_true(far_shake_hands(&far));
		far_say(&far, request("OPTIONS", 5061, "a"), 100);
		if (with_notify)
			SSL_shutdown(far.ssl);
		far_close(&far);
		run_until(connections, 0);
		assert_int_equal(counters(h)->connections, 0);
	}
	assert_int_equal(counters(h)->received, 0);
	assert_int_equal(counters(h)->handshakes_failed, 0);
}

static void slow_handshake_is_ended_in_time(void **state)
{
	struct transport_limits hasty = {.handshake_ms = 150};
	struct harness *h = *state;
	uint64_t start = harness_now_ms();
	int fd;

	transport_limits_set(stack_transport(h->stack), &hasty);
	log_start();
	fd = peer_connect(h);
	run_until(handshakes, 1);
	assert_int_equal(counters(h)->handshakes, 1);
	for (int i = 0; i < 1000 && counters(h)->handshakes; i++) { // a byte now and then
		send(fd, &"\x16\x03\x01\x02\x00\x01"[i < 6 ? i : 5], i < 6, MSG_NOSIGNAL);
		harness_run(h, 20);
	}
	assert_non_null(strstr(log_stop(), "reason=\"timed out\""));
	assert_true(harness_now_ms() - start >= 140); // libevent's clock is coarse
	assert_int_equal(counters(h)->handshakes, 0);
	assert_int_equal(counters(h)->handshakes_failed, 1);
	assert_int_equal(counters(h)->timed_out, 1);
	assert_int_equal(counters(h)->connections, 0);
	close(fd);
}

static void server_that_does_not_shake_hands_fails_in_time(void **state)
{
	struct transport_limits hasty = {.connect_ms = 150};
	struct harness *h = *state;
	int listening = peer_listen(h), fd;

	transport_limits_set(stack_transport(h->stack), &hasty);
	log_start();
	transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL);
	fd = peer_accept(h, listening);
	harness_until(h, "failed 503", 1);
	log_stop();
	assert_int_equal(harness_count(h, "failed 503"), 1);
	assert_int_equal(counters(h)->connect_errors, 1);
	assert_int_equal(counters(h)->handshakes_failed, 1);
	close(fd);
	close(listening);
}

static void server_that_is_not_there_fails_the_transaction(void **state)
{
	struct harness *h = *state;
	int listening = peer_listen(h);

	close(listening);
	log_start();
	transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL);
	harness_until(h, "failed 503", 1);
	log_stop();
	assert_int_equal(harness_count(h, "failed 503"), 1);
	assert_int_equal(counters(h)->connections, 0);
}

// Limits are of handshakes: those that are done make room.
static void half_open_handshakes_have_limits(void **state)
{
	static const struct transport_limits limits[] = {
		{.handshakes_per_source = 2}, {.handshakes = 2}};
	struct harness *h = *state;

	for (unsigned int i = 0; i < 2; i++) {
		struct far_end first, second, third, fourth;

		transport_limits_set(stack_transport(h->stack), &limits[i]);
		first = far_connect(NULL);
		second = far_connect(NULL);
		run_until(handshakes, 2);
		assert_int_equal(counters(h)->handshakes, 2);
		third = far_connect(NULL);
		assert_true(far_is_closed(&third));
		assert_int_equal(counters(h)->handshakes_refused, i + 1);
		assert_true(far_shake_hands(&first));
		run_until(handshakes, 1);
		assert_int_equal(counters(h)->handshakes, 1);
		fourth = far_connect(NULL);
		assert_true(far_shake_hands(&fourth));
		assert_int_equal(counters(h)->handshakes_refused, i + 1);
		far_close(&first);
		far_close(&second);
		far_close(&third);
		far_close(&fourth);
		run_until(connections, 0);
		assert_int_equal(counters(h)->handshakes, 0);
	}
}

static void listener_without_certificate_takes_no_connection(void **state)
{
	struct harness *h = *state;
	struct far_end far;

	listener_tls_set(h->listener, NULL, NULL);
	far = far_connect(NULL);
	assert_true(far_is_closed(&far));
	assert_int_equal(counters(h)->connections, 0);
	transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL);
	harness_until(h, "failed 503", 1);
	assert_int_equal(harness_count(h, "failed 503"), 1);
	far_close(&far);
}

// ---- files

static void assert_refused(struct tls_settings settings, const char *field, const char *text)
{
	struct tls_error error = {0};

	assert_null(tls_create(&settings, &error));
	assert_int_equal(errno, EINVAL);
	assert_string_equal(error.field, field);
	if (!strstr(error.text, text))
		fail_msg("'%s' instead of '%s'", error.text, text);
}

static void files_that_are_wrong_are_named(void **state)
{
	const struct tls_settings good = {
		.role = TLS_SERVER, .certificate = tls.files.certificate, .key = tls.files.key};
	struct tls_settings bad = good;

	(void)state;
	bad.certificate = "/nonexistent/a.pem";
	assert_refused(bad, "certificate", "'/nonexistent/a.pem' cannot be read: No such file");
	bad.certificate = tls.files.folder;
	assert_refused(bad, "certificate", "is not a file");
	bad.certificate = tls.files.key;
	assert_refused(bad, "certificate", "cannot be used: ");
	bad = good;
	bad.key = "/nonexistent/b.pem";
	assert_refused(bad, "key", "'/nonexistent/b.pem' cannot be read: No such file");
	bad.key = tls.files.certificate;
	chmod(tls.files.certificate, 0640);
	assert_refused(bad, "key", "cannot be used: ");
	bad.key = NULL;
	assert_refused(bad, "certificate", "certificate and key go together");
	bad = good;
	bad.verify = TLS_VERIFY_REQUIRED;
	assert_refused(bad, "ca", "needed to verify");
	bad.ca = tls.files.key;
	assert_refused(bad, "ca", "cannot be used: ");
	bad = good;
	chmod(tls.files.key, 0604);
	assert_refused(bad, "key", "is open to every user");
	chmod(tls.files.key, 0640);
	certificate_write(&tls.ca, NULL, tls.files.key);
	assert_refused(good, "key", "is not the key of the certificate");
}

static void certificates_are_read_again(void **state)
{
	struct certificate next = make(&(struct certificate_spec){.common_name = "next"}, BY_CA);
	struct far_end before = far_connect(NULL), after;
	struct harness *h = *state;
	struct tls_error error;
	X509 *shown;

	h->on_request = answer_ok;
	assert_true(far_shake_hands(&before));
	certificate_write(&next, tls.files.certificate, NULL);
	assert_int_equal(tls_reload(tls.server, &error), -EINVAL); // the key is still the other's
	assert_string_equal(error.field, "key");
	after = far_connect(NULL);
	assert_true(far_shake_hands(&after)); // with what there was
	far_close(&after);
	certificate_write(&next, NULL, tls.files.key);
	assert_int_equal(tls_reload(tls.server, &error), 0);
	after = far_connect(NULL);
	assert_true(far_shake_hands(&after));
	shown = SSL_get1_peer_certificate(after.ssl);
	assert_int_equal(X509_cmp(shown, next.x509), 0);
	X509_free(shown);
	far_say(&before, request("OPTIONS", 5061, "a"), strlen(request("OPTIONS", 5061, "a")));
	assert_non_null(strstr(far_hear(&before, "\r\n\r\n"), " 200 OK"));
	far_close(&before);
	far_close(&after);
	certificate_free(&next);
}

// ---- size

static void connections_are_small(void **state)
{
	enum { N = 40 };
	struct far_end far[N];
	struct transport_limits many = {.connections = 100, .per_source = 100};
	struct harness *h = *state;
	size_t before, after, far_ends = 0;

	transport_limits_set(stack_transport(h->stack), &many);
	before = mallinfo2().uordblks;
	for (int i = 0; i < N; i++) {
		far[i] = far_connect(NULL);
		assert_true(far_shake_hands(&far[i]));
	}
	run_until(handshakes, 0);
	after = mallinfo2().uordblks;
	for (int i = 0; i < N; i++)
		far_close(&far[i]);
	far_ends = after - mallinfo2().uordblks;
	if (after <= before)
		skip(); // a sanitizer's malloc counts nothing
	print_message("%zu bytes a connection\n", (after - before - far_ends) / N);
	assert_in_range((after - before - far_ends) / N, 1000, 60000);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, tls_setup, tls_teardown)
	const struct CMUnitTest tests[] = {
		CASE(server_is_believed_where_its_certificate_says_so),
		CASE(client_is_let_in_by_its_certificate_and_our_policy),
		CASE(our_certificate_is_shown_and_the_domain_asked_for),
		CASE(refusal_of_our_certificate_is_logged),
		CASE(connection_is_of_the_target_that_is_nearest),
		CASE(versions_and_ciphers_are_those_that_are_safe),
		CASE(sessions_are_not_resumed_nor_renegotiated),
		CASE(messages_may_be_split_and_joined_by_records),
		CASE(records_may_be_torn),
		CASE(large_messages_in_a_row_all_come),
		CASE(requests_share_a_connection_and_wait_for_its_handshake),
		CASE(far_end_that_does_not_read_is_given_up),
		CASE(far_end_that_reads_late_gets_all_that_was_taken),
		CASE(messages_to_a_connection_that_was_reset_fail),
		CASE(garbage_and_plain_sip_are_closed_and_counted),
		CASE(garbage_in_an_open_stream_closes_it),
		CASE(sip_without_an_end_is_answered_and_closed),
		CASE(close_within_a_message_ends_the_connection),
		CASE(slow_handshake_is_ended_in_time),
		CASE(server_that_does_not_shake_hands_fails_in_time),
		CASE(server_that_is_not_there_fails_the_transaction),
		CASE(half_open_handshakes_have_limits),
		CASE(listener_without_certificate_takes_no_connection),
		CASE(files_that_are_wrong_are_named),
		CASE(certificates_are_read_again),
		CASE(connections_are_small),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
