// The configuration file as it is written: libcyaml's view of it, defaults filled in. Private to
// config.c, which makes struct config of it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file_listener {
	char *transport; // "udp", "tcp", "tls", "ws", "wss"
	char *address;
	uint32_t *port;
};

struct file_tls {
	char *certificate, *key;
	char *ca;     // NULL: none
	char *verify; // of clients: "none", "optional", "required"
};

struct file_realm {
	char *name;
	struct file_listener *sip;
	uint32_t sip_count;
	char *media_address;	// NULL: see media_addresses
	char **media_addresses; // one of each family
	uint32_t media_addresses_count;
	char *advertised;     // NULL: none
	struct file_tls *tls; // NULL: none
	char **origins;	      // of WebSocket
	uint32_t origins_count;
};

struct file_peer {
	char *transport; // NULL: a name's, as DNS says
	char *address;
	uint32_t *port; // likewise
	uint32_t *priority, *weight;
};

struct file_direction_limits {
	uint32_t *calls, *calls_per_s;
};

struct file_trunk_limits {
	uint32_t *calls, *calls_per_s;
	struct file_direction_limits *in, *out; // NULL: none of their own
};

struct file_number_rule {
	char *prefix; // NULL: every number
	uint32_t strip;
	char *prepend; // NULL: nothing
};

struct file_numbers_in {
	bool *normalise, *portability;
	struct file_number_rule *rules;
	uint32_t rules_count;
};

struct file_numbers_out {
	char *format;
	bool *portability, *user_phone, *tel;
	struct file_number_rule *rules;
	uint32_t rules_count;
};

// NULL: none.
struct file_numbers {
	char *country_code, *area_code, *national_prefix, *international_prefix;
	struct file_numbers_in *in;
	struct file_numbers_out *out;
};

struct file_health {
	uint32_t *interval_s, *timeout_s, *fails, *successes;
	char **alive; // statuses
	uint32_t alive_count;
};

struct file_failover {
	char **codes; // statuses
	uint32_t codes_count;
	uint32_t *timeout_s, *backoff_s;
};

// What is NULL is taken from the realm.
struct file_trunk_tls {
	char *server_name; // NULL: the peer's address
	char *certificate, *key, *ca;
};

// Who we are to those who want a proof.
struct file_keys {
	char *user;
	char *password, *password_file; // one of them
	char *realm;			// NULL: whoever asks
	char *hidden;			// the password while a placeholder is in its place
};

struct file_registration {
	char *user, *domain;
	uint32_t *expires_s;
	bool bulk;
};

struct file_forward {
	char *trunk;
	bool path;
	uint32_t *expires_s, *nat_expires_s;
};

// Who must prove to be one of ours.
struct file_users {
	char *domain;
	char *file;		      // one of them
	struct file_forward *forward; // NULL: the registrar is here
	char **algorithms;
	uint32_t algorithms_count;
	bool redirect;
	bool *registers; // NULL until defaults are filled in: where there are no peers
	uint32_t *expires_s, *expires_min_s, *expires_max_s;
	uint32_t *contacts;
	uint32_t *keepalive_s; // 0: never
	uint32_t *ring_s;
};

struct file_header_condition {
	char *method, *header, *matches; // NULL: does not matter
	bool absent;
};

// Exactly one of the first five is there.
struct file_header_rule {
	char *add, *set, *remove, *copy, *rewrite; // names of headers
	char *value;				   // of add, set, rewrite
	char *to;				   // of copy
	char *pattern;				   // of rewrite
	struct file_header_condition *when;
};

struct file_session_timer {
	uint32_t *expires, *min;
	char *refresher; // "any", "us", "peer"
};

struct file_subscriptions {
	uint32_t *max, *expires_max_s;
	char **events;
	uint32_t events_count;
	char *hosts; // "hide", "pass"
};

struct file_trunk {
	char *name;
	char *realm;
	struct file_peer *peers;
	uint32_t peers_count;
	char **codecs;
	uint32_t codecs_count;
	uint32_t *ptime;
	bool dtx;
	bool quality_log;
	char *jitter_buffer; // "none", "fixed", "adaptive"
	uint32_t *jitter_ms, *jitter_max_ms;
	char **media; // "audio", "video", "text", "image"
	uint32_t media_count;
	char *dtmf;	   // "auto", "rfc4733", "inband", "info", "none"
	char *rel100;	   // "never", "supported", "required"
	char *early_media; // "always", "authorized", "never"
	struct file_session_timer *session_timer;
	char *refer;	 // "handle", "reject", "pass"
	char *refer_to;	 // "us", "peer"
	char *redirects; // "refuse", "follow", "pass"
	char **requests; // "message", "publish", "notify", "subscribe"
	uint32_t requests_count;
	struct file_subscriptions *subscriptions; // NULL: none pass
	char **bodies;
	uint32_t bodies_count;
	char *rtcp_mux;	    // "offer", "accept", "never"
	char *srtp;	    // "never", "optional", "required"
	char **srtp_suites; // best first
	uint32_t srtp_suites_count;
	struct file_trunk_tls *tls;		// NULL: as the realm has it
	struct file_keys *auth;			// NULL: we have no proof for it
	struct file_registration *registration; // NULL: none
	struct file_users *users;		// NULL: its address says who it is
	struct file_trunk_limits *limits;
	struct file_health *health; // NULL: no OPTIONS are sent
	struct file_failover *failover;
	bool trusted;
	char *redirection; // "as_received", "diversion", "history_info", "none"
	struct file_header_rule *headers_in, *headers_out;
	uint32_t headers_in_count, headers_out_count;
	struct file_numbers *numbers; // NULL: as they are
};

