// SPDX-License-Identifier: BSD-3-Clause
/*
 * The filters of bench/translate/bench.c as one would write them in C: the
 * headers as structs, each header's bounds checked once, 262144 for a match.
 * What libpcap's filter looks at, this does too.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MATCH  262144
#define UNUSED __attribute__((unused))

struct ports {
	__be16 source, dest;
};

struct arp {
	__be16 hrd, pro;
	__u8 hln, pln;
	__be16 op;
	__u8 sha[6];
	__be32 spa;
	__u8 tha[6];
	__be32 tpa;
} __attribute__((packed));

struct vlan {
	__be16 tci, proto;
};

struct tcp_flags {
	__u8 before[13], flags;
};

struct vxlan {
	struct udphdr udp;
	__be32 flags, vni;
};

struct geneve {
	struct udphdr udp;
	__u8 version, flags;
	__be16 proto;
	__be32 vni;
};

/* A program, and the header of the function that is all of it from there on. */
#define FILTER(name)                                                      \
	static __always_inline int name##_test(UNUSED void *end,          \
					       UNUSED struct ethhdr *eth, \
					       UNUSED __be16 proto);      \
	SEC("xdp") int name(struct xdp_md *ctx)                           \
	{                                                                 \
		void *end = (void *)(long)ctx->data_end;                  \
		struct ethhdr *eth = (void *)(long)ctx->data;             \
                                                                          \
		if ((void *)(eth + 1) > end)                              \
			return 0;                                         \
		return name##_test(end, eth, eth->h_proto) ? MATCH : 0;   \
	}                                                                 \
	static __always_inline int name##_test(UNUSED void *end,          \
					       UNUSED struct ethhdr *eth, \
					       UNUSED __be16 proto)

/* The header at p, or leave without a match. */
#define HEADER(type, var, p)         \
	type *var = (void *)(p);     \
	if ((void *)(var + 1) > end) \
	return 0

/* What follows an IPv4 header, if this is such a packet of a protocol. */
#define IP_HEADER(type, var, want)                     \
	if (proto != bpf_htons(ETH_P_IP))              \
		return 0;                              \
	HEADER(struct iphdr, ip, eth + 1);             \
	if (ip->protocol != (want) || is_fragment(ip)) \
		return 0;                              \
	HEADER(type, var, (void *)ip + ip->ihl * 4)

static __always_inline bool is_fragment(const struct iphdr *ip)
{
	return ip->frag_off & bpf_htons(0x1fff);
}

SEC("xdp") int empty(UNUSED struct xdp_md *ctx)
{
	return 0;
}

FILTER(ip)
{
	return proto == bpf_htons(ETH_P_IP);
}

FILTER(arp)
{
	return proto == bpf_htons(ETH_P_ARP);
}

static __always_inline int transport(void *end, void *p, __be16 proto, __u8 want)
{
	if (proto == bpf_htons(ETH_P_IPV6)) {
		HEADER(struct ipv6hdr, ip6, p);
		return ip6->nexthdr == want;
	}
	if (proto == bpf_htons(ETH_P_IP)) {
		HEADER(struct iphdr, ip, p);
		return ip->protocol == want;
	}
	return 0;
}

FILTER(udp)
{
	return transport(end, eth + 1, proto, IPPROTO_UDP);
}

FILTER(tcp)
{
	return transport(end, eth + 1, proto, IPPROTO_TCP);
}

FILTER(ip6_and_tcp)
{
	if (proto != bpf_htons(ETH_P_IPV6))
		return 0;
	HEADER(struct ipv6hdr, ip6, eth + 1);
	return ip6->nexthdr == IPPROTO_TCP;
}

/*
 * Leave with test, of the ports p of a transport protocol over IPv4 or IPv6. Not
 * a function that returns p: clang would merge the two and lose the bounds.
 */
#define PORTS(want, test)                             \
	if (proto == bpf_htons(ETH_P_IPV6)) {         \
		HEADER(struct ipv6hdr, ip6, eth + 1); \
		if (ip6->nexthdr != (want))           \
			return 0;                     \
		HEADER(struct ports, p, ip6 + 1);     \
		return test;                          \
	}                                             \
	IP_HEADER(struct ports, p, want);             \
	return test

static __always_inline bool either_is(const struct ports *p, __u16 port)
{
	return p->source == bpf_htons(port) || p->dest == bpf_htons(port);
}

FILTER(udp_port_53)
{
	PORTS(IPPROTO_UDP, either_is(p, 53));
}

FILTER(tcp_port_80)
{
	PORTS(IPPROTO_TCP, either_is(p, 80));
}

FILTER(tcp_dst_port_443)
{
	PORTS(IPPROTO_TCP, p->dest == bpf_htons(443));
}

static __always_inline bool in_range(__be16 port, __u16 lo, __u16 hi)
{
	__u16 p = bpf_ntohs(port);

	return p >= lo && p <= hi;
}

FILTER(udp_portrange)
{
	PORTS(IPPROTO_UDP,
	      in_range(p->source, 5000, 6000) || in_range(p->dest, 5000, 6000));
}

/* host and net: IPv4, ARP and RARP. Declares saddr and daddr. */
#define ADDRESSES                                    \
	__be32 saddr, daddr;                         \
	if (proto == bpf_htons(ETH_P_IP)) {          \
		HEADER(struct iphdr, ip, eth + 1);   \
		saddr = ip->saddr;                   \
		daddr = ip->daddr;                   \
	} else if (proto == bpf_htons(ETH_P_ARP) ||  \
		   proto == bpf_htons(ETH_P_RARP)) { \
		HEADER(struct arp, arp, eth + 1);    \
		saddr = arp->spa;                    \
		daddr = arp->tpa;                    \
	} else {                                     \
		return 0;                            \
	}

