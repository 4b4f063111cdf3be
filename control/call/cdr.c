// Call detail records: one JSON line a call, appended with one write(2).
//
// Exactly once, also across a crash: the session is read, the line is written, and only then is the
// session deleted from the dataplane. A crash before the write leaves the session, and the next run
// recovers the call and writes its record when it ends. A crash between write and delete leaves a
// session whose id is among the last lines of the file: cdr_is_written() finds it, and the session
// is deleted without another line. What remains: with "-" there is no file to look at, so that
// window (well under a millisecond) can repeat a line, with the same id; and a call that ended just
// before a crash that came before the write is recovered as if it were up, until its far ends or
// the media time-out say otherwise.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "call_private.h"
#include "description.h"
#include "json_text.h"

#define TAIL_SIZE 262144 // bytes of the file that are searched: some hundred calls
#define LINE_SIZE 4096

struct cdr_file {
	int fd;	    // -1: takes nothing
	char *tail; // the file's end as it was at start
	size_t tail_length;
};

static int tail_read(struct cdr_file *file)
{
	struct stat status;
	off_t from;
	ssize_t n;

	if (fstat(file->fd, &status) || !S_ISREG(status.st_mode))
		return 0;
	from = status.st_size > TAIL_SIZE ? status.st_size - TAIL_SIZE : 0;
	file->tail = malloc(TAIL_SIZE);
	if (!file->tail)
		return -ENOMEM;
	n = pread(file->fd, file->tail, TAIL_SIZE, from);
	file->tail_length = n > 0 ? (size_t)n : 0;
	return 0;
}

// A crash of the machine may have cut the last line: the next one starts afresh.
static void last_line_end(struct cdr_file *file)
{
	if (file->tail_length && file->tail[file->tail_length - 1] != '\n' &&
		write(file->fd, "\n", 1) < 0)
		log_warn(&log_call, "cdr_write_failed", "error=\"%s\"", strerror(errno));
}

struct cdr_file *cdr_open(const char *path)
{
	struct cdr_file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	file->fd = -1;
	if (!path)
		return file;
	if (!strcmp(path, "-"))
		file->fd = dup(STDOUT_FILENO);
	else
		file->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (file->fd < 0 || tail_read(file)) {
		int err = errno;

		cdr_close(file);
		errno = err;
		return NULL;
	}
	last_line_end(file);
	return file;
}

void cdr_close(struct cdr_file *file)
{
	if (!file)
		return;
	if (file->fd >= 0)
		close(file->fd);
	free(file->tail);
	free(file);
}

bool cdr_is_written(struct cdr_file *file, const char *id)
{
	return file->tail_length && memmem(file->tail, file->tail_length, id, strlen(id));
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

static void cdr_json(
	struct json_text *json, const struct call *call, const struct sl_session_report *report)
{
	static const char *const enders[] = {"a", "b", "sluice"};

	json_text_open(json, NULL, '{');
	json_text_string(json, "call", call->id_text);
	json_text_string(json, "from", call->from);
	json_text_string(json, "to", call->target.number);
	if (call->emergency)
		json_text_bool(json, "emergency", true);
	time_write(json, "invited", call->times.invite_ms);
	time_write(json, "ringing", call->times.ringing_ms);
	time_write(json, "answered", call->times.answer_ms);
	time_write(json, "ended", call->times.end_ms);
	json_text_number(json, "duration_ms", call_duration_ms(call));
	json_text_string(json, "ended_by", enders[call->ended_by]);
	json_text_number(json, "status", call->end_status);
	json_text_string(json, "why", call->end_why);
	if (call->far_status)
		json_text_number(json, "far_status", call->far_status);
	json_text_bool(json, "recovered", call->recovered);
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
	ssize_t n = -1;

	if (file->fd < 0)
		return 0;
	json_text_init(&json, line, sizeof(line) - 1);
	cdr_json(&json, call, report);
	errno = EMSGSIZE;
	if (!json.overflow) {
		line[json.n++] = '\n';
		errno = ENOSPC; // of a short write
		n = write(file->fd, line, json.n);
	}
	if (n == (ssize_t)json.n)
		return 0;
	log_error(&log_call, "cdr_write_failed", "call=%s error=\"%s\"", call->id_text,
		strerror(errno));
	return -errno;
}
