// SPDX-License-Identifier: BSD-3-Clause
/* Sends the packets of a savefile through a packet socket, without a pause. */
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <pcap/pcap.h>

int main(int argc, char **argv)
{
	char err[PCAP_ERRBUF_SIZE];
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	struct pcap_pkthdr *header;
	const u_char *data;
	int sock, ret;
	pcap_t *p;

	if (argc != 3) {
		fputs("Usage: replay FILE INTERFACE\n", stderr);
		return 2;
	}
	p = pcap_open_offline(argv[1], err);
	if (!p) {
		fprintf(stderr, "replay: %s\n", err);
		return 1;
	}
	to.sll_ifindex = (int)if_nametoindex(argv[2]);
	sock = socket(AF_PACKET, SOCK_RAW, 0);
	if (!to.sll_ifindex || sock < 0) {
		perror("replay");
		return 1;
	}
	while ((ret = pcap_next_ex(p, &header, &data)) == 1) {
		if (sendto(sock, data, header->caplen, 0, (struct sockaddr *)&to,
			   sizeof(to)) != (ssize_t)header->caplen) {
			perror("replay: sendto");
			return 1;
		}
	}
	if (ret != PCAP_ERROR_BREAK) {
		fprintf(stderr, "replay: %s\n", pcap_geterr(p));
		return 1;
	}
	pcap_close(p);
	close(sock);
	return 0;
}