struct file_when {
	char **days;  // NULL: every day
	char **hours; // NULL: all day
	uint32_t days_count, hours_count;
	char *zone;
};

// What is NULL does not matter.
struct file_route {
	char *number, *prefix, **prefixes, *prefix_file, *pattern; // called: one of them
	uint32_t prefixes_count;
	char *caller, *caller_prefix, *caller_pattern; // one of them
	char *from;
	struct file_when *when;
	char *trunk, **trunks; // one of them
	uint32_t trunks_count;
	uint32_t strip;
	char *prepend;
	char *cost; // decimal
	uint32_t *weight;
	bool *emergency, *goes_on;
};

struct file_timers {
	uint32_t *no_answer_s, *max_duration_s, *media_start_s, *media_s, *media_hold_s;
};

struct file_cdr {
	char *file;
	uint32_t *rotate_megabytes, *rotate_s;
	char *sync; // "never", "second", "line"
};

struct file_http {
	char *address;
	uint32_t *port;
};

struct file_trace {
	uint32_t *megabytes;
};

struct file_limits {
	uint32_t *calls;
	uint32_t *requests;
	uint32_t *subscriptions;
	uint32_t *bindings;
	uint32_t *registers, *registers_per_s;
};

struct file_overload {
	uint32_t *wait_ms;
	uint32_t *retry_after_s;
};

// Of proofs that others give us.
struct file_auth {
	char *secret_file; // NULL: of this process only
	uint32_t *nonce_s;
	uint32_t *failures, *failures_s, *ban_s;
};

// Where a node drains and the configuration does not say how.
#define DRAIN_STATUS	    503
#define DRAIN_RETRY_AFTER_S 5

struct file_drain {
	bool at_start, leave;
	uint32_t *status, *retry_after_s;
};

struct file_cluster_node {
	char *name, *address;
	uint32_t *port;
};

struct file_shard_address {
	char *realm, *sip;
	char *media; // NULL until defaults are filled in: as `sip`
};

struct file_shard {
	char *name;
	char **nodes; // the preferred first
	uint32_t nodes_count;
	struct file_shard_address *addresses;
	uint32_t addresses_count;
};

struct file_store_tls {
	char *ca, *certificate, *key, *name;
};

struct file_store {
	char **servers;
	uint32_t servers_count;
	char *sentinel; // name of the master; NULL: the servers are none
	char *user, *password_file, *sentinel_user, *sentinel_password_file;
	char *prefix;
	struct file_store_tls *tls; // NULL: none
	uint32_t *connect_timeout_ms, *command_timeout_ms, *write_ms;
};

struct file_heartbeat {
	uint32_t *interval_ms, *missed;
};

struct file_cluster {
	char *key_file;
	char *witness; // NULL until defaults are filled in: "store" for two nodes, else "none"
	uint32_t *lease_ms;
	struct file_heartbeat *heartbeat;
	struct file_store *store;
	struct file_cluster_node *nodes;
	uint32_t nodes_count;
	struct file_shard *shards;
	uint32_t shards_count;
};

// Modules of this process that log, in the order of the file when printed.
#define FILE_LOG_MODULES(X) \
	X(control) X(call) X(registrar) X(sip) X(media) X(guard) X(admin) X(cluster) X(store)

struct file_access {
	char **deny, **allow; // networks
	uint32_t deny_count, allow_count;
	char *unknown; // "silence" or a status
	uint32_t *calls_per_s;
};

struct file_dns {
	char **servers;
	uint32_t servers_count;
};

struct file_log {
#define X(module) char *module;
	FILE_LOG_MODULES(X)
#undef X
};

struct config_file {
	char *node;
	char *dataplane;
	char *admin;
	struct file_realm *realms;
	uint32_t realms_count;
	struct file_trunk *trunks;
	uint32_t trunks_count;
	struct file_route *routes;
	uint32_t routes_count;
	struct file_timers *timers;
	struct file_cdr *cdr;	// NULL: none
	struct file_http *http; // NULL: none
	struct file_trace *trace;
	struct file_limits *limits;
	struct file_overload *overload;
	struct file_auth *auth;
	struct file_access *access;   // NULL: none
	struct file_drain *drain;     // NULL: as the defaults are
	struct file_dns *dns;	      // NULL: as the system has it
	struct file_cluster *cluster; // NULL: this node is alone
	struct file_log *log;
};

// Read the text, fill in the defaults. Returns NULL with one line in `error`.
struct config_file *config_file_load(
	const char *name, const char *text, size_t length, char *error, size_t error_size);
char *config_file_print(struct config_file *file);
void config_file_free(struct config_file *file);
