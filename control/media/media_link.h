// The connection to the dataplane: reconnects with back-off, matches responses to requests, notices
// a dataplane that hangs. Knows nothing of sessions. Private to control/media.
#pragma once

#include <stdbool.h>

#include "media.h"
#include "sl_client.h"

struct media_link;

// A request under way. Responses come in the order of requests, so these are a queue.
struct media_request {
	uint32_t request_id;
	enum sl_type type;
	struct sl_id id; // SET, DELETE and GET: of which session
	bool on;	 // PROFILE
	struct sl_dtmf dtmf;
	// Only while it is sent: SHARD_SET, and for its name MARKS_GET; MARKS_SET
	const struct sl_shard *shard;
	const struct sl_mark *marks;
	size_t n_marks;
	media_answer_fn *fn;
	void *arg;
	uint64_t sent_ms;
};

struct media_link_ops {
	void (*up)(void *arg, const struct sl_welcome *welcome);
	// The connection is gone. Requests under way were failed before this.
	void (*down)(void *arg);
	// `message` is NULL where the connection was lost.
	void (*response)(
		void *arg, const struct media_request *request, const struct sl_message *message);
	void (*event)(void *arg, const struct sl_media_event *event);
	void (*shard_event)(void *arg, const struct sl_shard_event *event);
	// After -EAGAIN: there is room again.
	void (*writable)(void *arg);
};

struct media_link *media_link_create(
	struct event_base *base, const char *path, const struct media_link_ops *ops, void *arg);
void media_link_destroy(struct media_link *link);

// Whether requests pile up in the dataplane: many are under way, and the oldest has been for long.
bool media_link_is_late(const struct media_link *link);

// Send a request; `session` and `record` for SL_SESSION_SET only. Returns 0, -EAGAIN (writable()
// follows), -ENOTCONN, or -ENOMEM.
int media_link_send(struct media_link *link, const struct media_request *request,
	const struct sl_session *session, const void *record);
