// The offer/answer exchange: which leg is where, and what the descriptions say besides formats
// (negotiate_formats.c). Every step keeps a copy of the struct and puts it back where it fails, so
// a refused description leaves nothing behind.
#include "negotiate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "negotiate_crypto.h"
#include "negotiate_formats.h"
#include "negotiate_relay.h"

static bool leg_is_waiting(const struct negotiation_leg *leg)
{
	return leg->state == NEGOTIATION_OFFERED || leg->state == NEGOTIATION_ANSWER_DUE;
}

void negotiation_init(struct negotiation *n, const struct negotiation_settings *settings)
{
	*n = (struct negotiation){
		.policies = {settings->policies[0], settings->policies[1]},
		.transcoders = settings->transcoders,
		.random = settings->random,
	};
	for (int i = 0; i < 2; i++) {
		n->legs[i].session_id = n->legs[i].version = settings->ids[i];
		n->legs[i].family = settings->policies[i]->address_family;
		n->legs[i].audio_line = NEGOTIATION_NO_LINE;
		for (int j = 0; j < NEGOTIATION_RELAYS_MAX; j++)
			n->legs[i].relays[j].line = NEGOTIATION_NO_LINE;
	}
}

void negotiation_set_family(struct negotiation *n, int leg, uint8_t family)
{
	n->legs[leg].family = family;
}

// The end of a step: it stands, or nothing has happened. No key stays behind in the copy of what
// was before it.
static int step_end(struct negotiation *n, struct negotiation *before, int rc)
{
	if (rc)
		*n = *before;
	negotiation_wipe(before);
	return rc;
}

static bool copy_token(char *out, size_t size, struct sdp_slice slice)
{
	if (!slice.length || slice.length >= size)
		return false;
	for (uint32_t i = 0; i < slice.length; i++)
		if (slice.data[i] <= ' ' || slice.data[i] > '~')
			return false;
	memcpy(out, slice.data, slice.length);
	out[slice.length] = '\0';
	return true;
}

static int read_lines(struct negotiation_leg *leg, const struct sdp *sdp)
{
	if (sdp->n_media > NEGOTIATION_LINES_MAX)
		return -EOPNOTSUPP;
	leg->n_lines = 0;
	for (uint16_t i = 0; i < sdp->n_media; i++) {
		const struct sdp_media *media = &sdp->media[i];
		struct media_line *line = &leg->lines[leg->n_lines++];

		*line = (struct media_line){.format = "0"};
		if (!copy_token(line->type, sizeof(line->type), media->type) ||
			!copy_token(line->proto, sizeof(line->proto), media->proto))
			return -EOPNOTSUPP;
		if (media->n_formats)
			copy_token(line->format, sizeof(line->format),
				sdp->formats[media->first_format].token);
	}
	return 0;
}

// What is read of an m= line.
struct line_view {
	struct format_list formats;
	struct sdp_crypto key; // of the far end
};

static bool read_key(const struct negotiation *n, int from, const struct sdp *sdp,
	const struct sdp_media *media, struct sdp_crypto *out)
{
	const struct negotiation_leg *leg = &n->legs[from];

	return leg->state == NEGOTIATION_ANSWER_DUE
		       ? crypto_read_offer(n, from, sdp, media, out)
		       : crypto_read_answer(n, from, &leg->keys, sdp, media, out);
}

// An offer is read in state ANSWER_DUE, an answer in any other. RTP audio that reaches us, is as
// secure as the policy wants it and has a codec that it allows.
static bool line_is_usable(const struct negotiation *n, int from, const struct sdp *sdp,
	const struct sdp_media *media, struct line_view *view)
{
	const struct sdp_policy *policy = n->policies[from];
	const struct negotiation_leg *leg = &n->legs[from];
	uint8_t family = media->connection.address.family;

	if (!sdp_slice_equal_nocase(media->type, "audio") || !media->port || !family ||
		(leg->family && family != leg->family))
		return false;
	formats_read(&view->formats, policy, sdp, media);
	return formats_have_voice(&view->formats) && read_key(n, from, sdp, media, &view->key);
}

// The line that was in use before, where it still can be; else the first that can, secure ones
// before plain ones.
static const struct sdp_media *choose_line(
	struct negotiation *n, int from, bool first, const struct sdp *sdp, struct line_view *view)
{
	struct negotiation_leg *leg = &n->legs[from];

