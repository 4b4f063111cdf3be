// Makes the configuration of what the file says: names become pointers, texts addresses, and what
// contradicts itself is refused with its line. Strings stay where the file has them.
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_check.h"
#include "config_file.h"
#include "config_private.h"
#include "yaml_file.h"

#define NO_ANSWER_S_MAX	    3600
#define TRACE_MEGABYTES_MAX 65536
#define SECONDS_MAX	    (7 * 86400)
#define CDR_MEGABYTES_MAX   1048576

// `where` is the mapping that has `address` and `port`.
int config_read_endpoint(const struct check *check, const char *where, const char *host,
	uint32_t port, struct sockaddr_storage *out)
{
	struct sdp_address address;
	char place[CHECK_WHERE_SIZE];
	int rc;

	rc = check_ip(check, check_where(place, "%.80s.address", where), host, &address);
	if (!rc)
		rc = check_range(
			check, check_where(place, "%.80s.port", where), port, 1, UINT16_MAX);
	return rc ? rc : address_parse(host, (uint16_t)port, out);
}

// A listener's address is one of ours, and no other realm's. TLS takes a port of TCP.
static int check_listener_alone(const struct check *check, const struct config *config,
	const struct realm_listener *listener, const char *where)
{
	for (size_t i = 0; i < config->n_realms; i++)
		for (size_t j = 0; j < config->realms[i].n_listeners; j++) {
			const struct realm_listener *other = &config->realms[i].listeners[j];

			if (other == listener)
				return 0;
			if ((other->transport == REALM_UDP) == (listener->transport == REALM_UDP) &&
				address_equal((const struct sockaddr *)&other->address,
					(const struct sockaddr *)&listener->address))
				return check_failed(check, where,
					"realm '%s' listens on this address and port already",
					config->realms[i].name);
		}
	return 0;
}

// `where` is the mapping that has `transport`.
int config_read_transport(
	const struct check *check, const char *where, const char *name, enum realm_transport *out)
{
	char place[CHECK_WHERE_SIZE];

	for (unsigned int i = 0; i < REALM_TRANSPORTS; i++) {
		if (!strcmp(name, realm_transport_names[i])) {
			*out = (enum realm_transport)i;
			return 0;
		}
	}
	return check_failed(check, check_where(place, "%.80s.transport", where),
		"expected udp, tcp, tls, ws or wss, not '%s'", name);
}

static int read_listeners(const struct check *check, const struct config *config,
	const struct file_realm *from, unsigned int number, struct realm *realm)
{
	char where[CHECK_WHERE_SIZE];
	int rc;

	realm->listeners = calloc(from->sip_count, sizeof(*realm->listeners));
	if (!realm->listeners)
		return check_memory(check);
	for (uint32_t i = 0; i < from->sip_count; i++) {
		struct realm_listener *listener = &realm->listeners[realm->n_listeners++];

		check_where(where, "realms[%u].sip[%u]", number, i + 1);
		rc = config_read_transport(
			check, where, from->sip[i].transport, &listener->transport);
		if (!rc)
			rc = config_read_endpoint(check, where, from->sip[i].address,
				*from->sip[i].port, &listener->address);
		if (!rc)
			rc = check_listener_alone(check, config, listener, where);
		if (rc)
			return rc;
	}
	return 0;
}

static int read_advertised(
	const struct check *check, const char *text, unsigned int number, struct realm *realm)
{
	char where[CHECK_WHERE_SIZE];
	int rc;

	check_where(where, "realms[%u].advertised", number);
	rc = check_ip(check, where, text, &realm->advertised);
	if (!rc && realm_media(realm, realm->advertised.family)->family != realm->advertised.family)
		rc = check_failed(check, where,
			"expected an IPv%u address, as media_address is one",
			realm->media[0].family);
	return rc;
}

static int read_media_addresses(const struct check *check, const struct file_realm *from,
	unsigned int number, struct realm *realm)
{
	char where[CHECK_WHERE_SIZE];
	int rc = 0;

	if (!from->media_address == !from->media_addresses_count)
		return check_failed(check, check_where(where, "realms[%u]", number),
			"expected media_address, or media_addresses with one of each family");
	if (from->media_address) {
		realm->n_media = 1;
		return check_ip(check, check_where(where, "realms[%u].media_address", number),
			from->media_address, &realm->media[0]);
	}
	for (uint32_t i = 0; !rc && i < from->media_addresses_count; i++) {
		check_where(where, "realms[%u].media_addresses[%u]", number, i + 1);
		rc = check_ip(check, where, from->media_addresses[i], &realm->media[i]);
		if (!rc && i && realm->media[i].family == realm->media[0].family)
			rc = check_failed(check, where,
				"expected one address of each family, and there is an IPv%u "
				"address already",
				realm->media[0].family);
		realm->n_media++;
	}
	return rc;
}

