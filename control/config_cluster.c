// The cluster in the configuration: who takes part, where the store is, which addresses move
// together and who may have them.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "config_check.h"
#include "config_file.h"
#include "config_private.h"
#include "store_keys.h"

static int check_cluster_name(const struct check *check, const char *where, const char *name)
{
	if (strlen(name) > CLUSTER_NAME_MAX)
		return check_failed(
			check, where, "expected a name of at most %d characters", CLUSTER_NAME_MAX);
	return check_name(check, where, name);
}

static const struct cluster_node *find_node(
	const struct cluster_settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->n_nodes; i++)
		if (!strcmp(settings->nodes[i].name, name))
			return &settings->nodes[i];
	return NULL;
}

static int read_node(const struct check *check, const struct file_cluster_node *from,
	unsigned int number, struct config_cluster *cluster)
{
	struct cluster_node *node = &cluster->nodes[number - 1];
	char where[CHECK_WHERE_SIZE], place[CHECK_WHERE_SIZE];
	int rc;

	check_where(where, "cluster.nodes[%u]", number);
	check_where(place, "%.80s.name", where);
	rc = check_cluster_name(check, place, from->name);
	if (!rc && find_node(&cluster->settings, from->name))
		rc = check_failed(check, place, "there is a node '%s' already", from->name);
	if (!rc)
		rc = config_read_endpoint(check, where, from->address, *from->port, &node->address);
	for (unsigned int i = 0; !rc && i < number - 1; i++)
		if (address_equal((const struct sockaddr *)&cluster->nodes[i].address,
			    (const struct sockaddr *)&node->address))
			rc = check_failed(check, where,
				"node '%s' has this address and port already",
				cluster->nodes[i].name);
	if (rc)
		return rc;
	node->name = from->name;
	cluster->settings.n_nodes++;
	return 0;
}

static int read_nodes(const struct check *check, struct config *config)
{
	const struct file_cluster *from = config->file->cluster;
	struct config_cluster *cluster = &config->cluster;
	int rc = 0;

	cluster->nodes = calloc(from->nodes_count, sizeof(*cluster->nodes));
	if (!cluster->nodes)
		return check_memory(check);
	cluster->settings.nodes = cluster->nodes;
	for (uint32_t i = 0; !rc && i < from->nodes_count; i++)
		rc = read_node(check, &from->nodes[i], i + 1, cluster);
	if (!rc && !find_node(&cluster->settings, config->node))
		rc = check_failed(check, "cluster.nodes",
			"expected this node, '%s' (`node` at the top says who we are)",
			config->node);
	return rc;
}

// A SIP address is one that the realm listens on, and of one shard only.
static int check_sip_address(const struct check *check, const struct config *config,
	const struct realm *realm, const struct sdp_address *address, const char *where,
	const char *text)
{
	const struct shard_address own = {.sip = *address};
	bool listens = false;

	for (size_t i = 0; i < realm->n_listeners && !listens; i++)
		listens = shard_address_is(
			&own, (const struct sockaddr *)&realm->listeners[i].address);
	if (!listens)
		return check_failed(check, where,
			"expected an address that realm '%s' listens on (sip), not '%s'",
			realm->name, text);
	for (size_t i = 0; i < config->cluster.shards.n; i++)
		for (size_t j = 0; j < config->cluster.shards.list[i].n_addresses; j++)
			if (sdp_address_equal(
				    &config->cluster.shards.list[i].addresses[j].sip, address))
				return check_failed(check, where,
					"shard '%s' has this address already",
					config->cluster.shards.list[i].name);
	return 0;
}

static int read_address(const struct check *check, const struct config *config,
	const struct file_shard_address *from, const char *where, struct shard_address *out)
{
	const struct realm *realm = NULL;
	char place[CHECK_WHERE_SIZE];
	int rc;

	for (size_t i = 0; i < config->n_realms; i++)
		if (!strcmp(config->realms[i].name, from->realm))
			realm = &config->realms[i];
	if (!realm)
		return check_failed(check, check_where(place, "%.80s.realm", where),
			"there is no realm '%s'", from->realm);
	out->realm = from->realm;
	check_where(place, "%.80s.sip", where);
	rc = check_ip(check, place, from->sip, &out->sip);
	if (!rc)
		rc = check_sip_address(check, config, realm, &out->sip, place, from->sip);
	check_where(place, "%.80s.media", where);
	if (!rc)
		rc = check_ip(check, place, from->media, &out->media);
	if (!rc && out->media.family != out->sip.family)
		rc = check_failed(check, place, "expected an IPv%u address, as `sip` is one",
			out->sip.family);
	return rc;
}

// Calls go from realm to realm on addresses of one shard.
static int check_realms(const struct check *check, const struct config *config,
	const struct shard *shard, const char *where)
{
	for (size_t i = 0; i < config->n_realms; i++) {
		size_t j = 0;

		while (j < shard->n_addresses &&
			strcmp(shard->addresses[j].realm, config->realms[i].name) != 0)
			j++;
		if (j == shard->n_addresses)
			return check_failed(check, where, "expected an address in realm '%s', too",
				config->realms[i].name);
	}
	return 0;
}

