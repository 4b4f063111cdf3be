// XDP program of an af_xdp port: UDP to one of our media addresses, on a port of its RTP range,
// goes to the AF_XDP socket of the queue it came in on; all the rest stays with the kernel: ARP,
// ICMP, SIP, SSH, fragments (whose ports cannot be known), packets with IP options.
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

static __always_inline int steer_ipv4(struct xdp_md *ctx, const struct iphdr *ip)
{
	const void *end = (const void *)(long)ctx->data_end;
	const struct udphdr *udp = (const void *)(ip + 1);
	struct steer_address address = {.family = STEER_FAMILY_IPV4};

	if ((const void *)(udp + 1) > end)
		return XDP_PASS;
	if (ip->version != 4 || ip->ihl != 5 || ip->protocol != IPPROTO_UDP)
		return XDP_PASS;
	if (ip->frag_off & bpf_htons(IPV4_FRAGMENT))
		return XDP_PASS;
	__builtin_memcpy(address.bytes, &ip->daddr, sizeof(ip->daddr));
	return redirect_media(ctx, &address, udp);
}

static __always_inline int steer_ipv6(struct xdp_md *ctx, const struct ipv6hdr *ip)
{
	const void *end = (const void *)(long)ctx->data_end;
	const struct udphdr *udp = (const void *)(ip + 1);
	struct steer_address address = {.family = STEER_FAMILY_IPV6};

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

	if ((const void *)(eth + 1) > end)
		return XDP_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return steer_ipv4(ctx, (const void *)(eth + 1));
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		return steer_ipv6(ctx, (const void *)(eth + 1));
	return XDP_PASS;
}

char license_text[] SEC("license") = "Apache-2.0";
