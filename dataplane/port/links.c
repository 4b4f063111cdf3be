// See links.h. Subtle: a VLAN on top of a VLAN (QinQ) would need two tags and is none of ours, so
// only the ports' own interfaces count as lower ones.
#include "links.h"

void links_init(struct links *links, const struct port *ports, unsigned int n_ports)
{
	links->n = 0;
	for (unsigned int i = 0; i < n_ports; i++)
		if (ports[i].ifindex)
			links->entries[links->n++] =
				(struct link){.ifindex = ports[i].ifindex, .port = (uint16_t)i};
}

static struct link *find(struct links *links, unsigned int ifindex)
{
	for (unsigned int i = 0; i < links->n; i++)
		if (links->entries[i].ifindex == ifindex)
			return &links->entries[i];
	return NULL;
}

static void forget(struct links *links, unsigned int ifindex)
{
	struct link *link = find(links, ifindex);

	if (link && link->vlan)
		*link = links->entries[--links->n];
}

void links_update(struct links *links, const struct netlink_link *link)
{
	const struct link *lower;

	forget(links, link->ifindex);
	lower = find(links, link->lower);
	if (link->gone || !link->vlan || !lower || lower->vlan)
		return;
	if (links->n == LINKS_MAX) {
		log_error(&log_port, "too_many_vlans", "ifindex=%u vlan=%u most=%u", link->ifindex,
			link->vlan, LINKS_MAX);
		return;
	}
	links->entries[links->n++] = (struct link){link->ifindex, lower->port, link->vlan};
}

const struct link *links_find(const struct links *links, unsigned int ifindex)
{
	return find((struct links *)(uintptr_t)links, ifindex);
}

unsigned int links_interface(const struct links *links, unsigned int port, uint16_t vlan)
{
	for (unsigned int i = 0; i < links->n; i++)
		if (links->entries[i].port == port && links->entries[i].vlan == vlan)
			return links->entries[i].ifindex;
	return 0;
}
