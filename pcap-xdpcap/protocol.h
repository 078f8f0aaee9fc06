/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages between the libpcap module and xdpcap-helper, over a SOCK_SEQPACKET
 * socketpair: the module sends one request and waits for its reply. Both sides
 * are built from the same tree and check XDPCAP_PROTOCOL, so there is no
 * compatibility between versions to keep. The helper may be run by a user it
 * must not trust: it checks every field.
 */
#ifndef XDPCAP_PROTOCOL_H
#define XDPCAP_PROTOCOL_H

#include <linux/filter.h>
#include <linux/types.h>

#include "ring.h"

#define XDPCAP_PROTOCOL 3

/* The descriptor that is the helper's end of the socketpair. */
#define XDPCAP_HELPER_FD 0

/* Longest path of a hook, with its terminating null: Linux's PATH_MAX. */
#define XDPCAP_PATH_MAX 4096

/* Longest message, with its terminating null; libpcap's PCAP_ERRBUF_SIZE. */
#define XDPCAP_MESSAGE_MAX 256

enum xdpcap_request_type {
	XDPCAP_ATTACH = 1, /* first, and once */
	XDPCAP_SET_FILTER,
	XDPCAP_LIST, /* first, and alone */
};

/* The generation of the filter that a capture begins with. */
#define XDPCAP_FIRST_GENERATION 1

/*
 * Attach to a hook, with a filter of that generation which accepts every packet.
 * The reply carries the descriptors of enum xdpcap_fd.
 */
struct xdpcap_attach {
	__u32 type;        /* XDPCAP_ATTACH */
	__u32 protocol;    /* XDPCAP_PROTOCOL */
	__u32 actions;     /* bit mask of actions; 0: all, if not only enter */
	__u32 snaplen;     /* bytes, at least 1 */
	__u32 buffer_size; /* bytes, all rings together; 0: the default */
	__u32 clock;       /* enum xdpcap_clock; a wish */
	__u32 enter;       /* 1: packets before the program; beside actions */
	__u32 wait;        /* 1: if need be, for a second until others end */
	char path[];       /* null-terminated, to the end of the message */
};

/*
 * Link-layer types, of which a filter sees the packets. What is captured is
 * always Ethernet.
 */
enum xdpcap_linktype {
	XDPCAP_EN10MB,
	XDPCAP_LINUX_SLL2, /* see ancillary.h */
};

/* Replace the filter. */
struct xdpcap_set_filter {
	__u32 type;       /* XDPCAP_SET_FILTER */
	__u32 generation; /* that its records are to carry; not 0 */
	__u32 snaplen;    /* bytes of that link-layer type, at least 1 */
	__u32 linktype;   /* enum xdpcap_linktype */
	__u32 actions;    /* bit mask: packets of others do not match */
	__u32 len;        /* instructions, 1 to BPF_MAXINSNS */
	struct sock_filter insns[];
};

/*
 * List the hooks, and end. The reply is a struct xdpcap_listed for each, sorted
 * by path, and at last one without text.
 */
struct xdpcap_list {
	__u32 type;     /* XDPCAP_LIST */
	__u32 protocol; /* XDPCAP_PROTOCOL */
};

struct xdpcap_listed {
	__u32 entries;  /* slots that the hook has */
	__u32 captured; /* bit mask of those that are captured */
	char text[];    /* the path, and what it is; both null-terminated */
};

enum xdpcap_status {
	XDPCAP_OK,
	/* the filter could not be loaded, the kernel side accepts everything
	 * with the new generation: filter in userland
	 */
	XDPCAP_USERLAND,
	XDPCAP_ERROR,
	XDPCAP_ERROR_NO_SUCH_HOOK,
	XDPCAP_ERROR_PERMISSION,
};

/* Descriptors in the reply to XDPCAP_ATTACH, in this order. */
enum xdpcap_fd {
	XDPCAP_FD_RINGS, /* array: a ring and its slack for each index */
	XDPCAP_FD_CTL,   /* array: struct xdpcap_ctl */
	XDPCAP_FD_BELL,  /* ringbuf, rung to wake the consumer */
	XDPCAP_FDS
};

struct xdpcap_reply {
	__u32 status;    /* enum xdpcap_status */
	__u32 nrings;    /* XDPCAP_ATTACH: number of rings */
	__u64 cookie;    /* for struct xdpcap_record's commit */
	__u32 ring_size; /* bytes, without the slack */
	__u32 bell_size; /* bytes */
	__u32 clock;     /* enum xdpcap_clock, that was available */
	__u32 actions;   /* bit mask of slots attached to */
	__u32 enter;     /* the slot of xdpcap_enter(); 0: the hook has none */
	char message[XDPCAP_MESSAGE_MAX]; /* null-terminated; empty if OK */
};

#endif /* XDPCAP_PROTOCOL_H */
