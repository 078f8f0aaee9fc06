/* SPDX-License-Identifier: BSD-3-Clause */
/* Capture from an XDP program's hook: libpcap's entry points to the module. */
pcap_t *xdpcap_create(const char *device, char *ebuf, int *is_ours);
int xdpcap_findalldevs(pcap_if_list_t *devlistp, char *errbuf);
