// The schema of the configuration file and its defaults. What the schema cannot say (names that
// must exist, addresses, ranges) is checked by config.c.
#include "config_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_schema.h"
#include "route.h"
#include "yaml_file.h"

#define SUN_PATH_MAX	  107 // of a unix socket
#define LIST_MAX	  10000
#define HEADER_RULES_MAX  200
#define STATUS_LIST_MAX	  64
#define ORIGINS_MAX	  64
#define SHORT_LIST_MAX	  16
#define EVENTS_MAX	  64
#define RULES_MAX	  1000
#define DNS_SERVERS_MAX	  8
#define NUMBERS_MAX	  200000 // routes, and prefixes of one
#define SIP_PORT_DEFAULT  5060
#define SIPS_PORT_DEFAULT 5061
#define WS_PORT_DEFAULT	  80 // RFC 7118 5.1
#define WSS_PORT_DEFAULT  443
#define HTTP_PORT_DEFAULT 9090
#define TRACE_MB_DEFAULT  16
#define DATAPLANE_DEFAULT "/run/sluice/dataplane.sock"
#define ADMIN_DEFAULT	  "/run/sluice/control.sock"

static const cyaml_schema_field_t listener_fields[] = {
	OPTIONAL_TEXT("transport", struct file_listener, transport, 1, NAME_MAX_BYTES),
	TEXT("address", struct file_listener, address, NAME_MAX_BYTES),
	OPTIONAL_NUMBER("port", struct file_listener, port),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t listener_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_listener, listener_fields)};

static const cyaml_schema_value_t name_schema = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, NAME_MAX_BYTES)};

static const cyaml_schema_value_t origin_schema = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, TEXT_MAX_BYTES)};

static const cyaml_schema_field_t tls_fields[] = {
	TEXT("certificate", struct file_tls, certificate, TEXT_MAX_BYTES),
	TEXT("key", struct file_tls, key, TEXT_MAX_BYTES),
	OPTIONAL_TEXT("ca", struct file_tls, ca, 1, TEXT_MAX_BYTES),
	OPTIONAL_TEXT("verify", struct file_tls, verify, 1, NAME_MAX_BYTES),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t realm_fields[] = {
	TEXT("name", struct file_realm, name, NAME_MAX_BYTES),
	CYAML_FIELD_SEQUENCE(
		"sip", CYAML_FLAG_POINTER, struct file_realm, sip, &listener_schema, 1, 64),
	OPTIONAL_TEXT("media_address", struct file_realm, media_address, 1, NAME_MAX_BYTES),
	CYAML_FIELD_SEQUENCE("media_addresses", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
		struct file_realm, media_addresses, &name_schema, 1, 2),
	OPTIONAL_TEXT("advertised", struct file_realm, advertised, 1, NAME_MAX_BYTES),
	OPTIONAL_MAPPING("tls", struct file_realm, tls, tls_fields),
	CYAML_FIELD_SEQUENCE("origins", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file_realm,
		origins, &origin_schema, 1, ORIGINS_MAX),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t realm_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_realm, realm_fields)};

static const cyaml_schema_field_t peer_fields[] = {
	OPTIONAL_TEXT("transport", struct file_peer, transport, 1, NAME_MAX_BYTES),
	TEXT("address", struct file_peer, address, DOMAIN_MAX_BYTES),
	OPTIONAL_NUMBER("port", struct file_peer, port),
	OPTIONAL_NUMBER("priority", struct file_peer, priority),
	OPTIONAL_NUMBER("weight", struct file_peer, weight),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t peer_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_peer, peer_fields)};

