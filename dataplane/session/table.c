// The table and the pools of its ports.
#include "table.h"

#include <errno.h>
#include <rte_malloc.h>
#include <stdlib.h>
#include <string.h>

#include "port_pool.h"
#include "slices.h"

static int create_pools(
	const struct leg_table *table, struct table_address *address, const struct realm *realm)
{
	address->pools = calloc(table->n_workers, sizeof(*address->pools));
	if (!address->pools)
		return -ENOMEM;
	for (unsigned int i = 0; i < table->n_workers; i++) {
		struct port_slice slice = port_slice_of(realm, i, table->n_workers);

		address->pools[i] =
			port_pool_create((uint16_t)slice.first, (slice.end - slice.first) / 2);
		if (!address->pools[i])
			return -ENOMEM;
	}
	return 0;
}

static void remember(struct leg_table *table, const struct table_address *entry)
{
	unsigned int place = table_hash(&entry->at);

	while (table->places[place])
		place = (place + 1) % RTE_DIM(table->places);
	table->places[place] = (uint16_t)(entry - table->addresses + 1);
}

static int create_address(
	struct leg_table *table, const struct realms *realms, uint16_t index, unsigned int j)
{
	const struct realm *realm = &realms->entries[index];
	const struct sl_address *address = &realm->addresses[j];
	struct table_address *entry = &table->addresses[table->n_addresses++];

	*entry = (struct table_address){
		.at = leg_endpoint_of(address),
		.vlan = realm->vlan,
		.realm = index,
		.port = realm->port,
		.port_min = realm->rtp_port_min,
		.shard = realm->shards[j],
		.n_ports = (uint16_t)(realm->rtp_port_max + 1 - realm->rtp_port_min),
	};
	remember(table, entry);
	entry->slots = rte_zmalloc("table", entry->n_ports * sizeof(*entry->slots), 64);
	return entry->slots ? create_pools(table, entry, realm) : -ENOMEM;
}

static int create_addresses(struct leg_table *table, const struct realms *realms, unsigned int port)
{
	int rc = 0;

	for (uint16_t i = 0; i < realms->n; i++) {
		const struct realm *realm = &realms->entries[i];

		for (unsigned int j = 0; j < realm->n_addresses; j++)
			if (realm->port == port && rc == 0)
				rc = create_address(table, realms, i, j);
	}
	return rc;
}

struct leg_table *table_create(const struct realms *realms, unsigned int n_workers)
{
	struct leg_table *table = rte_zmalloc("table", sizeof(*table), 64);
	int rc = 0;

	if (!table) {
		errno = ENOMEM;
		return NULL;
	}
	table->n_workers = n_workers;
	for (unsigned int i = 0; i < PORTS_MAX && rc == 0; i++)
		rc = create_addresses(table, realms, i);
	if (rc == 0)
		return table;
	table_destroy(table);
	errno = -rc;
	return NULL;
}

void table_destroy(struct leg_table *table)
{
	if (!table)
		return;
	for (unsigned int i = 0; i < table->n_addresses; i++) {
		struct table_address *address = &table->addresses[i];

		for (unsigned int j = 0; address->pools && j < table->n_workers; j++)
			port_pool_destroy(address->pools[j]);
		free(address->pools);
		rte_free(address->slots);
	}
	rte_free(table);
}

int table_address_find(const struct leg_table *table, const struct sl_address *address)
{
	struct leg_endpoint at = leg_endpoint_of(address);

	if (address->family == SL_UNSPEC)
		return -EADDRNOTAVAIL;
	for (unsigned int i = 0; i < table->n_addresses; i++)
		if (leg_endpoint_same_host(&table->addresses[i].at, &at))
			return (int)i;
	return -EADDRNOTAVAIL;
}

int table_port_worker(const struct leg_table *table, uint16_t address, uint16_t port)
{
	for (unsigned int i = 0; i < table->n_workers; i++)
		if (port_pool_holds(table->addresses[address].pools[i], port))
			return (int)i;
	return -EADDRNOTAVAIL;
}

int table_port_take(
	struct leg_table *table, uint16_t address, unsigned int worker, struct table_slot *slot)
{
	uint16_t port = port_pool_take(table->addresses[address].pools[worker]);

	if (!port)
		return -ENOSPC;
	*slot = (struct table_slot){address, port};
	return 0;
}

int table_port_take_exact(
	struct leg_table *table, uint16_t address, uint16_t port, struct table_slot *slot)
{
	int worker = table_port_worker(table, address, port);
	int rc;

	if (worker < 0)
		return worker;
	rc = port_pool_take_exact(table->addresses[address].pools[worker], port);
	if (rc == 0)
		*slot = (struct table_slot){address, port};
	return rc;
}

void table_port_return(struct leg_table *table, const struct table_slot *slot)
{
	int worker = table_port_worker(table, slot->address, slot->udp_port);

	port_pool_return(table->addresses[slot->address].pools[worker], slot->udp_port);
}

unsigned int table_ports_free(const struct leg_table *table, uint16_t address, unsigned int worker)
{
	return port_pool_free(table->addresses[address].pools[worker]);
}

void table_link(struct leg_table *table, const struct table_slot *slot, struct leg *leg)
{
	const struct table_address *address = &table->addresses[slot->address];
	struct leg **slots = &address->slots[slot->udp_port - address->port_min];

	__atomic_store_n(&slots[0], leg, __ATOMIC_RELEASE);
	__atomic_store_n(&slots[1], leg, __ATOMIC_RELEASE);
}
