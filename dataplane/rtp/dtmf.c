// Telephone events (RFC 4733): payload and mapper. See dtmf.h for what the mapper guards against.
#include "dtmf.h"

#include <errno.h>

#include "bytes.h"

#define DURATION_MAX 0xffffu

// How long packets of an event that is over may still come. Timestamps further back are a new
// origin (or many hours ahead).
#define STALE_S 10

int dtmf_parse(const uint8_t *payload, size_t n_bytes, struct dtmf_event *events, int events_max)
{
	size_t n = n_bytes / DTMF_BYTES;

	if (n == 0 || n_bytes % DTMF_BYTES || n > (size_t)events_max)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++, payload += DTMF_BYTES)
		events[i] = (struct dtmf_event){
			.code = payload[0],
			.volume = payload[1] & 0x3f,
			.end = payload[1] >> 7,
			.duration = get_be16(payload + 2),
		};
	return (int)n;
}

void dtmf_build(uint8_t payload[DTMF_BYTES], const struct dtmf_event *event)
{
	payload[0] = event->code;
	payload[1] = (uint8_t)(event->end << 7 | (event->volume & 0x3f));
	put_be16(payload + 2, event->duration);
}

void dtmf_mapper_init(struct dtmf_mapper *mapper, uint32_t from_hz, uint32_t to_hz)
{
	*mapper = (struct dtmf_mapper){.from_hz = from_hz, .to_hz = to_hz};
}

static uint32_t scale(const struct dtmf_mapper *m, uint32_t ticks)
{
	return (uint32_t)(((uint64_t)ticks * m->to_hz + m->from_hz / 2) / m->from_hz);
}

// A segment of an event goes on exactly where the full one before it ended (2.5.1.3). The packets
// in between may be lost, so it need not be the very next one.
static bool is_next_segment(const struct dtmf_mapper *m, uint32_t timestamp, uint8_t code)
{
	uint32_t ahead = timestamp - m->segment;

	return m->known && !m->ended && code == m->code && ahead != 0 &&
	       ahead % DURATION_MAX == 0 && ahead <= 4 * DURATION_MAX;
}

static void begin(struct dtmf_mapper *m, uint32_t timestamp, uint8_t code, uint32_t out_timestamp)
{
	m->start = m->segment = timestamp;
	m->out_start = out_timestamp;
	m->duration = 0;
	m->out_segments = 0;
	m->code = code;
	m->known = true;
	m->ended = false;
}

static bool is_current(
	const struct dtmf_mapper *m, uint32_t timestamp, const struct dtmf_event *event)
{
	return m->known && timestamp == m->segment && event->code == m->code;
}

static bool is_stale(const struct dtmf_mapper *m, uint32_t timestamp)
{
	return m->known && m->segment - timestamp < STALE_S * m->from_hz;
}

bool dtmf_is_new(const struct dtmf_mapper *m, uint32_t timestamp, const struct dtmf_event *event)
{
	return !is_current(m, timestamp, event) && !is_next_segment(m, timestamp, event->code) &&
	       !is_stale(m, timestamp);
}

bool dtmf_end(struct dtmf_mapper *m, struct dtmf_output *out)
{
	uint32_t rest;

	if (!m->known || m->ended)
		return false;
	m->ended = true;
	rest = scale(m, m->duration) - m->out_segments * DURATION_MAX;
	*out = (struct dtmf_output){
		.timestamp = m->out_start + m->out_segments * DURATION_MAX,
		.event = {m->code, m->volume, true,
			(uint16_t)(rest > DURATION_MAX ? DURATION_MAX : rest)},
	};
	return true;
}

// Which event is this packet of? False where it belongs to one that is over.
static bool find_event(struct dtmf_mapper *m, uint32_t timestamp, const struct dtmf_event *event,
	uint32_t out_timestamp, bool *is_new)
{
	*is_new = false;
	if (is_current(m, timestamp, event))
		return !m->ended || event->end;
	if (is_next_segment(m, timestamp, event->code)) {
		m->segment = timestamp;
		return true;
	}
	if (is_stale(m, timestamp))
		return false;
	begin(m, timestamp, event->code, out_timestamp);
	*is_new = true;
	return true;
}

unsigned int dtmf_map(struct dtmf_mapper *m, uint32_t timestamp, const struct dtmf_event *event,
	uint32_t out_timestamp, struct dtmf_output out[DTMF_OUTPUTS_MAX])
{
	uint32_t total, scaled;
	unsigned int n = 0;
	bool is_new;

	if (!find_event(m, timestamp, event, out_timestamp, &is_new))
		return 0;
	total = m->segment - m->start + event->duration;
	if (total < m->duration) {
		if (!event->end)
			return 0;
		total = m->duration;
	}
	m->duration = total;
	m->ended = event->end;
	m->volume = event->volume;
	scaled = scale(m, total);
	// Announce each segment that is full by now, then what remains. An end that falls on the
	// edge stays in the full segment.
	while (scaled - m->out_segments * DURATION_MAX > DURATION_MAX && n < DTMF_OUTPUTS_MAX - 1) {
		out[n] = (struct dtmf_output){
			.timestamp = m->out_start + m->out_segments++ * DURATION_MAX,
			.marker = is_new && n == 0,
			.event = {event->code, event->volume, false, DURATION_MAX},
		};
		n++;
	}
	scaled -= m->out_segments * DURATION_MAX;
	out[n] = (struct dtmf_output){
		.timestamp = m->out_start + m->out_segments * DURATION_MAX,
		.marker = is_new && n == 0,
		.event = {event->code, event->volume, event->end,
			(uint16_t)(scaled > DURATION_MAX ? DURATION_MAX : scaled)},
	};
	return n + 1;
}
