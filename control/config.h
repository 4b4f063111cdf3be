// The configuration of sluice-control: one YAML file, checked whole before anything starts.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "access.h"
#include "cdr_rules.h"
#include "cluster.h"
#include "digest_nonce.h"
#include "log.h"
#include "realm.h"
#include "route.h"
#include "shard.h"
#include "trunk.h"

struct config_timers {
	uint32_t no_answer_s;	 // ringing until CANCEL and 408
	uint32_t max_duration_s; // of a call, 0: no limit
	uint32_t media_start_s;	 // no media after the answer, 0: never
	uint32_t media_s;	 // no media in a call, 0: never
	uint32_t media_hold_s;	 // no media on hold, 0: never
};

struct config_log {
	const char *module; // "*": all
	enum log_level level;
};

struct config_limits {
	uint32_t trace_megabytes; // of SIP messages, for sluicectl trace
	uint32_t calls;		  // at the same time, 0: no limit
	uint32_t bindings;	  // of registered users
	uint32_t requests;	  // of no call that wait for an answer, 0: no limit
	uint32_t subscriptions;	  // 0: no limit
	uint32_t registers;	  // on their way to other registrars at the same time
	uint32_t registers_per_s; // sent there, 0: no limit
};

// More new requests than there is time for (backlog.h).
struct config_overload {
	uint32_t wait_ms;	// before one is refused with 503, 0: for ever
	uint32_t retry_after_s; // the most that a 503 says, 0: nothing
};

// Of proofs that others give us.
struct config_auth {
	bool has_secret;			  // else one is made at start
	unsigned char secret[DIGEST_SECRET_SIZE]; // of nonces, the same on all nodes
	uint32_t nonce_s;
	uint32_t failures, failures_s, ban_s; // so many of a host in that time: it is not heard
};

// Taking no new calls.
struct config_drain {
	bool at_start;		// until it is told otherwise
	bool leave;		// the process ends once nothing is left
	uint32_t status;	// that new calls, registrations and OPTIONS get
	uint32_t retry_after_s; // 0: not said
};

// Where there is no cluster, `shards` is empty and nothing else counts.
struct config_cluster {
	bool on;
	struct shards shards;		  // what they are made of
	struct cluster_settings settings; // `node` is that of struct config
	struct cluster_node *nodes;
	struct cluster_shard *owners; // of the same shards
};

struct config {
	const char *node;
	const char *dataplane; // unix sockets
	const char *admin;
	const char *cdr_file; // NULL: none are written
	struct cdr_rules cdr;
	struct sockaddr_storage http; // to listen on; AF_UNSPEC: nowhere
	struct realm *realms;
	size_t n_realms;
	struct trunks trunks;
	struct routes routes;
	struct config_route_parts *route_parts; // what routes point to
	struct config_timers timers;
	struct config_limits limits;
	struct config_overload overload;
	struct config_auth auth;
	struct config_drain drain;
	struct access_rules access;
	struct config_cluster cluster;
	char dns_servers[512];	 // with commas; "": those of the system
	struct config_log *logs; // in order
	size_t n_logs;
	struct config_file *file; // what was read, with defaults filled in
};

// Returns the configuration, or NULL with one line "FILE:LINE: PATH: what was expected" in `error`.
struct config *config_load(const char *path, char *error, size_t error_size);
// As config_load(), from memory; `name` stands for the file's name in messages.
struct config *config_load_text(
	const char *name, const char *text, size_t length, char *error, size_t error_size);

// The effective configuration as YAML, defaults included (free with free()); it loads again to the
// same. NULL with errno set.
char *config_print(const struct config *config);

// What of `config` a process that was started with another one cannot take over, "node, cdr.file";
// "": all of it can be.
void config_restart_needed(
	const struct config *started, const struct config *config, char *out, size_t size);

void config_free(struct config *config);
