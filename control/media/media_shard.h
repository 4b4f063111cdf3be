// Shards: addresses that move between nodes with the calls on them (sl_api.h says what a shard is
// and when the dataplane stops by itself). This is what a node does with one:
//
//   adopt      media_session_open, _update …          each call of the record, exact ports and
//   SSRCs
//              media_mark_advance, media_marks_set    never to use an SRTP index twice
//              media_shard_set(ACTIVE)                goes out behind all of these
//   keep       media_shard_set(ACTIVE), often         with every renewal of the lease: it confirms
//              media_marks_get                        every few minutes, stored beside the records
//   hand over  media_shard_set(FROZEN), media_marks_get: exact now; the other node sets them as
//   they
//              are, without media_mark_advance; media_shard_set(INACTIVE), and the other ACTIVE
//   give up    media_shard_set(INACTIVE)              at once; a higher epoch makes it final
//
// Callbacks come from the loop, never from inside a call of this header.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sl_api.h"

struct media;

// How the dataplane took it: `now` is the shard as it is then, or NULL with the status of
// SL_SHARD_SET, or -ENOTCONN: the dataplane went away.
typedef void media_shard_fn(void *arg, int status, const struct sl_shard *now);

// Make a shard what `wanted` says: its name, epoch, state, and for ACTIVE valid_until_ns
// (CLOCK_BOOTTIME, media_now_ns()) and pause_ms. ACTIVE goes out once all sessions and marks that
// were set before have; the other states at once. What has not gone out yet is replaced by the next
// for that shard, whose `fn` alone is called. It is remembered: after a restart of the dataplane it
// is sent again behind the sessions (which does no harm where valid_until_ns has passed: then it
// waits for the next). `fn` may be NULL. 0, -EINVAL a name too long, -ENOSPC too many shards.
int media_shard_set(
	struct media *media, const struct sl_shard *wanted, media_shard_fn *fn, void *arg);

// The clock of sl_shard.valid_until_ns, and that of sl_mark.at_ms.
uint64_t media_now_ns(void);
uint64_t media_wall_ms(void);

// Marks of all sessions of a shard, in pieces; the last has more == false. A status is a negative
// errno: -ENOENT no such shard, -ENOTCONN the dataplane went away.
typedef void media_marks_fn(
	void *arg, int status, const struct sl_mark *marks, size_t n_marks, bool more);
// 0 (answers follow), -ENOTCONN, -EAGAIN (the socket is full: later), -EINVAL, -ENOMEM.
int media_marks_get(struct media *media, const char *shard, media_marks_fn *fn, void *arg);

// Set marks (copied), behind the sessions updated before. `fn` (may be NULL) gets 0 or the first
// error of SL_MARKS_SET, n_marks 0 and more false. 0 or -ENOMEM.
int media_marks_set(struct media *media, const struct sl_mark *marks, size_t n_marks,
	media_marks_fn *fn, void *arg);

// Make of a mark that was read some time ago one that can be set now: above every index that its
// owner can have sent since, at `packets_per_second` at most (of one leg), with a second for clocks
// that differ and a margin. A relayed stream's own indices stay: its source moves them on, and what
// is at or below the mark is refused. Its owner's SRTCP has sent less than 1,000, and 10 a second,
// since.
//
// -ERANGE: the jump would be 2^15 or more, and the far end take it for another ROC (RFC
// 3711 3.3.1); -ENODATA: when the mark was read nothing had been sent, so nobody knows where it
// began: in both cases the leg needs a new SSRC (sl_leg.ssrc 0, no mark; under SRTP its indices are
// its own) or new keys. Plain RTP has neither problem.
int media_mark_advance(
	struct sl_mark *mark, bool secure, uint64_t now_ms, uint32_t packets_per_second);
