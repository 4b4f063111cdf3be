// What the files of the configuration share. Private to control/config*.c.
#pragma once

#include "config.h"

struct check;
struct file_realm;
struct file_trunk;

#define CALLS_MAX 1000000

// `where` is the mapping that has `transport`, or `address` and `port`. Return 0, or a negative
// errno with the error written.
int config_read_transport(
	const struct check *check, const char *where, const char *name, enum realm_transport *out);
int config_read_endpoint(const struct check *check, const char *where, const char *host,
	uint32_t port, struct sockaddr_storage *out);

// config_tls.c; the listeners of the realm, and the peers of the trunk, are read already.
int config_read_origins(const struct check *check, const struct file_realm *from,
	unsigned int number, struct realm *realm);
int config_read_realm_tls(const struct check *check, const struct file_realm *from,
	unsigned int number, struct realm *realm);
int config_read_trunk_tls(const struct check *check, const struct file_trunk *from,
	unsigned int number, struct trunk *trunk);

#define CONFIG_WORDS_MAX 5

// One of some words; the index is the value. NULL ends where there are fewer.
struct config_words {
	const char *text[CONFIG_WORDS_MAX];
	const char *expected;
};
int config_read_choice(const struct check *check, const char *where, const char *text,
	const struct config_words *words, uint8_t *out);

// config_signalling.c
struct trunk_signalling;
int config_read_trunk_signalling(const struct check *check, const struct file_trunk *from,
	unsigned int number, struct trunk_signalling *signalling);

// config_auth.c; peers of the trunk are read already.
int config_read_trunk_auth(const struct check *check, const struct file_trunk *from,
	unsigned int number, struct trunk *trunk);
// All trunks are read already.
int config_read_forwards(const struct check *check, struct config *config);
int config_read_auth(const struct check *check, struct config *config);
void config_auth_free(struct config *config);
// Whether a file that holds secrets is one, and is not open to everybody.
int config_check_secret_file(const struct check *check, const char *where, const char *path);
// The first line of such a file, malloced.
int config_read_password(
	const struct check *check, const char *where, const char *path, const char **out);
// config_cluster.c; realms are read already.
int config_read_cluster(const struct check *check, struct config *config);
void config_free_cluster(struct config *config);
// config_headers.c
int config_read_trunk_headers(const struct check *check, const struct file_trunk *from,
	unsigned int number, struct trunk *trunk);

// config_trunk.c; realms are read already.
int config_read_trunks(const struct check *check, struct config *config);

// config_access.c
int config_read_access(const struct check *check, struct config *config);

// config_dns.c
bool config_is_name(const char *address);
bool config_realm_listens(const struct realm *realm, enum realm_transport transport);
int config_read_dns(const struct check *check, struct config *config);

// config_peers.c; the trunk's realm is known.
int config_read_peers(const struct check *check, const struct config *config,
	const struct file_trunk *from, unsigned int number, struct trunk *trunk);
int config_read_trunk_rules(const struct check *check, const struct file_trunk *from,
	unsigned int number, struct trunk *trunk);

// config_route.c; trunks are read already.
int config_read_routes(const struct check *check, struct config *config);
void config_free_routes(struct config *config);

// prefix_file.c: lines of "PREFIX" or "PREFIX,COST"; empty ones and those that begin with '#' do
// not count.
struct prefix_line {
	const char *prefix; // in the file's text
	const char *cost;   // NULL: none
};
// Read the whole file. Returns its text, which the lines point into (both malloced), or NULL with
// the error written.
char *prefix_file_read(const struct check *check, const char *where, const char *path,
	struct prefix_line **lines, size_t *n);
// A decimal number of money, "0.0125", in millionths. Returns 0 or -EINVAL.
int cost_parse(const char *text, uint64_t *out);

// config_number.c
struct file_numbers;
int config_read_numbers(const struct check *check, const struct file_numbers *from,
	unsigned int number, struct number_plan *plan);
void config_free_numbers(struct number_plan *plan);
