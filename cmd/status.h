/* SPDX-License-Identifier: BSD-3-Clause */
/* Exit status of the command. */
#ifndef XDPCAP_CMD_STATUS_H
#define XDPCAP_CMD_STATUS_H

enum status {
	STATUS_OK,
	STATUS_ERROR,
	STATUS_USAGE,
	STATUS_LOSS, /* only with --fail-on-loss */
};

#endif /* XDPCAP_CMD_STATUS_H */
