// Where SRTP stands. A dataplane that has started again knows no indices, and the keys of a call
// are the same as before:
//
//  - What we send must not be of an index that was sent before: two packets of one key stream tell
//    each other's content (RFC 3711 9.1). The last one is not known for certain. But indices belong
//    to an SSRC, so we go on under a new one, from the beginning. The far end takes it under the
//    same key without being told (RFC 4568 6.4.1), so that media is back at once, and nobody is
//    asked again by SIP.
//  - What we receive goes on where the far end is, whose roll-over counter is not in its packets.
//  It
//    is found again from any index less than 2^15 packets old (RFC 3711 3.3.1). So we ask for it
//    with the first packet and then once in ROUND_S: 12,000 packets at 10 ms each. (What came after
//    the last report could be sent to us again; it would be heard twice.)
//
// Indices are kept where the next SL_SESSION_SET needs them: in the leg's srtp_receive.resume,
// which counts only for a key that the dataplane sees for the first time.
#include "media_private.h"

#define ROUND_S 120

static bool leg_has_srtp(const struct sl_leg *leg)
{
	return leg->srtp_receive.suite != SL_SRTP_NONE;
}

void media_srtp_lost(struct media_session *session)
{
	for (unsigned int i = 0; i < media_session_n_legs(session); i++)
		if (leg_has_srtp(media_session_leg(session, i)))
			media_session_leg(session, i)->ssrc = 0;
}

void media_session_heard(struct media_session *session, const struct sl_session_report *report)
{
	bool news = false;

	for (unsigned int i = 0; i < media_session_n_legs(session) && i < report->session.n_legs;
		i++) {
		const struct sl_srtp_indices *now = &report->stats[i].srtp_received;

		if (leg_has_srtp(media_session_leg(session, i)) && now->rtp_next) {
			media_session_leg(session, i)->srtp_receive.resume = *now;
			news = true;
		}
	}
	if (news && session->media->ops->heard)
		session->media->ops->heard(session);
}

static void on_report(void *arg, const struct sl_message *message)
{
	struct media *media = arg;
	const struct sl_session_report *report =
		message && !message->status ? sl_payload_report(message, NULL) : NULL;
	struct media_session *session =
		report ? media_session_find(media, &report->session.id) : NULL;

	if (session)
		media_session_heard(session, report);
}

void media_srtp_ask(struct media_session *session)
{
	struct media *media = session->media;

	if (media->up && session->exists && !session->closing &&
		(leg_has_srtp(&session->legs[MEDIA_LEG_A]) ||
			leg_has_srtp(&session->legs[MEDIA_LEG_B])))
		media_get(media, &session->id, on_report, media); // or in the next round
}

void media_srtp_turn(evutil_socket_t, short, void *arg)
{
	struct media *media = arg;
	size_t n = media->n_buckets / ROUND_S + 1;
	struct media_session *session;

	while (n--) {
		media->srtp_bucket = (media->srtp_bucket + 1) & (media->n_buckets - 1);
		LIST_FOREACH (session, &media->buckets[media->srtp_bucket], by_id)
			media_srtp_ask(session);
	}
}
