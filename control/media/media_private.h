// What the files of this folder share about the sessions.
//
//   media.c       sessions: the table, the queue, resync
//   media_link.c  the connection
//   media_ask.c   questions of others
//   media_srtp.c  where SRTP stands, for the day that the dataplane forgets it
//   media_shard.c addresses that move between nodes
#pragma once

#include <event2/event.h>

#include "media.h"
#include "media_link.h"

LIST_HEAD(bucket, media_session);

// A session to delete that has no owner any more.
struct orphan {
	STAILQ_ENTRY(orphan) next;
	struct sl_id id;
};

struct media {
	const struct media_ops *ops;
	void *arg;
	struct media_link *link;
	struct event *flush;

	struct bucket *buckets;
	size_t n_buckets;
	TAILQ_HEAD(, media_session) queue; // something to send
	STAILQ_HEAD(, orphan) orphans;

	uint64_t instance; // of the dataplane that we last spoke to
	bool up;	   // connected and synchronised
	bool recovered;
	struct event *srtp_timer;
	size_t srtp_bucket; // that it has come to
	STAILQ_HEAD(, shard) shards;
	size_t n_shards;
	STAILQ_HEAD(, marks) marks; // to be sent
	struct media_status counts;
};

// media.c
// What is wanted goes out at once, before what is asked next. Returns 0 or a negative errno.
int media_session_set_now(struct media_session *session);

// media_shard.c
// Behind the sessions: send what waits.
void media_shards_flush(struct media *media);
// The dataplane can be used: it is told about all shards again. It cannot any more.
void media_shards_up(struct media *media);
void media_shards_down(struct media *media);
void media_shards_free(struct media *media);

// media_srtp.c
// The dataplane has lost the session, which is to be set again.
void media_srtp_lost(struct media_session *session);
// Ask how far the far ends have counted. Nothing happens without SRTP.
void media_srtp_ask(struct media_session *session);
// Every second: ask about some.
void media_srtp_turn(evutil_socket_t fd, short what, void *arg);