static int read_addresses(const struct check *check, struct config *config,
	const struct file_shard *from, unsigned int number, struct shard *shard)
{
	char where[CHECK_WHERE_SIZE];
	int rc = 0;

	shard->addresses = calloc(from->addresses_count, sizeof(*shard->addresses));
	if (!shard->addresses)
		return check_memory(check);
	for (uint32_t i = 0; !rc && i < from->addresses_count; i++) {
		struct shard_address *address = &shard->addresses[i];

		check_where(where, "cluster.shards[%u].addresses[%u]", number, i + 1);
		rc = read_address(check, config, &from->addresses[i], where, address);
		for (uint32_t j = 0; !rc && j < i; j++)
			if (!strcmp(shard->addresses[j].realm, address->realm) &&
				shard->addresses[j].sip.family == address->sip.family)
				rc = check_failed(check, where,
					"there is an IPv%u address in realm '%s' already",
					address->sip.family, address->realm);
		shard->n_addresses++;
	}
	return rc ? rc
		  : check_realms(check, config, shard,
			    check_where(where, "cluster.shards[%u].addresses", number));
}

static int read_owners(const struct check *check, const struct config *config,
	const struct file_shard *from, unsigned int number, struct cluster_shard *shard)
{
	char where[CHECK_WHERE_SIZE];

	for (uint32_t i = 0; i < from->nodes_count; i++) {
		const struct cluster_node *node =
			find_node(&config->cluster.settings, from->nodes[i]);

		check_where(where, "cluster.shards[%u].nodes[%u]", number, i + 1);
		if (!node)
			return check_failed(check, where, "there is no node '%s' in cluster.nodes",
				from->nodes[i]);
		for (size_t j = 0; j < shard->n_nodes; j++)
			if (shard->nodes[j] == node->name)
				return check_failed(
					check, where, "node '%s' is there already", node->name);
		shard->nodes[shard->n_nodes++] = node->name;
	}
	return 0;
}

static int read_shard(
	const struct check *check, struct config *config, const struct file_shard *from, size_t i)
{
	struct config_cluster *cluster = &config->cluster;
	unsigned int number = (unsigned int)i + 1;
	struct shard *shard = &cluster->shards.list[i];
	char where[CHECK_WHERE_SIZE];
	int rc;

	check_where(where, "cluster.shards[%u].name", number);
	rc = check_cluster_name(check, where, from->name);
	for (size_t j = 0; !rc && j < i; j++)
		if (!strcmp(cluster->shards.list[j].name, from->name))
			rc = check_failed(
				check, where, "there is a shard '%s' already", from->name);
	shard->name = cluster->owners[i].name = from->name;
	if (!rc)
		rc = read_owners(check, config, from, number, &cluster->owners[i]);
	if (!rc)
		rc = read_addresses(check, config, from, number, shard);
	cluster->shards.n++;
	return rc;
}

static int read_shards(const struct check *check, struct config *config)
{
	const struct file_cluster *from = config->file->cluster;
	struct config_cluster *cluster = &config->cluster;
	int rc = 0;

	cluster->shards.list = calloc(from->shards_count, sizeof(*cluster->shards.list));
	cluster->owners = calloc(from->shards_count, sizeof(*cluster->owners));
	if (!cluster->shards.list || !cluster->owners)
		return check_memory(check);
	for (uint32_t i = 0; !rc && i < from->shards_count; i++)
		rc = read_shard(check, config, &from->shards[i], i);
	cluster->settings.shards = cluster->owners;
	cluster->settings.n_shards = cluster->shards.n;
	return rc;
}

static int read_store_tls(
	const struct check *check, const struct file_store_tls *from, struct store_tls *tls)
{
	const struct {
		const char *where, *path;
	} files[] = {{"cluster.store.tls.ca", from->ca},
		{"cluster.store.tls.certificate", from->certificate},
		{"cluster.store.tls.key", from->key}};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (files[i].path && check_path(check, files[i].where, files[i].path))
			return -EINVAL;
	if (!from->certificate != !from->key)
		return check_failed(check, "cluster.store.tls",
			"expected certificate and key, or none of them");
	*tls = (struct store_tls){.on = true,
		.ca_file = from->ca,
		.cert_file = from->certificate,
		.key_file = from->key,
		.name = from->name};
	return 0;
}

static int read_passwords(
	const struct check *check, const struct file_store *from, struct store_redis *redis)
{
	int rc = 0;

	if (from->password_file)
		rc = config_read_password(check, "cluster.store.password_file", from->password_file,
			&redis->password);
	if (!rc && from->sentinel_password_file)
		rc = config_read_password(check, "cluster.store.sentinel_password_file",
			from->sentinel_password_file, &redis->sentinel_password);
	if (!rc && from->user && !from->password_file)
		rc = check_failed(check, "cluster.store.user", "expected a password_file, too");
	return rc;
}