	if (!first && leg->audio_line < sdp->n_media &&
		line_is_usable(n, from, sdp, &sdp->media[leg->audio_line], view))
		return &sdp->media[leg->audio_line];
	for (int secure = 1; secure >= 0; secure--)
		for (uint16_t i = 0; i < sdp->n_media; i++)
			if (line_is_usable(n, from, sdp, &sdp->media[i], view) &&
				(!secure || view->key.suite != SDP_SUITE_NONE)) {
				leg->audio_line = (uint8_t)i;
				return &sdp->media[i];
			}
	return NULL;
}

// What the far end says of itself, formats apart. c=0.0.0.0 is the old way to hold: nothing is to
// be sent there (RFC 3264 section 8.4).
static void read_media(struct negotiation_leg *leg, const struct sdp_media *media)
{
	leg->remote = media->connection.address;
	leg->family = leg->remote.family;
	leg->remote_port = media->port;
	leg->remote_rtcp = media->rtcp_address;
	leg->remote_rtcp_port = media->rtcp_port;
	leg->remote_mux = media->rtcp_mux;
	leg->no_rtcp = media->bandwidth.rs == 0 && media->bandwidth.rr == 0;
	// Only with the feedback profile, which sends RTCP early (RFC 5506 section 5).
	leg->rtcp_reduced = media->rtcp_rsize && proto_has_feedback(media->proto);
	leg->remote_ptime_ms = media->ptime_ms ? ptime_bound(media->ptime_ms) : 0;
	leg->remote_maxptime_ms = media->maxptime_ms ? ptime_bound(media->maxptime_ms) : 0;
	leg->remote_direction = (uint8_t)media->direction;
	if (sdp_address_is_any(&leg->remote))
		leg->remote_direction &= SDP_SENDONLY;
}

static void set_remote_formats(struct negotiation_leg *leg, const struct format_list *formats)
{
	leg->n_remote = formats->n;
	memcpy(leg->remote_formats, formats->list, formats->n * sizeof(formats->list[0]));
}

static void read_audio(
	struct negotiation_leg *leg, const struct sdp_media *media, const struct line_view *view)
{
	leg->keys.theirs = view->key;
	read_media(leg, media);
	set_remote_formats(leg, &view->formats);
	for (uint8_t i = 0; i < view->formats.n; i++)
		leg_learn_pt(leg, &view->formats.list[i].format);
	leg->n_local = 0;
}

static int read_offer(struct negotiation *n, int from, const struct sdp *offer)
{
	struct negotiation_leg *leg = &n->legs[from];
	bool first = leg->state == NEGOTIATION_IDLE;
	const struct sdp_media *media;
	struct line_view view;
	int rc;

	leg->state = NEGOTIATION_ANSWER_DUE;
	leg->offered_by_us = false;
	media = choose_line(n, from, first, offer, &view);
	rc = read_lines(leg, offer);
	if (rc)
		return rc;
	leg->audio_offered = leg->audio_on = media;
	// Lines must not go away (RFC 3264 8); those of some do.
	if (!media && leg->audio_line >= leg->n_lines)
		leg->audio_line = NEGOTIATION_NO_LINE;
	if (media)
		read_audio(leg, media, &view);
	sdp_crypto_wipe(&view.key);
	relays_read_offer(n, from, offer);
	return leg->audio_on || relays_any(n, from) ? 0 : -EOPNOTSUPP;
}

static void set_local_ptime(struct negotiation *n, int leg)
{
	struct negotiation_leg *own = &n->legs[leg], *other = &n->legs[1 - leg];
	uint16_t ptime_ms = n->policies[leg]->ptime_ms;

	if (!ptime_ms)
		ptime_ms = other->remote_ptime_ms ? other->remote_ptime_ms : NEGOTIATION_PTIME_MS;
	own->local_maxptime_ms = other->remote_maxptime_ms;
	if (own->local_maxptime_ms && ptime_ms > own->local_maxptime_ms)
		ptime_ms = own->local_maxptime_ms;
	own->local_ptime_ms = ptime_ms;
}

