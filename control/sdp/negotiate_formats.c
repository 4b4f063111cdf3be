// Codec choice. Both directions of the question are here: what to offer to a leg, given what the
// other can have, and which pair of formats is best, given what both have said.
#include "negotiate_formats.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PT_DYNAMIC_FIRST 96 // RFC 3551 section 6
#define PT_DYNAMIC_LAST	 127

bool encoding_is_event(const struct sdp_encoding *encoding)
{
	return !strcasecmp(encoding->name, "telephone-event");
}

bool encoding_is_noise(const struct sdp_encoding *encoding)
{
	return !strcasecmp(encoding->name, "CN");
}

// A codec that is not listed can only be relayed; that it is one is the trunk's word.
bool encoding_is_voice(const struct sdp_encoding *encoding)
{
	const struct sdp_codec *codec = sdp_codec_find(encoding);

	return codec ? codec->voice : !encoding_is_event(encoding);
}

bool formats_have_voice(const struct format_list *formats)
{
	for (uint8_t i = 0; i < formats->n; i++)
		if (encoding_is_voice(&formats->list[i].format.encoding))
			return true;
	return false;
}

bool formats_have_event(const struct format_list *formats)
{
	for (uint8_t i = 0; i < formats->n; i++)
		if (encoding_is_event(&formats->list[i].format.encoding))
			return true;
	return false;
}

bool negotiation_can_transcode(const struct negotiation *n, const struct sdp_encoding *encoding)
{
	for (const struct sdp_encoding *const *at = n->transcoders; *at; at++)
		if (sdp_encoding_equal(*at, encoding))
			return true;
	return false;
}

static uint32_t audio_hz(const struct sdp_encoding *encoding)
{
	const struct sdp_codec *codec = sdp_codec_find(encoding);

	return codec ? codec->audio_hz : 8000;
}

static bool is_wideband(const struct sdp_encoding *encoding)
{
	return audio_hz(encoding) > 8000;
}

static bool policy_has_events(const struct sdp_policy *policy)
{
	return policy->dtmf == SDP_DTMF_EVENTS || policy->dtmf == SDP_DTMF_AUTO;
}

static bool policy_allows(const struct sdp_policy *policy, const struct sdp_encoding *encoding)
{
	if (encoding_is_event(encoding))
		return policy_has_events(policy);
	if (encoding_is_noise(encoding))
		return policy->dtx;
	for (uint8_t i = 0; i < policy->n_codecs; i++)
		if (sdp_encoding_equal(&policy->codecs[i], encoding))
			return true;
	return false;
}

static bool is_printable(struct sdp_slice slice)
{
	for (uint32_t i = 0; i < slice.length; i++)
		if (slice.data[i] < ' ' || slice.data[i] > '~')
			return false;
	return true;
}

static bool copy_text(char *out, size_t size, struct sdp_slice slice)
{
	if (slice.length >= size || !is_printable(slice))
		return false;
	if (slice.length)
		memcpy(out, slice.data, slice.length);
	out[slice.length] = '\0';
	return true;
}

static bool list_has_pt(const struct format_list *formats, uint8_t pt)
{
	for (uint8_t i = 0; i < formats->n; i++)
		if (formats->list[i].format.pt == pt)
			return true;
	return false;
}

// False: not named, or beyond our limits.
static bool read_format(struct remote_format *out, const struct sdp_format *from)
{
	struct sdp_encoding *encoding = &out->format.encoding;
	const struct sdp_codec *codec;

	*out = (struct remote_format){.format = {.pt = from->pt}};
	if (from->pt == SDP_NO_PT || !from->name.length ||
		!copy_text(encoding->name, sizeof(encoding->name), from->name) ||
		!copy_text(out->fmtp, sizeof(out->fmtp), from->fmtp))
		return false;
	encoding->clock_hz = from->clock_hz;
	encoding->channels = from->channels;
	codec = sdp_codec_find(encoding);
	if (codec) // in its registered case
		*encoding = codec->encoding;
	return true;
}

void formats_read(struct format_list *out, const struct sdp_policy *policy, const struct sdp *sdp,
	const struct sdp_media *media)
{
	out->n = 0;
	for (uint16_t i = 0; i < media->n_formats && out->n < NEGOTIATION_FORMATS_MAX; i++) {
		const struct sdp_format *from = &sdp->formats[media->first_format + i];
		struct remote_format *to = &out->list[out->n];

		if (!list_has_pt(out, from->pt) && read_format(to, from) &&
			policy_allows(policy, &to->format.encoding))
			out->n++;
	}
}

