// Call detail records: one line of JSON a call, with an "answered" of null where there was none.
// What follows is all that is in it; what is not known is left out, unless null is said.
//
//   call         our id of it (ULID), on every log line, too
//   node         that wrote the line
//   from, to     who called and who was called, as the dial plan knows them (`numbers`: E.164)
//   user         of ours who called and has proved to be it, or has registered
//   emergency    true
//   invited, ringing, answered, ended    times, UTC, to the millisecond. ringing: the first 101 to
//                199 from b
//   pdd_ms       post-dial delay: from invited to ringing, or to the answer that came without
//   ring_ms      from ringing to the answer or the end
//   setup_ms     from invited to the answer
//   duration_ms  from the answer to the end, 0 without one
//   ended_by     "a", "b", or "sluice"
//   status       of SIP that describes the end; 200: normal
//   cause        of Q.850: from the Reason of who ended it, else by RFC 3398 from far_status,
//   status why          in a word of ours, as the log has it far_status   that b refused with tries
//   INVITEs to b; other peers and forks count redirects    3xx that were followed transferred true:
//   a leg was replaced by REFER recovered    whether another run of this program, or node, began it
//   (it has no tries then) legs[2]      a and b:
//     leg, trunk        "a" or "b", and its name, null where it has none yet
//     peer, transport   where its INVITE came from or went to: of b the one that answered, else the
//                       last; host: as its To says it
//     call_id           of SIP on that side; session_id: Session-ID (RFC 7989)
//     number, caller    user parts of Request-URI and From as they were received, and as they were
//                       sent: before and after `numbers`
//     asserted          the first P-Asserted-Identity received, and sent
//     diversion         the first Diversion received
//     codec, srtp       at the end; srtp null: plain RTP
//     rx_packets ...    of media, as the dataplane counted them (struct sl_leg_stats)
//
// Exactly once, also across a crash: the session is read, the line is written, and only then is the
// session deleted from the dataplane. A crash before the write leaves the session, and the next run
// recovers the call and writes its record when it ends. A crash between write and delete leaves a
// session whose id is among the last lines of the file, or of the one that was rotated away before:
// cdr_is_written() finds it, and the session is deleted without another line. What remains: with
// "-" there is no file to look at, so that window (well under a millisecond) can repeat a line,
// with the same id; a call that ended just before a crash that came before the write is recovered
// as if it were up, until its far ends or the media time-out say otherwise; and lines that wait for
// a full disk (cdr_file.h) die with the process.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "call_private.h"
#include "cause.h"
#include "cdr_file.h"
#include "description.h"
#include "json_text.h"

#define LINE_SIZE 16384

bool cdr_is_written(struct cdr_file *file, const char *id)
{
	return cdr_file_has(file, id);
}

static void quality_write(struct json_text *json, const char *key, const struct sl_quality *quality)
{
	if (!quality->mos_hundredths)
		return;
	json_text_open(json, key, '{');
	json_text_decimal(json, "mos", quality->mos_hundredths, 2);
	json_text_decimal(json, "r", quality->r_tenths, 1);
	json_text_close(json, '}');
}

// In percent, of what was to come.
static void loss_write(struct json_text *json, const struct sl_leg_stats *stats)
{
	uint64_t expected = stats->rx_packets + stats->lost;

	if (expected)
		json_text_decimal(json, "loss", (uint32_t)(10000 * stats->lost / expected), 2);
}

// What came from that side (rx) and went to it (tx), as the dataplane counted it.
static void stats_write(struct json_text *json, const struct sl_leg_stats *stats)
{
	uint64_t n_frames = stats->transcoded + stats->concealed;

	json_text_number(json, "rx_packets", stats->rx_packets);
	json_text_number(json, "rx_bytes", stats->rx_bytes);
	json_text_number(json, "tx_packets", stats->tx_packets);
	json_text_number(json, "tx_bytes", stats->tx_bytes);
	json_text_number(json, "lost", stats->lost);
	loss_write(json, stats);
	json_text_number(json, "reordered", stats->reordered);
	json_text_number(json, "duplicates", stats->duplicates);
	json_text_number(json, "jitter_us", stats->jitter_us);
	json_text_number(json, "jitter_max_us", stats->jitter_max_us);
	if (stats->jitter_target_ms) {
		json_text_number(json, "late", stats->late);
		json_text_number(json, "discarded", stats->discarded);
		json_text_number(json, "jitter_buffer_ms", stats->jitter_buffer_ms);
	}
	quality_write(json, "quality", &stats->received);
	quality_write(json, "quality_worst", &stats->received_worst);
	quality_write(json, "quality_sent", &stats->sent);
	json_text_number(json, "dropped_source", stats->dropped_source);
	json_text_number(json, "dropped_other", stats->dropped_other);
	json_text_number(json, "dropped_auth", stats->dropped_auth);
	json_text_number(json, "dropped_replay", stats->dropped_replay);
	json_text_number(json, "transcoded", stats->transcoded);
	json_text_number(json, "concealed", stats->concealed);
	if (n_frames)
		json_text_number(json, "transcode_ns_per_frame", stats->transcode_ns / n_frames);
}

