// See cdr_file.h. Subtle: the file is ours alone while it is open (O_APPEND and one process), so
// its size before a write is where a line that was cut short begins.
#include "cdr_file.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "call_private.h"

enum {
	TAIL_SIZE = 262144,	 // bytes that are searched: some hundred calls
	WAITING_MAX = 16 << 20,	 // bytes
	ROTATED_PATH_MAX = 1024, // of names
};

struct waiting_line {
	STAILQ_ENTRY(waiting_line) next;
	size_t length;
	char text[];
};

struct cdr_file {
	int fd; // -1: takes nothing
	char *path;
	bool is_regular; // what can be rotated and cut
	uint64_t size, period;
	time_t failed_at; // to rotate: not tried again in that second
	bool dirty;	  // not synced
	bool is_cut;	  // its last line has no end
	struct cdr_rules rules;
	struct cdr_counters counters;
	struct event *timer;
	STAILQ_HEAD(, waiting_line) waiting;
	size_t waiting_bytes;
	char *tail;
	size_t tail_length;
};

static void log_failed(const struct cdr_file *file, const char *what, int error)
{
	log_error(&log_call, "cdr_file_failed", "what=%s file=%s error=\"%s\"", what,
		file->path ? file->path : "-", strerror(error));
}

static uint64_t period_of(const struct cdr_file *file, time_t at)
{
	return file->rules.rotate_s ? (uint64_t)at / file->rules.rotate_s : 0;
}

static void sync_now(struct cdr_file *file)
{
	if (file->dirty && file->is_regular && fdatasync(file->fd))
		log_failed(file, "sync", errno);
	file->dirty = false;
}

// Opening.

static size_t tail_read(int fd, char *out, size_t size)
{
	struct stat status;
	off_t from;
	ssize_t n;

	if (fstat(fd, &status) || !S_ISREG(status.st_mode))
		return 0;
	from = (size_t)status.st_size > size ? status.st_size - (off_t)size : 0;
	n = pread(fd, out, size, from);
	return n > 0 ? (size_t)n : 0;
}

// The last one that was rotated away: a crash may have come just after that.
static void tail_read_before(struct cdr_file *file)
{
	char pattern[ROTATED_PATH_MAX];
	glob_t found;
	int fd;

	snprintf(pattern, sizeof(pattern), "%s.*Z*", file->path);
	if (glob(pattern, 0, NULL, &found))
		return;
	fd = found.gl_pathc ? open(found.gl_pathv[found.gl_pathc - 1], O_RDONLY | O_CLOEXEC) : -1;
	globfree(&found);
	if (fd < 0)
		return;
	file->tail_length +=
		tail_read(fd, file->tail + file->tail_length, TAIL_SIZE - file->tail_length);
	close(fd);
}

static int tails_read(struct cdr_file *file)
{
	if (!file->is_regular)
		return 0;
	file->tail = malloc(TAIL_SIZE);
	if (!file->tail)
		return -ENOMEM;
	file->tail_length = tail_read(file->fd, file->tail, TAIL_SIZE);
	// A crash of the machine may have cut the last line: the next one starts afresh.
	file->is_cut = file->tail_length && file->tail[file->tail_length - 1] != '\n';
	if (file->tail_length < TAIL_SIZE)
		tail_read_before(file);
	return 0;
}

// What is open is the file from here on.
static int use(struct cdr_file *file, int fd)
{
	struct stat status;

	if (fstat(fd, &status))
		return -errno;
	file->fd = fd;
	file->is_regular = S_ISREG(status.st_mode);
	file->size = file->is_regular ? (uint64_t)status.st_size : 0;
	file->period = period_of(file, file->size ? status.st_mtime : time(NULL));
	file->is_cut = false;
	return 0;
}

