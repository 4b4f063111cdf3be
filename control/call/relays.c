// Lines that are relayed (video, text, T.38) as legs of the media session: behind the two of audio,
// a pair for each. A pair stays until the call ends, idle while its line is refused, so that media
// which comes back finds its ports. The subtle thing: descriptions name ports, so a line that is
// new must wait for them (relays_wait()), or is refused.
#include <stdio.h>

#include "call_digits.h"
#include "call_private.h"
#include "description.h"

// A fax that listens may send nothing for as long as a page takes.
#define FAX_SILENCE_S 300

static unsigned int leg_index(int relay, int side)
{
	return (unsigned int)(LEGS + relay * LEGS + side);
}

static struct sl_leg *relay_leg(struct call *call, int relay, int side)
{
	unsigned int i = leg_index(relay, side);

	return i < media_session_n_legs(&call->session) ? media_session_leg(&call->session, i)
							: NULL;
}

// How many relays the session needs legs for.
static int n_needed(const struct call *call)
{
	int n = 0;

	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++)
		for (int side = 0; side < LEGS; side++)
			if (call->negotiation.legs[side].relays[i].on)
				n = i + 1;
	return n;
}

void relays_place(struct call *call)
{
	unsigned int n = leg_index(n_needed(call), 0), first = media_session_n_legs(&call->session);

	if (n <= first || media_session_resize(&call->session, n))
		return; // without legs they are refused
	for (unsigned int i = first; i < n; i++)
		session_leg_place(call, media_session_leg(&call->session, i), (int)(i % LEGS));
}

void relays_forget_new(struct call *call)
{
	unsigned int n = media_session_n_legs(&call->session);

	while (n > LEGS && !media_session_leg(&call->session, n - 1)->local.port)
		n--;
	media_session_resize(&call->session, n);
}

bool relays_wait(struct call *call)
{
	unsigned int n = media_session_n_legs(&call->session);

	relays_place(call);
	if (n == media_session_n_legs(&call->session))
		return false;
	media_session_update(&call->session);
	return true;
}

bool relays_are_placed(struct call *call)
{
	for (unsigned int i = LEGS; i < media_session_n_legs(&call->session); i++)
		if (!media_session_leg(&call->session, i)->local.port)
			return false;
	return true;
}

void relays_ports(struct call *call, int side, uint16_t ports[NEGOTIATION_RELAYS_MAX])
{
	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++) {
		const struct sl_leg *leg = relay_leg(call, i, side);

		ports[i] = leg ? leg->local.port : 0;
	}
}

// The same number is the same format on both sides, whatever it is.
static void formats_fill(struct sl_leg *leg, const struct media_summary_relay_leg *from)
{
	leg->n_formats = from->n_formats;
	for (uint8_t i = 0; i < from->n_formats; i++) {
		leg->formats[i] = (struct sl_format){
			.clock_hz = from->formats[i].clock_hz,
			.pt = from->formats[i].pt,
			.receive_pt = from->formats[i].pt,
			.channels = 1,
			.complexity = 0xff,
		};
		snprintf(leg->formats[i].name, sizeof(leg->formats[i].name), "x-%u",
			from->formats[i].pt);
	}
}

static void leg_fill(struct call *call, const struct media_summary *media, int relay, int side)
{
	const struct media_summary_relay_leg *from = &media->relays[relay].legs[side];
	struct sl_leg *leg = relay_leg(call, relay, side);
	bool opaque = media->relays[relay].opaque, agreed = media->relays_agreed[relay];
	bool alone = agreed && opaque && call->times.answer_ms && !media->agreed;

	memset(leg->formats, 0, sizeof(leg->formats));
	leg->n_formats = 0;
	leg->remote = session_address(&from->remote, from->remote_port);
	leg->remote_rtcp = session_address(&from->remote_rtcp, from->remote_rtcp_port);
	leg->source = agreed ? (uint8_t)leg_index(relay, !side) : SL_NO_LEG;
	leg->flags = (from->receive ? SL_LEG_RECEIVE : SL_LEG_HELD) |
		     (from->send ? SL_LEG_SEND : 0) | (opaque ? SL_LEG_OPAQUE : 0) |
		     (opaque ? 0 : SL_LEG_TRANSPARENT_SSRC) |
		     (from->rtcp_mux ? SL_LEG_RTCP_MUX : 0);
	// Where there is audio, it says whether the call goes on.
	leg->media_timeout_ms = leg->start_timeout_ms =
		alone && call->calls->settings.media_s ? FAX_SILENCE_S * 1000 : 0;
	if (!opaque)
		formats_fill(leg, from);
	session_keys_fill(leg, &from->srtp_receive, &from->srtp_send);
}

static void leg_idle(struct sl_leg *leg)
{
	static const struct sdp_crypto none;

	leg->flags = 0;
	leg->source = SL_NO_LEG;
	leg->n_formats = 0;
	memset(leg->formats, 0, sizeof(leg->formats));
	leg->remote = leg->remote_rtcp = (struct sl_address){};
	leg->media_timeout_ms = leg->start_timeout_ms = 0;
	session_keys_fill(leg, &none, &none);
}

void relays_fill(struct call *call, const struct media_summary *media)
{
	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++)
		for (int side = 0; side < LEGS; side++) {
			if (!relay_leg(call, i, side))
				continue;
			if (media->relays[i].legs[0].on && media->relays[i].legs[1].on)
				leg_fill(call, media, i, side);
			else
				leg_idle(relay_leg(call, i, side));
		}
}

void relays_keys_restore(struct call *call, const struct media_summary *media)
{
	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++)
		for (int side = 0; side < LEGS; side++) {
			const struct media_summary_relay_leg *from = &media->relays[i].legs[side];

			if (relay_leg(call, i, side))
				session_keys_fill(relay_leg(call, i, side), &from->srtp_receive,
					&from->srtp_send);
		}
}
