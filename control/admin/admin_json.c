// How sessions and codecs look in JSON. Names are those of the CDR where it has them.
#include <string.h>

#include "admin_private.h"
#include "ulid.h"

static json_t *address_json(const struct sl_address *address)
{
	struct sdp_address host = {.family = address->family};
	char text[64], number[8];

	if (!address->family)
		return json_null();
	memcpy(host.bytes, address->bytes, sizeof(host.bytes));
	sdp_address_text(&host, text, sizeof(text));
	snprintf(number, sizeof(number), "%u", address->port);
	return address->family == SL_IPV6 ? json_sprintf("[%s]:%s", text, number)
					  : json_sprintf("%s:%s", text, number);
}

static json_t *formats_json(const struct sl_leg *leg)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < leg->n_formats && i < SL_FORMATS_MAX; i++) {
		const struct sl_format *format = &leg->formats[i];

		json_array_append_new(
			list, json_pack("{s:o, s:i, s:i}", "name",
				      json_stringn_nocheck(format->name,
					      strnlen(format->name, sizeof(format->name))),
				      "pt", (int)format->pt, "clock_hz", (int)format->clock_hz));
	}
	return list;
}

// One direction of a leg: the suite as SDP names it, and the lowest indices that are still to come.
static json_t *srtp_json(uint8_t suite, const struct sl_srtp_indices *indices)
{
	static const char *const names[] = {
		[SL_SRTP_AES_CM_128_HMAC_SHA1_80] = "AES_CM_128_HMAC_SHA1_80",
		[SL_SRTP_AES_CM_128_HMAC_SHA1_32] = "AES_CM_128_HMAC_SHA1_32",
		[SL_SRTP_AES_256_CM_HMAC_SHA1_80] = "AES_256_CM_HMAC_SHA1_80",
		[SL_SRTP_AES_256_CM_HMAC_SHA1_32] = "AES_256_CM_HMAC_SHA1_32",
		[SL_SRTP_AEAD_AES_128_GCM] = "AEAD_AES_128_GCM",
		[SL_SRTP_AEAD_AES_256_GCM] = "AEAD_AES_256_GCM",
	};

	if (suite == SL_SRTP_NONE || suite >= sizeof(names) / sizeof(names[0]))
		return json_null();
	return json_pack("{s:s, s:I, s:i, s:I}", "suite", names[suite], "roc",
		(json_int_t)(indices->rtp_next >> 16), "sequence",
		(int)(indices->rtp_next & 0xffff), "rtcp_index", (json_int_t)indices->rtcp_next);
}

// Names are those of RFC 3611 4.7.
static json_t *voip_json(const struct sl_voip_metrics *voip)
{
	const struct {
		const char *name;
		int value;
	} fields[] = {
		{"loss_rate", voip->loss_rate},
		{"discard_rate", voip->discard_rate},
		{"burst_density", voip->burst_density},
		{"gap_density", voip->gap_density},
		{"burst_duration_ms", voip->burst_duration_ms},
		{"gap_duration_ms", voip->gap_duration_ms},
		{"round_trip_delay_ms", voip->round_trip_ms},
		{"end_system_delay_ms", voip->end_system_delay_ms},
		{"signal_level_dbm", voip->signal_level_dbm},
		{"noise_level_dbm", voip->noise_level_dbm},
		{"rerl_db", voip->rerl_db},
		{"gmin", voip->gmin},
		{"r_factor", voip->r_factor},
		{"external_r_factor", voip->external_r_factor},
		{"mos_lq", voip->mos_lq},
		{"mos_cq", voip->mos_cq},
		{"rx_config", voip->rx_config},
		{"jb_nominal_ms", voip->jitter_buffer_nominal_ms},
		{"jb_maximum_ms", voip->jitter_buffer_maximum_ms},
		{"jb_abs_max_ms", voip->jitter_buffer_absolute_ms},
	};
	json_t *json = json_object();

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		json_object_set_new_nocheck(json, fields[i].name, json_integer(fields[i].value));
	return json;
}

// Nothing where there was nothing to judge by.
static void add_quality(json_t *leg, const char *key, const struct sl_quality *quality)
{
	if (quality->mos_hundredths)
		json_object_set_new(leg, key,
			json_pack("{s:f, s:f}", "mos", quality->mos_hundredths / 100.0, "r",
				quality->r_tenths / 10.0));
}