static int path_open(const char *path)
{
	return open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

static void on_second(evutil_socket_t, short, void *arg);

static int file_start(struct cdr_file *file, struct event_base *base, const char *path)
{
	static const struct timeval second = {.tv_sec = 1};
	bool is_stdout = path && !strcmp(path, "-");
	int fd = -1;

	if (!path)
		return 0;
	file->path = strdup(path);
	if (!file->path)
		return -ENOMEM;
	fd = is_stdout ? dup(STDOUT_FILENO) : path_open(path);
	if (fd < 0)
		return -errno;
	if (use(file, fd)) {
		close(fd);
		return -EIO;
	}
	file->is_regular = file->is_regular && !is_stdout;
	if (tails_read(file))
		return -ENOMEM;
	file->timer = event_new(base, -1, EV_PERSIST, on_second, file);
	if (!file->timer)
		return -ENOMEM;
	event_add(file->timer, &second);
	return 0;
}

struct cdr_file *cdr_file_open(struct event_base *base, const char *path)
{
	struct cdr_file *file = calloc(1, sizeof(*file));
	int err;

	if (!file)
		return NULL;
	file->fd = -1;
	STAILQ_INIT(&file->waiting);
	err = file_start(file, base, path);
	if (!err)
		return file;
	cdr_file_close(file);
	errno = -err;
	return NULL;
}

bool cdr_file_takes(const struct cdr_file *file)
{
	return file->fd >= 0;
}

bool cdr_file_has(const struct cdr_file *file, const char *text)
{
	return file->tail_length && memmem(file->tail, file->tail_length, text, strlen(text));
}

void cdr_file_rules_set(struct cdr_file *file, const struct cdr_rules *rules)
{
	bool same_periods = file->rules.rotate_s == rules->rotate_s;
	struct stat status;

	file->rules = *rules;
	if (!same_periods && file->fd >= 0 && !fstat(file->fd, &status))
		file->period = period_of(file, file->size ? status.st_mtime : time(NULL));
}

const struct cdr_counters *cdr_file_counters(const struct cdr_file *file)
{
	return &file->counters;
}

// Rotating.

static int rotated_name(const struct cdr_file *file, char out[ROTATED_PATH_MAX])
{
	struct timespec now;
	struct tm utc;
	char text[32];
	int n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(text, sizeof(text), "%Y%m%dT%H%M%S", &utc);
	n = snprintf(
		out, ROTATED_PATH_MAX, "%s.%s.%03ldZ", file->path, text, now.tv_nsec / 1000000);
	return n < ROTATED_PATH_MAX ? 0 : -ENAMETOOLONG;
}

// Both names, for the disk.
static void folder_sync(const struct cdr_file *file)
{
	char folder[ROTATED_PATH_MAX];
	char *slash;
	int fd;

	snprintf(folder, sizeof(folder), "%s", file->path);
	slash = strrchr(folder, '/');
	if (!slash || file->rules.sync == CDR_SYNC_NEVER)
		return;
	slash[slash == folder] = '\0';
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		log_failed(file, "sync_folder", errno);
	if (fd >= 0)
		close(fd);
}

// The file under the path, which may be a new one, takes the place of the one that is open.
static int change_over(struct cdr_file *file)
{
	int fd = path_open(file->path), old = file->fd, err;

	if (fd < 0)
		return -errno;
	if (file->rules.sync != CDR_SYNC_NEVER)
		sync_now(file);
	err = use(file, fd);
	close(err ? fd : old);
	return err;
}

int cdr_file_reopen(struct cdr_file *file)
{
	struct stat own, named;
	int err;

	if (file->fd < 0 || !file->is_regular)
		return -ENOTSUP;
	if (!fstat(file->fd, &own) && !stat(file->path, &named) && own.st_ino == named.st_ino &&
		own.st_dev == named.st_dev)
		return 0;
	err = change_over(file);
	if (err)
		log_failed(file, "reopen", -err);
	else
		log_info(&log_call, "cdr_reopened", "file=%s", file->path);
	return err;
}

int cdr_file_rotate(struct cdr_file *file)
{
	char name[ROTATED_PATH_MAX];
	int err;

	if (file->fd < 0 || !file->is_regular)
		return -ENOTSUP;
	if (!file->size)
		return 0;
	err = rotated_name(file, name);
	if (!err && renameat2(AT_FDCWD, file->path, AT_FDCWD, name, RENAME_NOREPLACE))
		err = -errno;
	if (err == -ENOENT) // somebody else has moved it
		return cdr_file_reopen(file);
	if (!err) {
		err = change_over(file);
		if (err && renameat2(AT_FDCWD, name, AT_FDCWD, file->path, RENAME_NOREPLACE))
			log_failed(file, "rename_back", errno);
	}
	if (err) {
		file->failed_at = time(NULL);
		log_failed(file, "rotate", -err);
		return err;
	}
	folder_sync(file);
	file->counters.rotated++;
	log_info(&log_call, "cdr_rotated", "file=%s", name);
	return 0;
}

// Between two lines. Where it fails the line goes where the others are, and the next one tries
// again a second later.
static void rotate_if_due(struct cdr_file *file, size_t length)
{
	const struct cdr_rules *rules = &file->rules;
	time_t now = time(NULL);
	uint64_t period = period_of(file, now);

	if (!file->is_regular || !file->size) {
		file->period = period;
		return;
	}
	if (now != file->failed_at &&
		(period != file->period || (length && rules->rotate_bytes &&
						   file->size + length > rules->rotate_bytes)))
		cdr_file_rotate(file);
}

// Writing.

// To what is no file nothing can be taken back: the rest follows.
static int rest_write(struct cdr_file *file, const char *text, size_t length)
{
	while (length) {
		ssize_t n = write(file->fd, text, length);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			length -= (size_t)n;
		}
	}
	return 0;
}

