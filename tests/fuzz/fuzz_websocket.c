// Frames of WebSocket as they come: the first byte says into which pieces the rest is cut. Whatever
// they are, the same messages must come out as of the whole, none larger than allowed; at the end
// the connection is told how it ended, if it did.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGE_MAX = 4096 };

struct run {
	struct websocket *websocket;
	uint32_t random; // of the pieces; 0: one
	uint64_t hash;	 // of the messages
	unsigned int n_messages;
	size_t written;
	bool is_open;
};

static void on_message(void *arg, char *data, size_t size)
{
	struct run *run = arg;

	if (!size || size > MESSAGE_MAX)
		abort();
	for (size_t i = 0; i < size; i++)
		run->hash = (run->hash ^ (unsigned char)data[i]) * 0x100000001b3;
	run->n_messages++;
	if (data[0] == 'e') // an echo, from within
		websocket_write(run->websocket, (struct slice){data, size});
}

static void on_write(void *arg, struct slice bytes)
{
	struct run *run = arg;

	run->written += bytes.n;
}

static const struct websocket_user user = {.message = on_message, .write = on_write};

static size_t piece(struct run *run, size_t left)
{
	size_t n;

	if (!run->random)
		return left;
	run->random = run->random * 1664525 + 1013904223;
	n = 1 + (run->random >> 24) % (run->random & 1 << 20 ? 4 : 200);
	return n < left ? n : left;
}

static void feed(struct run *run, const uint8_t *data, size_t size)
{
	char *scratch = malloc(MESSAGE_MAX);

	run->websocket = websocket_create(&user, run, scratch, MESSAGE_MAX);
	run->is_open = true;
	for (size_t at = 0, n; at < size && run->is_open; at += n) {
		char *copy;

		n = piece(run, size - at);
		copy = malloc(n);
		memcpy(copy, data + at, n);
		run->is_open = websocket_read(run->websocket, (struct slice){copy, n});
		free(copy);
	}
	if (!run->is_open && !run->written)
		abort();
	websocket_is_idle(run->websocket);
	websocket_status(run->websocket);
	websocket_ping(run->websocket);
	if (!websocket_write(run->websocket, (struct slice){(const char *)data, size}) !=
		run->is_open)
		abort();
	websocket_close(run->websocket, 1001);
	websocket_destroy(run->websocket);
	free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run whole = {0}, pieces = {0};

	if (size < 2)
		return 0;
	pieces.random = 2u * data[0] + 1;
	feed(&whole, data + 1, size - 1);
	feed(&pieces, data + 1, size - 1);
	// Not whether they are open: of a close whose reason is no UTF-8 wslay may learn later from
	// pieces, as it skips two bytes of each for the status.
	if (whole.n_messages != pieces.n_messages || whole.hash != pieces.hash)
		abort();
	return 0;
}