static void formats_of_policy(const struct sdp_policy *policy, struct format_list *out)
{
	static const struct sdp_encoding event = {"telephone-event", 8000, 1};

	*out = (struct format_list){};
	for (uint8_t i = 0; i < policy->n_codecs; i++)
		out->list[out->n++].format = (struct media_format){policy->codecs[i], SDP_NO_PT};
	if (policy_has_events(policy))
		out->list[out->n++].format = (struct media_format){event, SDP_NO_PT};
}

void formats_of_leg(const struct negotiation *n, int leg, struct format_list *out)
{
	if (!n->legs[leg].n_remote) {
		formats_of_policy(n->policies[leg], out);
		return;
	}
	out->n = n->legs[leg].n_remote;
	memcpy(out->list, n->legs[leg].remote_formats, out->n * sizeof(out->list[0]));
}

// Where the far end offered, our answer repeats its payload types; where we did, its answer may
// have others of its own (RFC 3264 section 6.1).
static bool is_agreed(const struct negotiation_leg *leg, const struct media_format *remote)
{
	for (uint8_t i = 0; i < leg->n_local; i++)
		if (sdp_encoding_equal(&leg->local_formats[i].encoding, &remote->encoding) &&
			(leg->offered_by_us || leg->local_formats[i].pt == remote->pt))
			return true;
	return false;
}

void formats_agreed(const struct negotiation_leg *leg, struct format_list *out)
{
	out->n = 0;
	for (uint8_t i = 0; i < leg->n_remote; i++)
		if (is_agreed(leg, &leg->remote_formats[i].format))
			out->list[out->n++] = leg->remote_formats[i];
}

bool formats_same(const struct remote_format *a, const struct remote_format *b)
{
	const struct sdp_codec *codec;

	if (!sdp_encoding_equal(&a->format.encoding, &b->format.encoding))
		return false;
	codec = sdp_codec_find(&a->format.encoding);
	return !codec || !codec->compatible || codec->compatible(a->fmtp, b->fmtp);
}

bool format_is_transcodable(const struct negotiation *n, const struct remote_format *format)
{
	const struct sdp_codec *codec = sdp_codec_find(&format->format.encoding);

	return negotiation_can_transcode(n, &format->format.encoding) &&
	       (!codec || !codec->transcodable || codec->transcodable(format->fmtp));
}

enum pair_rank formats_rank(
	const struct negotiation *n, const struct remote_format *a, const struct remote_format *b)
{
	const struct sdp_encoding *from = &a->format.encoding, *to = &b->format.encoding;

	if (!encoding_is_voice(from) || !encoding_is_voice(to))
		return PAIR_NONE;
	if (formats_same(a, b))
		return PAIR_SAME;
	if (!format_is_transcodable(n, a) || !format_is_transcodable(n, b))
		return PAIR_NONE;
	if (is_wideband(from) != is_wideband(to))
		return PAIR_MIXED;
	return is_wideband(from) ? PAIR_WIDEBAND : PAIR_NARROWBAND;
}

struct format_pair formats_best_pair(
	const struct negotiation *n, const struct format_list lists[2], int primary)
{
	const struct format_list *first = &lists[primary], *second = &lists[1 - primary];
	struct format_pair best = {.rank = PAIR_NONE};

	for (uint8_t i = 0; i < first->n; i++)
		for (uint8_t j = 0; j < second->n; j++) {
			enum pair_rank rank = formats_rank(n, &first->list[i], &second->list[j]);

			if (rank < best.rank) {
				best.rank = rank;
				best.formats[primary] = i;
				best.formats[1 - primary] = j;
			}
		}
	return best;
}

// Which leg's order of formats decides between equal pairs: that of the one who answered us, since
// it will send the first of its answer.
static int primary_leg(const struct negotiation *n)
{
	return n->legs[1].offered_by_us ? 1 : 0;
}

struct format_pair formats_agreed_pair(const struct negotiation *n, struct format_list lists[2])
{
	formats_agreed(&n->legs[0], &lists[0]);
	formats_agreed(&n->legs[1], &lists[1]);
	return formats_best_pair(n, lists, primary_leg(n));
}

