// SPDX-License-Identifier: BSD-3-Clause
/*
 * Tests of the API: opening, activating and naming the device; what it says of itself, and what
 * it refuses.
 */
#include "api.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ring.h"

static void open_live(void)
{
	char err[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = pcap_open_live(device("@drop"), 65535, 1, 10, err);
	struct got got = { .p = p };

	CHECK(p, "pcap_open_live: %s", err);
	SAME("error message's length", 0, strlen(err));
	send_drops(0, 10);
	read_packets(&got, 10);
	check_sequence(&got, 0, 0, 10);
	for (int i = 0; i < 10; i++)
		SAME("caplen", 100, got.packets[i].caplen);
	free_packets(&got);
	close_capture(p);
}

static void create_and_activate(void)
{
	pcap_t *p = create("@drop");
	struct got got = { .p = p };

	SAME("slots in use before pcap_activate", 0, hook_used(pin));
	RETURNS(p, 0, pcap_set_promisc(p, 1));
	RETURNS(p, 0, pcap_set_timeout(p, 10));
	RETURNS(p, 0, pcap_activate(p));
	SAME("slots in use", 1 << SLOT_DROP, hook_used(pin));
	SAME("snapshot length when none was set", 262144, pcap_snapshot(p));
	send_drops(7, 3);
	read_packets(&got, 3);
	check_sequence(&got, 0, 7, 3);
	free_packets(&got);
	close_capture(p);
}

/* All the ways to name the hook and actions of it. */
static void device_names(void)
{
	static const char bpffs[] = "/sys/fs/bpf/";
	static const struct {
		const char *actions;
		int slots;
	} names[] = {
		{ "", 0x1f },
		{ "@all", 0x1f },
		{ "@drop", 1 << SLOT_DROP },
		{ "@1", 1 << SLOT_DROP },
		{ "@aborted,drop,pass,tx,redirect", 0x1f },
		{ "@drop,tx", 1 << SLOT_DROP | 1 << SLOT_TX },
		{ "@tx,drop", 1 << SLOT_DROP | 1 << SLOT_TX },
		{ "@drop,1,drop", 1 << SLOT_DROP },
		{ "@0,4", 0x11 },
	};
	char err[PCAP_ERRBUF_SIZE], name[4200];
	pcap_t *p;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		p = open_capture(&(struct capture){ .actions = names[i].actions });
		CHECK(hook_used(pin) == names[i].slots,
		      "\"%s\": slots expected %#x, got %#x", names[i].actions,
		      names[i].slots, hook_used(pin));
		close_capture(p);
	}

	CHECK(!strncmp(pin, bpffs, strlen(bpffs)), "%s is not below %s", pin,
	      bpffs);
	snprintf(name, sizeof(name), "xdpcap:%s@drop", pin + strlen(bpffs));
	p = pcap_open_live(name, 100, 0, 10, err);
	CHECK(p, "pcap_open_live: %s", err);
	check_works(p);
	close_capture(p);
}

static void datalink_is_ethernet(void)
{
	pcap_t *p = open_drops();
	int *list, n;

	SAME("pcap_datalink", DLT_EN10MB, pcap_datalink(p));
	n = pcap_list_datalinks(p, &list);
	SAME("number of link-layer types", 2, n);
	SAME("link-layer type", DLT_EN10MB, list[0]);
	SAME("link-layer type", DLT_LINUX_SLL2, list[1]);
	pcap_free_datalinks(list);
	RETURNS(p, 0, pcap_set_datalink(p, DLT_EN10MB));
	RETURNS(p, PCAP_ERROR, pcap_set_datalink(p, DLT_RAW));
	check_works(p);
	close_capture(p);
}

static void cannot_send(void)
{
	static const u_char bytes[100];
	pcap_t *p = open_drops();

	RETURNS(p, PCAP_ERROR, pcap_inject(p, bytes, sizeof(bytes)));
	CONTAINS("error message", "sent", pcap_geterr(p));
	CONTAINS("error message", pin, pcap_geterr(p));
	RETURNS(p, PCAP_ERROR, pcap_sendpacket(p, bytes, sizeof(bytes)));
	check_works(p);
	close_capture(p);
}

static void no_monitor_mode(void)
{
	pcap_t *p = create("@drop");

	RETURNS(p, 0, pcap_can_set_rfmon(p));
	RETURNS(p, 0, pcap_set_rfmon(p, 1));
	RETURNS(p, PCAP_ERROR_RFMON_NOTSUP, pcap_activate(p));
	SAME("slots in use", 0, hook_used(pin));
	RETURNS(p, 0, pcap_set_rfmon(p, 0));
	RETURNS(p, 0, pcap_activate(p));
	close_capture(p);
}

