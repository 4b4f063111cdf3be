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

#define TAIL_SIZE 262144 // bytes of the file that are searched: some hundred calls

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

// What came from that side (rx) and went to it (tx), as the dataplane counted it.
static void stats_add(json_t *leg, const struct sl_leg_stats *stats)
{
	const struct {
		const char *name;
		uint64_t value;
	} counts[] = {
		{"rx_packets", stats->rx_packets},
		{"rx_bytes", stats->rx_bytes},
		{"tx_packets", stats->tx_packets},
		{"tx_bytes", stats->tx_bytes},
		{"lost", stats->lost},
		{"reordered", stats->reordered},
		{"duplicates", stats->duplicates},
		{"jitter_us", stats->jitter_us},
		{"jitter_max_us", stats->jitter_max_us},
		{"dropped_source", stats->dropped_source},
		{"dropped_other", stats->dropped_other},
		{"transcoded", stats->transcoded},
		{"concealed", stats->concealed},
	};
	uint64_t n_frames = stats->transcoded + stats->concealed;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		json_object_set_new_nocheck(
			leg, counts[i].name, json_integer((json_int_t)counts[i].value));
	if (n_frames)
		json_object_set_new_nocheck(leg, "transcode_ns_per_frame",
			json_integer((json_int_t)(stats->transcode_ns / n_frames)));
}

static json_t *cdr_json(const struct call *call, const struct sl_session_report *report)
{
	static const char *const enders[] = {"a", "b", "sluice"};
	json_t *json = call_summary(call), *legs = json_object_get(json, "legs"), *leg;
	size_t index;

	json_object_set_new(json, "ended", time_json(call->times.end_ms));
	json_object_set_new(json, "ended_by", json_string(enders[call->ended_by]));
	json_object_set_new(json, "status", json_integer(call->end_status));
	json_object_set_new(json, "why", json_string(call->end_why));
	if (call->far_status)
		json_object_set_new(json, "far_status", json_integer(call->far_status));
	json_object_set_new(json, "recovered", json_boolean(call->recovered));
	json_array_foreach(legs, index, leg)
	{
		if (report)
			stats_add(leg, &report->stats[index]);
	}
	return json;
}

static int line_write(int fd, char *line, size_t length)
{
	ssize_t n;

	line[length] = '\n'; // over the NUL
	n = write(fd, line, length + 1);
	if (n < 0)
		return -errno;
	return (size_t)n == length + 1 ? 0 : -ENOSPC;
}

int cdr_write(
	struct cdr_file *file, const struct call *call, const struct sl_session_report *report)
{
	json_t *json;
	char *line;
	int err = -ENOMEM;

	if (file->fd < 0)
		return 0;
	json = cdr_json(call, report);
	line = json ? json_dumps(json, JSON_COMPACT) : NULL;
	if (line)
		err = line_write(file->fd, line, strlen(line));
	free(line);
	json_decref(json);
	if (err)
		log_error(&log_call, "cdr_write_failed", "call=%s error=\"%s\"", call->id_text,
			strerror(-err));
	return err;
}