void leg_learn_pt(struct negotiation_leg *leg, const struct media_format *format)
{
	uint8_t n = 0;

	// A number means one format, and a format has one number: the newest.
	for (uint8_t i = 0; i < leg->n_pts; i++)
		if (leg->pts[i].pt != format->pt &&
			!sdp_encoding_equal(&leg->pts[i].encoding, &format->encoding))
			leg->pts[n++] = leg->pts[i];
	if (n < NEGOTIATION_PTS_MAX)
		leg->pts[n++] = *format;
	leg->n_pts = n;
}

static bool pt_is_free(const struct negotiation_leg *leg, unsigned int pt)
{
	for (uint8_t i = 0; i < leg->n_pts; i++)
		if (leg->pts[i].pt == pt)
			return false;
	for (uint8_t i = 0; i < leg->n_local; i++)
		if (leg->local_formats[i].pt == pt)
			return false;
	return true;
}

// The payload type for our offer of a format: the one it has had on this leg before, its static
// one (a far end may have mapped that to something else), or a free dynamic one, `hint` where that
// is free.
static uint8_t pt_for(
	const struct negotiation_leg *leg, const struct sdp_encoding *encoding, uint8_t hint)
{
	const struct sdp_codec *codec = sdp_codec_find(encoding);

	for (uint8_t i = 0; i < leg->n_pts; i++)
		if (sdp_encoding_equal(&leg->pts[i].encoding, encoding))
			return leg->pts[i].pt;
	if (codec && codec->static_pt != SDP_NO_PT && pt_is_free(leg, codec->static_pt))
		return codec->static_pt;
	if (hint >= PT_DYNAMIC_FIRST && hint <= PT_DYNAMIC_LAST && pt_is_free(leg, hint))
		return hint;
	for (unsigned int pt = PT_DYNAMIC_FIRST; pt <= PT_DYNAMIC_LAST; pt++)
		if (pt != PT_TELEPHONE_EVENT && pt_is_free(leg, pt))
			return (uint8_t)pt;
	return SDP_NO_PT; // 24 formats at most are ever in use
}

void leg_add_local(struct negotiation_leg *leg, const struct sdp_encoding *encoding, uint8_t hint)
{
	struct media_format format = {*encoding, pt_for(leg, encoding, hint)};

	if (leg->n_local == NEGOTIATION_FORMATS_MAX || format.pt == SDP_NO_PT)
		return;
	leg_learn_pt(leg, &format);
	leg->local_formats[leg->n_local++] = format;
}

static enum pair_rank best_rank(const struct negotiation *n, const struct format_list *others,
	const struct sdp_encoding *encoding, uint8_t *pt)
{
	struct remote_format own = {.format = {*encoding, SDP_NO_PT}};
	enum pair_rank best = PAIR_NONE;

	*pt = SDP_NO_PT;
	for (uint8_t i = 0; i < others->n; i++) {
		const struct remote_format *other = &others->list[i];
		bool same = sdp_encoding_equal(&other->format.encoding, encoding);
		// The parameters of a format that is relayed will be the other leg's own.
		enum pair_rank rank = same && encoding_is_voice(encoding)
					      ? PAIR_SAME
					      : formats_rank(n, &own, other);

		if (rank < best)
			best = rank;
		if (same && *pt == SDP_NO_PT)
			*pt = other->format.pt;
	}
	return best;
}

// Comfort noise in place of silence, for codecs that have nothing of their own for it and its clock
// (RFC 3389 section 4).
static void offer_noise(struct negotiation_leg *leg)
{
	static const struct sdp_encoding noise = {"CN", 8000, 1};

	for (uint8_t i = 0; i < leg->n_local; i++)
		if (sdp_takes_noise(&leg->local_formats[i].encoding)) {
			leg_add_local(leg, &noise, 0);
			return;
		}
}

static void formats_local(const struct negotiation_leg *leg, struct format_list *out)
{
	*out = (struct format_list){.n = leg->n_local};
	for (uint8_t i = 0; i < leg->n_local; i++)
		out->list[i].format = leg->local_formats[i];
}

