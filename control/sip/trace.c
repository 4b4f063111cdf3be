// See trace.h. Records lie one behind the other in the ring and never wrap: where the end is too
// short for one, a record without a message fills it. Call-IDs are kept as hashes under a secret
// key; of two that collide, which takes luck or 2^32 of them, one would be shown with the other.
#include "trace.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "siphash.h"

#define SIZE_MIN       (64 * 1024)
#define ASSIGNMENTS    32768
#define CALL_IDS_MAX   64 // of an owner: attempts at several peers have one each
#define TEXT_MAX_BYTES 8192

struct record {
	uint32_t size; // with this header and padding
	bool is_filler;
	bool outgoing;
	uint8_t protocol;
	uint32_t n_text, n_whole;
	uint64_t at_us;
	struct sip_address local, remote;
	char text[];
};

struct assignment {
	uint64_t call_id;
	uint8_t owner[TRACE_OWNER_SIZE];
};

struct trace {
	struct siphash_key key;
	size_t size;
	size_t first, next; // offsets of the oldest record, and behind the newest
	size_t used;
	size_t n_assigned;
	struct assignment assignments[ASSIGNMENTS];
	alignas(struct record) char ring[];
};

struct trace *trace_create(size_t size)
{
	struct trace *trace;

	size = (size < SIZE_MIN ? SIZE_MIN : size) & ~(alignof(struct record) - 1);
	trace = calloc(1, sizeof(*trace) + size);
	if (!trace)
		return NULL;
	trace->size = size;
	if (getrandom(&trace->key, sizeof(trace->key), 0) != sizeof(trace->key)) {
		free(trace);
		errno = EIO;
		return NULL;
	}
	return trace;
}

void trace_destroy(struct trace *trace)
{
	free(trace);
}

static struct record *record_at(const struct trace *trace, size_t offset)
{
	return (struct record *)(trace->ring + offset);
}

static void drop_oldest(struct trace *trace)
{
	size_t size = record_at(trace, trace->first)->size;

	trace->used -= size;
	trace->first = (trace->first + size) % trace->size;
}

// Room for a record of so many bytes behind the newest one.
static struct record *record_new(struct trace *trace, size_t size)
{
	struct record *record;

	if (trace->size - trace->next < size) {
		size_t rest = trace->size - trace->next;

		while (trace->size - trace->used < rest)
			drop_oldest(trace);
		// Even a rest that is shorter than a header has room for `size` and `is_filler`.
		record = record_at(trace, trace->next);
		record->size = (uint32_t)rest;
		record->is_filler = true;
		trace->used += rest;
		trace->next = 0;
	}
	while (trace->size - trace->used < size)
		drop_oldest(trace);
	record = record_at(trace, trace->next);
	record->size = (uint32_t)size;
	record->is_filler = false;
	trace->used += size;
	trace->next = (trace->next + size) % trace->size;
	return record;
}

// The value of Call-ID, or of its compact form; absent where there is none before the body.
static struct slice call_id_of(struct slice message)
{
	struct slice rest = message;

	while (rest.n) {
		struct slice line = slice_cut(&rest, '\n'), name;

		line = slice_trim(line);
		if (!line.n)
			break;
		if ((line.p[0] | 0x20) != 'c' && (line.p[0] | 0x20) != 'i')
			continue;
		name = slice_trim(slice_cut(&line, ':'));
		if (slice_equal_nocase(name, SLICE("Call-ID")) ||
			slice_equal_nocase(name, SLICE("i")))
			return slice_trim(line);
	}
	return (struct slice){};
}

// Blank what follows each `mark`, up to one of the characters of `ends`.
static void blank(char *text, size_t n, const char *mark, const char *ends)
{
	size_t n_mark = strlen(mark);
	char *end = text + n, *at = text;

	while ((at = memmem(at, (size_t)(end - at), mark, n_mark))) {
		at += n_mark;
		while (at < end && !strchr(ends, *at))
			*at++ = '*';
	}
}