static void prepare_audio_offer(struct negotiation *n, int to)
{
	struct negotiation_leg *leg = &n->legs[to], *other = &n->legs[1 - to];
	const struct sdp_policy *policy = n->policies[to];

	leg->local_direction =
		other->state == NEGOTIATION_IDLE ? SDP_SENDRECV : other->remote_direction;
	// What is in use is offered again.
	leg->local_mux = policy->rtcp_mux == SDP_MUX_OFFER ||
			 (policy->rtcp_mux == SDP_MUX_ACCEPT && leg->local_mux && leg->remote_mux);
	set_local_ptime(n, to);
	crypto_offer(n, to, &leg->keys, leg->state == NEGOTIATION_STABLE && leg->n_remote);
}

static int prepare_offer(struct negotiation *n, int to)
{
	struct negotiation_leg *leg = &n->legs[to], *other = &n->legs[1 - to];
	bool initial = other->state == NEGOTIATION_IDLE;

	leg->audio_offered = leg->audio_on = initial || other->audio_on;
	leg->offered_by_us = true;
	if (leg->audio_on && (!formats_offer(n, to) || !audio_line_take(n, to)))
		return -EOPNOTSUPP;
	if (leg->audio_on)
		prepare_audio_offer(n, to);
	relays_prepare_offer(n, to);
	leg->state = NEGOTIATION_OFFERED;
	return leg->audio_on || relays_any(n, to) ? 0 : -EOPNOTSUPP;
}
// Our answer to leg `to`, the other leg being agreed.
static int prepare_answer(struct negotiation *n, int to)
{
	struct negotiation_leg *leg = &n->legs[to], *other = &n->legs[1 - to];

	leg->audio_on = leg->audio_offered && other->audio_on;
	relays_prepare_answer(n, to);
	leg->state = NEGOTIATION_STABLE;
	if (!leg->audio_on)
		return relays_any(n, to) || n->established ? 0 : -EOPNOTSUPP;
	if (!formats_answer(n, to))
		return -EOPNOTSUPP;
	leg->local_direction =
		(uint8_t)(other->remote_direction & direction_reverse(leg->remote_direction));
	leg->local_mux = leg->remote_mux && n->policies[to]->rtcp_mux != SDP_MUX_NEVER;
	set_local_ptime(n, to);
	crypto_answer(n, &leg->keys);
	return 0;
}

int negotiation_take_offer(struct negotiation *n, int from, const struct sdp *offer)
{
	struct negotiation before;
	int rc;

	if (leg_is_waiting(&n->legs[0]) || leg_is_waiting(&n->legs[1]))
		return -EBUSY;
	before = *n;
	rc = read_offer(n, from, offer);
	if (!rc)
		rc = prepare_offer(n, 1 - from);
	return step_end(n, &before, rc);
}

static bool same_formats(const struct negotiation_leg *a, const struct negotiation_leg *b)
{
	if (a->n_remote != b->n_remote)
		return false;
	for (uint8_t i = 0; i < a->n_remote; i++)
		if (a->remote_formats[i].format.pt != b->remote_formats[i].format.pt ||
			!sdp_encoding_equal(&a->remote_formats[i].format.encoding,
				&b->remote_formats[i].format.encoding) ||
			strcmp(a->remote_formats[i].fmtp, b->remote_formats[i].fmtp))
			return false;
	return true;
}

bool negotiation_is_refresh(const struct negotiation *n, int from, const struct sdp *offer)
{
	const struct negotiation_leg *before = &n->legs[from], *other = &n->legs[1 - from];
	struct negotiation next = *n;
	bool same;

	if (n->stale || before->state != NEGOTIATION_STABLE || other->state != NEGOTIATION_STABLE)
		return false;
	same = !read_offer(&next, from, offer) && before->audio_on == next.legs[from].audio_on &&
	       (!before->audio_on ||
		       (same_formats(before, &next.legs[from]) &&
			       other->local_direction == next.legs[from].remote_direction)) &&
	       relays_same(n, &next, from);
	negotiation_wipe(&next);
	return same;
}

int negotiation_answer_here(struct negotiation *n, int from, const struct sdp *offer)
{
	struct negotiation before;
	int rc;

	if (leg_is_waiting(&n->legs[from]) || n->legs[1 - from].state != NEGOTIATION_STABLE)
		return -EBUSY;
	before = *n;
	rc = read_offer(n, from, offer);
	if (!rc)
		rc = prepare_answer(n, from);
	return step_end(n, &before, rc);
}

