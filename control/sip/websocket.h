// Frames of WebSocket (RFC 6455 5), our end a server's: bytes in, whole messages out, and back.
// Masks, fragments, pongs, closing and limits are wslay's and this file's; no sockets.
//
// Subtle: the callbacks come from within websocket_read(), which may not be called, nor the object
// destroyed, until it returns. The other functions may.
#pragma once

#include "slice.h"

struct websocket;

enum {
	WEBSOCKET_FRAGMENTS_MAX = 256, // of a message: each costs memory of its own
};

struct websocket_user {
	// A whole message, text or binary, of at least one byte. It is writable.
	void (*message)(void *arg, char *data, size_t size);
	// To the far end.
	void (*write)(void *arg, struct slice bytes);
};

// `scratch` has room for a message of `max` bytes, and for `message` only. Returns NULL with errno.
struct websocket *websocket_create(
	const struct websocket_user *user, void *arg, char *scratch, size_t max);
void websocket_destroy(struct websocket *websocket);

// What has come. Returns false where no more is wanted: a close was said, by either end; what is to
// be said of that has been written.
bool websocket_read(struct websocket *websocket, struct slice bytes);

// Write a message: as text where it is UTF-8, else as binary, as a browser fails the connection for
// other text (RFC 7118 4.2, RFC 6455 8.1). Returns 0, -ENOMEM, -EPIPE once closed.
int websocket_write(struct websocket *websocket, struct slice message);
void websocket_ping(struct websocket *websocket);

// Say that this was all, with a status of RFC 6455 7.4.1.
void websocket_close(struct websocket *websocket, uint16_t status);

// Between two messages and frames, not within one.
bool websocket_is_idle(const struct websocket *websocket);

// The status of a close that has come, 1005 for one without; 0: none has.
uint16_t websocket_status(const struct websocket *websocket);
