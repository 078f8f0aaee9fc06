# shellcheck shell=bash
# shellcheck disable=SC2034 # variables that only the tests use
# What the tests of consumers share on top of tests/lib.sh, after which it is
# sourced: programs other than tcpdump, and TCP.

DEVICE=xdpcap:$HOOK

# launch NAME SLOTS COMMAND...: with this build's libpcap, in the background,
# until its filters are in so many of the hook's slots. The rest is as with start.
launch() {
	local name=$1 slots=$2

	shift 2
	: >"$TMP/$name.err"
	env "LD_LIBRARY_PATH=$LIBPCAP" "XDPCAP_HELPER=$HELPER" "$@" \
		>"$TMP/$name.out" 2>>"$TMP/$name.err" &
	PID[$name]=$!
	wait_for 30 captures "$name" "$slots" && return
	kill -KILL "${PID[$name]}" 2>/dev/null
	cat "$TMP/$name.err"
	fail "$name does not capture: $(hook_slots)"
}

captures() {
	[ "$(filters)" -ge "$2" ] && return
	! gone "${PID[$1]}" || {
		cat "$TMP/$1.err"
		fail "$1 has ended"
	}
	return 1
}

# How many of the hook's slots have a filter program: not one with which a helper
# tries what the hook takes.
filters() {
	local names

	names=$(bpftool prog show | sed -n 's/^\([0-9]*\): .* name xdpcap_filter .*/\1/p')
	hook_slots | while read -r _ a b c d; do
		echo $((0x$d$c$b$a))
	done | grep -cxF "${names:-none}" || :
}

# finish NAME [SIGNAL]: end it, and wait until the hook is empty. That takes a
# moment when a program ends without pcap_close(), or has dumpcap capture for it.
finish() {
	stop "$@"
	emptied
}

emptied() {
	wait_for 30 hook_empty || fail "the hook is not empty: $(hook_slots)"
}

# output NAME LINES: wait until it has printed so many.
output() {
	wait_for 20 printed "$@" || {
		cat "$TMP/$1.err"
		fail "$1: not $2 lines: $(cat "$TMP/$1.out")"
	}
}

printed() {
	[ "$(wc -l <"$TMP/$1.out")" -ge "$2" ]
}

# The frames that traffic has written, or those that match a pattern, as the
# programs of bindings.sh print them.
sent() {
	frames sent | grep -E "${1:-.}"
}

# Their UDP payloads in hexadecimal.
payloads() {
	sent "$@" | cut -d ' ' -f 3 | cut -c 85-
}

# tcp_stream PORT FILE: send it through a TCP connection.
tcp_stream() {
	local server

	rm -f "$TMP/listening"
	in_ns "$NS_B" /usr/bin/python3 - "$IP_B" "$1" "$TMP/listening" <<-'END' &
		import socket, sys
		server = socket.create_server((sys.argv[1], int(sys.argv[2])))
		open(sys.argv[3], "w").close()
		server.settimeout(20)
		connection = server.accept()[0]
		while connection.recv(65536):
		    pass
	END
	server=$!
	wait_for 20 test -e "$TMP/listening" || fail "the server does not listen"
	in_ns "$NS_A" /usr/bin/python3 - "$IP_B" "$1" "$2" <<-'END'
		import socket, sys
		client = socket.create_connection((sys.argv[1], int(sys.argv[2])), 20)
		client.sendall(open(sys.argv[3], "rb").read())
		client.shutdown(socket.SHUT_WR)
		client.recv(1)
	END
	wait "$server"
}
