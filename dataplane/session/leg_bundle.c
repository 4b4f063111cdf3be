// What a bundle agreed on, as arrays that a packet can be looked up in.
#include "leg_bundle.h"

#include <errno.h>
#include <rte_malloc.h>
#include <string.h>

static void add_formats(struct leg_bundle *bundle, const struct sl_leg *leg, uint8_t i, bool *taken)
{
	for (unsigned int j = 0; j < leg->n_formats; j++) {
		uint8_t pt = leg->formats[j].receive_pt;

		bundle->leg_of_pt[pt] = taken[pt] ? LEG_NO_MEMBER : i;
		taken[pt] = true;
	}
}

static void add_leg(struct leg_bundle *bundle, const struct sl_leg *leg, uint8_t i)
{
	memcpy(bundle->mids[i], leg->mid, sizeof(leg->mid));
	for (unsigned int j = 0; j < SL_SSRCS_MAX; j++) {
		if (!leg->ssrcs[j])
			continue;
		bundle->leg_of_ssrc[bundle->n_ssrcs] = i;
		bundle->ssrcs[bundle->n_ssrcs++] = leg->ssrcs[j];
	}
}

static bool is_same_layout(const struct leg_bundle *a, const struct leg_bundle *b)
{
	return !memcmp(a->legs, b->legs, sizeof(a->legs)) &&
	       !memcmp(a->mids, b->mids, sizeof(a->mids)) && a->mid_extension == b->mid_extension;
}

struct leg_bundle *leg_bundle_create(const struct sl_session *session, uint8_t transport,
	struct leg *const *legs, const struct leg_bundle *old, uint32_t layout)
{
	struct leg_bundle *bundle = rte_zmalloc("leg_bundle", sizeof(*bundle), RTE_CACHE_LINE_SIZE);
	bool taken[128] = {};

	if (!bundle) {
		errno = ENOMEM;
		return NULL;
	}
	bundle->mid_extension = session->legs[transport].mid_extension;
	memset(bundle->leg_of_pt, LEG_NO_MEMBER, sizeof(bundle->leg_of_pt));
	for (uint8_t i = 0; i < session->n_legs; i++) {
		if (i != transport && session->legs[i].transport != transport)
			continue;
		bundle->legs[i] = legs[i];
		add_leg(bundle, &session->legs[i], i);
		add_formats(bundle, &session->legs[i], i, taken);
	}
	bundle->layout = old && is_same_layout(old, bundle) ? old->layout : layout;
	return bundle;
}

void leg_shared_release(struct leg_shared *shared)
{
	if (!shared || --shared->n_configs)
		return;
	rte_free(shared->bundle);
	rte_free(shared);
}
