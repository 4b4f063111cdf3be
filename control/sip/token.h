// Unguessable words for tags, branches and Call-IDs, and the key of the hash tables: getrandom(2)
// in blocks. 80 bits in 16 characters of base 32; nobody off the path can guess or collide with
// one.
#pragma once

#include "siphash.h"
#include "slice.h"

enum { TOKEN_SIZE = 16 };

// Writes TOKEN_SIZE characters (a-z, 2-7), no NUL.
void token_make(char out[TOKEN_SIZE]);

// The same word whenever key and text are the same, which only who knows the key can make.
void token_derive(struct slice key, struct slice text, char out[TOKEN_SIZE]);

void token_random(void *out, size_t size);

// Marked tokens: any node of a cluster can tell which of its shards a token is of. 50 bits are
// random, 6 are the mark, and 24 a MAC (SipHash-2-4, cut) over both under a key of the cluster:
// nobody else can make one that is taken for ours, nor guess one.
enum { TOKEN_MARKS = 64, TOKEN_KEYS_MAX = 8 };

struct token_keys {
	struct siphash_key keys[TOKEN_KEYS_MAX]; // the first makes, all read
	size_t n;
};

void token_make_marked(char out[TOKEN_SIZE], const struct token_keys *keys, unsigned int mark);
// The mark, or -1 where it is no token of the cluster's. `token` may be anything.
int token_mark_read(const struct token_keys *keys, struct slice token);
