// Nanoseconds that SRTP takes for a packet, and bytes for a session, in one direction: ours on
// ipsec-mb, OpenSSL's EVP doing the bare ciphers of it (no index, window or key derivation), and
// libsrtp2 as it is packaged. All three in turns, on batches of packets that lie in the cache as
// they would after being received, of sessions in random order; the best batch of each counts, and
// every result is checked.
//
// usage: srtp_bench SUITE SESSIONS protect|unprotect BATCHES
#include <malloc.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <srtp2/srtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "srtp.h"

#define PACKET_BYTES 172
#define STRIDE	     256
#define BATCH	     1024
#define BURST	     32
#define TAG_MAX	     16

struct bench {
	enum srtp_suite suite;
	bool unprotect;
	unsigned int n_sessions;
	unsigned int *order; // sessions, shuffled
	unsigned int next;   // in it
	uint16_t *sequences; // by session, of the implementation in work
	struct srtp_engine *engine;
	struct srtp_context **senders;
	struct srtp_context **receivers;
	struct srtp_context **libsrtp_senders; // of what it is to unprotect
	struct evp_session {
		EVP_CIPHER_CTX *cipher;
		EVP_MAC_CTX *mac;
	} * evp;
	srtp_t *libsrtp;
	// The batch in work.
	uint8_t (*packets)[STRIDE];
	unsigned int sessions[BATCH];
	unsigned int lengths[BATCH];
};

// One way to do it. `prepare` makes a session; `run` does the batch and returns how many were
// right.
struct implementation {
	const char *name;
	void (*prepare)(struct bench *bench, unsigned int session);
	void (*protect_untimed)(struct bench *bench); // for a batch to unprotect
	unsigned int (*run)(struct bench *bench);
};

static void die(const char *what)
{
	fprintf(stderr, "srtp_bench: %s\n", what);
	exit(EXIT_FAILURE);
}

static void *allocate(size_t n, size_t size)
{
	void *memory = calloc(n, size);

	if (!memory)
		die("no memory");
	return memory;
}

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

static void keying_of(const struct bench *bench, unsigned int session, struct srtp_keying *keying)
{
	*keying = (struct srtp_keying){.suite = bench->suite};
	for (unsigned int i = 0; i < SRTP_KEY_MAX; i++)
		keying->key[i] = session >> (i % 3 * 8) ^ i;
}

// ---- ours ----

static struct srtp_context *context_of(
	struct bench *bench, unsigned int session, enum srtp_direction direction)
{
	struct srtp_keying keying;
	struct srtp_context *context;

	keying_of(bench, session, &keying);
	keying.direction = direction;
	context = srtp_context_create(bench->engine, &keying);
	if (!context)
		die("no memory");
	return context;
}

static void ours_prepare(struct bench *bench, unsigned int session)
{
	bench->senders[session] = context_of(bench, session, SRTP_SEND);
	bench->receivers[session] = context_of(bench, session, SRTP_RECEIVE);
}

static unsigned int ours_burst(
	struct bench *bench, struct srtp_context **contexts, unsigned int first, bool unprotect)
{
	struct srtp_job jobs[BURST];
	unsigned int n_ok = 0;

	for (unsigned int i = 0; i < BURST; i++)
		jobs[i] = (struct srtp_job){
			.context = contexts[bench->sessions[first + i]],
			.packet = bench->packets[first + i],
			.length = bench->lengths[first + i],
			.room = STRIDE,
		};
	if (unprotect)
		srtp_unprotect_burst(bench->engine, jobs, BURST);
	else
		srtp_protect_burst(bench->engine, jobs, BURST);
	for (unsigned int i = 0; i < BURST; i++) {
		n_ok += jobs[i].status == SRTP_STATUS_OK;
		bench->lengths[first + i] = jobs[i].out_length;
	}
	return n_ok;
}

static void protect_with(struct bench *bench, struct srtp_context **senders)
{
	for (unsigned int i = 0; i < BATCH; i += BURST)
		if (ours_burst(bench, senders, i, false) != BURST)
			die("a packet to unprotect was not protected");
}