// Only these lines are searched: a=crypto and what is hardly anything else, Authorization and
// Proxy-Authorization, and what continues a line.
static bool may_have_secret(const char *line, size_t n)
{
	switch (line[0]) {
	case 'a':
		return n < 3 || line[1] != '=' || line[2] == 'c';
	case 'A':
	case 'P':
	case 'p':
	case ' ':
	case '\t':
		return true;
	default:
		return false;
	}
}

static void blank_secrets(char *text, size_t n)
{
	for (char *line = text, *end = text + n; line < end;) {
		char *lf = memchr(line, '\n', (size_t)(end - line));
		size_t length = (size_t)((lf ? lf : end) - line);

		if (length && may_have_secret(line, length)) {
			blank(line, length, "inline:", "|; \r\n");
			blank(line, length, "response=\"", "\"\r\n");
		}
		line += length + 1;
	}
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t hash_of(const struct trace *trace, struct slice call_id)
{
	return siphash(&trace->key, &call_id, 1);
}

void trace_keep(struct trace *trace, const struct flow *flow, bool outgoing, struct slice message)
{
	size_t n = message.n < TEXT_MAX_BYTES ? message.n : TEXT_MAX_BYTES;
	size_t size = (sizeof(struct record) + n + alignof(struct record) - 1) &
		      ~(alignof(struct record) - 1);
	struct record *record = record_new(trace, size);

	record->outgoing = outgoing;
	record->protocol = (uint8_t)listener_protocol(flow->listener);
	record->n_text = (uint32_t)n;
	record->n_whole = (uint32_t)message.n;
	record->at_us = now_us();
	record->local = *listener_address(flow->listener);
	record->remote = flow->remote;
	memcpy(record->text, message.p, n);
	blank_secrets(record->text, n);
}

void trace_assign(struct trace *trace, struct slice call_id, const uint8_t owner[TRACE_OWNER_SIZE])
{
	struct assignment *assignment = &trace->assignments[trace->n_assigned++ % ASSIGNMENTS];

	assignment->call_id = hash_of(trace, call_id);
	memcpy(assignment->owner, owner, TRACE_OWNER_SIZE);
}

static bool is_among(uint64_t call_id, const uint64_t *call_ids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (call_ids[i] == call_id)
			return true;
	return false;
}

static size_t find(const struct trace *trace, const uint64_t *call_ids, size_t n_call_ids,
	trace_each_fn *each, void *arg)
{
	size_t n = 0;

	for (size_t at = trace->first, seen = 0; seen < trace->used;) {
		const struct record *record = record_at(trace, at);

		if (!record->is_filler &&
			is_among(hash_of(trace,
					 call_id_of((struct slice){record->text, record->n_text})),
				call_ids, n_call_ids)) {
			each(arg, &(struct trace_message){record->at_us, record->outgoing,
					  (enum transport_protocol)record->protocol, record->local,
					  record->remote, {record->text, record->n_text},
					  record->n_whole});
			n++;
		}
		seen += record->size;
		at = (at + record->size) % trace->size;
	}
	return n;
}

size_t trace_find(const struct trace *trace, const uint8_t owner[TRACE_OWNER_SIZE],
	trace_each_fn *each, void *arg)
{
	size_t n_assigned = trace->n_assigned < ASSIGNMENTS ? trace->n_assigned : ASSIGNMENTS;
	uint64_t call_ids[CALL_IDS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < n_assigned && n < CALL_IDS_MAX; i++)
		if (!memcmp(trace->assignments[i].owner, owner, TRACE_OWNER_SIZE))
			call_ids[n++] = trace->assignments[i].call_id;
	return find(trace, call_ids, n, each, arg);
}

size_t trace_find_call_id(
	const struct trace *trace, struct slice call_id, trace_each_fn *each, void *arg)
{
	uint64_t hash = hash_of(trace, call_id);

	return find(trace, &hash, 1, each, arg);
}
