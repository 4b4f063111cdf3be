// Digits that control sends to the far end of a leg (SL_DTMF): as telephone events where that takes
// them, by the worker; else as tones, by the codec that the leg's media passes.
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "feed.h"
#include "session_state.h"

#define DURATION_MIN_MS 40
#define DURATION_MAX_MS 5000

// The events that a leg is sent, as dial.h has it. 0: none.
static uint32_t event_format(const struct sl_leg *leg)
{
	const struct sl_format *event =
		leg->n_formats ? feed_find_event(leg, leg->formats[0].clock_hz) : NULL;

	return event ? dial_format(event->pt, event->clock_hz) : 0;
}

static struct dials *dials_of(const struct sessions *sessions, const struct leg *leg)
{
	return sessions->memory[leg->worker].dials;
}

static int send_digit(struct sessions *sessions, struct leg *leg, const struct sl_leg *wanted,
	struct dial_digit digit)
{
	uint32_t format = event_format(wanted);

	if (format)
		return dial_put(dials_of(sessions, leg), leg, format, digit);
	if (!leg->control.feed)
		return -EOPNOTSUPP;
	return feed_digit(
		leg->control.feed, (struct transcode_digit){digit.code, digit.duration_ms});
}

static_assert(TRANSCODE_DIGITS_MAX == SL_DTMF_QUEUE_MAX, "tones wait as events do");

int session_dtmf(
	struct sessions *sessions, const struct session *session, const struct sl_dtmf *dtmf)
{
	static const char names[] = "0123456789*#ABCD";
	const char *name = dtmf->digit ? strchr(names, dtmf->digit) : NULL;
	struct sl_session wanted;
	struct leg *leg;

	if (dtmf->leg >= session->n_legs || !name || dtmf->duration_ms < DURATION_MIN_MS ||
		dtmf->duration_ms > DURATION_MAX_MS)
		return -EINVAL;
	leg = session->legs[dtmf->leg];
	if (!(leg->config->flags & SL_LEG_SEND) ||
		leg->config->flags & (SL_LEG_TRANSPARENT_SSRC | SL_LEG_OPAQUE))
		return -EOPNOTSUPP;
	session_wanted(session, &wanted);
	return send_digit(sessions, leg, &wanted.legs[dtmf->leg],
		(struct dial_digit){(uint8_t)(name - names), dtmf->duration_ms});
}

void session_dial_again(struct sessions *sessions, struct session *session)
{
	struct sl_session wanted;

	for (unsigned int i = 0; i < session->n_legs; i++) {
		struct leg *leg = session->legs[i];

		if (!leg->has_dial)
			continue;
		session_wanted(session, &wanted);
		dial_change(dials_of(sessions, leg), leg, event_format(&wanted.legs[i]));
	}
}

struct dials *sessions_dials(const struct sessions *sessions, unsigned int worker)
{
	return sessions->memory[worker].dials;
}
