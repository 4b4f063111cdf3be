// Free RTP/RTCP port pairs of one slice (one address, one worker). A pair that is given back waits
// behind all others, so that late packets of the old session meet no new one for as long as
// possible. Everything is O(1). main lcore only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct port_pool;

// Pairs from `first` (even) on. NULL with errno set.
struct port_pool *port_pool_create(uint16_t first, unsigned int n_pairs);
void port_pool_destroy(struct port_pool *pool);

// The longest unused pair's even port, or 0 where none is left.
uint16_t port_pool_take(struct port_pool *pool);

// Exactly this one: 0, -EADDRINUSE, or -EADDRNOTAVAIL where it is none of this slice.
int port_pool_take_exact(struct port_pool *pool, uint16_t port);

void port_pool_return(struct port_pool *pool, uint16_t port);
bool port_pool_holds(const struct port_pool *pool, uint16_t port);
unsigned int port_pool_free(const struct port_pool *pool);
