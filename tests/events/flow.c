// SPDX-License-Identifier: BSD-3-Clause
/* The flow of numbered packets: see flow.h. */
#include "flow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <netpacket/packet.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../clock.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define HEADERS                                               \
	(sizeof(struct ether_header) + sizeof(struct iphdr) + \
	 sizeof(struct udphdr))

/*
 * Packets that are sent together; how many can be on their way to the receiver,
 * and back, which is a quarter of a veth's queue; and after how long, ns, they
 * are taken for lost.
 */
#define BURST      8
#define IN_FLIGHT  64
#define LOST_AFTER 200000000LL

/* Packets until the sender moves to the next CPU. */
#define CPU_PACKETS 4096

static const uint8_t receiver[ETH_ALEN] = { 2, 0, 0, 0, 0, 0x0b };

static uint32_t hash(uint32_t seq)
{
	seq = (seq ^ seq >> 16) * 0x7feb352dU;
	seq = (seq ^ seq >> 15) * 0x846ca68bU;
	return seq ^ seq >> 16;
}

uint32_t seq_action(uint32_t seq)
{
	return (hash(seq) & 0xff) % 5;
}

uint32_t seq_port(uint32_t seq)
{
	return 5000 + (hash(seq) >> 8 & 3);
}

uint32_t seq_size(const struct flow *flow, uint32_t seq)
{
	static const uint32_t small[] = { 60, 61, 64, 90, 130, 200, 300, 1514 };
	static const uint32_t large[] = { 60,   200,  1514, 3000,
					  4096, 5000, 8192, FRAME_MAX };
	const uint32_t i = hash(seq) >> 16 & 7;

	return flow->large ? large[i] : small[i];
}

/* Payload of any packet, from an offset that depends on the number. */
static const uint8_t *payload(uint32_t seq)
{
	static uint8_t bytes[FRAME_MAX + 256];
	static bool filled;
	uint32_t x = 1;

	for (size_t i = 0; !filled && i < sizeof(bytes); i++) {
		x = x * 1664525 + 1013904223;
		bytes[i] = x >> 24;
	}
	filled = true;
	return bytes + (hash(seq) >> 24);
}

static void put_number(uint8_t *address, uint32_t seq)
{
	const uint32_t number = htonl(seq);

	address[0] = SEQ_MARK;
	memcpy(address + 1, &number, sizeof(number));
	address[5] = 0;
}

static void fill_headers(const struct flow *flow, uint32_t seq, uint8_t *bytes)
{
	const uint32_t size = seq_size(flow, seq);
	struct ether_header eth = { .ether_type = htons(ETHERTYPE_IP) };
	const struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = htons(size - sizeof(eth)),
		.id = htons(seq & 0xffff),
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.saddr = htonl(0x0a090001),
		.daddr = htonl(0x0a090002),
	};
	const struct udphdr udp = {
		.source = htons(seq_port(seq)),
		.dest = htons(FIRST_PORT + seq_action(seq)),
		.len = htons(size - sizeof(eth) - sizeof(ip)),
	};

	memcpy(eth.ether_dhost, receiver, ETH_ALEN);
	put_number(eth.ether_shost, seq);
	memcpy(bytes, &eth, sizeof(eth));
	memcpy(bytes + sizeof(eth), &ip, sizeof(ip));
	memcpy(bytes + sizeof(eth) + sizeof(ip), &udp, sizeof(udp));
}

bool seq_same(const struct flow *flow, uint32_t seq, const uint8_t *data,
	      uint32_t len)
{
	const uint32_t headers = len < HEADERS ? len : HEADERS;
	uint8_t bytes[HEADERS];

	fill_headers(flow, seq, bytes);
	if (seq_action(seq) == 3) {
		memcpy(bytes + ETH_ALEN, receiver, ETH_ALEN);
		put_number(bytes, seq);
	}
	return !memcmp(data, bytes, headers) &&
	       !memcmp(data + headers, payload(seq), len - headers);
}

int64_t seq_of(const uint8_t *data)
{
	uint32_t number;

	if (data[0] != SEQ_MARK)
		data += ETH_ALEN;
	if (data[0] != SEQ_MARK)
		return -1;
	memcpy(&number, data + 1, sizeof(number));
	return ntohl(number);
}

uint32_t flow_done(const struct flow *flow)
{
	return __atomic_load_n(&flow->truth->begun, __ATOMIC_ACQUIRE);
}

static uint32_t flow_returned(const struct flow *flow)
{
	return __atomic_load_n(&flow->truth->returned, __ATOMIC_RELAXED);
}

uint32_t flow_next(const struct flow *flow)
{
	return atomic_load(&flow->next);
}

/* The next CPU, of those that are there. */
static void move(void)
{
	const int cpus = sysconf(_SC_NPROCESSORS_CONF);
	static int cpu = -1;
	cpu_set_t set;

	for (int i = 0; i < cpus; i++) {
		cpu = (cpu + 1) % cpus;
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		if (!sched_setaffinity(0, sizeof(set), &set))
			return;
	}
}

/* Wait until there are not too many packets on their way, before one is sent. */
static void wait_for_room(const struct flow *flow, uint32_t seq)
{
	const long long lost = now(CLOCK_MONOTONIC) + LOST_AFTER;
	static uint32_t coming_back;

	while (seq - flow_done(flow) > IN_FLIGHT ||
	       (int32_t)(coming_back - flow_returned(flow)) > IN_FLIGHT) {
		if (now(CLOCK_MONOTONIC) > lost) {
			coming_back = flow_returned(flow);
			break;
		}
		sleep_until(now(CLOCK_MONOTONIC) + 50000);
	}
	coming_back += seq_action(seq) >= 3;
}

static _Noreturn void send_all(struct flow *flow, int fd)
{
	static uint8_t frame[FRAME_MAX];
	long long next = now(CLOCK_MONOTONIC);
	uint32_t size;

	for (uint32_t seq = 0; seq < SEQ_MAX && !flow->stop; seq++) {
		if (seq % CPU_PACKETS == 0)
			move();
		size = seq_size(flow, seq);
		fill_headers(flow, seq, frame);
		memcpy(frame + HEADERS, payload(seq), size - HEADERS);
		wait_for_room(flow, seq);
		atomic_store(&flow->next, seq + 1);
		while (send(fd, frame, size, 0) < 0) {
			if (errno != ENOBUFS) {
				perror("events: send");
				_exit(1);
			}
			sleep_until(now(CLOCK_MONOTONIC) + 1000000);
		}
		if (seq % BURST)
			continue;
		/* what was missed is not made up for */
		next += BURST * NS_PER_S / flow->rate;
		if (next > now(CLOCK_MONOTONIC))
			sleep_until(next);
		else
			next = now(CLOCK_MONOTONIC);
	}
	_exit(0);
}

pid_t flow_start(struct flow *flow, const char *interface)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_ifindex = if_nametoindex(interface),
	};
	/* protocol 0: it receives nothing */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	pid_t pid;

	if (!address.sll_ifindex || fd < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		perror(interface);
		exit(1);
	}
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		send_all(flow, fd);
	}
	close(fd);
	return pid;
}
