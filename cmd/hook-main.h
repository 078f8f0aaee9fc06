/* SPDX-License-Identifier: BSD-3-Clause */
/* The subcommands of "xdpcap hook". They look at hooks themselves, as root. */
#ifndef XDPCAP_CMD_HOOK_MAIN_H
#define XDPCAP_CMD_HOOK_MAIN_H

/* argv begins with "hook". Returns an exit status. */
int hook_main(int argc, char **argv);

#endif /* XDPCAP_CMD_HOOK_MAIN_H */