static void network_is_unknown(void)
{
	char err[PCAP_ERRBUF_SIZE] = "";
	bpf_u_int32 net = 1, mask = 1;

	CHECK(!pcap_lookupnet(device("@drop"), &net, &mask, err),
	      "pcap_lookupnet: %s", err);
	SAME("network", 0, net);
	SAME("netmask", 0, mask);
}

/* The hook and its actions, after the others: none is to be a default. */
static void devices_are_listed(void)
{
	char err[PCAP_ERRBUF_SIZE] = "";
	bool any = false;
	pcap_if_t *list;
	int ours = 0;

	CHECK(!pcap_findalldevs(&list, err), "pcap_findalldevs: %s", err);
	CHECK(strncmp(list->name, "xdpcap:", 7), "%s is the first", list->name);
	for (pcap_if_t *i = list; i; i = i->next) {
		any |= !strcmp(i->name, "any");
		if (strncmp(i->name, "xdpcap:", 7) != 0)
			continue;
		ours += !strncmp(i->name, device(""), strlen(device("")));
		SAME(i->name, PCAP_IF_CONNECTION_STATUS_NOT_APPLICABLE, i->flags);
		CHECK(i->description && !i->addresses, "%s: no description",
		      i->name);
	}
	pcap_freealldevs(list);
	CHECK(any, "the device \"any\" is not in the list");
	SAME("devices of the hook", 6, ours);
}

/* Nothing of the helper is left for wait(), whatever the helper is. */
static void listing_leaves_no_child(void)
{
	static const char *const helpers[] = { "/bin/true", "/nonexistent",
					       "/dev/null", NULL };
	char err[PCAP_ERRBUF_SIZE] = "";
	pcap_if_t *list;

	for (size_t i = 0; i < sizeof(helpers) / sizeof(helpers[0]); i++) {
		CHECK(!pcap_findalldevs(&list, err), "pcap_findalldevs: %s", err);
		pcap_freealldevs(list);
		SAME("wait", -1, waitpid(-1, NULL, WNOHANG));
		SAME("errno", ECHILD, errno);
		if (helpers[i])
			setenv("XDPCAP_HELPER", helpers[i], 1);
	}
}

static void activate_twice(void)
{
	pcap_t *p = open_drops();

	RETURNS(p, PCAP_ERROR_ACTIVATED, pcap_activate(p));
	RETURNS(p, PCAP_ERROR_ACTIVATED, pcap_set_snaplen(p, 64));
	SAME("slots in use", 1 << SLOT_DROP, hook_used(pin));
	check_works(p);
	close_capture(p);
}

static void close_without_activate(void)
{
	struct pcap_stat stat;
	pcap_t *p = create("@drop");

	RETURNS(p, PCAP_ERROR_NOT_ACTIVATED,
		pcap_dispatch(p, -1, add_packet, NULL));
	RETURNS(p, PCAP_ERROR_NOT_ACTIVATED, pcap_stats(p, &stat));
	close_capture(p);
}

/* Close after a failure; and try again, when the cause is gone. */
static void activate_fails(void)
{
	char err[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p, *first[XDPCAP_CAPTURES_MAX];
	size_t i;

	p = pcap_create("xdpcap:/sys/fs/bpf/no/such/hook", err);
	CHECK(p, "pcap_create: %s", err);
	RETURNS(p, PCAP_ERROR_NO_SUCH_DEVICE, pcap_activate(p));
	CONTAINS("error message", "/no/such/hook", pcap_geterr(p));
	RETURNS(p, PCAP_ERROR_NO_SUCH_DEVICE, pcap_activate(p));
	pcap_close(p);

	for (i = 0; i < XDPCAP_CAPTURES_MAX; i++)
		first[i] = open_drops();
	p = create("");
	RETURNS(p, 0, pcap_set_timeout(p, 10));
	RETURNS(p, PCAP_ERROR, pcap_activate(p));
	CONTAINS("error message", "busy", pcap_geterr(p));
	CONTAINS("error message", "drop", pcap_geterr(p));
	SAME("slots in use", 1 << SLOT_DROP, hook_used(pin));
	/* one of them: each sees the packets that another one is checked with */
	check_works(first[0]);
	for (i = 0; i < XDPCAP_CAPTURES_MAX; i++)
		pcap_close(first[i]);
	RETURNS(p, 0, pcap_activate(p));
	SAME("slots in use", 0x1f, hook_used(pin));
	check_works(p);
	close_capture(p);
}

const struct test open_tests[] = {
	TEST(open_live),
	TEST(create_and_activate),
	TEST(device_names),
	TEST(datalink_is_ethernet),
	TEST(cannot_send),
	TEST(no_monitor_mode),
	TEST(network_is_unknown),
	TEST(devices_are_listed),
	TEST(listing_leaves_no_child),
	TEST(activate_twice),
	TEST(close_without_activate),
	TEST(activate_fails),
	{ NULL, NULL },
};
