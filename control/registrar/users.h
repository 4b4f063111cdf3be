// Who may register or call with a proof, of one domain: names and what their proofs are made of.
// Read from a file and not changed after; a reload reads another.
//
//   users:
//     - {user: alice, password: correct horse}
//     - {user: bob, ha1_md5: 0123..., ha1_sha256: 4567...}
//
// H(A1) is H(user:domain:password). Passwords are not kept: each becomes its H(A1).
#pragma once

#include "digest.h"

struct users;

enum { USER_NAME_MAX = 64 };

// Read `path` for digests of `algorithms` (a bit mask): each user must have a password or all of
// them. Returns NULL with errno and one line, "FILE:LINE: what was expected", in `error`, which
// never holds a secret.
struct users *users_load(const char *path, const char *domain, unsigned int algorithms, char *error,
	size_t error_size);
// As users_load(), from memory; `name` stands for the file's name in messages.
struct users *users_load_text(const char *name, const char *text, size_t length, const char *domain,
	unsigned int algorithms, char *error, size_t error_size);
void users_destroy(struct users *users);

size_t users_n(const struct users *users);
bool users_has(const struct users *users, struct slice name);

// For struct digest_server: `users` is a struct users.
struct slice users_ha1(void *users, struct slice name, enum digest_algorithm algorithm);
