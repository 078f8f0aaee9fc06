#!/bin/bash
# libpcap from other languages: Python, Perl, Node. Each program prints ten
# packets to a port as tests/frames does.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/consumers/common.sh
. "$(dirname "$0")/common.sh"

# captures_with COMMAND...: a program that is given the device.
captures_with() {
	network_up
	launch a 5 "$@" "$DEVICE"
	traffic -c 60 -p 4000,4001,4002 -s 60,300 -w "$TMP/sent.pcap"
	ended a
	emptied
	sent "$(port 4001)" | head -n 10 >"$TMP/expected"
	cp "$TMP/a.out" "$TMP/got"
	same_lines "packets ($(cat "$TMP/a.err"))"
}

# scapy has sockets of its own, and with use_pcap those of libpcap, by ctypes.
test_python_scapy() {
	cat >"$TMP/scapy_sniff.py" <<-'END'
		import sys
		from scapy.all import conf, sniff
		conf.use_pcap = True
		for packet in sniff(iface=sys.argv[1], filter="udp port 4001", count=10):
		    data = bytes(packet)
		    print(len(data), len(data), data.hex())
	END
	captures_with /usr/bin/python3 "$TMP/scapy_sniff.py"
}

# Its loop() cannot call back with Python 3.11, from whatever device.
test_python_pcapy() {
	cat >"$TMP/pcapy_next.py" <<-'END'
		import pcapy, sys
		p = pcapy.open_live(sys.argv[1], 65535, 1, 100)
		p.setfilter("udp port 4001")
		for _ in range(10):
		    header, data = p.next()
		    print(header.getlen(), header.getcaplen(), data.hex())
	END
	captures_with /usr/bin/python3 "$TMP/pcapy_next.py"
}

test_perl_net_pcap() {
	cat >"$TMP/net_pcap.pl" <<-'END'
		use strict;
		use Net::Pcap;
		my ($error, $filter);
		my $p = Net::Pcap::open_live($ARGV[0], 65535, 1, 100, \$error) or die $error;
		Net::Pcap::compile($p, \$filter, "udp port 4001", 1, 0) == 0 &&
			Net::Pcap::setfilter($p, $filter) == 0 or die Net::Pcap::geterr($p);
		Net::Pcap::loop($p, 10, sub {
			my (undef, $header, $data) = @_;
			print "$header->{len} $header->{caplen} ", unpack("H*", $data), "\n";
		}, "");
		Net::Pcap::close($p);
	END
	captures_with perl "$TMP/net_pcap.pl"
}

# node_module NAME VERSION: from npm's registry, built once with this build's
# libpcap. npm itself does not run what a package wants to be run.
node_module() {
	local dir=$BUILD/node/$1 headers gyp

	command -v npm >/dev/null || skip "there is no npm"
	headers=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
	[ -e "$headers/include/node/node.h" ] ||
		skip "there are no headers of node to build addons with"
	[ ! -e "$dir" ] || return 0
	for gyp in "$(npm root -g)/npm" /usr/share/nodejs; do
		[ ! -e "$gyp/node_modules/node-gyp" ] || gyp+=/node_modules
		[ ! -e "$gyp/node-gyp/bin/node-gyp.js" ] || break
	done
	[ -e "$gyp/node-gyp/bin/node-gyp.js" ] || skip "there is no node-gyp"
	rm -rf "$dir.part"
	mkdir -p "$dir.part"
	npm install --silent --ignore-scripts --prefix "$dir.part" "$1@$2" ||
		skip "npm cannot install $1"
	(
		cd "$dir.part/node_modules/$1"
		CXXFLAGS="-w -I$LIBPCAP" LDFLAGS="-L$LIBPCAP" \
			node "$gyp/node-gyp/bin/node-gyp.js" rebuild --nodedir="$headers"
	)
	mv "$dir.part" "$dir"
}

test_node_cap() {
	node_module cap 0.2.1
	cat >"$TMP/cap.js" <<-'END'
		const { Cap } = require("cap");
		const cap = new Cap(), buffer = Buffer.alloc(65535);
		let n = 0;
		cap.on("packet", (length) => {
			console.log(length, length, buffer.toString("hex", 0, length));
			if (++n == 10)
				cap.close();
		});
		cap.open(process.argv[2], "udp port 4001", 1 << 20, buffer);
	END
	captures_with env "NODE_PATH=$BUILD/node/cap/node_modules" node "$TMP/cap.js"
}

test_node_pcap() {
	node_module pcap 3.1.0
	cat >"$TMP/pcap.js" <<-'END'
		const pcap = require("pcap");
		const session = pcap.createSession(process.argv[2], { filter: "udp port 4001" });
		let n = 0;
		session.on("packet", ({ header, buf }) => {
			if (++n > 10)
				return;
			/* a struct pcap_pkthdr with 32-bit times */
			const caplen = header.readUInt32LE(8);
			console.log(header.readUInt32LE(12), caplen, buf.toString("hex", 0, caplen));
			if (n == 10)
				session.close();
		});
	END
	captures_with env "NODE_PATH=$BUILD/node/pcap/node_modules" node "$TMP/pcap.js"
}

run_tests
