/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command as an extcap of Wireshark, which starts it again and again: to list
 * hooks as interfaces, to ask for their options, to check a filter, to capture.
 */
#ifndef XDPCAP_CMD_EXTCAP_H
#define XDPCAP_CMD_EXTCAP_H

#include <stdbool.h>

#include "options.h"

/* Whether it is Wireshark that starts it, by its arguments. */
bool extcap_wanted(int argc, char **argv);

/*
 * Do what Wireshark asks for. As options_parse(): returns -1 if that is to capture,
 * to standard output, which is then Wireshark's pipe.
 */
int extcap_parse(struct options *options, int argc, char **argv);

#endif /* XDPCAP_CMD_EXTCAP_H */