static int read_servers(
	const struct check *check, const struct file_store *from, struct store_redis *redis)
{
	char where[CHECK_WHERE_SIZE];

	for (uint32_t i = 0; i < from->servers_count; i++) {
		if (!store_address_is_good(from->servers[i]))
			return check_failed(check,
				check_where(where, "cluster.store.servers[%u]", i + 1),
				"expected host:port, [v6]:port or unix:/path, not '%s'",
				from->servers[i]);
		redis->addresses[redis->n_addresses++] = from->servers[i];
	}
	return 0;
}

static int read_store(const struct check *check, struct config *config)
{
	const struct file_store *from = config->file->cluster->store;
	struct cluster_settings *settings = &config->cluster.settings;
	struct store_config *store = &settings->store;
	const struct {
		const char *where;
		uint32_t value, least, most;
		uint32_t *to;
	} times[] = {
		{"cluster.store.connect_timeout_ms", *from->connect_timeout_ms, 10, 60000,
			&store->redis.connect_timeout_ms},
		{"cluster.store.command_timeout_ms", *from->command_timeout_ms, 10, 60000,
			&store->redis.command_timeout_ms},
		{"cluster.store.write_ms", *from->write_ms, 1, 10000, &store->flush_ms},
	};
	int rc = 0;

	store_config_init(store);
	store->kind = STORE_REDIS;
	store->node = config->node;
	store->lease_ms = *config->file->cluster->lease_ms;
	store->grace_ms = 2 * store->lease_ms;
	store->redis.master = from->sentinel;
	store->redis.user = from->user;
	store->redis.sentinel_user = from->sentinel_user;
	store->redis.prefix = from->prefix;
	for (size_t i = 0; !rc && i < sizeof(times) / sizeof(times[0]); i++) {
		rc = check_range(
			check, times[i].where, times[i].value, times[i].least, times[i].most);
		*times[i].to = times[i].value;
	}
	if (!rc)
		rc = check_name(check, "cluster.store.prefix", from->prefix);
	if (!rc)
		rc = read_servers(check, from, &store->redis);
	if (!rc)
		rc = read_passwords(check, from, &store->redis);
	if (!rc && from->tls)
		rc = read_store_tls(check, from->tls, &store->redis.tls);
	return rc;
}

static int read_rules(const struct check *check, struct config *config)
{
	const struct file_cluster *from = config->file->cluster;
	struct cluster_settings *settings = &config->cluster.settings;
	uint32_t silence_ms;
	int rc;

	settings->node = config->node;
	settings->key_file = from->key_file;
	settings->heartbeat_ms = *from->heartbeat->interval_ms;
	settings->n_missed = *from->heartbeat->missed;
	settings->store_votes = !strcmp(from->witness, "store");
	rc = check_range(check, "cluster.heartbeat.interval_ms", settings->heartbeat_ms, 10, 10000);
	if (!rc)
		rc = check_range(check, "cluster.heartbeat.missed", settings->n_missed, 2, 100);
	silence_ms = settings->heartbeat_ms * settings->n_missed;
	if (!rc)
		rc = check_range(check, "cluster.lease_ms", *from->lease_ms, 300, 600000);
	// Whose heartbeats were lost for a moment has renewed its lease in that time.
	if (!rc && *from->lease_ms < silence_ms)
		rc = check_failed(check, "cluster.lease_ms",
			"expected at least the time that a node may be silent, %u (interval_ms * "
			"missed), not %u",
			silence_ms, *from->lease_ms);
	if (!rc && !settings->store_votes && strcmp(from->witness, "none") != 0)
		rc = check_failed(check, "cluster.witness", "expected store or none, not '%s'",
			from->witness);
	return rc;
}

// Without a secret file nonces are of the cluster's key, so that each node knows those of all.
static int check_key_file(const struct check *check, struct config *config, const char *path)
{
	static const char where[] = "cluster.key_file";
	struct store_keys *keys;
	char error[256];

	if (config_check_secret_file(check, where, path))
		return -EINVAL;
	keys = store_keys_load(path, error, sizeof(error));
	if (!keys)
		return check_failed(check, where, "%s", error);
	if (!config->auth.has_secret)
		config->auth.has_secret = !store_keys_derive(
			keys, 0, "sluice nonces", config->auth.secret, sizeof(config->auth.secret));
	store_keys_destroy(keys);
	return 0;
}

int config_read_cluster(const struct check *check, struct config *config)
{
	int rc;

	if (!config->file->cluster)
		return 0;
	config->cluster.on = true;
	rc = read_nodes(check, config);
	if (!rc)
		rc = read_rules(check, config);
	if (!rc)
		rc = read_store(check, config);
	if (!rc)
		rc = read_shards(check, config);
	return rc ? rc : check_key_file(check, config, config->file->cluster->key_file);
}

static void password_free(const char *password)
{
	if (password)
		explicit_bzero((char *)password, strlen(password));
	free((char *)password);
}

void config_free_cluster(struct config *config)
{
	struct config_cluster *cluster = &config->cluster;

	for (size_t i = 0; i < cluster->shards.n; i++)
		free(cluster->shards.list[i].addresses);
	free(cluster->shards.list);
	free(cluster->owners);
	free(cluster->nodes);
	password_free(cluster->settings.store.redis.password);
	password_free(cluster->settings.store.redis.sentinel_password);
}
