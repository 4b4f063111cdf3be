// WebSocket by wslay's event API, which pulls its input and queues its output; here both are pushed
// through at once.
//
// Subtle: wslay does not say whether it is within a frame's header. Every frame tells how long it
// is when it begins, so that is known from the bytes that were taken and those that frames have.
#include "websocket.h"

#include <errno.h>
#include <stdlib.h>

#include <wslay/wslay.h>

struct websocket {
	const struct websocket_user *user;
	void *arg;
	struct wslay_event_context *context;
	struct slice input;
	char *scratch;
	uint64_t taken, framed;	  // bytes: given to wslay; of frames that have begun
	unsigned int n_fragments; // of the message at hand; 0: between two
};

// ---- wslay's callbacks

static ssize_t on_read(
	struct wslay_event_context *context, uint8_t *out, size_t size, int, void *arg)
{
	struct websocket *ws = arg;
	size_t n = ws->input.n < size ? ws->input.n : size;

	if (!n) {
		wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	memcpy(out, ws->input.p, n);
	ws->input = (struct slice){ws->input.p + n, ws->input.n - n};
	ws->taken += n;
	return (ssize_t)n;
}

static ssize_t on_write(
	struct wslay_event_context *, const uint8_t *data, size_t size, int, void *arg)
{
	struct websocket *ws = arg;

	ws->user->write(ws->arg, (struct slice){(const char *)data, size});
	return (ssize_t)size;
}

// 5.2: two bytes, the longer length, the mask.
static size_t header_size(uint64_t payload)
{
	return 2 + (payload > UINT16_MAX ? 8 : payload > 125 ? 2 : 0) + 4;
}

static void on_frame(struct wslay_event_context *,
	const struct wslay_event_on_frame_recv_start_arg *frame, void *arg)
{
	struct websocket *ws = arg;

	ws->framed += header_size(frame->payload_length) + frame->payload_length;
	if (!wslay_is_ctrl_frame(frame->opcode) && ++ws->n_fragments > WEBSOCKET_FRAGMENTS_MAX)
		websocket_close(ws, WSLAY_CODE_POLICY_VIOLATION);
}

// wslay's copy is not ours to write to.
static void on_message(struct wslay_event_context *context,
	const struct wslay_event_on_msg_recv_arg *message, void *arg)
{
	struct websocket *ws = arg;

	if (wslay_is_ctrl_frame(message->opcode))
		return;
	ws->n_fragments = 0;
	if (!message->msg_length || !wslay_event_want_read(context))
		return;
	memcpy(ws->scratch, message->msg, message->msg_length);
	ws->user->message(ws->arg, ws->scratch, message->msg_length);
}

static const struct wslay_event_callbacks callbacks = {
	.recv_callback = on_read,
	.send_callback = on_write,
	.on_frame_recv_start_callback = on_frame,
	.on_msg_recv_callback = on_message,
};

// ---- in

bool websocket_read(struct websocket *ws, struct slice bytes)
{
	// 7.1.7: what wslay closes for without a status is a frame that is none, or no memory.
	static const char error[] = {(char)0x88, 2, 1002 >> 8, (char)(1002 & 0xff)};

	ws->input = bytes;
	if (wslay_event_recv(ws->context)) {
		wslay_event_shutdown_write(ws->context);
		ws->user->write(ws->arg, (struct slice){error, sizeof(error)});
		return false;
	}
	wslay_event_send(ws->context);
	return wslay_event_want_read(ws->context);
}

bool websocket_is_idle(const struct websocket *ws)
{
	return ws->taken == ws->framed && !ws->n_fragments;
}

uint16_t websocket_status(const struct websocket *ws)
{
	return wslay_event_get_close_received(ws->context)
		       ? wslay_event_get_status_code_received(ws->context)
		       : 0;
}

// ---- out

// Bytes of the sequence at the start of `text`, 0 where it is none (RFC 3629 4: shortest form, no
// surrogates, nothing above U+10FFFF).
static size_t sequence_size(struct slice text)
{
	const unsigned char *p = (const unsigned char *)text.p;
	unsigned char low = 0x80, high = 0xbf;
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (n < 2 || n > text.n || p[0] > 0xf4)
		return n == 1;
	low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : low;
	high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : high;
	for (size_t i = 1; i < n; i++) {
		if (p[i] < low || p[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return n;
}

static bool is_utf8(struct slice text)
{
	while (text.n) {
		size_t n = sequence_size(text);

		if (!n)
			return false;
		text = (struct slice){text.p + n, text.n - n};
	}
	return true;
}

int websocket_write(struct websocket *ws, struct slice message)
{
	const struct wslay_event_msg out = {
		.opcode = is_utf8(message) ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME,
		.msg = (const uint8_t *)message.p,
		.msg_length = message.n};
	int rc = wslay_event_queue_msg(ws->context, &out);

	if (rc)
		return rc == WSLAY_ERR_NOMEM ? -ENOMEM : -EPIPE;
	return wslay_event_send(ws->context) ? -ENOMEM : 0;
}

void websocket_ping(struct websocket *ws)
{
	const struct wslay_event_msg ping = {.opcode = WSLAY_PING};

	if (!wslay_event_queue_msg(ws->context, &ping))
		wslay_event_send(ws->context);
}

void websocket_close(struct websocket *ws, uint16_t status)
{
	wslay_event_shutdown_read(ws->context);
	if (!wslay_event_queue_close(ws->context, status, NULL, 0))
		wslay_event_send(ws->context);
}

// ---- life

struct websocket *websocket_create(
	const struct websocket_user *user, void *arg, char *scratch, size_t max)
{
	struct websocket *ws = calloc(1, sizeof(*ws));

	if (!ws)
		return NULL;
	ws->user = user;
	ws->arg = arg;
	ws->scratch = scratch;
	if (wslay_event_context_server_init(&ws->context, &callbacks, ws)) {
		free(ws);
		errno = ENOMEM;
		return NULL;
	}
	wslay_event_config_set_max_recv_msg_length(ws->context, max);
	return ws;
}

void websocket_destroy(struct websocket *ws)
{
	if (!ws)
		return;
	wslay_event_context_free(ws->context);
	free(ws);
}
