// SPDX-License-Identifier: BSD-3-Clause
/*
 * The corpus: what each expression of corpus.txt matches, in the kernel (frags
 * and not), in the VM and by bpf_filter(), must be what the file says.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel.h"
#include "oracle.h"
#include "packets.h"
#include "reference.h"
#include "translate.h"
#include "vm.h"

#define MAX_PACKETS 256
#define MAX_LINEAR  3520

struct packet {
	char name[32];
	uint8_t *data;
	uint32_t len;
	bool expected;
};

struct corpus {
	struct packet packet[MAX_PACKETS];
	size_t packets;
	size_t filters, failed;
	unsigned long checks;
	unsigned line;
	char expression[2048];
	bool failed_here;
};

static void complain(struct corpus *c, const char *packet, const char *what)
{
	printf("# line %u: `%s', packet %s: %s\n", c->line, c->expression,
	       packet, what);
	c->failed_here = true;
}

static void add_packet(struct corpus *c, char *line)
{
	static uint8_t buf[PACKET_MAX];
	struct packet *p = &c->packet[c->packets];
	char *name = line, *description = line + strcspn(line, " \t");
	const char *where = "";
	long len;

	if (*description)
		*description++ = 0;
	description += strspn(description, " \t");
	description[strcspn(description, "\n")] = 0;
	len = packet_build(description, buf, &where);
	if (len < 0 || c->packets == MAX_PACKETS) {
		printf("# line %u: `%s' is no layer\n", c->line, where);
		exit(1);
	}
	snprintf(p->name, sizeof(p->name), "%.31s", name);
	p->len = (uint32_t)len;
	p->data = malloc(p->len);
	if (!p->data)
		abort();
	memcpy(p->data, buf, p->len);
	c->packets++;
}

/* Set expected from the names and patterns. Returns whether it is @userland. */
static bool expect(struct corpus *c, char *names)
{
	bool userland = false;

	for (size_t i = 0; i < c->packets; i++)
		c->packet[i].expected = false;
	for (char *s = strtok(names, " \n"); s; s = strtok(NULL, " \n")) {
		bool remove = *s == '!', found = false;

		if (strcmp(s, "@userland") == 0) {
			userland = true;
			continue;
		}
		for (size_t i = 0; i < c->packets; i++) {
			if (fnmatch(s + remove, c->packet[i].name, 0) != 0)
				continue;
			c->packet[i].expected = !remove;
			found = true;
		}
		if (!found)
			complain(c, s, "no such packet");
	}
	return userland;
}

static void check_verdict(struct corpus *c, const struct packet *p, bool match,
			  const char *by)
{
	char what[128];

	c->checks++;
	if (match == p->expected)
		return;
	snprintf(what, sizeof(what), "%s %s, but it should%s", by,
		 match ? "matches" : "does not match", p->expected ? "" : " not");
	complain(c, p->name, what);
}

static void check_oracle(struct corpus *c, const struct sock_filter *cbpf,
			 size_t len)
{
	struct sock_filter *patched = calloc(len, sizeof(*patched));

	if (!patched)
		abort();
	for (size_t i = 0; i < c->packets; i++) {
		const struct packet *p = &c->packet[i];
		struct xdpcap_ancillary anc = {
			.packet = p->data,
			.packet_len = p->len,
			.action = XDP_PASS,
			.ifindex = 1,
		};

		reference_patch(patched, cbpf, len, &anc);
		check_verdict(c, p, oracle_filter(patched, p->data, p->len),
			      "bpf_filter()");
	}
	free(patched);
}

static void check_vm(struct corpus *c, const struct packet *p,
		     const struct bpf_insn *ebpf, size_t len, uint32_t linear)
{
	struct vm_packet packet = {
		.data = p->data,
		.len = p->len,
		.linear = linear,
		.ifindex = 1,
	};
	uint32_t ret = 0;
	uint64_t executed;
	const char *error = vm_run(ebpf, len, &packet, &ret, &executed);

	if (error)
		complain(c, p->name, error);
	else
		check_verdict(c, p, ret, "the translation in the VM");
}

static void check_translation(struct corpus *c, const struct bpf_insn *ebpf,
			      size_t len, bool frags)
{
	char log[2048];
	int prog = kernel_load(ebpf, len, frags, log, sizeof(log));

	if (prog < 0) {
		complain(c, "any", log);
		return;
	}
	for (size_t i = 0; i < c->packets; i++) {
		const struct packet *p = &c->packet[i];
		struct kernel_run run = { .data = p->data, .len = p->len };

		check_vm(c, p, ebpf, len,
			 frags && p->len > MAX_LINEAR ? MAX_LINEAR : p->len);
		if (p->len > MAX_LINEAR && !frags)
			continue; /* no driver has it in one buffer */
		if (kernel_run(prog, &run) < 0)
			complain(c, p->name, strerror(errno));
		else
			check_verdict(c, p, run.ret,
				      frags ? "the translation (frags)" :
					      "the translation");
	}
	close(prog);
}

static void check_filter(struct corpus *c, const struct sock_filter *cbpf,
			 size_t len, bool userland)
{
	for (int frags = 0; frags < 2; frags++) {
		struct xdpcap_translate_opts opts = {
			.frags = frags,
			.action = XDP_PASS,
		};
		struct xdpcap_translate_error err;
		struct bpf_insn *ebpf;
		size_t ebpf_len;
		int ret = xdpcap_translate(cbpf, len, &opts, &ebpf, &ebpf_len,
					   &err);

		if (userland != (ret < 0))
			complain(c, "any", ret < 0 ? err.msg : "is translated");
		if (ret < 0)
			continue;
		check_translation(c, ebpf, ebpf_len, frags);
		free(ebpf);
	}
}

static void run_filter(struct corpus *c, char *line, char *arrow)
{
	struct sock_filter *cbpf;
	bool userland;
	char err[512];
	size_t len;

	*arrow = 0;
	snprintf(c->expression, sizeof(c->expression), "%s", line);
	c->failed_here = false;
	c->filters++;
	userland = expect(c, arrow + strlen(" =>"));
	len = oracle_compile(c->expression, &cbpf, err, sizeof(err));
	if (len) {
		check_oracle(c, cbpf, len);
		check_filter(c, cbpf, len, userland);
		free(cbpf);
	} else {
		complain(c, "any", err);
	}
	c->failed += c->failed_here;
}

int main(int argc, char **argv)
{
	static struct corpus c;
	char line[2048], *arrow;
	FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;

	if (!f) {
		fprintf(stderr, "usage: %s corpus.txt\n", argv[0]);
		return 2;
	}
	while (fgets(line, sizeof(line), f)) {
		c.line++;
		arrow = strstr(line, " =>");
		if (strncmp(line, "packet ", 7) == 0)
			add_packet(&c, line + 7);
		else if (line[0] != '#' && arrow)
			run_filter(&c, line, arrow);
	}
	fclose(f);
	for (size_t i = 0; i < c.packets; i++)
		free(c.packet[i].data);
	printf("# %zu filters, %zu packets, %lu verdicts\n", c.filters,
	       c.packets, c.checks);
	printf("%sok corpus\n", c.failed ? "not " : "");
	return c.failed != 0;
}