static const cyaml_schema_field_t direction_limits_fields[] = {
	OPTIONAL_NUMBER("calls", struct file_direction_limits, calls),
	OPTIONAL_NUMBER("calls_per_s", struct file_direction_limits, calls_per_s),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t trunk_limits_fields[] = {
	OPTIONAL_NUMBER("calls", struct file_trunk_limits, calls),
	OPTIONAL_NUMBER("calls_per_s", struct file_trunk_limits, calls_per_s),
	OPTIONAL_MAPPING("in", struct file_trunk_limits, in, direction_limits_fields),
	OPTIONAL_MAPPING("out", struct file_trunk_limits, out, direction_limits_fields),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t health_fields[] = {
	OPTIONAL_NUMBER("interval_s", struct file_health, interval_s),
	OPTIONAL_NUMBER("timeout_s", struct file_health, timeout_s),
	OPTIONAL_NUMBER("fails", struct file_health, fails),
	OPTIONAL_NUMBER("successes", struct file_health, successes),
	CYAML_FIELD_SEQUENCE("alive", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file_health,
		alive, &name_schema, 1, STATUS_LIST_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t number_rule_fields[] = {
	OPTIONAL_NUMBER_TEXT("prefix", struct file_number_rule, prefix),
	CYAML_FIELD_UINT("strip", CYAML_FLAG_OPTIONAL, struct file_number_rule, strip),
	OPTIONAL_NUMBER_TEXT("prepend", struct file_number_rule, prepend),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t number_rule_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_number_rule, number_rule_fields)};

static const cyaml_schema_field_t numbers_in_fields[] = {
	OPTIONAL_BOOL("normalise", struct file_numbers_in, normalise),
	OPTIONAL_BOOL("portability", struct file_numbers_in, portability),
	OPTIONAL_LIST("rules", struct file_numbers_in, rules, &number_rule_schema, RULES_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t numbers_out_fields[] = {
	OPTIONAL_TEXT("format", struct file_numbers_out, format, 1, NAME_MAX_BYTES),
	OPTIONAL_BOOL("portability", struct file_numbers_out, portability),
	OPTIONAL_BOOL("user_phone", struct file_numbers_out, user_phone),
	OPTIONAL_BOOL("tel", struct file_numbers_out, tel),
	OPTIONAL_LIST("rules", struct file_numbers_out, rules, &number_rule_schema, RULES_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t numbers_fields[] = {
	OPTIONAL_TEXT("country_code", struct file_numbers, country_code, 1, NAME_MAX_BYTES),
	OPTIONAL_TEXT("area_code", struct file_numbers, area_code, 1, NAME_MAX_BYTES),
	OPTIONAL_TEXT("national_prefix", struct file_numbers, national_prefix, 1, NAME_MAX_BYTES),
	OPTIONAL_TEXT("international_prefix", struct file_numbers, international_prefix, 1,
		NAME_MAX_BYTES),
	OPTIONAL_MAPPING("in", struct file_numbers, in, numbers_in_fields),
	OPTIONAL_MAPPING("out", struct file_numbers, out, numbers_out_fields),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t failover_fields[] = {
	CYAML_FIELD_SEQUENCE("codes", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
		struct file_failover, codes, &name_schema, 0, STATUS_LIST_MAX),
	OPTIONAL_NUMBER("timeout_s", struct file_failover, timeout_s),
	OPTIONAL_NUMBER("backoff_s", struct file_failover, backoff_s),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t trunk_tls_fields[] = {
	OPTIONAL_TEXT("server_name", struct file_trunk_tls, server_name, 1, DOMAIN_MAX_BYTES),
	OPTIONAL_TEXT("certificate", struct file_trunk_tls, certificate, 1, TEXT_MAX_BYTES),
	OPTIONAL_TEXT("key", struct file_trunk_tls, key, 1, TEXT_MAX_BYTES),
	OPTIONAL_TEXT("ca", struct file_trunk_tls, ca, 1, TEXT_MAX_BYTES),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t header_condition_fields[] = {
	OPTIONAL_TEXT("method", struct file_header_condition, method, 1, NAME_MAX_BYTES),
	OPTIONAL_TEXT("header", struct file_header_condition, header, 1, NAME_MAX_BYTES),
	OPTIONAL_TEXT("matches", struct file_header_condition, matches, 1, TEXT_MAX_BYTES),
	CYAML_FIELD_BOOL("absent", CYAML_FLAG_OPTIONAL, struct file_header_condition, absent),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t header_rule_fields[] = {
	OPTIONAL_TEXT("add", struct file_header_rule, add, 1, NAME_MAX_BYTES),
	OPTIONAL_TEXT("set", struct file_header_rule, set, 1, NAME_MAX_BYTES),
	OPTIONAL_TEXT("remove", struct file_header_rule, remove, 1, NAME_MAX_BYTES),
	OPTIONAL_TEXT("copy", struct file_header_rule, copy, 1, NAME_MAX_BYTES),
	OPTIONAL_TEXT("rewrite", struct file_header_rule, rewrite, 1, NAME_MAX_BYTES),
	OPTIONAL_TEXT("value", struct file_header_rule, value, 0, TEXT_MAX_BYTES),
	OPTIONAL_TEXT("to", struct file_header_rule, to, 1, NAME_MAX_BYTES),
	OPTIONAL_TEXT("pattern", struct file_header_rule, pattern, 1, TEXT_MAX_BYTES),
	OPTIONAL_MAPPING("when", struct file_header_rule, when, header_condition_fields),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t header_rule_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_header_rule, header_rule_fields)};

static const cyaml_schema_field_t session_timer_fields[] = {
	OPTIONAL_NUMBER("expires", struct file_session_timer, expires),
	OPTIONAL_NUMBER("min", struct file_session_timer, min),
	OPTIONAL_TEXT("refresher", struct file_session_timer, refresher, 1, NAME_MAX_BYTES),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t subscriptions_fields[] = {
	OPTIONAL_NUMBER("max", struct file_subscriptions, max),
	OPTIONAL_NUMBER("expires_max_s", struct file_subscriptions, expires_max_s),
	OPTIONAL_LIST("events", struct file_subscriptions, events, &name_schema, EVENTS_MAX),
	OPTIONAL_TEXT("hosts", struct file_subscriptions, hosts, 1, NAME_MAX_BYTES),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t trunk_fields[] = {
	TEXT("name", struct file_trunk, name, NAME_MAX_BYTES),
	TEXT("realm", struct file_trunk, realm, NAME_MAX_BYTES),
	CYAML_FIELD_SEQUENCE("peers", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file_trunk,
		peers, &peer_schema, 1, 64),
	CYAML_FIELD_SEQUENCE("codecs", CYAML_FLAG_POINTER, struct file_trunk, codecs, &name_schema,
		1, SDP_POLICY_CODECS_MAX),
	OPTIONAL_NUMBER("ptime", struct file_trunk, ptime),
	CYAML_FIELD_BOOL("dtx", CYAML_FLAG_OPTIONAL, struct file_trunk, dtx),
	CYAML_FIELD_BOOL("quality_log", CYAML_FLAG_OPTIONAL, struct file_trunk, quality_log),
	OPTIONAL_TEXT("jitter_buffer", struct file_trunk, jitter_buffer, 1, NAME_MAX_BYTES),
	OPTIONAL_NUMBER("jitter_ms", struct file_trunk, jitter_ms),
	OPTIONAL_NUMBER("jitter_max_ms", struct file_trunk, jitter_max_ms),
	CYAML_FIELD_SEQUENCE("media", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file_trunk,
		media, &name_schema, 1, 4),
	OPTIONAL_TEXT("dtmf", struct file_trunk, dtmf, 1, NAME_MAX_BYTES),
	OPTIONAL_TEXT("rtcp_mux", struct file_trunk, rtcp_mux, 1, NAME_MAX_BYTES),
	OPTIONAL_TEXT("100rel", struct file_trunk, rel100, 1, NAME_MAX_BYTES),
	OPTIONAL_TEXT("early_media", struct file_trunk, early_media, 1, NAME_MAX_BYTES),
	OPTIONAL_TEXT("refer", struct file_trunk, refer, 1, NAME_MAX_BYTES),
	OPTIONAL_TEXT("refer_to", struct file_trunk, refer_to, 1, NAME_MAX_BYTES),
	OPTIONAL_TEXT("redirects", struct file_trunk, redirects, 1, NAME_MAX_BYTES),
	OPTIONAL_LIST("requests", struct file_trunk, requests, &name_schema, SHORT_LIST_MAX),
	OPTIONAL_LIST("bodies", struct file_trunk, bodies, &name_schema, SHORT_LIST_MAX),
	OPTIONAL_MAPPING("subscriptions", struct file_trunk, subscriptions, subscriptions_fields),
	OPTIONAL_MAPPING("session_timer", struct file_trunk, session_timer, session_timer_fields),
	OPTIONAL_TEXT("srtp", struct file_trunk, srtp, 1, NAME_MAX_BYTES),
	CYAML_FIELD_SEQUENCE("srtp_suites", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
		struct file_trunk, srtp_suites, &name_schema, 1, SDP_N_SUITES),
	OPTIONAL_MAPPING("tls", struct file_trunk, tls, trunk_tls_fields),
	OPTIONAL_MAPPING("auth", struct file_trunk, auth, file_keys_fields),
	OPTIONAL_MAPPING("register", struct file_trunk, registration, file_registration_fields),
	OPTIONAL_MAPPING("users", struct file_trunk, users, file_users_fields),
	OPTIONAL_MAPPING("limits", struct file_trunk, limits, trunk_limits_fields),
	OPTIONAL_MAPPING("health", struct file_trunk, health, health_fields),
	OPTIONAL_MAPPING("failover", struct file_trunk, failover, failover_fields),
	CYAML_FIELD_BOOL("trusted", CYAML_FLAG_OPTIONAL, struct file_trunk, trusted),
	OPTIONAL_TEXT("redirection", struct file_trunk, redirection, 1, NAME_MAX_BYTES),
	CYAML_FIELD_SEQUENCE("headers_in", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
		struct file_trunk, headers_in, &header_rule_schema, 0, HEADER_RULES_MAX),
	CYAML_FIELD_SEQUENCE("headers_out", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
		struct file_trunk, headers_out, &header_rule_schema, 0, HEADER_RULES_MAX),
	OPTIONAL_MAPPING("numbers", struct file_trunk, numbers, numbers_fields),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t trunk_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_trunk, trunk_fields)};

static const cyaml_schema_field_t when_fields[] = {
	OPTIONAL_LIST("days", struct file_when, days, &name_schema, SHORT_LIST_MAX),
	OPTIONAL_LIST("hours", struct file_when, hours, &name_schema, SHORT_LIST_MAX),
	OPTIONAL_TEXT("zone", struct file_when, zone, 1, NAME_MAX_BYTES),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t number_schema = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, ROUTE_NUMBER_MAX - 1)};

static const cyaml_schema_field_t route_fields[] = {
	OPTIONAL_NUMBER_TEXT("number", struct file_route, number),
	OPTIONAL_NUMBER_TEXT("prefix", struct file_route, prefix),
	OPTIONAL_LIST("prefixes", struct file_route, prefixes, &number_schema, NUMBERS_MAX),
	OPTIONAL_TEXT("prefix_file", struct file_route, prefix_file, 1, TEXT_MAX_BYTES),
	OPTIONAL_NUMBER_TEXT("pattern", struct file_route, pattern),
	OPTIONAL_NUMBER_TEXT("caller", struct file_route, caller),
	OPTIONAL_NUMBER_TEXT("caller_prefix", struct file_route, caller_prefix),
	OPTIONAL_NUMBER_TEXT("caller_pattern", struct file_route, caller_pattern),
	OPTIONAL_TEXT("from", struct file_route, from, 1, NAME_MAX_BYTES),
	OPTIONAL_MAPPING("when", struct file_route, when, when_fields),
	OPTIONAL_TEXT("trunk", struct file_route, trunk, 1, NAME_MAX_BYTES),
	OPTIONAL_LIST("trunks", struct file_route, trunks, &name_schema, SHORT_LIST_MAX),
	CYAML_FIELD_UINT("strip", CYAML_FLAG_OPTIONAL, struct file_route, strip),
	OPTIONAL_NUMBER_TEXT("prepend", struct file_route, prepend),
	OPTIONAL_TEXT("cost", struct file_route, cost, 1, NAME_MAX_BYTES),
	OPTIONAL_NUMBER("weight", struct file_route, weight),
	OPTIONAL_BOOL("emergency", struct file_route, emergency),
	OPTIONAL_BOOL("continue", struct file_route, goes_on),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t route_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_route, route_fields)};

static const cyaml_schema_field_t timers_fields[] = {
	OPTIONAL_NUMBER("no_answer_s", struct file_timers, no_answer_s),
	OPTIONAL_NUMBER("max_duration_s", struct file_timers, max_duration_s),
	OPTIONAL_NUMBER("media_start_s", struct file_timers, media_start_s),
	OPTIONAL_NUMBER("media_s", struct file_timers, media_s),
	OPTIONAL_NUMBER("media_hold_s", struct file_timers, media_hold_s),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t cdr_fields[] = {
	TEXT("file", struct file_cdr, file, TEXT_MAX_BYTES),
	OPTIONAL_NUMBER("rotate_megabytes", struct file_cdr, rotate_megabytes),
	OPTIONAL_NUMBER("rotate_s", struct file_cdr, rotate_s),
	OPTIONAL_TEXT("sync", struct file_cdr, sync, 1, NAME_MAX_BYTES),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t http_fields[] = {
	TEXT("address", struct file_http, address, NAME_MAX_BYTES),
	OPTIONAL_NUMBER("port", struct file_http, port),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t trace_fields[] = {
	OPTIONAL_NUMBER("megabytes", struct file_trace, megabytes),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t limits_fields[] = {
	OPTIONAL_NUMBER("calls", struct file_limits, calls),
	OPTIONAL_NUMBER("bindings", struct file_limits, bindings),
	OPTIONAL_NUMBER("requests", struct file_limits, requests),
	OPTIONAL_NUMBER("subscriptions", struct file_limits, subscriptions),
	OPTIONAL_NUMBER("registers", struct file_limits, registers),
	OPTIONAL_NUMBER("registers_per_s", struct file_limits, registers_per_s),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t overload_fields[] = {
	OPTIONAL_NUMBER("wait_ms", struct file_overload, wait_ms),
	OPTIONAL_NUMBER("retry_after_s", struct file_overload, retry_after_s),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t log_fields[] = {
#define X(module) OPTIONAL_TEXT(#module, struct file_log, module, 1, NAME_MAX_BYTES),
	FILE_LOG_MODULES(X)
#undef X
		CYAML_FIELD_END,
};

static const cyaml_schema_field_t access_fields[] = {
	OPTIONAL_LIST("deny", struct file_access, deny, &name_schema, RULES_MAX),
	OPTIONAL_LIST("allow", struct file_access, allow, &name_schema, RULES_MAX),
	OPTIONAL_TEXT("unknown", struct file_access, unknown, 1, NAME_MAX_BYTES),
	OPTIONAL_NUMBER("calls_per_s", struct file_access, calls_per_s),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t drain_fields[] = {
	CYAML_FIELD_BOOL("at_start", CYAML_FLAG_OPTIONAL, struct file_drain, at_start),
	CYAML_FIELD_BOOL("leave", CYAML_FLAG_OPTIONAL, struct file_drain, leave),
	OPTIONAL_NUMBER("status", struct file_drain, status),
	OPTIONAL_NUMBER("retry_after_s", struct file_drain, retry_after_s),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t dns_fields[] = {
	CYAML_FIELD_SEQUENCE("servers", CYAML_FLAG_POINTER, struct file_dns, servers, &name_schema,
		1, DNS_SERVERS_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t file_fields[] = {
	OPTIONAL_TEXT("node", struct config_file, node, 1, NAME_MAX_BYTES),
	OPTIONAL_TEXT("dataplane", struct config_file, dataplane, 1, SUN_PATH_MAX),
	OPTIONAL_TEXT("admin", struct config_file, admin, 1, SUN_PATH_MAX),
	CYAML_FIELD_SEQUENCE("realms", CYAML_FLAG_POINTER, struct config_file, realms,
		&realm_schema, 1, LIST_MAX),
	CYAML_FIELD_SEQUENCE("trunks", CYAML_FLAG_POINTER, struct config_file, trunks,
		&trunk_schema, 1, LIST_MAX),
	CYAML_FIELD_SEQUENCE("routes", CYAML_FLAG_POINTER, struct config_file, routes,
		&route_schema, 1, NUMBERS_MAX),
	OPTIONAL_MAPPING("timers", struct config_file, timers, timers_fields),
	OPTIONAL_MAPPING("cdr", struct config_file, cdr, cdr_fields),
	OPTIONAL_MAPPING("http", struct config_file, http, http_fields),
	OPTIONAL_MAPPING("trace", struct config_file, trace, trace_fields),
	OPTIONAL_MAPPING("limits", struct config_file, limits, limits_fields),
	OPTIONAL_MAPPING("overload", struct config_file, overload, overload_fields),
	OPTIONAL_MAPPING("auth", struct config_file, auth, file_auth_fields),
	OPTIONAL_MAPPING("access", struct config_file, access, access_fields),
	OPTIONAL_MAPPING("drain", struct config_file, drain, drain_fields),
	OPTIONAL_MAPPING("dns", struct config_file, dns, dns_fields),
	OPTIONAL_MAPPING("cluster", struct config_file, cluster, file_cluster_fields),
	OPTIONAL_MAPPING("log", struct config_file, log, log_fields),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config_file, file_fields)};

bool default_text(char **field, const char *value)
{
	return *field || (*field = strdup(value));
}

bool default_number(uint32_t **field, uint32_t value)
{
	if (*field)
		return true;
	*field = malloc(sizeof(**field));
	if (*field)
		**field = value;
	return *field;
}

bool default_mapping(void *field, size_t size)
{
	void **mapping = field;

	return *mapping || (*mapping = calloc(1, size));
}

static bool default_node(char **field)
{
	char name[NAME_MAX_BYTES + 1] = "";

	if (gethostname(name, sizeof(name) - 1))
		name[0] = '\0';
	return default_text(field, name[0] ? name : "sluice");
}

static bool default_sip(char **transport, uint32_t **port)
{
	static const struct {
		const char *transport;
		uint32_t port;
	} ports[] = {
		{"tls", SIPS_PORT_DEFAULT}, {"ws", WS_PORT_DEFAULT}, {"wss", WSS_PORT_DEFAULT}};
	uint32_t usual = SIP_PORT_DEFAULT;

	if (!default_text(transport, "udp"))
		return false;
	for (unsigned int i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		if (!strcmp(*transport, ports[i].transport))
			usual = ports[i].port;
	return default_number(port, usual);
}

static bool default_realm(struct file_realm *realm)
{
	for (uint32_t i = 0; i < realm->sip_count; i++)
		if (!default_sip(&realm->sip[i].transport, &realm->sip[i].port))
			return false;
	return !realm->tls || default_text(&realm->tls->verify, "none");
}

bool default_list(char ***list, uint32_t *count, const char *const *values, uint32_t n)
{
	if (*list)
		return true;
	*list = calloc(n, sizeof(**list));
	for (uint32_t i = 0; *list && i < n; i++) {
		if (!default_text(&(*list)[i], values[i]))
			return false;
		++*count;
	}
	return *list;
}

// No suite with a tag of 32 bits, and few enough that an INVITE with keys for all of them still
// fits into a UDP packet.
static bool default_suites(struct file_trunk *trunk)
{
	static const char *const names[] = {"AEAD_AES_256_GCM", "AEAD_AES_128_GCM",
		"AES_256_CM_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_80"};

	return !strcmp(trunk->srtp, "never") ||
	       DEFAULT_LIST(trunk->srtp_suites, trunk->srtp_suites_count, names);
}

// Without a priority or weight anywhere, the order of the list is that of priority.
static bool default_peers(struct file_trunk *trunk)
{
	bool in_order = true;

	for (uint32_t i = 0; i < trunk->peers_count; i++)
		in_order = in_order && !trunk->peers[i].priority && !trunk->peers[i].weight;
	for (uint32_t i = 0; i < trunk->peers_count; i++) {
		struct file_peer *peer = &trunk->peers[i];

		if ((!config_is_name(peer->address) &&
			    !default_sip(&peer->transport, &peer->port)) ||
			!default_number(&peer->priority, in_order ? i + 1 : 1) ||
			!default_number(&peer->weight, 1))
			return false;
	}
	return true;
}

static bool default_health(struct file_health *health)
{
	// What answers is alive; 502 to 504 say that nothing is behind it, or that it has too much.
	static const char *const alive[] = {"2xx", "3xx", "4xx", "500", "501", "6xx"};

	return !health ||
	       (default_number(&health->interval_s, 30) && default_number(&health->timeout_s, 4) &&
		       default_number(&health->fails, 3) && default_number(&health->successes, 2) &&
		       DEFAULT_LIST(health->alive, health->alive_count, alive));
}

static bool default_failover(struct file_trunk *trunk)
{
	static const char *const codes[] = {"408", "502", "503", "504"};

	return default_mapping(&trunk->failover, sizeof(*trunk->failover)) &&
	       DEFAULT_LIST(trunk->failover->codes, trunk->failover->codes_count, codes) &&
	       default_number(&trunk->failover->timeout_s, 4) &&
	       default_number(&trunk->failover->backoff_s, 5);
}

static bool default_direction(struct file_direction_limits *limits)
{
	return !limits ||
	       (default_number(&limits->calls, 0) && default_number(&limits->calls_per_s, 0));
}

static bool default_trunk_limits(struct file_trunk *trunk)
{
	return default_mapping(&trunk->limits, sizeof(*trunk->limits)) &&
	       default_number(&trunk->limits->calls, 0) &&
	       default_number(&trunk->limits->calls_per_s, 0) &&
	       default_direction(trunk->limits->in) && default_direction(trunk->limits->out);
}

static bool default_media(struct file_trunk *trunk)
{
	static const char *const names[] = {"audio", "image"};

	if (trunk->media_count)
		return true;
	trunk->media = calloc(2, sizeof(*trunk->media));
	if (!trunk->media)
		return false;
	for (; trunk->media_count < 2; trunk->media_count++)
		if (!default_text(&trunk->media[trunk->media_count], names[trunk->media_count]))
			return false;
	return true;
}

static bool default_numbers(struct file_numbers *numbers)
{
	return !numbers || !numbers->out || default_text(&numbers->out->format, "as_is");
}

static bool default_session_timer(struct file_trunk *trunk)
{
	return default_text(&trunk->refer, "handle") && default_text(&trunk->redirects, "refuse") &&
	       default_mapping(&trunk->session_timer, sizeof(*trunk->session_timer)) &&
	       default_number(&trunk->session_timer->expires, 1800) &&
	       default_number(&trunk->session_timer->min, 90) &&
	       default_text(&trunk->session_timer->refresher, "any");
}

// Where none pass there is nothing to say of them.
static bool default_subscriptions(struct file_trunk *trunk)
{
	bool pass = trunk->subscriptions;

	for (uint32_t i = 0; i < trunk->requests_count; i++)
		pass = pass || !strcmp(trunk->requests[i], "subscribe");
	return !pass || (default_mapping(&trunk->subscriptions, sizeof(*trunk->subscriptions)) &&
				default_number(&trunk->subscriptions->max, 1000) &&
				default_number(&trunk->subscriptions->expires_max_s, 3600) &&
				default_text(&trunk->subscriptions->hosts, "hide"));
}

static bool default_trunk(struct file_trunk *trunk)
{
	return default_peers(trunk) && default_number(&trunk->ptime, 20) && default_media(trunk) &&
	       default_text(&trunk->dtmf, "auto") && default_text(&trunk->jitter_buffer, "none") &&
	       default_number(&trunk->jitter_ms, 60) &&
	       default_number(&trunk->jitter_max_ms, 200) &&
	       default_text(&trunk->rtcp_mux, "accept") && default_text(&trunk->srtp, "never") &&
	       default_text(&trunk->rel100, "supported") &&
	       default_text(&trunk->early_media, "always") && default_session_timer(trunk) &&
	       default_text(&trunk->redirection, "as_received") && default_suites(trunk) &&
	       default_users(trunk) && default_trunk_limits(trunk) &&
	       default_health(trunk->health) && default_failover(trunk) &&
	       default_numbers(trunk->numbers) && default_subscriptions(trunk);
}

static bool default_timers(struct config_file *file)
{
	if (!default_mapping(&file->timers, sizeof(*file->timers)))
		return false;
	return default_number(&file->timers->no_answer_s, 180) &&
	       default_number(&file->timers->max_duration_s, 0) &&
	       default_number(&file->timers->media_start_s, 60) &&
	       default_number(&file->timers->media_s, 60) &&
	       default_number(&file->timers->media_hold_s, 0);
}

static bool default_log(struct config_file *file)
{
	if (!default_mapping(&file->log, sizeof(*file->log)))
		return false;
#define X(module)                                      \
	if (!default_text(&file->log->module, "info")) \
		return false;
	FILE_LOG_MODULES(X)
#undef X
	return true;
}

static bool default_route(struct file_route *route)
{
	return !route->when || default_text(&route->when->zone, "UTC");
}

static bool default_access(struct file_access *access)
{
	return !access || (default_text(&access->unknown, "silence") &&
				  default_number(&access->calls_per_s, 0));
}

static bool default_drain(struct file_drain *drain)
{
	return !drain || (default_number(&drain->status, DRAIN_STATUS) &&
				 default_number(&drain->retry_after_s, DRAIN_RETRY_AFTER_S));
}

static bool default_cdr(struct file_cdr *cdr)
{
	return !cdr ||
	       (default_number(&cdr->rotate_megabytes, 0) && default_number(&cdr->rotate_s, 0) &&
		       default_text(&cdr->sync, "never"));
}

static bool fill_defaults(struct config_file *file)
{
	if (!default_drain(file->drain))
		return false;
	for (uint32_t i = 0; i < file->routes_count; i++)
		if (!default_route(&file->routes[i]))
			return false;
	for (uint32_t i = 0; i < file->realms_count; i++)
		if (!default_realm(&file->realms[i]))
			return false;
	for (uint32_t i = 0; i < file->trunks_count; i++)
		if (!default_trunk(&file->trunks[i]))
			return false;
	return default_node(&file->node) && default_text(&file->dataplane, DATAPLANE_DEFAULT) &&
	       default_text(&file->admin, ADMIN_DEFAULT) && default_timers(file) &&
	       (!file->http || default_number(&file->http->port, HTTP_PORT_DEFAULT)) &&
	       default_mapping(&file->trace, sizeof(*file->trace)) &&
	       default_number(&file->trace->megabytes, TRACE_MB_DEFAULT) &&
	       default_cdr(file->cdr) && default_mapping(&file->limits, sizeof(*file->limits)) &&
	       default_number(&file->limits->calls, 0) &&
	       default_number(&file->limits->bindings, 100000) &&
	       default_number(&file->limits->requests, 5000) &&
	       default_number(&file->limits->subscriptions, 10000) &&
	       default_number(&file->limits->registers, 1000) &&
	       default_number(&file->limits->registers_per_s, 0) &&
	       default_mapping(&file->overload, sizeof(*file->overload)) &&
	       default_number(&file->overload->wait_ms, 200) &&
	       default_number(&file->overload->retry_after_s, 4) && default_auth(file) &&
	       default_access(file->access) && default_cluster(file->cluster) && default_log(file);
}

struct config_file *config_file_load(
	const char *name, const char *text, size_t length, char *error, size_t error_size)
{
	void *loaded;

	if (yaml_text_load(name, text, length, &schema, &loaded, error, error_size))
		return NULL;
	if (!fill_defaults(loaded)) {
		snprintf(error, error_size, "%s: out of memory", name);
		config_file_free(loaded);
		return NULL;
	}
	return loaded;
}

// Secrets are not for whoever reads the print.
char *config_file_print(struct config_file *file)
{
	char *text;

	config_secrets_swap(file);
	text = yaml_text_save(&schema, file);
	config_secrets_swap(file);
	return text;
}

void config_file_free(struct config_file *file)
{
	if (file)
		config_secrets_wipe(file);
	yaml_file_free(&schema, file);
}
