// A rule is Ethernet, maybe a VLAN, one of our addresses, and UDP ports by mask: what nearly all
// devices with rte_flow match on. Either a device has all rules or none: half of them would bring
// some sessions to their workers and hide that others go round by the rings.
#include "flow.h"

#include <errno.h>
#include <rte_flow.h>

const char *port_steering_name(enum port_steering steering)
{
	static const char *const names[] = {[STEERING_NONE] = "none",
		[STEERING_FLOW] = "flow",
		[STEERING_RSS] = "rss",
		[STEERING_HANDOVER] = "handover"};

	return names[steering];
}

static int realm_rules(
	const struct realm *realm, unsigned int n_workers, flow_rule_fn each, void *context)
{
	int ret = 0;

	for (uint16_t worker = 0; worker < n_workers; worker++) {
		struct port_slice slice = port_slice_of(realm, worker, n_workers);
		struct port_pattern patterns[PORT_PATTERNS_MAX];
		unsigned int n = port_slice_patterns(&slice, patterns);

		for (unsigned int i = 0; i < n * realm->n_addresses && ret == 0; i++)
			ret = each(context, &(struct flow_rule){.address = &realm->addresses[i / n],
						    .pattern = patterns[i % n],
						    .vlan = realm->vlan,
						    .queue = worker});
	}
	return ret;
}

int flow_rules(
	const struct ports_config *config, unsigned int index, flow_rule_fn each, void *context)
{
	int ret = 0;

	for (unsigned int i = 0; i < config->realms->n && ret == 0; i++)
		if (config->realms->entries[i].port == index)
			ret = realm_rules(
				&config->realms->entries[i], config->n_workers, each, context);
	return ret;
}

struct installation {
	uint16_t ethdev;
	int n_rules;
};

static int install(void *context, const struct flow_rule *rule)
{
	static const struct rte_flow_attr attr = {.ingress = 1};
	struct installation *installation = context;
	bool ipv6 = rule->address->family == SL_IPV6;
	struct rte_flow_item_vlan vlan = {.tci = rte_cpu_to_be_16(rule->vlan)};
	struct rte_flow_item_vlan vlan_mask = {.tci = RTE_BE16(0xfff)};
	struct rte_flow_item_ipv4 ipv4 = {}, ipv4_mask = {.hdr.dst_addr = UINT32_MAX};
	struct rte_flow_item_ipv6 ipv6_item = {}, ipv6_mask = {};
	struct rte_flow_item_udp udp = {.hdr.dst_port = rte_cpu_to_be_16(rule->pattern.port)};
	struct rte_flow_item_udp udp_mask = {.hdr.dst_port = rte_cpu_to_be_16(rule->pattern.mask)};
	struct rte_flow_action_queue queue = {.index = rule->queue};
	const struct rte_flow_item items[] = {
		{.type = RTE_FLOW_ITEM_TYPE_ETH},
		{.type = rule->vlan ? RTE_FLOW_ITEM_TYPE_VLAN : RTE_FLOW_ITEM_TYPE_VOID,
			.spec = rule->vlan ? &vlan : NULL,
			.mask = rule->vlan ? &vlan_mask : NULL},
		{.type = ipv6 ? RTE_FLOW_ITEM_TYPE_IPV6 : RTE_FLOW_ITEM_TYPE_IPV4,
			.spec = ipv6 ? (const void *)&ipv6_item : &ipv4,
			.mask = ipv6 ? (const void *)&ipv6_mask : &ipv4_mask},
		{.type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &udp, .mask = &udp_mask},
		{.type = RTE_FLOW_ITEM_TYPE_END},
	};
	const struct rte_flow_action actions[] = {
		{.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue},
		{.type = RTE_FLOW_ACTION_TYPE_END},
	};
	int ret;

	memcpy(&ipv4.hdr.dst_addr, rule->address->bytes, sizeof(ipv4.hdr.dst_addr));
	memcpy(ipv6_item.hdr.dst_addr, rule->address->bytes, sizeof(ipv6_item.hdr.dst_addr));
	memset(ipv6_mask.hdr.dst_addr, 0xff, sizeof(ipv6_mask.hdr.dst_addr));
	ret = rte_flow_validate(installation->ethdev, &attr, items, actions, NULL);
	if (ret)
		return ret;
	if (!rte_flow_create(installation->ethdev, &attr, items, actions, NULL))
		return -ENOSPC;
	installation->n_rules++;
	return 0;
}

int flow_install(const struct ports_config *config, unsigned int index, uint16_t ethdev)
{
	struct installation installation = {.ethdev = ethdev};
	int ret = flow_rules(config, index, install, &installation);

	if (ret == 0)
		return installation.n_rules;
	if (installation.n_rules)
		rte_flow_flush(ethdev, NULL);
	return ret;
}
