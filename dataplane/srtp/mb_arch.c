// Managers of intel-ipsec-mb, one for each set of instructions. Which is fastest is not always the
// widest: where there are SHA instructions but no AVX-512, SSE with them beats AVX2 without, hence
// "fastest", which measures. Runs CPUID, which traps in virtual machines: at start only.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mb.h"

static const struct mb_arch {
	const char *name;
	uint64_t features;
	void (*init)(IMB_MGR *mgr);
} archs[] = {
	{"avx512", IMB_CPUFLAGS_AVX512, init_mb_mgr_avx512},
	{"avx2", IMB_CPUFLAGS_AVX2, init_mb_mgr_avx2},
	{"avx", IMB_CPUFLAGS_AVX, init_mb_mgr_avx},
	{"sse", IMB_CPUFLAGS_SSE, init_mb_mgr_sse},
};

#define N_ARCHS (sizeof(archs) / sizeof(archs[0]))

static bool arch_works(const struct mb_arch *arch)
{
	return (imb_get_feature_flags() & arch->features) == arch->features;
}

static IMB_MGR *arch_open(const struct mb_arch *arch)
{
	IMB_MGR *mgr = alloc_mb_mgr(0);

	if (!mgr) {
		errno = ENOMEM;
		return NULL;
	}
	arch->init(mgr);
	if (!imb_get_errno(mgr))
		return mgr;
	free_mb_mgr(mgr);
	errno = ENOTSUP;
	return NULL;
}

#define TRIAL_PACKETS 32
#define TRIAL_BYTES   176
#define TRIAL_ROUNDS  200

// Nanoseconds for bursts of HMAC-SHA1, in which the sets differ; the least of some.
static uint64_t arch_measure(IMB_MGR *mgr)
{
	uint8_t packet[TRIAL_BYTES] = {0}, pad[MB_SHA1_BYTES] = {0};
	uint8_t tags[TRIAL_PACKETS][16];
	IMB_JOB jobs[TRIAL_PACKETS];
	uint64_t best = UINT64_MAX;

	memset(jobs, 0, sizeof(jobs));
	for (unsigned int i = 0; i < TRIAL_PACKETS; i++) {
		jobs[i].src = packet;
		jobs[i].msg_len_to_hash_in_bytes = sizeof(packet);
		jobs[i].auth_tag_output = tags[i];
		jobs[i].auth_tag_output_len_in_bytes = MB_TAG_BYTES;
		jobs[i].hash_alg = IMB_AUTH_HMAC_SHA_1;
		jobs[i].u.HMAC._hashed_auth_key_xor_ipad = pad;
		jobs[i].u.HMAC._hashed_auth_key_xor_opad = pad;
	}
	for (unsigned int round = 0; round < TRIAL_ROUNDS; round++) {
		struct timespec start, end;
		uint64_t ns;

		clock_gettime(CLOCK_MONOTONIC, &start);
		IMB_SUBMIT_HASH_BURST(mgr, jobs, TRIAL_PACKETS, IMB_AUTH_HMAC_SHA_1);
		clock_gettime(CLOCK_MONOTONIC, &end);
		ns = (end.tv_sec - start.tv_sec) * UINT64_C(1000000000) + end.tv_nsec -
		     start.tv_nsec;
		if (ns < best)
			best = ns;
	}
	return best;
}

static const struct mb_arch *arch_fastest(void)
{
	const struct mb_arch *fastest = NULL;
	uint64_t best = UINT64_MAX;

	for (unsigned int i = 0; i < N_ARCHS; i++) {
		IMB_MGR *mgr = arch_works(&archs[i]) ? arch_open(&archs[i]) : NULL;
		uint64_t ns = mgr ? arch_measure(mgr) : UINT64_MAX;

		if (ns < best) {
			best = ns;
			fastest = &archs[i];
		}
		free_mb_mgr(mgr);
	}
	return fastest;
}

static const struct mb_arch *arch_find(const char *name)
{
	if (name && !strcmp(name, "fastest"))
		return arch_fastest();
	for (unsigned int i = 0; i < N_ARCHS; i++)
		if (name ? !strcmp(name, archs[i].name) : arch_works(&archs[i]))
			return &archs[i];
	return NULL;
}

IMB_MGR *mb_manager_create(const char *name, const char **became)
{
	const struct mb_arch *arch = arch_find(name);

	if (!arch || !arch_works(arch)) {
		errno = arch || !name ? ENOTSUP : ENOENT;
		return NULL;
	}
	*became = arch->name;
	return arch_open(arch);
}