static int line_write(struct cdr_file *file, const char *line, size_t length)
{
	ssize_t n;

	if (file->is_cut && write(file->fd, "\n", 1) == 1) {
		file->is_cut = false;
		file->size++;
	}
	n = write(file->fd, line, length);
	if (n < 0)
		return -errno;
	if ((size_t)n < length && !file->is_regular)
		return rest_write(file, line + n, length - (size_t)n);
	if ((size_t)n < length) { // the disk is full
		file->is_cut = ftruncate(file->fd, (off_t)file->size) != 0;
		file->size += file->is_cut ? (uint64_t)n : 0;
		return -ENOSPC;
	}
	file->size += length;
	file->dirty = true;
	if (file->rules.sync == CDR_SYNC_LINE)
		sync_now(file);
	return 0;
}

static int wait_in_memory(struct cdr_file *file, const char *line, size_t length, int err)
{
	struct waiting_line *waiting = NULL;

	if (file->waiting_bytes + length <= WAITING_MAX)
		waiting = malloc(sizeof(*waiting) + length);
	if (!waiting) {
		file->counters.lost++;
		return err;
	}
	if (!file->counters.waiting)
		log_failed(file, "write", -err);
	waiting->length = length;
	memcpy(waiting->text, line, length);
	STAILQ_INSERT_TAIL(&file->waiting, waiting, next);
	file->waiting_bytes += length;
	file->counters.waiting++;
	return -EAGAIN;
}

static void waiting_write(struct cdr_file *file)
{
	struct waiting_line *line;

	while ((line = STAILQ_FIRST(&file->waiting))) {
		rotate_if_due(file, line->length);
		if (line_write(file, line->text, line->length))
			return;
		STAILQ_REMOVE_HEAD(&file->waiting, next);
		file->waiting_bytes -= line->length;
		file->counters.waiting--;
		free(line);
		if (STAILQ_EMPTY(&file->waiting))
			log_info(&log_call, "cdr_file_works", "file=%s", file->path);
	}
}

int cdr_file_append(struct cdr_file *file, const char *line, size_t length)
{
	int err = -EAGAIN;

	if (file->fd < 0)
		return 0;
	if (STAILQ_EMPTY(&file->waiting)) { // else in their order
		rotate_if_due(file, length);
		err = line_write(file, line, length);
	}
	return err ? wait_in_memory(file, line, length, err) : 0;
}

static void on_second(evutil_socket_t, short, void *arg)
{
	struct cdr_file *file = arg;

	waiting_write(file);
	rotate_if_due(file, 0);
	if (file->rules.sync == CDR_SYNC_SECOND)
		sync_now(file);
}

void cdr_file_close(struct cdr_file *file)
{
	struct waiting_line *line;

	if (!file)
		return;
	waiting_write(file);
	if (file->counters.waiting)
		log_error(&log_call, "cdrs_lost", "n=%zu", file->counters.waiting);
	while ((line = STAILQ_FIRST(&file->waiting))) {
		STAILQ_REMOVE_HEAD(&file->waiting, next);
		free(line);
	}
	if (file->fd >= 0) {
		if (file->rules.sync != CDR_SYNC_NEVER)
			sync_now(file);
		close(file->fd);
	}
	if (file->timer)
		event_free(file->timer);
	free(file->tail);
	free(file->path);
	free(file);
}
