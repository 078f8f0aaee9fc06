/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets from a description: layers separated by `/', each with arguments:
 *
 *	eth(dst,src)		02:00:00:00:00:02, 02:00:00:00:00:01 if left out
 *	len(n)			an 802.3 length field instead of an EtherType
 *	type(n)			an EtherType, or what is followed by nothing
 *	vlan(id,pcp) qinq(id)	802.1Q, 802.1ad
 *	mpls(label,s,exp,ttl)	s: the bottom of the stack
 *	pppoed pppoes(session)	discovery, session
 *	llc(dsap,ssap,control)	control: 1 or 2 bytes
 *	snap(oui,type)
 *	arp(op,sender,target) rarp(op,sender,target)
 *	ip(src,dst) ipopt(src,dst)	with 8 bytes of options
 *	ipfrag(src,dst,off,more)	off in units of 8 bytes
 *	ip6(src,dst) hop frag6(off,more)
 *	proto(n)		a protocol of IP or next header of IPv6
 *	tcp(sport,dport,flags) udp(sport,dport) sctp(sport,dport)
 *	icmp(type,code) icmp6(type,code)
 *	geneve(vni) vxlan(vni)
 *	text(string) hex(digits) zero(n)
 *	cut(n)			leave n bytes
 */
#ifndef PACKETS_H
#define PACKETS_H

#include <stddef.h>
#include <stdint.h>

#define PACKET_MAX 9200

/*
 * Build the packet. Returns its length, or -1 with *where in the description
 * that was not understood.
 */
long packet_build(const char *description, uint8_t buf[PACKET_MAX],
		  const char **where);

#endif