#define A(n) bpf_htonl(0x0a000000 + (n))

FILTER(host)
{
	ADDRESSES;
	return saddr == A(1) || daddr == A(1);
}

FILTER(host_and_host)
{
	ADDRESSES;
	return (saddr == A(1) || daddr == A(1)) &&
	       (saddr == A(2) || daddr == A(2));
}

FILTER(src_and_dst)
{
	ADDRESSES;
	return saddr == A(1) && daddr == A(2);
}

FILTER(net)
{
	const __be32 mask = bpf_htonl(0xffffff00);

	ADDRESSES;
	return (saddr & mask) == A(0) || (daddr & mask) == A(0);
}

FILTER(host_and_port)
{
	if (proto != bpf_htons(ETH_P_IP))
		return 0;
	HEADER(struct iphdr, ip, eth + 1);
	if (ip->saddr != A(1) && ip->daddr != A(1))
		return 0;
	if (ip->protocol != IPPROTO_TCP || is_fragment(ip))
		return 0;
	HEADER(struct ports, p, (void *)ip + ip->ihl * 4);
	return either_is(p, 80);
}

/* clang-format off */
#define H(n)   case 0x0a000000 + (n) * 7 + 1:
#define H5(n)  H(n) H((n) + 1) H((n) + 2) H((n) + 3) H((n) + 4)
#define H25(n) H5(n) H5((n) + 5) H5((n) + 10) H5((n) + 15) H5((n) + 20)
/* clang-format on */

static __always_inline bool one_of_50(__be32 addr)
{
	switch (bpf_ntohl(addr)) {
		H25(0)
		H25(25)
		return true;
	}
	return false;
}

FILTER(hosts_50)
{
	ADDRESSES;
	return one_of_50(saddr) || one_of_50(daddr);
}

/* Addresses are aligned to 2 bytes, as Ethernet's header is. */
static __always_inline bool is_mac(const void *addr, __u16 a, __u16 b, __u16 c)
{
	const __be16 *p = addr;

	return p[0] == bpf_htons(a) && p[1] == bpf_htons(b) &&
	       p[2] == bpf_htons(c);
}

FILTER(ether_host)
{
	return is_mac(eth->h_source, 0x0200, 0, 1) ||
	       is_mac(eth->h_dest, 0x0200, 0, 1);
}

FILTER(broadcast)
{
	return is_mac(eth->h_dest, 0xffff, 0xffff, 0xffff);
}

static __always_inline bool is_vlan(__be16 proto)
{
	return proto == bpf_htons(0x8100) || proto == bpf_htons(0x88a8) ||
	       proto == bpf_htons(0x9100);
}

FILTER(vlan_and_ip)
{
	if (!is_vlan(proto))
		return 0;
	HEADER(struct vlan, vlan, eth + 1);
	return vlan->proto == bpf_htons(ETH_P_IP);
}

FILTER(vlan_7_and_tcp)
{
	if (!is_vlan(proto))
		return 0;
	HEADER(struct vlan, vlan, eth + 1);
	if ((vlan->tci & bpf_htons(0xfff)) != bpf_htons(7))
		return 0;
	return transport(end, vlan + 1, vlan->proto, IPPROTO_TCP);
}

FILTER(mpls)
{
	if (proto != bpf_htons(0x8847))
		return 0;
	HEADER(__be32, label, eth + 1);
	return (*label & bpf_htonl(0xfffff000)) == bpf_htonl(17 << 12);
}

FILTER(tcp_syn_fin)
{
	IP_HEADER(struct tcp_flags, tcp, IPPROTO_TCP);
	return tcp->flags & 3;
}

FILTER(http_get)
{
	IP_HEADER(struct tcp_flags, tcp, IPPROTO_TCP);
	HEADER(__be32, text, (void *)tcp + ((tcp->before[12] & 0xf0) >> 2));
	return *text == bpf_htonl(0x47455420);
}

FILTER(icmp_echo)
{
	IP_HEADER(__u8, type, IPPROTO_ICMP);
	return *type == 8 || *type == 0;
}

SEC("xdp") int greater(struct xdp_md *ctx)
{
	return ctx->data_end - ctx->data >= 1000 ? MATCH : 0;
}

FILTER(vxlan)
{
	IP_HEADER(struct vxlan, vxlan, IPPROTO_UDP);
	return vxlan->udp.dest == bpf_htons(4789) &&
	       vxlan->vni == bpf_htonl(42 << 8);
}

static __always_inline bool is_geneve(const struct geneve *geneve)
{
	return geneve->udp.dest == bpf_htons(6081) &&
	       (geneve->version & 0xc0) == 0 &&
	       (geneve->vni & bpf_htonl(0xffffff00)) == bpf_htonl(42 << 8);
}

FILTER(geneve)
{
	if (proto == bpf_htons(ETH_P_IPV6)) {
		HEADER(struct ipv6hdr, ip6, eth + 1);
		if (ip6->nexthdr != IPPROTO_UDP)
			return 0;
		HEADER(struct geneve, geneve, ip6 + 1);
		return is_geneve(geneve);
	}
	IP_HEADER(struct geneve, geneve, IPPROTO_UDP);
	return is_geneve(geneve);
}

char _license[] SEC("license") = "Dual BSD/GPL";
