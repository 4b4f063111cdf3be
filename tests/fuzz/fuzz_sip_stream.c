// The framer of streams: the first byte says into which pieces the rest is cut; whatever they are,
// the same messages must come out as of the whole, each must be one of exactly that size to the
// parser, and nothing may be read beyond what has come.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "framer.h"
#include "message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct cut {
	size_t at, size; // in the stream
	enum framer_result result;
};

enum { CUTS_MAX = 64 };

struct stream {
	const uint8_t *data;
	size_t size;
	uint32_t random; // of the pieces; 0: one
	struct cut cuts[CUTS_MAX];
	unsigned int n_cuts;
};

static size_t piece(struct stream *stream, size_t left)
{
	size_t n;

	if (!stream->random)
		return left;
	stream->random = stream->random * 1664525 + 1013904223;
	n = 1 + (stream->random >> 24) % (stream->random & 1 << 20 ? 4 : 200);
	return n < left ? n : left;
}

static void check_message(const char *text, size_t size)
{
	struct sip_header headers[MESSAGE_MAX_HEADERS];
	struct message_error error;
	struct sip_message message;
	char *copy = malloc(size);

	memcpy(copy, text, size);
	if (!message_parse(&message, headers, copy, size, &error) && message.text.n != size)
		abort();
	free(copy);
}

// What the framer says of data[start..end), which is copied so that a sanitizer guards its ends.
static enum framer_result look(
	struct stream *stream, struct framer *framer, size_t *start, size_t end)
{
	size_t n = end - *start;
	char *copy = malloc(n ? n : 1);
	enum framer_result result;
	struct frame frame;

	memcpy(copy, stream->data + *start, n);
	result = framer_next(framer, copy, n, &frame);
	if (frame.skip + frame.size > n || (result == FRAMER_MESSAGE && !frame.size))
		abort();
	if (result == FRAMER_MESSAGE)
		check_message(copy + frame.skip, frame.size);
	if (result != FRAMER_MORE && stream->n_cuts < CUTS_MAX)
		stream->cuts[stream->n_cuts++] = (struct cut){
			*start + frame.skip, result == FRAMER_MESSAGE ? frame.size : 0, result};
	*start += frame.skip + (result == FRAMER_MESSAGE ? frame.size : 0);
	free(copy);
	return result;
}

static void run(struct stream *stream)
{
	enum framer_result result = FRAMER_MORE;
	struct framer framer = {0};
	size_t start = 0, end = 0;

	do {
		if (result == FRAMER_MORE)
			end += piece(stream, stream->size - end);
		result = look(stream, &framer, &start, end);
	} while (result != FRAMER_BAD && (result != FRAMER_MORE || end < stream->size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream whole = {0}, pieces = {0};

	if (!size)
		return 0;
	whole.data = pieces.data = data + 1;
	whole.size = pieces.size = size - 1;
	pieces.random = 2u * data[0] + 1;
	run(&whole);
	run(&pieces);
	if (whole.n_cuts != pieces.n_cuts)
		abort();
	for (unsigned int i = 0; i < whole.n_cuts; i++)
		if (whole.cuts[i].at != pieces.cuts[i].at ||
			whole.cuts[i].size != pieces.cuts[i].size ||
			whole.cuts[i].result != pieces.cuts[i].result)
			abort();
	return 0;
}
