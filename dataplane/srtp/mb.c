// The backends on intel-ipsec-mb, which differ in GCM: their tables. A burst goes through the
// suites one after the other, so that the multi-buffer code sees all packets of counter mode at
// once.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mb.h"

static void *mb_open(const char *arch)
{
	struct mb_state *state = aligned_alloc(64, (sizeof(*state) + 63) & ~(size_t)63);

	if (!state)
		return NULL;
	memset(state, 0, sizeof(*state));
	state->mgr = mb_manager_create(arch, &state->arch);
	if (!state->mgr) {
		free(state);
		return NULL;
	}
	mb_cm_init(state);
	state->gcm_expand = mb_gcm_expand;
	return state;
}

static void mb_close(void *opaque)
{
	struct mb_state *state = opaque;

	free_mb_mgr(state->mgr);
	explicit_bzero(state, sizeof(*state));
	free(state);
}

#define VAES_FEATURES (IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ)

// Only with all of AVX-512: else another set was asked for, or is faster.
static void *mb_vaes_open(const char *arch)
{
	struct mb_state *state = mb_open(arch);

	if (!state)
		return NULL;
	if (!strcmp(state->arch, "avx512") &&
		(state->mgr->features & VAES_FEATURES) == VAES_FEATURES) {
		state->gcm_expand = mb_vaes_expand;
		return state;
	}
	mb_close(state);
	errno = ENOTSUP;
	return NULL;
}

static const char *mb_arch(const void *state)
{
	return ((const struct mb_state *)state)->arch;
}

static void mb_protect(void *state, struct srtp_op *ops, unsigned int n)
{
	mb_cm_protect(state, ops, n);
	mb_gcm_protect(state, ops, n);
}

static void mb_unprotect(void *state, struct srtp_op *ops, unsigned int n)
{
	mb_cm_unprotect(state, ops, n);
	mb_gcm_unprotect(state, ops, n);
}

const struct srtp_backend srtp_backend_mb = {
	.name = "ipsec-mb",
	.open = mb_open,
	.close = mb_close,
	.arch = mb_arch,
	.keys_init = mb_keys_init,
	.keys_fini = mb_keys_fini,
	.keys_bytes = mb_keys_bytes,
	.keys_same = mb_keys_same,
	.keys_prefetch = mb_keys_prefetch,
	.chunk = SRTP_CHUNK,
	.protect = mb_protect,
	.unprotect = mb_unprotect,
};

const struct srtp_backend srtp_backend_mb_vaes = {
	.name = "ipsec-mb",
	.open = mb_vaes_open,
	.close = mb_close,
	.arch = mb_arch,
	.keys_init = mb_keys_init,
	.keys_fini = mb_keys_fini,
	.keys_bytes = mb_vaes_keys_bytes,
	.keys_same = mb_vaes_keys_same,
	.keys_prefetch = mb_vaes_keys_prefetch,
	.chunk = SRTP_CHUNK,
	.protect = mb_vaes_protect,
	.unprotect = mb_vaes_unprotect,
};
