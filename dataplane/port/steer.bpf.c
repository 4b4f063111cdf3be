// XDP program of an af_xdp port: UDP to one of our media addresses, on a port of its RTP range,
// goes to the AF_XDP socket of the queue it came in on; all the rest stays with the kernel: ARP,
// ICMP, SIP, SSH, fragments (whose ports cannot be known), packets with IP options or extension
// headers, other VLANs. It sees a VLAN tag only where the device leaves it in the frame (ethtool -K
// X rxvlan off).
//
// Subtle: it starts with an empty `media` map, so nothing is taken until every queue has its
// socket. The driver fills `xsks_map` (it looks for that name); a queue without a socket passes.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "steer_map.h"

#define IPV4_FRAGMENT 0x3fff // more fragments, or an offset
#define VLAN_ID	      0x0fff

struct vlan_header { // behind the Ethernet header; the kernel's own is not for programs
	__be16 tci;
	__be16 protocol;
};

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, STEER_QUEUES);
	__type(key, __u32);
	__type(value, __u32);
} xsks_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, STEER_ADDRESSES);
	__type(key, struct steer_address);
	__type(value, struct steer_ports);
} media SEC(".maps");

static __always_inline int redirect_media(
	struct xdp_md *ctx, const struct steer_address *address, const struct udphdr *udp)
{
	const struct steer_ports *ports = bpf_map_lookup_elem(&media, address);
	__u16 port = bpf_ntohs(udp->dest);

	if (!ports || port < ports->min || port > ports->max)
		return XDP_PASS;
	return bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_PASS);
}

static __always_inline int steer_ipv4(struct xdp_md *ctx, const struct iphdr *ip, __u16 vlan)
{
	const void *end = (const void *)(long)ctx->data_end;
	const struct udphdr *udp = (const void *)(ip + 1);
	struct steer_address address = {.family = STEER_FAMILY_IPV4, .vlan = vlan};

	if ((const void *)(udp + 1) > end)
		return XDP_PASS;
	if (ip->version != 4 || ip->ihl != 5 || ip->protocol != IPPROTO_UDP)
		return XDP_PASS;
	if (ip->frag_off & bpf_htons(IPV4_FRAGMENT))
		return XDP_PASS;
	__builtin_memcpy(address.bytes, &ip->daddr, sizeof(ip->daddr));
	return redirect_media(ctx, &address, udp);
}

static __always_inline int steer_ipv6(struct xdp_md *ctx, const struct ipv6hdr *ip, __u16 vlan)
{
	const void *end = (const void *)(long)ctx->data_end;
	const struct udphdr *udp = (const void *)(ip + 1);
	struct steer_address address = {.family = STEER_FAMILY_IPV6, .vlan = vlan};

	if ((const void *)(udp + 1) > end)
		return XDP_PASS;
	if (ip->version != 6 || ip->nexthdr != IPPROTO_UDP)
		return XDP_PASS;
	__builtin_memcpy(address.bytes, &ip->daddr, sizeof(ip->daddr));
	return redirect_media(ctx, &address, udp);
}

SEC("xdp")
int sluice_steer(struct xdp_md *ctx)
{
	const void *end = (const void *)(long)ctx->data_end;
	const struct ethhdr *eth = (const void *)(long)ctx->data;
	const struct vlan_header *tag = (const void *)(eth + 1);
	const void *ip = tag;
	__be16 protocol;
	__u16 vlan = 0;

	if ((const void *)(eth + 1) > end)
		return XDP_PASS;
	protocol = eth->h_proto;
	if (protocol == bpf_htons(ETH_P_8021Q)) {
		if ((const void *)(tag + 1) > end)
			return XDP_PASS;
		vlan = bpf_ntohs(tag->tci) & VLAN_ID;
		protocol = tag->protocol;
		ip = tag + 1;
	}
	if (protocol == bpf_htons(ETH_P_IP))
		return steer_ipv4(ctx, ip, vlan);
	if (protocol == bpf_htons(ETH_P_IPV6))
		return steer_ipv6(ctx, ip, vlan);
	return XDP_PASS;
}

char license_text[] SEC("license") = "Apache-2.0";
