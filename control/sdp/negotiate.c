// The offer/answer exchange: which leg is where, and what the descriptions say besides formats
// (negotiate_formats.c). Every step works on a copy of the struct and puts it back when it has
// succeeded, so a refused description leaves nothing behind.
#include "negotiate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "negotiate_formats.h"
#include "sdp_write.h"

static bool leg_is_waiting(const struct negotiation_leg *leg)
{
	return leg->state == NEGOTIATION_OFFERED || leg->state == NEGOTIATION_ANSWER_DUE;
}

void negotiation_init(struct negotiation *n, const struct sdp_policy *const policies[2],
	const struct sdp_encoding *const *transcoders, const uint64_t ids[2])
{
	*n = (struct negotiation){
		.policies = {policies[0], policies[1]},
		.transcoders = transcoders,
	};
	for (int i = 0; i < 2; i++)
		n->legs[i].session_id = n->legs[i].version = ids[i];
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

// Plain RTP audio that reaches us and has a codec that the policy allows.
static bool line_is_usable(const struct sdp_policy *policy, const struct sdp *sdp,
	const struct sdp_media *media, struct format_list *formats)
{
	uint8_t family = media->connection.address.family;

	if (!sdp_slice_equal_nocase(media->type, "audio") || !media->port || !family ||
		(policy->address_family && family != policy->address_family))
		return false;
	if (!sdp_slice_equal_nocase(media->proto, "RTP/AVP") &&
		!sdp_slice_equal_nocase(media->proto, "RTP/AVPF"))
		return false;
	formats_read(formats, policy, sdp, media);
	return formats_have_voice(formats);
}

// The line that was in use before, where it still can be; else the first that can.
static const struct sdp_media *choose_line(struct negotiation_leg *leg,
	const struct sdp_policy *policy, const struct sdp *sdp, struct format_list *formats)
{
	const struct sdp_media *before = &sdp->media[leg->audio_line];

	if (leg->state != NEGOTIATION_IDLE && leg->audio_line < sdp->n_media &&
		line_is_usable(policy, sdp, before, formats))
		return before;
	for (uint16_t i = 0; i < sdp->n_media; i++)
		if (line_is_usable(policy, sdp, &sdp->media[i], formats)) {
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
	leg->remote_port = media->port;
	leg->remote_rtcp = media->rtcp_address;
	leg->remote_rtcp_port = media->rtcp_port;
	leg->remote_mux = media->rtcp_mux;
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

static int read_offer(struct negotiation *n, int from, const struct sdp *offer)
{
	struct negotiation_leg *leg = &n->legs[from];
	const struct sdp_media *media;
	struct format_list formats;
	int rc;

	media = choose_line(leg, n->policies[from], offer, &formats);
	if (!media)
		return -EOPNOTSUPP;
	rc = read_lines(leg, offer);
	if (rc)
		return rc;
	read_media(leg, media);
	set_remote_formats(leg, &formats);
	for (uint8_t i = 0; i < formats.n; i++)
		leg_learn_pt(leg, &formats.list[i].format);
	leg->n_local = 0;
	leg->offered_by_us = false;
	leg->state = NEGOTIATION_ANSWER_DUE;
	return 0;
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

static int prepare_offer(struct negotiation *n, int to)
{
	static const struct media_line audio = {"audio", "RTP/AVP", "0"};
	struct negotiation_leg *leg = &n->legs[to], *other = &n->legs[1 - to];

	if (!formats_offer(n, to))
		return -EOPNOTSUPP;
	if (!leg->n_lines) {
		leg->lines[0] = audio;
		leg->n_lines = 1;
		leg->audio_line = 0;
	}
	leg->local_direction =
		other->state == NEGOTIATION_IDLE ? SDP_SENDRECV : other->remote_direction;
	leg->local_mux = n->policies[to]->rtcp_mux;
	leg->offered_by_us = true;
	set_local_ptime(n, to);
	leg->state = NEGOTIATION_OFFERED;
	return 0;
}

// Our answer to leg `to`, the other leg being agreed.
static int prepare_answer(struct negotiation *n, int to)
{
	struct negotiation_leg *leg = &n->legs[to], *other = &n->legs[1 - to];

	if (!formats_answer(n, to))
		return -EOPNOTSUPP;
	leg->local_direction =
		(uint8_t)(other->remote_direction & direction_reverse(leg->remote_direction));
	leg->local_mux = leg->remote_mux && n->policies[to]->rtcp_mux;
	set_local_ptime(n, to);
	leg->state = NEGOTIATION_STABLE;
	return 0;
}

int negotiation_take_offer(struct negotiation *n, int from, const struct sdp *offer)
{
	struct negotiation next = *n;
	int rc;

	if (leg_is_waiting(&n->legs[0]) || leg_is_waiting(&n->legs[1]))
		return -EBUSY;
	rc = read_offer(&next, from, offer);
	if (!rc)
		rc = prepare_offer(&next, 1 - from);
	if (!rc)
		*n = next;
	return rc;
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

	if (n->stale || before->state != NEGOTIATION_STABLE || other->state != NEGOTIATION_STABLE ||
		read_offer(&next, from, offer))
		return false;
	return same_formats(before, &next.legs[from]) &&
	       other->local_direction == next.legs[from].remote_direction;
}

int negotiation_answer_here(struct negotiation *n, int from, const struct sdp *offer)
{
	struct negotiation next = *n;
	int rc;

	if (leg_is_waiting(&n->legs[from]) || n->legs[1 - from].state != NEGOTIATION_STABLE)
		return -EBUSY;
	rc = read_offer(&next, from, offer);
	if (!rc)
		rc = prepare_answer(&next, from);
	if (!rc)
		*n = next;
	return rc;
}

int negotiation_make_offer(struct negotiation *n, int to)
{
	struct negotiation next = *n;
	int rc;

	if (leg_is_waiting(&n->legs[0]) || leg_is_waiting(&n->legs[1]))
		return -EBUSY;
	rc = prepare_offer(&next, to);
	if (!rc)
		*n = next;
	return rc;
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

static int read_answer(struct negotiation *n, int from, const struct sdp *answer)
{
	struct negotiation_leg *leg = &n->legs[from];
	const struct sdp_media *media;
	struct format_list formats;

	if (leg->audio_line >= answer->n_media)
		return -EPROTO;
	media = &answer->media[leg->audio_line];
	if (!line_is_usable(n->policies[from], answer, media, &formats))
		return -EOPNOTSUPP;
	keep_offered(leg, &formats);
	if (!formats_have_voice(&formats))
		return -EOPNOTSUPP;
	read_media(leg, media);
	leg->remote_direction &= direction_reverse(leg->local_direction);
	leg->remote_mux = leg->remote_mux && leg->local_mux;
	set_remote_formats(leg, &formats);
	leg->state = NEGOTIATION_STABLE;
	return 0;
}

int negotiation_take_answer(struct negotiation *n, int from, const struct sdp *answer)
{
	struct negotiation next = *n;
	struct negotiation_leg *leg = &next.legs[from], *other = &next.legs[1 - from];
	struct format_list lists[2];
	int rc;

	if (!leg->offered_by_us ||
		(leg->state != NEGOTIATION_OFFERED && leg->state != NEGOTIATION_STABLE))
		return -EPROTO;
	rc = read_answer(&next, from, answer);
	if (!rc && other->state == NEGOTIATION_ANSWER_DUE)
		rc = prepare_answer(&next, 1 - from);
	else if (!rc && other->state == NEGOTIATION_STABLE &&
		 formats_agreed_pair(&next, lists).rank == PAIR_NONE)
		rc = -EOPNOTSUPP;
	next.stale = false;
	if (!rc)
		*n = next;
	return rc;
}

// FNV-1a: only to see whether a description differs from the one before.
static uint64_t hash_text(const char *text, int length)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (int i = 0; i < length; i++)
		hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3;
	return hash;
}

static size_t describe_formats(const struct negotiation *n, int to,
	struct sdp_write_format *formats, char (*fmtps)[SDP_FMTP_MAX])
{
	const struct negotiation_leg *leg = &n->legs[to];

	for (uint8_t i = 0; i < leg->n_local; i++) {
		const struct media_format *format = &leg->local_formats[i];

		formats_local_fmtp(n, to, format, fmtps[i], sizeof(fmtps[i]));
		formats[i] = (struct sdp_write_format){
			.name = format->encoding.name,
			.fmtp = fmtps[i],
			.clock_hz = format->encoding.clock_hz,
			.channels = format->encoding.channels,
			.pt = format->pt,
		};
	}
	return leg->n_local;
}

static void describe_lines(const struct negotiation_leg *leg, struct sdp_write_media *lines)
{
	for (uint8_t i = 0; i < leg->n_lines; i++)
		lines[i] = (struct sdp_write_media){
			.type = leg->lines[i].type,
			.proto = leg->lines[i].proto,
			.rejected_format = leg->lines[i].format,
		};
}

int negotiation_write(struct negotiation *n, int to, const struct negotiation_local *local,
	char *out, size_t size)
{
	struct negotiation_leg *leg = &n->legs[to];
	struct sdp_write_format formats[NEGOTIATION_FORMATS_MAX];
	char fmtps[NEGOTIATION_FORMATS_MAX][SDP_FMTP_MAX];
	struct sdp_write_media lines[NEGOTIATION_LINES_MAX];
	struct sdp_description description = {
		.session_id = leg->session_id,
		.address = local->address,
		.media = lines,
		.n_media = leg->n_lines,
	};
	struct sdp_write_media *audio = &lines[leg->audio_line];
	uint64_t hash;
	int length;

	if (leg->state == NEGOTIATION_IDLE || leg->state == NEGOTIATION_ANSWER_DUE)
		return -EAGAIN;
	describe_lines(leg, lines);
	audio->formats = formats;
	audio->n_formats = describe_formats(n, to, formats, fmtps);
	audio->port = local->port;
	audio->direction = (enum sdp_direction)leg->local_direction;
	audio->ptime_ms = leg->local_ptime_ms;
	audio->maxptime_ms = leg->local_maxptime_ms;
	audio->rtcp_mux = leg->local_mux;
	length = sdp_write(&description, out, size);
	if (length < 0)
		return length;
	hash = hash_text(out, length);
	if (leg->text_hash && leg->text_hash != hash)
		leg->version++;
	leg->text_hash = hash;
	description.version = leg->version;
	return sdp_write(&description, out, size);
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
}