static void ours_protect(struct bench *bench)
{
	protect_with(bench, bench->senders);
}

static unsigned int ours_run(struct bench *bench)
{
	unsigned int n_ok = 0;

	for (unsigned int i = 0; i < BATCH; i += BURST)
		n_ok += ours_burst(bench, bench->unprotect ? bench->receivers : bench->senders, i,
			bench->unprotect);
	return n_ok;
}

// ---- EVP ----

static void evp_prepare(struct bench *bench, unsigned int session)
{
	static const char *const modes[2][2] = {
		{"AES-128-CTR", "AES-256-CTR"}, {"AES-128-GCM", "AES-256-GCM"}};
	static EVP_MAC *hmac;
	OSSL_PARAM digest[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA1", 0),
		OSSL_PARAM_construct_end()};
	bool gcm = srtp_suite_is_gcm(bench->suite);
	bool is_256 = srtp_suite_infos[bench->suite].key_bytes == 32;
	struct evp_session *evp = &bench->evp[session];
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, modes[gcm][is_256], NULL);
	struct srtp_keying keying;

	keying_of(bench, session, &keying);
	if (!hmac)
		hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	evp->cipher = EVP_CIPHER_CTX_new();
	evp->mac = EVP_MAC_CTX_new(hmac);
	if (!cipher || !evp->cipher || !evp->mac ||
		!EVP_CipherInit_ex2(
			evp->cipher, cipher, keying.key, NULL, !(gcm && bench->unprotect), NULL) ||
		!EVP_MAC_init(evp->mac, keying.key, 20, digest))
		die("EVP");
	EVP_CIPHER_free(cipher);
}

static void evp_iv(const uint8_t *packet, uint8_t iv[16])
{
	memset(iv, 0, 16);
	memcpy(iv + 4, packet + 8, 4); // SSRC
	memcpy(iv + 8, packet + 2, 2); // sequence
}

static void evp_tag(EVP_MAC_CTX *mac, const uint8_t *packet, uint8_t tag[20])
{
	static const uint8_t roc[4];
	size_t bytes;

	EVP_MAC_init(mac, NULL, 0, NULL);
	EVP_MAC_update(mac, packet, PACKET_BYTES);
	EVP_MAC_update(mac, roc, sizeof(roc));
	EVP_MAC_final(mac, tag, &bytes, 20);
}

static bool evp_cm(struct evp_session *evp, uint8_t *packet, bool unprotect)
{
	uint8_t iv[16], tag[20];
	int n;

	evp_iv(packet, iv);
	if (unprotect) {
		evp_tag(evp->mac, packet, tag);
		if (CRYPTO_memcmp(tag, packet + PACKET_BYTES, 10))
			return false;
	}
	EVP_CipherInit_ex2(evp->cipher, NULL, NULL, iv, -1, NULL);
	EVP_CipherUpdate(evp->cipher, packet + 12, &n, packet + 12, PACKET_BYTES - 12);
	if (!unprotect)
		evp_tag(evp->mac, packet, packet + PACKET_BYTES);
	return true;
}

static bool evp_gcm(struct evp_session *evp, uint8_t *packet, bool unprotect)
{
	EVP_CIPHER_CTX *cipher = evp->cipher;
	uint8_t iv[16];
	int n;

	evp_iv(packet, iv);
	EVP_CipherInit_ex2(cipher, NULL, NULL, iv, !unprotect, NULL);
	EVP_CipherUpdate(cipher, NULL, &n, packet, 12);
	EVP_CipherUpdate(cipher, packet + 12, &n, packet + 12, PACKET_BYTES - 12);
	if (unprotect)
		EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, TAG_MAX, packet + PACKET_BYTES);
	if (EVP_CipherFinal_ex(cipher, packet, &n) != 1)
		return false;
	if (!unprotect)
		EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG_MAX, packet + PACKET_BYTES);
	return true;
}

