// SPDX-License-Identifier: BSD-3-Clause
/*
 * Activates a capture on each device and prints what pcap_activate() returned and
 * its message: "PCAP_ERROR_NO_SUCH_DEVICE: xdpcap:...". With -m it asks for
 * monitor mode.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <pcap/pcap.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define CODE(c)       \
	{             \
		c, #c \
	}

static const struct {
	int code;
	const char *name;
} codes[] = {
	{ 0, "OK" },
	CODE(PCAP_ERROR),
	CODE(PCAP_ERROR_NO_SUCH_DEVICE),
	CODE(PCAP_ERROR_RFMON_NOTSUP),
	CODE(PCAP_ERROR_PERM_DENIED),
	CODE(PCAP_ERROR_IFACE_NOT_UP),
	CODE(PCAP_ERROR_PROMISC_PERM_DENIED),
	CODE(PCAP_WARNING),
	CODE(PCAP_WARNING_PROMISC_NOTSUP),
	CODE(PCAP_WARNING_TSTAMP_TYPE_NOTSUP),
};

/* Returns a capture that is to be closed, whether active or not. */
static pcap_t *activate(const char *device, int rfmon, int *failed)
{
	char err[PCAP_ERRBUF_SIZE];
	const char *name = "another code";
	pcap_t *p;
	int ret;

	p = pcap_create(device, err);
	if (!p) {
		printf("pcap_create: %s\n", err);
		*failed = 1;
		return NULL;
	}
	if (rfmon)
		pcap_set_rfmon(p, 1);
	pcap_set_timeout(p, 100);
	ret = pcap_activate(p);
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i].code == ret)
			name = codes[i].name;
	printf("%s: %s\n", name, pcap_geterr(p));
	*failed |= ret < 0;
	return p;
}

int main(int argc, char **argv)
{
	int rfmon = argc > 1 && !strcmp(argv[1], "-m"), n = 0, failed = 0;
	pcap_t *captures[16];

	if (argc < 2 + rfmon || argc > (int)ARRAY_SIZE(captures)) {
		fputs("Usage: open [-m] DEVICE...\n", stderr);
		return 2;
	}
	for (int i = 1 + rfmon; i < argc; i++) {
		captures[n] = activate(argv[i], rfmon, &failed);
		n += captures[n] != NULL;
	}
	while (n > 0)
		pcap_close(captures[--n]);
	return failed;
}
