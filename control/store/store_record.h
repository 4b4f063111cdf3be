// A record as it lies in the store: readable by older and newer nodes, secrets sealed.
//
//   offset size  field (big-endian)
//        0    2  magic "SR"
//        2    1  version: 1. A reader skips what is newer
//        3    1  header length: 40; a later minor change may make it longer, readers skip the rest
//        4    2  flags: bit 0 sealed part present; bits 8 to 15 must be understood: else "newer"
//        6    2  kind of what is inside (STORE_RECORD_CALL...)
//        8    4  length of the body
//       12    4  length of the sealed part (0 without flag 0)
//       16    8  written, ms since 1970
//       24    8  expires, ms since 1970; 0: never
//       32    4  id of the key that sealed
//       36    4  0; ignored by readers
//       40       body, then the sealed part:
//        0   16    salt of the sealing process
//       16    8    number of the sealing within that process
//       24   ..    ciphertext (AES-256-GCM)
//      end   16    tag
//
// The cipher's key is HKDF-SHA256(cluster key, salt, "sluice store record"), its nonce 4 zero bytes
// and the number. The salt is drawn at the start of each process and the number only counts, so no
// pair of key and nonce comes twice, whatever nodes do (NIST SP 800-38D, 8.2.1). Header, body,
// shard and key are authenticated with it: a sealed part fits no other record, and a body no other
// sealed part.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "store.h"

enum {
	STORE_RECORD_HEADER = 40,
	STORE_RECORD_VERSION = 1,
	STORE_SEAL_OVERHEAD = 40,
	STORE_SECRET_MAX = 8192,
};

enum store_record_flag { STORE_RECORD_SEALED = 1, STORE_RECORD_MUST_UNDERSTAND = 0xff00 };
enum store_record_kind { STORE_RECORD_CALL = 1, STORE_RECORD_MEDIA = 2 };

struct store_record {
	uint16_t flags, kind;
	uint64_t written_ms, expires_ms;
	uint32_t key_id;
	const uint8_t *body, *sealed;
	size_t body_length, sealed_length;
};

struct store_keys; // store_keys.h

// Where a record belongs.
struct store_place {
	const char *shard, *key;
};

// Build a record with `body` and, unless `secret_length` is 0, `secret` sealed by the first of
// `keys`. Returns its length, -ENOBUFS, -EMSGSIZE, -ENOKEY where there is a secret and no key,
// -EIO.
struct store_record_content {
	uint16_t kind;
	uint64_t expires_ms;
	const void *body, *secret;
	size_t body_length, secret_length;
};
int store_record_build(struct store_keys *keys, const struct store_place *place,
	const struct store_record_content *content, uint8_t *buffer, size_t size);

// Read a record; pointers go into `data`. Returns 0, -EBADMSG for what is no record, -ENOTSUP for
// one of a newer version, -ETIME for one that has expired. Anything may be in `data`.
int store_record_parse(const void *data, size_t length, struct store_record *record);

// Open the sealed part into `secret` (at least sealed_length - STORE_SEAL_OVERHEAD bytes; wipe it
// after use). `data` is the whole record. Returns the length, 0 where there is none, -ENOKEY for a
// key that we do not have, -EBADMSG where it was changed or belongs elsewhere, -ENOBUFS.
int store_record_open(struct store_keys *keys, const struct store_place *place, const void *data,
	const struct store_record *record, uint8_t *secret, size_t size);
