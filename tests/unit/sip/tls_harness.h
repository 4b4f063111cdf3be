// The harness with a listener of TLS, and far ends of OpenSSL that share nothing with ours.
#pragma once

#include <openssl/ssl.h>

#include "certificates.h"
#include "tcp_harness.h"
#include "tls.h"

#define DOMAIN "sip.example.com"

// Files in a folder of the test's own.
struct tls_files {
	char folder[64], certificate[96], key[96], ca[96];
};

struct tls_harness {
	struct harness *h;
	struct tls_files files;
	struct certificate ca, other_ca;
	struct certificate own; // of the gateway, in files
	struct tls *server, *client;
	int log, log_before; // file descriptors
	char log_text[8192];
};

// A far end and its connection.
struct far_end {
	SSL *ssl;
	int fd;
};

extern struct tls_harness tls;

int tls_setup(void **state); // *state: struct harness, h->listener that of TLS; `tls` goes with it
int tls_teardown(void **state);

// Another policy for what is accepted.
void tls_verify_set(enum tls_verify verify);

// What is logged from here on; log_stop() returns it as text.
void log_start(void);
const char *log_stop(void);

// A far end that connects to us or that we have connected to, without a handshake so far.
// `certificate` may be NULL for one that connects.
struct far_end far_connect(const struct certificate *certificate);
struct far_end far_accept(int listening, const struct certificate *certificate);
void far_close(struct far_end *far);
// Whether it comes to an end that the far end takes for good.
bool far_shake_hands(struct far_end *far);
// After `rc` of OpenSSL: whether there is more to come, and time left. Runs our side.
bool is_worth_waiting(struct far_end *far, int rc, int *ms);
void far_say(struct far_end *far, const char *text, size_t n);
// What has come when `enough` is in it, or nothing more comes.
const char *far_hear(struct far_end *far, const char *enough);
// Whether the far end sees an end of the connection, in five seconds.
bool far_is_closed(struct far_end *far);

// Run until the counter is `value` or, at most, five seconds have passed.
#define run_until(counter, value)                                                   \
	for (int ms_ = 0; ms_ < 5000 && counters(tls.h)->counter != (value); ms_++) \
	harness_run(tls.h, 1)
