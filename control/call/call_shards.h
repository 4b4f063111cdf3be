// Shards as calls have them: the addresses that are ours, and the calls on them.
//
//   shards.c      taking a shard over, and giving it up; which listener and media address it has
//   checkpoint.c  a call as bytes for the other nodes
//   confirm.c     whether the far ends of such a call are still there
#pragma once

#include "call_private.h"
#include "shard.h"

struct call_shard {
	const struct shard *shard;
	struct calls *calls;
	uint64_t epoch; // 0: not ours
	uint64_t newer; // somebody else's; 0: nobody is known to have it
	bool listed;	// all records have been read
	bool open;	// to be heard: its listeners are bound as soon as they can be
	bool bound;	// all of them are
	uint64_t began_ms;
	uint64_t asked_ms; // for the lease that it has now (CLOCK_MONOTONIC)
	bool no_media;	   // the dataplane has no such shard: its addresses do not move
	unsigned int n_adopted, n_failed, n_cancelled;
	struct event *retry;
};

// Where there is no cluster all of this does nothing, and a call's shard is NULL.

// The shard whose address that is, or NULL.
struct call_shard *shard_of_address(
	const struct calls *calls, const struct realm *realm, const struct sockaddr *address);
struct call_shard *shard_of_listener(const struct calls *calls, const struct listener *listener);
// Our media address for a leg of the call on that side, and what its far end is told.
const struct sdp_address *call_media(const struct call *call, int side, uint8_t family);
const struct sdp_address *call_media_advertised(const struct call *call, int side, uint8_t family);
// The call has changed, or is over: the others are to know.
void call_share(struct call *call);
void call_unshare(struct call *call);
// A session of the dataplane that nobody knows and whose call is of a shard that is not ours (yet).
enum media_found shard_session_found(
	struct calls *calls, const struct sl_session_report *report, const void *record);
// Listeners of shards of ours that are not bound yet.
void shards_bind(struct calls *calls);
// Of a request in a dialog that we do not know: whether it may be one whose record is still to
// come.
bool shard_is_incomplete(const struct calls *calls, const struct listener *listener);
void shards_stop(struct calls *calls);
// The dataplane can be used (again), or says something of a shard.
void shards_media_up(struct calls *calls);
void shards_media_event(struct calls *calls, const struct sl_shard_event *event);

// confirm.c: ask the far ends of a call from another node whether they know of it.
int confirm_open(struct calls *calls);
void confirm_close(struct calls *calls);
void confirm_init(struct leg *leg);
void confirm_fini(struct leg *leg);
void call_confirm(struct call *call);
void call_confirm_drop(struct call *call);
// Of transactions whose owner is OWNER_CONFIRM: a response, or what stands for none.
void confirm_done(struct owner *owner, unsigned int status);

// checkpoint.c: 0 where there is nothing to share.
size_t checkpoint_save(const struct call *call, void *out, size_t size);
// The reverse into a fresh call, whose media is then on its way. 0; 1: it was not answered, and its
// INVITEs are being cancelled; -ENOTSUP for a newer version, -EBADMSG, or an errno of
// record_restore().
int checkpoint_restore(struct call *call, const void *data, size_t length);
