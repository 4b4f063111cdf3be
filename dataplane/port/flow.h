// Rules of a device that bring packets for a slice of ports to the queue of the worker that owns
// it, so that no worker has to hand them over.
#pragma once

#include "port.h"
#include "slices.h"

const char *port_steering_name(enum port_steering steering);

// A rule: what its packets look like, and the queue (that of the worker of the same number).
struct flow_rule {
	const struct sl_address *address; // of ours
	struct port_pattern pattern;
	uint16_t vlan; // 0: none
	uint16_t queue;
};

// Call `each` with every rule that ports[index] needs until it returns something else than 0, and
// return that.
typedef int (*flow_rule_fn)(void *context, const struct flow_rule *rule);
int flow_rules(
	const struct ports_config *config, unsigned int index, flow_rule_fn each, void *context);

// After the start of a device: all rules, or none where it does not take one of them. Returns how
// many there are, or a negative errno.
int flow_install(const struct ports_config *config, unsigned int index, uint16_t ethdev);
