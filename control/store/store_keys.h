// Cluster keys that seal the secrets in records (AES-256-GCM). A file has one key a line,
//
//   # id  64 hexadecimal digits
//   2 8f...
//   1 03...
//
// of which the first seals and all open. To rotate, put the new key second on all nodes, then
// first, and take the old one away once no record has it any more. Nobody else may read the file.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { STORE_KEYS_MAX = 8, STORE_KEY_BYTES = 32 };

struct store_keys;

// NULL with errno set and one line (with the file's line) in `error`.
struct store_keys *store_keys_load(const char *path, char *error, size_t error_size);
void store_keys_destroy(struct store_keys *keys); // wipes them

size_t store_keys_count(const struct store_keys *keys);
uint32_t store_keys_sealing_id(const struct store_keys *keys);

// Another secret of key `i` (0 seals), for what `label` says: HKDF-SHA256 (RFC 5869). 0 or -EIO.
int store_keys_derive(
	const struct store_keys *keys, size_t i, const char *label, void *out, size_t length);

// What is authenticated but not sealed, in parts.
struct store_part {
	const void *data;
	size_t length;
};

// Seal `length` bytes into `out` (length + STORE_SEAL_OVERHEAD). 0, or -EIO.
int store_seal(struct store_keys *keys, const struct store_part parts[], size_t n_parts,
	const struct store_part *secret, uint8_t *out);
// The reverse, 0, -ENOKEY or -EBADMSG; on failure nothing of the text is left in `out`.
int store_open(struct store_keys *keys, uint32_t key_id, const struct store_part parts[],
	size_t n_parts, const struct store_part *sealed, uint8_t *out);
