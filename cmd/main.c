// SPDX-License-Identifier: BSD-3-Clause
/*
 * xdpcap: capture the packets of XDP programs into a file, with their verdicts.
 * The same usage as cloudflare/xdpcap's, through libpcap.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "extcap.h"
#include "hook-main.h"
#include "options.h"
#include "stats.h"

int main(int argc, char **argv)
{
	static struct capture capture;
	struct options options;
	uint64_t dropped;
	int status, ret;

	if (argc > 1 && !strcmp(argv[1], "hook"))
		return hook_main(argc - 1, argv + 1);
	status = extcap_wanted(argc, argv) ? extcap_parse(&options, argc, argv) :
					     options_parse(&options, argc, argv);
	if (status != -1) {
		free(options.filter_text);
		return status;
	}
	if (!pcap_xdpcap_packet) {
		fprintf(stderr,
			"xdpcap: %s cannot capture from hooks; is pcap-xdpcap installed, and does the dynamic linker find its libpcap?\n",
			pcap_lib_version());
		free(options.filter_text);
		return STATUS_ERROR;
	}
	ret = capture_open(&capture, &options);
	if (!ret) {
		ret = capture_run(&capture);
		if (!options.quiet)
			stats_summary(&capture);
	}
	if (ret)
		fprintf(stderr, "xdpcap: %s\n", capture.error);
	dropped = capture_dropped(&capture);
	if (dropped)
		fprintf(stderr,
			"xdpcap: %" PRIu64
			" packets are missing: there was no room for them; see -buffer\n",
			dropped);
	capture_close(&capture);
	free(options.filter_text);
	if (ret)
		return STATUS_ERROR;
	return dropped && options.fail_on_loss ? STATUS_LOSS : STATUS_OK;
}