static unsigned int evp_batch(struct bench *bench, bool unprotect)
{
	bool gcm = srtp_suite_is_gcm(bench->suite);
	unsigned int n_ok = 0;

	for (unsigned int i = 0; i < BATCH; i++) {
		struct evp_session *evp = &bench->evp[bench->sessions[i]];

		n_ok += gcm ? evp_gcm(evp, bench->packets[i], unprotect)
			    : evp_cm(evp, bench->packets[i], unprotect);
	}
	return n_ok;
}

static void evp_protect(struct bench *bench)
{
	evp_batch(bench, false);
}

static unsigned int evp_run(struct bench *bench)
{
	return evp_batch(bench, bench->unprotect);
}

// ---- libsrtp2 ----

static void libsrtp_prepare(struct bench *bench, unsigned int session)
{
	static void (*const policies[])(srtp_crypto_policy_t *) = {
		srtp_crypto_policy_set_rtp_default,
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32,
		srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80,
		srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32,
		srtp_crypto_policy_set_aes_gcm_128_16_auth,
		srtp_crypto_policy_set_aes_gcm_256_16_auth,
	};
	const struct srtp_suite_info *info = &srtp_suite_infos[bench->suite];
	uint8_t master[SRTP_KEY_MAX + SRTP_SALT_MAX];
	srtp_policy_t policy = {.window_size = SRTP_WINDOW, .key = master};
	struct srtp_keying keying;

	keying_of(bench, session, &keying);
	memcpy(master, keying.key, info->key_bytes);
	memcpy(master + info->key_bytes, keying.salt, info->salt_bytes);
	policies[bench->suite](&policy.rtp);
	policies[bench->suite](&policy.rtcp);
	policy.ssrc.type = bench->unprotect ? ssrc_any_inbound : ssrc_any_outbound;
	if (srtp_create(&bench->libsrtp[session], &policy) != srtp_err_status_ok)
		die("libsrtp2");
}

static void libsrtp_protect(struct bench *bench)
{
	for (unsigned int i = 0; i < bench->n_sessions && !bench->libsrtp_senders[i]; i++)
		bench->libsrtp_senders[i] = context_of(bench, i, SRTP_SEND);
	protect_with(bench, bench->libsrtp_senders);
}

static unsigned int libsrtp_run(struct bench *bench)
{
	unsigned int n_ok = 0;

	for (unsigned int i = 0; i < BATCH; i++) {
		srtp_t session = bench->libsrtp[bench->sessions[i]];
		int length = (int)bench->lengths[i];

		n_ok += (bench->unprotect ? srtp_unprotect(session, bench->packets[i], &length)
					  : srtp_protect(session, bench->packets[i], &length)) ==
			srtp_err_status_ok;
	}
	return n_ok;
}

// ---- measuring ----

static const struct implementation implementations[] = {
	{"ours", ours_prepare, ours_protect, ours_run},
	{"evp", evp_prepare, evp_protect, evp_run},
	{"libsrtp2", libsrtp_prepare, libsrtp_protect, libsrtp_run},
};

#define N_IMPLEMENTATIONS (sizeof(implementations) / sizeof(implementations[0]))

static void batch_fill(struct bench *bench)
{
	for (unsigned int i = 0; i < BATCH; i++) {
		unsigned int session = bench->order[bench->next++ % bench->n_sessions];
		uint16_t sequence = bench->sequences[session]++;
		uint8_t *packet = bench->packets[i];

		memset(packet, (int)i, PACKET_BYTES);
		packet[0] = 0x80;
		packet[1] = 0;
		packet[2] = sequence >> 8;
		packet[3] = sequence & 0xff;
		memcpy(packet + 8, &session, 4);
		bench->sessions[i] = session;
		bench->lengths[i] = PACKET_BYTES;
	}
}

static double batch_measure(struct bench *bench, const struct implementation *implementation)
{
	static uint16_t *sequences[N_IMPLEMENTATIONS];
	unsigned int i = implementation - implementations, n_ok;
	uint64_t start, end;

	if (!sequences[i])
		sequences[i] = allocate(bench->n_sessions, sizeof(sequences[i][0]));
	bench->sequences = sequences[i];
	batch_fill(bench);
	if (bench->unprotect)
		implementation->protect_untimed(bench);
	start = cpu_ns();
	n_ok = implementation->run(bench);
	end = cpu_ns();
	if (n_ok != BATCH) {
		fprintf(stderr, "srtp_bench: %s: %u of %u packets were right\n",
			implementation->name, n_ok, BATCH);
		exit(EXIT_FAILURE);
	}
	return (double)(end - start) / BATCH;
}

