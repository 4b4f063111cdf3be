// The file of call detail records: one line a record, each appended with one write(2).
//
// Exactly once: a line is either in one file, whole, or waits in memory until it can be written
// (a full disk; 16 MB at most, what is more is lost, counted and logged). What was cut short by a
// full disk is taken back. Rotation renames the file between two lines, to PATH.TIME of UTC with
// milliseconds, and goes on with a new one; where that cannot be opened, the old name comes back.
// Nobody but us may rotate by copying and truncating; who moves the file away tells us to reopen
// it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cdr_rules.h"

struct event_base;
struct cdr_file;

struct cdr_counters {
	uint64_t rotated;
	uint64_t lost;	// lines that found no room to wait in
	size_t waiting; // now
};

// `path` "-": standard output, NULL: a file that takes nothing; neither rotates. Returns NULL with
// errno.
struct cdr_file *cdr_file_open(struct event_base *base, const char *path);
// Tries once more to write what waits.
void cdr_file_close(struct cdr_file *file);
void cdr_file_rules_set(struct cdr_file *file, const struct cdr_rules *rules);
const struct cdr_counters *cdr_file_counters(const struct cdr_file *file);

// Whether anything is to be written at all.
bool cdr_file_takes(const struct cdr_file *file);
// Whether `text` is among the last lines that the file, or the last one before it, had at start.
bool cdr_file_has(const struct cdr_file *file, const char *text);
// `line` ends with '\n'. Returns 0, -EAGAIN: it waits, or another negative errno: it is lost.
int cdr_file_append(struct cdr_file *file, const char *line, size_t length);

// Now, if it has any line. Returns 0, -ENOTSUP (it is no file of ours), or a negative errno: it
// goes on where it was.
int cdr_file_rotate(struct cdr_file *file);
// Go on with what is called so by now. Returns as cdr_file_rotate().
int cdr_file_reopen(struct cdr_file *file);