int negotiation_make_offer(struct negotiation *n, int to)
{
	struct negotiation before;
	int rc;

	if (leg_is_waiting(&n->legs[0]) || leg_is_waiting(&n->legs[1]))
		return -EBUSY;
	before = *n;
	rc = prepare_offer(n, to);
	return step_end(n, &before, rc);
}

void negotiation_renew_offer(struct negotiation *n, int to)
{
	struct negotiation_leg *leg = &n->legs[to];

	if (leg->state != NEGOTIATION_OFFERED)
		return;
	crypto_offer(n, to, &leg->keys, false);
	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++)
		if (n->legs[to].relays[i].on && !n->relays[i].opaque)
			crypto_offer(n, to, &n->legs[to].relays[i].keys, false);
}

// The formats of an answer, less those that we did not offer.
static void keep_offered(const struct negotiation_leg *leg, struct format_list *formats)
{
	uint8_t n = 0;

	for (uint8_t i = 0; i < formats->n; i++)
		for (uint8_t j = 0; j < leg->n_local; j++)
			if (sdp_encoding_equal(&formats->list[i].format.encoding,
				    &leg->local_formats[j].encoding)) {
				formats->list[n++] = formats->list[i];
				break;
			}
	formats->n = n;
}

// Returns 0 (which may be that it was refused: port 0) or -EOPNOTSUPP.
static int read_audio_answer(struct negotiation *n, int from, const struct sdp *answer)
{
	struct negotiation_leg *leg = &n->legs[from];
	const struct sdp_media *media = &answer->media[leg->audio_line];
	struct line_view view;
	bool usable = line_is_usable(n, from, answer, media, &view);

	if (usable)
		keep_offered(leg, &view.formats);
	leg->audio_on = usable && formats_have_voice(&view.formats);
	if (!leg->audio_on)
		return media->port ? -EOPNOTSUPP : 0;
	crypto_answered(&leg->keys, &view.key);
	sdp_crypto_wipe(&view.key);
	read_media(leg, media);
	leg->remote_direction &= direction_reverse(leg->local_direction);
	leg->remote_mux = leg->remote_mux && leg->local_mux;
	leg->rtcp_reduced = false; // we do not offer it
	set_remote_formats(leg, &view.formats);
	return 0;
}

static int read_answer(struct negotiation *n, int from, const struct sdp *answer)
{
	struct negotiation_leg *leg = &n->legs[from];
	int rc;

	leg->audio_on = false;
	if (leg->audio_offered) {
		if (leg->audio_line >= answer->n_media)
			return -EPROTO;
		rc = read_audio_answer(n, from, answer);
		if (rc)
			return rc;
	}
	relays_read_answer(n, from, answer);
	leg->state = NEGOTIATION_STABLE;
	return leg->audio_on || relays_any(n, from) || n->established ? 0 : -EOPNOTSUPP;
}

int negotiation_take_answer(struct negotiation *n, int from, const struct sdp *answer)
{
	struct negotiation before;
	struct negotiation_leg *leg = &n->legs[from], *other = &n->legs[1 - from];
	struct format_list lists[2];
	int rc;

	if (!leg->offered_by_us ||
		(leg->state != NEGOTIATION_OFFERED && leg->state != NEGOTIATION_STABLE))
		return -EPROTO;
	before = *n;
	rc = read_answer(n, from, answer);
	if (!rc && other->state == NEGOTIATION_ANSWER_DUE)
		rc = prepare_answer(n, 1 - from);
	else if (!rc && other->state == NEGOTIATION_STABLE && leg->audio_on && other->audio_on &&
		 formats_agreed_pair(n, lists).rank == PAIR_NONE)
		rc = -EOPNOTSUPP;
	n->stale = false;
	n->established = n->established ||
			 (leg->state == NEGOTIATION_STABLE && other->state == NEGOTIATION_STABLE);
	return step_end(n, &before, rc);
}

void negotiation_rollback(struct negotiation *n, const struct negotiation *before)
{
	for (int i = 0; i < 2; i++) {
		struct negotiation_leg *leg = &n->legs[i];
		uint64_t version = leg->version, hash = leg->text_hash;

		*leg = before->legs[i];
		leg->version = version;
		leg->text_hash = hash;
	}
	memcpy(n->relays, before->relays, sizeof(n->relays));
}
