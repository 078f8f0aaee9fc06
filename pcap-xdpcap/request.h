/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A request to the helper, as it comes from the socket: whether it is well
 * formed. Looks at the message and at nothing else, and calls nothing.
 */
#ifndef XDPCAP_REQUEST_H
#define XDPCAP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol.h"

/* The longest request: a filter of BPF_MAXINSNS instructions. */
#define REQUEST_MAX                         \
	(sizeof(struct xdpcap_set_filter) + \
	 BPF_MAXINSNS * sizeof(struct sock_filter))

union request {
	__u32 type;
	struct xdpcap_attach attach;
	struct xdpcap_set_filter filter;
	struct xdpcap_list list;
	char bytes[REQUEST_MAX + 1]; /* one more, to see what is too long */
};

/*
 * What is wrong with a request of len bytes, at least 1; NULL if nothing is.
 * Then every field is in its range, and an attach request's path absolute and
 * null-terminated.
 */
const char *request_check(const union request *request, size_t len);

/* Whether it is XDPCAP_LIST, well formed or not: its reply is another. */
bool request_is_list(const union request *request, size_t len);

#endif /* XDPCAP_REQUEST_H */
