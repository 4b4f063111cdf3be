// The table and the pools of its ports.
#include "table.h"

#include <errno.h>
#include <rte_malloc.h>
#include <stdlib.h>
#include <string.h>

#include "port_pool.h"

static unsigned int n_pairs(const struct leg_table *table)
{
	return table->n_ports / 2;
}

// First pair of a worker's slice; slices differ by one pair at most.
static unsigned int slice_begin(const struct leg_table *table, unsigned int worker)
{
	return n_pairs(table) * worker / table->n_workers;
}

static int create_address(struct leg_table *table, uint16_t port, const struct sl_address *address)
{
	struct table_address *entry = &table->addresses[table->n_addresses];

	memcpy(&entry->ip, address->bytes, sizeof(entry->ip));
	entry->port = port;
	table->n_addresses++;
	entry->slots = rte_zmalloc("table", table->n_ports * sizeof(*entry->slots), 64);
	entry->pools = calloc(table->n_workers, sizeof(*entry->pools));
	if (!entry->slots || !entry->pools)
		return -ENOMEM;
	for (unsigned int i = 0; i < table->n_workers; i++) {
		unsigned int begin = slice_begin(table, i);
		unsigned int end = slice_begin(table, i + 1);

		entry->pools[i] =
			port_pool_create((uint16_t)(table->port_min + 2 * begin), end - begin);
		if (!entry->pools[i])
			return -ENOMEM;
	}
	return 0;
}

struct leg_table *table_create(
	const struct port *ports, unsigned int n_ports, unsigned int n_workers)
{
	struct leg_table *table = rte_zmalloc("table", sizeof(*table), 64);

	if (!table) {
		errno = ENOMEM;
		return NULL;
	}
	table->n_workers = n_workers;
	table->port_min = ports[0].config.rtp_port_min;
	table->n_ports = (uint16_t)(ports[0].config.rtp_port_max + 1 - table->port_min);
	for (uint16_t i = 0; i < n_ports; i++) {
		table->first[i] = (uint16_t)table->n_addresses;
		for (unsigned int j = 0; j < ports[i].config.n_addresses; j++)
			if (create_address(table, i, &ports[i].config.addresses[j])) {
				table_destroy(table);
				errno = ENOMEM;
				return NULL;
			}
	}
	for (unsigned int i = n_ports; i <= PORTS_MAX; i++)
		table->first[i] = (uint16_t)table->n_addresses;
	return table;
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
	if (address->family != SL_IPV4)
		return -EADDRNOTAVAIL;
	for (unsigned int i = 0; i < table->n_addresses; i++)
		if (!memcmp(&table->addresses[i].ip, address->bytes, sizeof(rte_be32_t)))
			return (int)i;
	return -EADDRNOTAVAIL;
}

int table_port_worker(const struct leg_table *table, uint16_t port)
{
	for (unsigned int i = 0; i < table->n_workers; i++)
		if (port_pool_holds(table->addresses[0].pools[i], port))
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
	int worker = table_port_worker(table, port);
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
	int worker = table_port_worker(table, slot->udp_port);

	port_pool_return(table->addresses[slot->address].pools[worker], slot->udp_port);
}

unsigned int table_ports_free(const struct leg_table *table, uint16_t address, unsigned int worker)
{
	return port_pool_free(table->addresses[address].pools[worker]);
}

void table_link(struct leg_table *table, const struct table_slot *slot, struct leg *leg)
{
	struct leg **slots =
		&table->addresses[slot->address].slots[slot->udp_port - table->port_min];

	__atomic_store_n(&slots[0], leg, __ATOMIC_RELEASE);
	__atomic_store_n(&slots[1], leg, __ATOMIC_RELEASE);
}
