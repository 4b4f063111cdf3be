// Client of the dataplane's socket: framing, request ids and bounds checks, nothing more. It never
// blocks after sl_client_open() and owns no event loop: watch sl_client_fd() for reading and call
// sl_client_receive() until -EAGAIN. One thread at a time.
#pragma once

#include "sl_api.h"

struct sl_client;

// One received message. `payload` points into the client's buffer until the next receive.
struct sl_message {
	uint16_t type; // enum sl_type, without SL_RESPONSE
	bool more;     // SL_MORE
	bool response;
	uint32_t request_id;
	int status;
	const void *payload;
	size_t payload_length;
};

enum { // what else a client wants than responses
	SL_CLIENT_EVENTS = 1 << 0,
	SL_CLIENT_PUNTS = 1 << 1,
};

// Connect to `path` and send a hello as `name`, asking for what `wants` says. Returns NULL with
// errno set: ENOENT, ECONNREFUSED, EACCES ... The welcome arrives as the first message.
struct sl_client *sl_client_open(const char *path, const char *name, unsigned int wants);
void sl_client_close(struct sl_client *client);
int sl_client_fd(const struct sl_client *client);

// Send a request. Returns its request_id (> 0), or a negative errno: -EAGAIN the socket is full
// (try again when it is writable), -EPIPE or -ECONNRESET the dataplane is gone.
int64_t sl_client_session_set(
	struct sl_client *client, const struct sl_session *session, const void *record);
int64_t sl_client_session_delete(struct sl_client *client, const struct sl_id *id);
int64_t sl_client_session_get(struct sl_client *client, const struct sl_id *id);
int64_t sl_client_session_list(struct sl_client *client);
int64_t sl_client_stats_get(struct sl_client *client);
int64_t sl_client_stats_reset(struct sl_client *client);
int64_t sl_client_codecs_get(struct sl_client *client);
int64_t sl_client_dtmf(struct sl_client *client, const struct sl_dtmf *dtmf);
int64_t sl_client_profile(struct sl_client *client, bool on);
int64_t sl_client_inject(struct sl_client *client, const struct sl_datagram *datagram);
int64_t sl_client_shard_set(struct sl_client *client, const struct sl_shard *shard);
int64_t sl_client_shard_list(struct sl_client *client);
int64_t sl_client_marks_get(struct sl_client *client, const char *shard); // -EINVAL: a long name
// At most SL_MARKS_MAX.
int64_t sl_client_marks_set(struct sl_client *client, const struct sl_mark *marks, size_t n);

// Receive one message. Returns 0, -EAGAIN where there is none, -EPIPE where the dataplane closed,
// -EPROTO where the message is malformed.
int sl_client_receive(struct sl_client *client, struct sl_message *message);

// Check and cut a packet: both ends use these, and the fuzzer does. `message` is written on
// success only. Returns 0 or -EPROTO.
int sl_message_parse(const void *packet, size_t length, struct sl_message *message);

// The parts of a payload, bounds-checked; NULL where the payload is too short or lies about its
// length. `record` gets the record behind the structure (may be NULL).
const struct sl_session *sl_payload_session(const struct sl_message *message, const void **record);
const struct sl_session_report *sl_payload_report(
	const struct sl_message *message, const void **record);
const struct sl_welcome *sl_payload_welcome(const struct sl_message *message);
const struct sl_media_event *sl_payload_event(const struct sl_message *message);
const struct sl_datagram *sl_payload_datagram(const struct sl_message *message);
const struct sl_counter *sl_payload_counters(const struct sl_message *message, size_t *n_counters);
const struct sl_codec *sl_payload_codecs(const struct sl_message *message, size_t *n_codecs);
const struct sl_shard *sl_payload_shards(const struct sl_message *message, size_t *n_shards);
const struct sl_shard_event *sl_payload_shard_event(const struct sl_message *message);
const struct sl_mark *sl_payload_marks(const struct sl_message *message, size_t *n_marks);