static int read_realm(const struct check *check, struct config *config,
	const struct file_realm *from, unsigned int number)
{
	struct realm *realm = &config->realms[number - 1];
	char where[CHECK_WHERE_SIZE];
	int rc;

	check_where(where, "realms[%u].name", number);
	rc = check_name(check, where, from->name);
	for (size_t i = 0; !rc && i < config->n_realms; i++)
		if (!strcmp(config->realms[i].name, from->name))
			rc = check_failed(
				check, where, "there is a realm '%s' already", from->name);
	if (rc)
		return rc;
	realm->name = from->name;
	config->n_realms++;
	rc = read_listeners(check, config, from, number, realm);
	if (!rc)
		rc = config_read_realm_tls(check, from, number, realm);
	if (!rc)
		rc = config_read_origins(check, from, number, realm);
	if (!rc)
		rc = read_media_addresses(check, from, number, realm);
	if (!rc && from->advertised)
		rc = read_advertised(check, from->advertised, number, realm);
	return rc;
}

static int read_realms(const struct check *check, struct config *config)
{
	int rc = 0;

	config->realms = calloc(config->file->realms_count, sizeof(*config->realms));
	if (!config->realms)
		return check_memory(check);
	for (uint32_t i = 0; !rc && i < config->file->realms_count; i++)
		rc = read_realm(check, config, &config->file->realms[i], i + 1);
	return rc;
}

static int read_timers(const struct check *check, struct config *config)
{
	const struct file_timers *from = config->file->timers;
	const struct {
		const char *where;
		uint32_t value, least, most;
		uint32_t *to;
	} timers[] = {
		{"timers.no_answer_s", *from->no_answer_s, 1, NO_ANSWER_S_MAX,
			&config->timers.no_answer_s},
		{"timers.max_duration_s", *from->max_duration_s, 0, SECONDS_MAX,
			&config->timers.max_duration_s},
		{"timers.media_start_s", *from->media_start_s, 0, SECONDS_MAX,
			&config->timers.media_start_s},
		{"timers.media_s", *from->media_s, 0, SECONDS_MAX, &config->timers.media_s},
		{"timers.media_hold_s", *from->media_hold_s, 0, SECONDS_MAX,
			&config->timers.media_hold_s},
	};
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(timers) / sizeof(timers[0]); i++) {
		rc = check_range(
			check, timers[i].where, timers[i].value, timers[i].least, timers[i].most);
		*timers[i].to = timers[i].value;
	}
	return rc;
}

static int read_log(const struct check *check, struct config *config)
{
	const struct {
		const char *module, *level;
	} levels[] = {
#define X(module) {#module, config->file->log->module},
		FILE_LOG_MODULES(X)
#undef X
	};
	char where[CHECK_WHERE_SIZE];

	config->logs = calloc(sizeof(levels) / sizeof(levels[0]), sizeof(*config->logs));
	if (!config->logs)
		return check_memory(check);
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		struct config_log *log = &config->logs[config->n_logs++];

		log->module = levels[i].module;
		if (log_level_parse(levels[i].level, &log->level))
			return check_failed(check, check_where(where, "log.%s", levels[i].module),
				"expected error, warn, info or debug, not '%s'", levels[i].level);
	}
	return 0;
}

#define OVERLOAD_WAIT_MS_MAX 10000
#define RETRY_AFTER_S_MAX    3600

static int read_overload(const struct check *check, struct config *config)
{
	const struct file_overload *from = config->file->overload;
	int rc = check_range(check, "overload.wait_ms", *from->wait_ms, 0, OVERLOAD_WAIT_MS_MAX);

	if (!rc)
		rc = check_range(check, "overload.retry_after_s", *from->retry_after_s, 0,
			RETRY_AFTER_S_MAX);
	config->overload.wait_ms = *from->wait_ms;
	config->overload.retry_after_s = *from->retry_after_s;
	return rc;
}

static int read_drain(const struct check *check, struct config *config)
{
	const struct file_drain *from = config->file->drain;
	int rc;

	config->drain =
		(struct config_drain){.status = DRAIN_STATUS, .retry_after_s = DRAIN_RETRY_AFTER_S};
	if (!from)
		return 0;
	config->drain = (struct config_drain){.at_start = from->at_start,
		.leave = from->leave,
		.status = *from->status,
		.retry_after_s = *from->retry_after_s};
	rc = check_range(check, "drain.status", config->drain.status, 400, 699);
	return rc ? rc
		  : check_range(check, "drain.retry_after_s", config->drain.retry_after_s, 0, 3600);
}