bool formats_offer(struct negotiation *n, int to)
{
	const struct sdp_policy *policy = n->policies[to];
	struct negotiation_leg *leg = &n->legs[to];
	struct format_list lists[2], *others = &lists[1 - to];
	uint8_t pt;

	formats_of_leg(n, 1 - to, others);
	leg->n_local = 0;
	for (enum pair_rank rank = PAIR_SAME; rank < PAIR_NONE; rank++)
		for (uint8_t i = 0; i < policy->n_codecs; i++)
			if (best_rank(n, others, &policy->codecs[i], &pt) == rank)
				leg_add_local(leg, &policy->codecs[i], pt);
	if (!leg->n_local)
		return false;
	formats_local(leg, &lists[to]);
	if (policy_has_events(policy) && formats_pass_digits(n, to, lists))
		events_offer(leg, others);
	if (policy->dtx)
		offer_noise(leg);
	return true;
}

void leg_answer_with(struct negotiation_leg *leg, const struct remote_format *remote)
{
	for (uint8_t i = 0; i < leg->n_local; i++)
		if (leg->local_formats[i].pt == remote->format.pt)
			return;
	leg->local_formats[leg->n_local++] = remote->format;
}

static void answer_noise(struct negotiation_leg *leg)
{
	uint8_t n_voice = leg->n_local;

	for (uint8_t i = 0; i < leg->n_remote; i++) {
		const struct remote_format *remote = &leg->remote_formats[i];

		for (uint8_t j = 0; j < n_voice && encoding_is_noise(&remote->format.encoding); j++)
			if (sdp_takes_noise(&leg->local_formats[j].encoding))
				leg_answer_with(leg, remote);
	}
}

// The best pair's format first, then what both sides have in common, so that a far end which
// changes between agreed formats in mid-call is still relayed.
bool formats_answer(struct negotiation *n, int to)
{
	struct negotiation_leg *leg = &n->legs[to];
	struct format_list lists[2], *own = &lists[to], *others = &lists[1 - to];
	struct format_pair pair;

	formats_of_leg(n, to, own);
	formats_agreed(&n->legs[1 - to], others);
	pair = formats_best_pair(n, lists, 1 - to);
	if (pair.rank == PAIR_NONE)
		return false;
	leg->n_local = 0;
	leg_answer_with(leg, &own->list[pair.formats[to]]);
	for (uint8_t i = 0; i < own->n; i++)
		for (uint8_t j = 0; j < others->n; j++)
			if (formats_rank(n, &own->list[i], &others->list[j]) == PAIR_SAME)
				leg_answer_with(leg, &own->list[i]);
	if (formats_pass_digits(n, to, lists))
		events_answer(leg, others, pair.rank == PAIR_SAME && formats_have_event(others));
	answer_noise(leg);
	return true;
}

// The far end's parameters of a format that we answer with, NULL: we offer it.
static const char *offered_fmtp(
	const struct negotiation_leg *leg, const struct media_format *format)
{
	for (uint8_t i = 0; i < leg->n_remote && !leg->offered_by_us; i++)
		if (leg->remote_formats[i].format.pt == format->pt)
			return leg->remote_formats[i].fmtp;
	return NULL;
}

// Formats that are relayed have the parameters of the other side, where these may be said in answer
// to what was offered.
void formats_local_fmtp(const struct negotiation *n, int to, const struct media_format *format,
	char *out, size_t size)
{
	const struct sdp_codec *codec = sdp_codec_find(&format->encoding);
	struct sdp_fmtp_context context = {
		.offered = offered_fmtp(&n->legs[to], format),
		.dtx = n->policies[to]->dtx,
	};
	bool event = encoding_is_event(&format->encoding);
	bool fixed = codec && codec->compatible && context.offered;
	struct format_list others;

	out[0] = '\0';
	formats_of_leg(n, 1 - to, &others);
	for (uint8_t i = 0; i < others.n; i++) {
		const struct sdp_encoding *other = &others.list[i].format.encoding;

		if (!event && sdp_encoding_equal(other, &format->encoding) &&
			(!fixed || codec->compatible(context.offered, others.list[i].fmtp))) {
			snprintf(out, size, "%s", others.list[i].fmtp);
			return;
		}
		if (negotiation_can_transcode(n, other) && audio_hz(other) > context.audio_hz)
			context.audio_hz = audio_hz(other);
	}
	if (event)
		snprintf(out, size, "0-15");
	else if (codec && codec->write)
		codec->write(out, size, &context);
}
