/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Captures from hooks, in order of time, into the output. Knows of pcap_t and of
 * pcapng; writing is output.h's, showing statistics stats.h's.
 */
#ifndef XDPCAP_CMD_CAPTURE_H
#define XDPCAP_CMD_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pcap/pcap.h>

#include "options.h"
#include "output.h"
#include "packet.h"

/* A libpcap without the module does not have them: main() says so. */
#pragma weak pcap_xdpcap_packet
#pragma weak pcap_xdpcap_counters
#pragma weak pcap_xdpcap_actions
#pragma weak pcap_xdpcap_enter
#pragma weak pcap_xdpcap_set_watermark

#define ACTIONS_MAX 32

/*
 * An interface of the pcapng file: a hook and an action, and the interface that
 * the packets came from. Those with ifindex 0 are there for the action's counters,
 * and have no packets.
 */
struct interface {
	uint32_t hook, action;
	uint32_t ifindex;
	uint32_t id;        /* in this file */
	bool in_file;       /* this file has it */
	uint64_t delivered; /* packets in this file */
};

/* What a hook's captured action has come to. */
struct action {
	bool captured;
	struct pcap_xdpcap_counters counters; /* at last look */
	struct pcap_xdpcap_counters file;     /* when this file began */
	uint64_t packets;                     /* written, to all files */
	uint64_t file_packets;                /* to this one */
	/* of counters.dropped: what the next packet is to report, and has been */
	uint64_t report, reported;
	size_t interface; /* of the last packet */
};

struct hook {
	char *device;     /* "xdpcap:PATH@ACTIONS" */
	const char *name; /* the path in it, without what most begin with */
	int name_len;
	pcap_t *p;
	int fd;         /* selectable */
	uint32_t enter; /* the action of packets without a verdict; 0: none */
	bool beyond;    /* it has come to what is not ours any more */
	struct action actions[ACTIONS_MAX];
	/* several hooks: the packet that is next, if data is not NULL */
	struct pcap_pkthdr *header;
	const u_char *data;
	struct pcap_xdpcap_packet details;
	uint32_t index;
	struct capture *capture;
};

struct capture {
	const struct options *options;
	struct hook hooks[HOOKS_MAX];
	unsigned int nhooks;
	struct output output;
	uint16_t linktype; /* LINKTYPE_ */
	uint32_t snaplen;
	char *filter_name; /* for the file; NULL: none */
	char os[200];
	struct interface *interfaces;
	size_t ninterfaces, interfaces_size;
	uint32_t next_id;
	uint32_t watermark; /* that the hooks are set to; 0: not yet */
	uint64_t packets;   /* written */
	uint64_t file_begin;
	uint64_t end; /* ns since the epoch: later packets are not ours */
	bool done;    /* nothing more is to be written */
	char error[1024];
};

/*
 * Open the hooks, set the filter, open the output. Returns 0, or -1 with error
 * filled.
 */
int capture_open(struct capture *capture, const struct options *options);

/* Capture until the end. Returns 0, or -1 with error filled. */
int capture_run(struct capture *capture);

/* Detach from the hooks. */
void capture_close(struct capture *capture);

/* Packets that the rings had no room for. */
uint64_t capture_dropped(const struct capture *capture);

/* The name of an action, or its number; in a buffer that the next call reuses. */
const char *capture_action_name(const struct hook *hook, uint32_t action);

#endif /* XDPCAP_CMD_CAPTURE_H */