static int read_cdr(const struct check *check, const struct file_cdr *from, struct cdr_rules *rules)
{
	static const struct config_words words = {{[CDR_SYNC_NEVER] = "never",
							  [CDR_SYNC_SECOND] = "second",
							  [CDR_SYNC_LINE] = "line"},
		"never, second or line"};
	bool is_stdout = !strcmp(from->file, "-");
	int rc = check_range(
		check, "cdr.rotate_megabytes", *from->rotate_megabytes, 0, CDR_MEGABYTES_MAX);

	if (!rc)
		rc = check_range(check, "cdr.rotate_s", *from->rotate_s, 0, SECONDS_MAX);
	if (!rc && is_stdout && (*from->rotate_megabytes || *from->rotate_s))
		rc = check_failed(check, "cdr.file", "standard output cannot be rotated");
	rules->rotate_bytes = (uint64_t)*from->rotate_megabytes << 20;
	rules->rotate_s = *from->rotate_s;
	return rc ? rc : config_read_choice(check, "cdr.sync", from->sync, &words, &rules->sync);
}

static int read_process(const struct check *check, struct config *config)
{
	const struct config_file *file = config->file;
	int rc;

	config->node = file->node;
	config->dataplane = file->dataplane;
	config->admin = file->admin;
	config->cdr_file = file->cdr ? file->cdr->file : NULL;
	config->limits.calls = *file->limits->calls;
	config->limits.trace_megabytes = *file->trace->megabytes;
	config->limits.bindings = *file->limits->bindings;
	config->limits.requests = *file->limits->requests;
	config->limits.subscriptions = *file->limits->subscriptions;
	config->limits.registers = *file->limits->registers;
	config->limits.registers_per_s = *file->limits->registers_per_s;
	rc = check_name(check, "node", file->node);
	if (!rc)
		rc = check_path(check, "dataplane", file->dataplane);
	if (!rc)
		rc = check_path(check, "admin", file->admin);
	if (!rc && config->cdr_file && strcmp(config->cdr_file, "-"))
		rc = check_path(check, "cdr.file", config->cdr_file);
	if (!rc && file->cdr)
		rc = read_cdr(check, file->cdr, &config->cdr);
	if (!rc && file->http)
		rc = config_read_endpoint(
			check, "http", file->http->address, *file->http->port, &config->http);
	if (!rc)
		rc = check_range(check, "trace.megabytes", config->limits.trace_megabytes, 0,
			TRACE_MEGABYTES_MAX);
	if (!rc)
		rc = read_drain(check, config);
	if (!rc)
		rc = check_range(check, "limits.calls", config->limits.calls, 0, CALLS_MAX);
	if (!rc)
		rc = check_range(check, "limits.registers", config->limits.registers, 1, CALLS_MAX);
	if (!rc)
		rc = check_range(check, "limits.registers_per_s", config->limits.registers_per_s, 0,
			CALLS_MAX);
	if (!rc)
		rc = read_overload(check, config);
	return rc;
}

struct config *config_load_text(
	const char *name, const char *text, size_t length, char *error, size_t error_size)
{
	const struct check check = {name, text, length, error, error_size};
	struct config *config = calloc(1, sizeof(*config));

	if (!config) {
		check_memory(&check);
		return NULL;
	}
	config->file = config_file_load(name, text, length, error, error_size);
	if (!config->file || read_process(&check, config) || read_realms(&check, config) ||
		config_read_trunks(&check, config) || config_read_routes(&check, config) ||
		read_timers(&check, config) || config_read_auth(&check, config) ||
		config_read_dns(&check, config) || config_read_access(&check, config) ||
		config_read_cluster(&check, config) || read_log(&check, config)) {
		config_free(config);
		return NULL;
	}
	return config;
}

struct config *config_load(const char *path, char *error, size_t error_size)
{
	struct config *config;
	size_t length;
	char *text = yaml_file_read(path, &length, error, error_size);

	if (!text)
		return NULL;
	config = config_load_text(path, text, length, error, error_size);
	free(text);
	return config;
}

char *config_print(const struct config *config)
{
	return config_file_print(config->file);
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->n_realms; i++)
		free(config->realms[i].listeners);
	free(config->realms);
	config_auth_free(config);
	config_free_cluster(config);
	free(config->access.deny);
	free(config->access.allow);
	for (size_t i = 0; i < config->trunks.n; i++) {
		free(config->trunks.list[i].peers);
		header_rules_free(&config->trunks.list[i].headers_in);
		header_rules_free(&config->trunks.list[i].headers_out);
		config_free_numbers(&config->trunks.list[i].numbers);
	}
	free(config->trunks.list);
	config_free_routes(config);
	free(config->logs);
	config_file_free(config->file);
	free(config);
}
