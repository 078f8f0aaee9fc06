/* SPDX-License-Identifier: BSD-3-Clause */
/* The answer to XDPCAP_LIST: the hooks of a survey, as libpcap lists them. */
#ifndef XDPCAP_LIST_H
#define XDPCAP_LIST_H

/*
 * Make a survey and send what it has found; see protocol.h. Takes up to some
 * seconds, however slow the other side is to read.
 */
void list_send(int sock);

#endif /* XDPCAP_LIST_H */
