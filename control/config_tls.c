// TLS and WebSocket in the configuration: what the listeners of a realm show, and whom the peers of
// a trunk must prove to be. The files are read once, to see that they will do.
#include <errno.h>
#include <string.h>

#include "config_check.h"
#include "config_file.h"
#include "config_private.h"
#include "tls.h"
#include "uri.h"

// `where` is the mapping that has the files.
static int check_files(
	const struct check *check, const char *where, const struct tls_settings *settings)
{
	const struct {
		const char *field, *path;
	} files[] = {{"certificate", settings->certificate}, {"key", settings->key},
		{"ca", settings->ca}};
	char place[CHECK_WHERE_SIZE];
	struct tls_error error;
	struct tls *tls;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		check_where(place, "%.80s.%s", where, files[i].field);
		if (files[i].path && check_path(check, place, files[i].path))
			return -EINVAL;
	}
	tls = tls_create(settings, &error);
	if (tls) {
		tls_destroy(tls);
		return 0;
	}
	if (errno == ENOMEM)
		return check_memory(check);
	return check_failed(
		check, check_where(place, "%.80s.%s", where, error.field), "%s", error.text);
}

static int read_verify(
	const struct check *check, const char *where, const char *text, enum tls_verify *out)
{
	static const char *const words[] = {[TLS_VERIFY_NONE] = "none",
		[TLS_VERIFY_OPTIONAL] = "optional",
		[TLS_VERIFY_REQUIRED] = "required"};

	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strcmp(text, words[i])) {
			*out = (enum tls_verify)i;
			return 0;
		}
	}
	return check_failed(check, where, "expected none, optional or required, not '%s'", text);
}

int config_read_realm_tls(const struct check *check, const struct file_realm *from,
	unsigned int number, struct realm *realm)
{
	char where[CHECK_WHERE_SIZE], place[CHECK_WHERE_SIZE];

	check_where(where, "realms[%u].tls", number);
	if (!from->tls)
		return config_realm_listens(realm, REALM_TLS) ||
				       config_realm_listens(realm, REALM_WSS)
			       ? check_failed(check, where,
					 "expected certificate and key, as it listens on tls or wss")
			       : 0;
	realm->tls = (struct tls_settings){.role = TLS_SERVER,
		.certificate = from->tls->certificate,
		.key = from->tls->key,
		.ca = from->tls->ca};
	if (read_verify(check, check_where(place, "%.80s.verify", where), from->tls->verify,
		    &realm->tls.verify))
		return -EINVAL;
	return check_files(check, where, &realm->tls);
}

int config_read_origins(const struct check *check, const struct file_realm *from,
	unsigned int number, struct realm *realm)
{
	char where[CHECK_WHERE_SIZE];

	if (from->origins_count && !config_realm_listens(realm, REALM_WS) &&
		!config_realm_listens(realm, REALM_WSS))
		return check_failed(check, check_where(where, "realms[%u].origins", number),
			"the realm does not listen on ws or wss");
	for (uint32_t i = 0; i < from->origins_count; i++)
		if (!upgrade_origin_valid(slice_of(from->origins[i])))
			return check_failed(check,
				check_where(where, "realms[%u].origins[%u]", number, i + 1),
				"expected an origin as https://phone.example.com, in lower case "
				"and without a path, not '%s'",
				from->origins[i]);
	realm->upgrade_rules =
		(struct upgrade_rules){(const char *const *)from->origins, from->origins_count};
	return 0;
}

static bool has_peer_of_tls(const struct trunk *trunk)
{
	for (size_t i = 0; i < trunk->n_peers; i++)
		if (trunk->peers[i].transport == REALM_TLS ||
			(trunk->peers[i].any_transport &&
				config_realm_listens(trunk->realm, REALM_TLS)))
			return true;
	return false;
}

int config_read_trunk_tls(const struct check *check, const struct file_trunk *from,
	unsigned int number, struct trunk *trunk)
{
	static const struct file_trunk_tls nothing;
	const struct file_trunk_tls *own = from->tls ? from->tls : &nothing;
	const struct tls_settings *realm = &trunk->realm->tls;
	bool has_own = own->certificate || own->key;
	char where[CHECK_WHERE_SIZE], place[CHECK_WHERE_SIZE];

	check_where(where, "trunks[%u].tls", number);
	if (!has_peer_of_tls(trunk))
		return from->tls ? check_failed(check, where, "none of its peers is on tls") : 0;
	trunk->tls = (struct tls_settings){.role = TLS_CLIENT,
		.verify = TLS_VERIFY_REQUIRED,
		.certificate = has_own ? own->certificate : realm->certificate,
		.key = has_own ? own->key : realm->key,
		.ca = own->ca ? own->ca : realm->ca,
		.server_name = own->server_name};
	if (own->server_name && !uri_host_valid(slice_of(own->server_name), false))
		return check_failed(check, check_where(place, "%.80s.server_name", where),
			"expected a domain, not '%s'", own->server_name);
	return check_files(check, where, &trunk->tls);
}