static void leg_write(
	struct json_text *json, const struct leg *leg, const struct sl_session_report *report)
{
	const char *suite = description_suite(leg->call, leg->index);
	char codec[40];

	json_text_open(json, NULL, '{');
	json_text_string(json, "leg", leg_name(leg));
	json_text_string(json, "trunk", leg->trunk ? leg->trunk->name : NULL);
	json_text_members(json, leg->facts);
	json_text_string(
		json, "codec", description_codec(leg->call, leg->index, codec, sizeof(codec)));
	json_text_string(json, "srtp", suite[0] ? suite : NULL);
	if (report)
		stats_write(json, &report->stats[leg->index]);
	json_text_close(json, '}');
}

static void time_write(struct json_text *json, const char *key, uint64_t realtime_ms)
{
	char text[TIME_TEXT_SIZE];

	json_text_string(json, key, realtime_ms ? time_text(realtime_ms, text) : NULL);
}

// Where both are known; clocks may be put back.
static void delay_write(struct json_text *json, const char *key, uint64_t from_ms, uint64_t to_ms)
{
	if (from_ms && to_ms)
		json_text_number(json, key, to_ms > from_ms ? to_ms - from_ms : 0);
}

static void delays_write(struct json_text *json, const struct call_times *times)
{
	delay_write(json, "pdd_ms", times->invite_ms,
		times->ringing_ms ? times->ringing_ms : times->answer_ms);
	delay_write(json, "ring_ms", times->ringing_ms,
		times->answer_ms ? times->answer_ms : times->end_ms);
	delay_write(json, "setup_ms", times->invite_ms, times->answer_ms);
}

static void cdr_json(
	struct json_text *json, const struct call *call, const struct sl_session_report *report)
{
	static const char *const enders[] = {"a", "b", "sluice"};

	json_text_open(json, NULL, '{');
	json_text_string(json, "call", call->id_text);
	json_text_string(json, "node", call->calls->settings.node);
	json_text_string(json, "from", call->from);
	json_text_string(json, "to", call->target.number);
	if (call->user[0])
		json_text_string(json, "user", call->user);
	if (call->emergency)
		json_text_bool(json, "emergency", true);
	time_write(json, "invited", call->times.invite_ms);
	time_write(json, "ringing", call->times.ringing_ms);
	time_write(json, "answered", call->times.answer_ms);
	time_write(json, "ended", call->times.end_ms);
	delays_write(json, &call->times);
	json_text_number(json, "duration_ms", call_duration_ms(call));
	json_text_string(json, "ended_by", enders[call->ended_by]);
	json_text_number(json, "status", call->end_status);
	json_text_number(json, "cause", call->cause);
	json_text_string(json, "why", call->end_why);
	if (call->far_status)
		json_text_number(json, "far_status", call->far_status);
	if (call->hunt.n_tried)
		json_text_number(json, "tries", call->hunt.n_tried);
	if (call->n_redirects)
		json_text_number(json, "redirects", call->n_redirects);
	if (call->transferred)
		json_text_bool(json, "transferred", true);
	json_text_bool(json, "recovered", call->recovered);
	if (call->adopted)
		json_text_bool(json, "adopted", true);
	json_text_open(json, "legs", '[');
	for (int i = 0; i < LEGS; i++)
		leg_write(json, &call->legs[i], report);
	json_text_close(json, ']');
	json_text_close(json, '}');
}

int cdr_write(
	struct cdr_file *file, const struct call *call, const struct sl_session_report *report)
{
	char line[LINE_SIZE];
	struct json_text json;
	int err = -EMSGSIZE;

	if (!cdr_file_takes(file))
		return 0;
	json_text_init(&json, line, sizeof(line) - 1);
	cdr_json(&json, call, report);
	if (!json.overflow) {
		line[json.n++] = '\n';
		err = cdr_file_append(file, line, json.n);
	}
	if (!err || err == -EAGAIN)
		return 0;
	log_error(&log_call, "cdr_lost", "call=%s error=\"%s\"", call->id_text, strerror(-err));
	return err;
}
