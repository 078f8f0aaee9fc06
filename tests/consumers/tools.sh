#!/bin/bash
# Other programs of the distribution: stream and text tools, and daemons that open
# a device with pcap_open_live(). They see one direction, the packets that the XDP
# program receives.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/consumers/common.sh
. "$(dirname "$0")/common.sh"

test_ngrep() {
	network_up
	launch a 5 ngrep -q -l -O "$TMP/a.pcap" -d "$DEVICE" '' udp port 4001
	traffic -c 30 -p 4000,4001,4002 -w "$TMP/sent.pcap"
	wait_for 20 grep -q ' #10' "$TMP/a.out" || fail "$(cat "$TMP/a.out")"
	finish a
	same_frames sent a "$(port 4001)"
}

# A pattern that is in one packet's payload: the bytes of its number.
test_ngrep_pattern() {
	network_up
	launch a 5 ngrep -q -l -O "$TMP/a.pcap" -d "$DEVICE" \
		-X "$(printf '%08x' 17)" udp
	traffic -c 30 -p 4000,4001,4002 -w "$TMP/sent.pcap"
	wait_for 20 grep -q "$IP_A:5000 -> $IP_B:4002" "$TMP/a.out" ||
		fail "$(cat "$TMP/a.out")"
	sleep 1.2
	finish a
	same "packets" "$(sent | sed -n 18p)" "$(frames a)"
}

# A file that is sent through a TCP connection is what tcpflow writes.
test_tcpflow() {
	network_up
	mkdir "$TMP/out"
	launch a 5 tcpflow -i "$DEVICE" -o "$TMP/out" -X /dev/null port 8000
	seq 30000 >"$TMP/data"
	tcp_stream 8000 "$TMP/data"
	sleep 3
	finish a
	cmp "$TMP/data" "$TMP/out"/*.08000 || fail "$(ls -l "$TMP/out")"
}

test_httpry() {
	network_up
	launch a 5 httpry -i "$DEVICE" -o "$TMP/log"
	printf 'GET /%s HTTP/1.1\r\nHost: example.org\r\n\r\n' secret >"$TMP/data"
	tcp_stream 80 "$TMP/data"
	sleep 3
	finish a
	same "requests" "$IP_A	$IP_B	>	GET	example.org	/secret	HTTP/1.1	-	-" \
		"$(grep -v '^#' "$TMP/log" | cut -f 2-)"
}

# It tells what system a connection's first packet is of.
test_p0f() {
	network_up
	launch a 5 p0f -i "$DEVICE" -o "$TMP/log"
	echo >"$TMP/data"
	tcp_stream 8000 "$TMP/data"
	sleep 3
	finish a TERM
	contains "log" "mod=syn|cli=$IP_A/*|srv=$IP_B/8000|subj=cli|os=Linux" \
		"$(cat "$TMP/log")"
	contains "log" "mod=mtu|cli=$IP_A/*|raw_mtu=1500" "$(cat "$TMP/log")"
}

# It changes the packet that libpcap hands to it.
test_arpwatch() {
	network_up
	touch "$TMP/arp.dat"
	launch a 5 arpwatch -d -N -i "$DEVICE" -f "$TMP/arp.dat"
	# nobody has this address: ARP requests, at intervals of 1 s
	in_ns "$NS_A" bash -c "echo >/dev/udp/${IP_A%.*}.77/9" || :
	wait_for 20 grep -qs "new station" "$TMP/a.out" "$TMP/a.err" || :
	finish a TERM
	contains "message" "Subject: new station ($IP_A) $DEVICE" \
		"$(cat "$TMP/a.out" "$TMP/a.err")"
	same "database" "$MAC_A	$IP_A" "$(cut -f 1,2 "$TMP/arp.dat")"
}

# page PATH: from darkstat.
page() {
	# shellcheck disable=SC2016 # the inner shell's
	in_ns "$NS_B" bash -c 'exec 3<>/dev/tcp/127.0.0.1/667
		printf "GET %s HTTP/1.0\r\n\r\n" "$0" >&3
		cat <&3' "$1"
}

# whether it says that an address has received so many bytes
received() {
	page /hosts/ | tr -d '\n,' |
		grep -q "<a href=\"./$1/\">$1</a></td> *<td></td> *<td><tt>[0-9a-f:]*</tt></td> *<td class=\"num\">$2</td>"
}

# It drops root and changes its root directory after it has opened the device.
test_darkstat() {
	network_up
	ip -n "$NS_B" link set lo up
	mkdir "$TMP/root"
	launch a 5 nsenter "--net=/run/netns/$NS_B" darkstat -i "$DEVICE" \
		-l "${IP_A%.*}.0/255.255.255.0" --no-daemon --no-dns \
		-b 127.0.0.1 -p 667 --chroot "$TMP/root" --user nobody
	traffic -c 30 -s 300 -p 4000,4001,4002 -w "$TMP/sent.pcap"
	# it counts IP packets, without the Ethernet header
	wait_for 20 received $IP_B "$((30 * (300 - 14)))" ||
		fail "$(page /hosts/ | sed -n '/<table>/,$p')"
	finish a
}

# It takes what is before the first colon for a number to give the interface.
test_softflowd() {
	network_up
	launch a 5 softflowd -d -i "0:$DEVICE" -c "$TMP/control" -p "$TMP/pid"
	traffic -c 30 -p 4000,4001,4002 -w "$TMP/sent.pcap"
	printf "[$IP_A]:5000 <> [$IP_B]:%s proto:17 octets>:860 packets>:10\n" \
		4000 4001 4002 >"$TMP/expected"
	wait_for 20 flows 3 || :
	same_lines "flows"
	finish a TERM
}

# flows NUMBER: whether it knows that many.
flows() {
	softflowctl -c "$TMP/control" dump-flows |
		sed -n 's/^ACTIVE seq:[0-9]* \(.*packets>:10\) .*/\1/p' | sort >"$TMP/got"
	[ "$(wc -l <"$TMP/got")" = "$1" ]
}

run_tests
