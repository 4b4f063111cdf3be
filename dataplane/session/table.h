// Which leg a packet is for: an array index, table[address][port]. The main lcore writes, workers
// read under RCU. It also hands out the ports: those of an address, as its realm has them, are cut
// into one contiguous slice per worker.
#pragma once

#include <assert.h>
#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_common.h>
#include <stdbool.h>
#include <stdint.h>

#include "leg_endpoint.h"
#include "port.h"

struct leg;
struct port_pool;

#define TABLE_ADDRESSES_MAX (REALMS_MAX * REALM_ADDRESSES_MAX)
#define TABLE_HASH_BITS	    11

static_assert(TABLE_ADDRESSES_MAX < 1 << TABLE_HASH_BITS, "a search ends at an empty place");

struct table_address {
	struct leg_endpoint at;	  // port 0
	uint16_t vlan;		  // of its realm
	uint16_t realm;		  // index into realms
	uint16_t port;		  // index into ports
	uint16_t port_min;	  // first of its UDP ports, even
	uint16_t n_ports;	  // RTCP's too
	uint8_t shard;		  // see fence.h
	struct leg **slots;	  // main: rw, workers: ro; one per UDP port
	struct port_pool **pools; // one per worker; main only
};

struct leg_table {
	unsigned int n_addresses;
	unsigned int n_workers;
	// By hash of the address, or in one of the next places: its index into addresses, plus 1.
	uint16_t places[1 << TABLE_HASH_BITS];
	struct table_address addresses[TABLE_ADDRESSES_MAX];
};

// Where a leg is in the table.
struct table_slot {
	uint16_t address;  // index into addresses
	uint16_t udp_port; // even
};

// NULL with errno set.
struct leg_table *table_create(const struct realms *realms, unsigned int n_workers);
void table_destroy(struct leg_table *table);

// Index of one of our addresses, or -EADDRNOTAVAIL.
int table_address_find(const struct leg_table *table, const struct sl_address *address);

// Take a port pair of an address: of a worker's slice (returns 0 or -ENOSPC), or exactly this one
// (0, -EADDRINUSE or -EADDRNOTAVAIL). Give it back with table_port_return().
int table_port_take(
	struct leg_table *table, uint16_t address, unsigned int worker, struct table_slot *slot);
int table_port_take_exact(
	struct leg_table *table, uint16_t address, uint16_t port, struct table_slot *slot);
void table_port_return(struct leg_table *table, const struct table_slot *slot);

// The worker whose slice of an address a port is in, or -EADDRNOTAVAIL.
int table_port_worker(const struct leg_table *table, uint16_t address, uint16_t port);

unsigned int table_ports_free(const struct leg_table *table, uint16_t address, unsigned int worker);

// Packets of both ports go to `leg` from now on; NULL: to nobody (then wait for readers).
void table_link(struct leg_table *table, const struct table_slot *slot, struct leg *leg);

static inline unsigned int table_hash(const struct leg_endpoint *at)
{
	return (unsigned int)((at->ip[0] ^ at->ip[1]) * 0x9e3779b97f4a7c15 >>
			      (64 - TABLE_HASH_BITS));
}

// worker: the entry of an address of ports[port], or NULL. No two realms share an address, so its
// VLAN needs to be compared with that of one entry only.
static inline const struct table_address *table_address(
	const struct leg_table *table, unsigned int port, const struct leg_endpoint *at)
{
	unsigned int place = table_hash(at), index;

	while ((index = table->places[place])) {
		const struct table_address *address = &table->addresses[index - 1];

		if (likely(leg_endpoint_same_host(&address->at, at)))
			return address->port == port ? address : NULL;
		place = (place + 1) % RTE_DIM(table->places);
	}
	return NULL;
}

// worker: where the leg of a UDP port (host byte order) is, or NULL out of the address's range.
static inline struct leg *const *table_slot(const struct table_address *address, uint16_t udp_port)
{
	uint16_t index = (uint16_t)(udp_port - address->port_min);

	return index < address->n_ports ? &address->slots[index] : NULL;
}