// A turn is some batches on end, with code and tables warm. One of libsrtp2 may take half a second,
// so that it comes to its turn more rarely.
static double turn_measure(struct bench *bench, unsigned int i, int turn, double best)
{
	bool slow = implementations[i].run == libsrtp_run;
	int n = slow ? turn % 64 == 0 : 4;

	while (n-- > 0) {
		double ns = batch_measure(bench, &implementations[i]);

		if (ns < best)
			best = ns;
	}
	return best;
}

// Bytes of a session on the heap, measured; for ours of one direction of the two.
static double prepare_all(struct bench *bench, const struct implementation *implementation)
{
	struct mallinfo2 before = mallinfo2(), after;

	for (unsigned int i = 0; i < bench->n_sessions; i++)
		implementation->prepare(bench, i);
	after = mallinfo2();
	return (double)(after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) /
	       bench->n_sessions / (implementation->run == ours_run ? 2 : 1);
}

static void bench_init(struct bench *bench, char **argv)
{
	uint32_t random = 1;

	while (bench->suite < N_SRTP_SUITES && strcmp(argv[1], srtp_suite_infos[bench->suite].name))
		bench->suite++;
	bench->n_sessions = (unsigned int)atoi(argv[2]);
	bench->unprotect = !strcmp(argv[3], "unprotect");
	if (bench->suite == N_SRTP_SUITES || !bench->n_sessions)
		die("no such suite, or no sessions");
	bench->engine = srtp_engine_create("ipsec-mb", NULL);
	if (!bench->engine)
		die("ipsec-mb does not work here");
	bench->order = allocate(bench->n_sessions, sizeof(bench->order[0]));
	bench->senders = allocate(bench->n_sessions, sizeof(bench->senders[0]));
	bench->receivers = allocate(bench->n_sessions, sizeof(bench->receivers[0]));
	bench->libsrtp_senders = allocate(bench->n_sessions, sizeof(bench->libsrtp_senders[0]));
	bench->evp = allocate(bench->n_sessions, sizeof(bench->evp[0]));
	bench->libsrtp = allocate(bench->n_sessions, sizeof(bench->libsrtp[0]));
	bench->packets = allocate(BATCH, STRIDE);
	for (unsigned int i = 0; i < bench->n_sessions; i++) {
		unsigned int j;

		random = random * 1664525 + 1013904223;
		j = (random >> 8) % (i + 1);
		bench->order[i] = bench->order[j];
		bench->order[j] = i;
	}
}

int main(int argc, char **argv)
{
	double best[N_IMPLEMENTATIONS], bytes[N_IMPLEMENTATIONS];
	struct bench bench = {0};

	if (argc != 5)
		die("usage: srtp_bench SUITE SESSIONS protect|unprotect BATCHES");
	bench_init(&bench, argv);
	srtp_init();
	for (unsigned int i = 0; i < N_IMPLEMENTATIONS; i++) {
		bytes[i] = prepare_all(&bench, &implementations[i]);
		best[i] = batch_measure(&bench, &implementations[i]);
	}
	for (int batch = atoi(argv[4]); batch > 1; batch--)
		for (unsigned int i = 0; i < N_IMPLEMENTATIONS; i++)
			best[i] = turn_measure(&bench, i, batch, best[i]);
	printf("{\"engine\":\"%s\"", srtp_engine_name(bench.engine));
	for (unsigned int i = 0; i < N_IMPLEMENTATIONS; i++)
		printf(",\"%s_ns\":%.1f,\"%s_bytes\":%.0f", implementations[i].name, best[i],
			implementations[i].name, bytes[i]);
	printf("}\n");
	return 0;
}
