// Unguessable words for tags, branches and Call-IDs, and the key of the hash tables: getrandom(2)
// in blocks. 80 bits in 16 characters of base 32; nobody off the path can guess or collide with
// one.
#pragma once

#include "slice.h"

enum { TOKEN_SIZE = 16 };

// Writes TOKEN_SIZE characters (a-z, 2-7), no NUL.
void token_make(char out[TOKEN_SIZE]);

// The same word whenever key and text are the same, which only who knows the key can make.
void token_derive(struct slice key, struct slice text, char out[TOKEN_SIZE]);

void token_random(void *out, size_t size);