static void add_stats(json_t *leg, const struct sl_leg_stats *stats)
{
	const struct {
		const char *name;
		uint64_t value;
	} counts[] = {
		{"rx_packets", stats->rx_packets},
		{"rx_bytes", stats->rx_bytes},
		{"tx_packets", stats->tx_packets},
		{"tx_bytes", stats->tx_bytes},
		{"rx_rtcp", stats->rx_rtcp},
		{"tx_rtcp", stats->tx_rtcp},
		{"lost", stats->lost},
		{"reordered", stats->reordered},
		{"duplicates", stats->duplicates},
		{"dropped_source", stats->dropped_source},
		{"dropped_other", stats->dropped_other},
		{"dropped_auth", stats->dropped_auth},
		{"dropped_replay", stats->dropped_replay},
		{"dropped_rate", stats->dropped_rate},
		{"punted", stats->punted},
		{"transcoded", stats->transcoded},
		{"concealed", stats->concealed},
		{"transcode_ns", stats->transcode_ns},
		{"jitter_us", stats->jitter_us},
		{"jitter_max_us", stats->jitter_max_us},
		{"rx_ssrc", stats->rx_ssrc},
		{"tx_ssrc", stats->tx_ssrc},
		{"idle_ms", stats->idle_ms},
		{"rtt_us", stats->rtt_us},
		{"remote_lost", stats->remote_lost},
		{"remote_jitter_us", stats->remote_jitter_us},
		{"remote_fraction_lost", stats->remote_fraction_lost},
		{"loss_bursts", stats->loss_bursts},
		{"late", stats->late},
		{"discarded", stats->discarded},
		{"jitter_buffer_ms", stats->jitter_buffer_ms},
		{"jitter_target_ms", stats->jitter_target_ms},
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		json_object_set_new_nocheck(
			leg, counts[i].name, json_integer((json_int_t)counts[i].value));
	json_object_set_new(leg, "latched", json_boolean(stats->latched));
	json_object_set_new(leg, "timed_out", json_boolean(stats->timed_out));
	json_object_set_new(leg, "one_way", json_boolean(stats->one_way));
	json_object_set_new(leg, "source", address_json(&stats->source));
	add_quality(leg, "quality", &stats->received);
	add_quality(leg, "quality_now", &stats->received_now);
	add_quality(leg, "quality_worst", &stats->received_worst);
	add_quality(leg, "quality_sent", &stats->sent);
	if (stats->voip.ssrc)
		json_object_set_new(leg, "voip", voip_json(&stats->voip));
}

static json_t *leg_json(
	const struct sl_leg *leg, const struct sl_leg_stats *stats, unsigned int index)
{
	json_t *json = json_object();
	char name[2] = {(char)('a' + index), '\0'};

	json_object_set_new(json, "leg", json_string(name));
	json_object_set_new(json, "local", address_json(&leg->local));
	json_object_set_new(json, "remote", address_json(&leg->remote));
	json_object_set_new(json, "formats", formats_json(leg));
	json_object_set_new(json, "sends", json_boolean(leg->flags & SL_LEG_SEND));
	json_object_set_new(json, "receives", json_boolean(leg->flags & SL_LEG_RECEIVE));
	json_object_set_new(json, "held", json_boolean(leg->flags & SL_LEG_HELD));
	json_object_set_new(json, "rtcp_mux", json_boolean(leg->flags & SL_LEG_RTCP_MUX));
	json_object_set_new(
		json, "srtp_receive", srtp_json(leg->srtp_receive.suite, &stats->srtp_received));
	json_object_set_new(json, "srtp_send", srtp_json(leg->srtp_send.suite, &stats->srtp_sent));
	add_stats(json, stats);
	return json;
}

json_t *session_json(const struct sl_session_report *report)
{
	json_t *json, *legs = json_array();
	char id[ULID_TEXT_SIZE];
	struct ulid ulid;

	memcpy(ulid.bytes, report->session.id.bytes, sizeof(ulid.bytes));
	ulid_format(&ulid, id);
	for (unsigned int i = 0; i < report->session.n_legs && i < SL_LEGS_MAX; i++)
		json_array_append_new(
			legs, leg_json(&report->session.legs[i], &report->stats[i], i));
	json = json_pack("{s:s, s:i, s:i, s:o}", "session", id, "worker", (int)report->worker,
		"age_ms", (int)report->age_ms, "legs", legs);
	return json;
}

static json_t *numbers_json(const uint32_t *numbers, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n && numbers[i]; i++)
		json_array_append_new(list, json_integer((json_int_t)numbers[i]));
	return list;
}

static json_int_t streams_per_core(uint32_t frame_ns)
{
	return frame_ns ? 20000000 / frame_ns : 0;
}

json_t *codec_json(const struct sl_codec *codec)
{
	uint32_t frames_ms[sizeof(codec->frames_ms)];

	for (size_t i = 0; i < sizeof(codec->frames_ms); i++)
		frames_ms[i] = codec->frames_ms[i];
	return json_pack("{s:o, s:I, s:i, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "name",
		json_stringn_nocheck(codec->name, strnlen(codec->name, sizeof(codec->name))),
		"clock_hz", (json_int_t)codec->clock_hz, "channels", (int)codec->channels,
		"sample_rates",
		numbers_json(codec->sample_rates,
			sizeof(codec->sample_rates) / sizeof(codec->sample_rates[0])),
		"frames_ms", numbers_json(frames_ms, sizeof(codec->frames_ms)), "encode_ns",
		(json_int_t)codec->encode_ns, "decode_ns", (json_int_t)codec->decode_ns,
		"encode_streams_per_core", streams_per_core(codec->encode_ns),
		"decode_streams_per_core", streams_per_core(codec->decode_ns), "encoders",
		(json_int_t)codec->encoders_now, "decoders", (json_int_t)codec->decoders_now);
}
