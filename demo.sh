#!/bin/bash
# Show the distribution's tcpdump capturing what an XDP program drops. As root, on
# Debian; installs the packages that are missing and builds in build/. Ends by
# itself, with exit status 0 if tcpdump printed what it should have; leaves
# nothing but build/.
set -euo pipefail
cd "$(dirname "$0")"

demo=xdpcap-demo-$$
sender=$demo-sender receiver=$demo-receiver
pins=/sys/fs/bpf/$demo
count=3				# packets to each port
tmp='' pids=() ids=()

say() {
	printf '\n\033[1m%s\033[0m\n' "$*"
}

# Show a command, and run it.
run() {
	echo "  # $*"
	"$@"
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

programs_gone() {
	local id

	for id in "${ids[@]}"; do
		! bpftool prog show id "$id" >/dev/null 2>&1 || return 1
	done
}

clean_up() {
	local status=$?

	set +e
	trap '' INT TERM
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null
	done
	wait
	ip netns del $sender 2>/dev/null
	ip netns del $receiver 2>/dev/null
	rm -rf "$pins" "$tmp"
	# which the kernel frees a little later
	wait_for 20 programs_gone || {
		echo "demo.sh: still loaded: eBPF programs ${ids[*]}" >&2
		status=1
	}
	exit $status
}

link_up() {
	[[ $(ip -n "$1" link show "$2") == *" state UP "* ]]
}

# Show tcpdump's output, but for the empty line with which it ends.
show() {
	sed -n 's/^./    &/p' "$1"
}

# The destination ports in tcpdump's output, each with its number of packets.
ports() {
	sed -nE 's/.* > [0-9.]+\.([0-9]+): .*/\1/p' "$1" | sort | uniq -c |
		awk '{ print $2 ": " $1 }'
}

[ "$(id -u)" = 0 ] || {
	echo "demo.sh: needs root" >&2
	exit 1
}

say "Building in build/ (a minute the first time)"
tools/install-deps build demo
[ -x configure ] || autoreconf -i >/dev/null 2>&1
mkdir -p build
[ -f build/Makefile ] || (cd build && ../configure --quiet)
make -C build --no-print-directory -s -j"$(nproc)" </dev/null
mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf

trap clean_up EXIT
trap 'exit 130' INT TERM
tmp=$(mktemp -d --tmpdir xdpcap-demo.XXXXXX)

say "A veth pair between two network namespaces"
ip netns add $sender
ip netns add $receiver
ip link add xa netns $sender type veth peer name xb netns $receiver
ip -n $sender address add 10.9.0.1/24 dev xa
ip -n $receiver address add 10.9.0.2/24 dev xb
ip -n $sender link set xa up
ip -n $receiver link set xb up
wait_for 10 link_up $sender xa
wait_for 10 link_up $receiver xb
echo "  sender 10.9.0.1 (xa) -> receiver 10.9.0.2 (xb)"

say "The receiver's XDP program drops UDP port 4001 and passes 4002 (bpf/example.bpf.c)"
run mkdir "$pins"
run bpftool prog load build/bpf/example.bpf.o "$pins/example" pinmaps "$pins"
# not ip netns exec, which hides the BPF file system
run nsenter --net=/run/netns/$receiver ip link set xb xdp pinned "$pins/example"
ids+=("$(bpftool prog show pinned "$pins/example" | sed -n '1s/:.*//p')")
hook=$pins/xdpcap_hook

say "$(tcpdump --version 2>&1 | head -n 1), from $(dpkg-query -S "$(command -v tcpdump)" 2>/dev/null || command -v tcpdump)"
echo "  with this build's libpcap on the hook, and with its own on the interface:"
echo "  # LD_LIBRARY_PATH=build/libpcap tcpdump -n -i xdpcap:$hook udp"
echo "  # tcpdump -n -i xb udp"
LD_LIBRARY_PATH=build/libpcap XDPCAP_HELPER=$PWD/build/xdpcap-helper \
	tcpdump -n -l --immediate-mode -i "xdpcap:$hook" "udp" \
	>"$tmp/hook" 2>"$tmp/hook.err" &
pids+=($!)
nsenter --net=/run/netns/$receiver \
	tcpdump -n -l --immediate-mode -i xb "udp" \
	>"$tmp/interface" 2>"$tmp/interface.err" &
pids+=($!)
for f in hook interface; do
	wait_for 30 grep -qs '^listening on' "$tmp/$f.err" || {
		cat "$tmp/$f.err" >&2
		exit 1
	}
done
while read -r a b c d; do
	ids+=($((0x$d$c$b$a)))
done < <(bpftool map dump pinned "$hook" | sed -n 's/.*value: //p')

say "The sender sends $count packets to each port"
for i in $(seq $count); do
	for port in 4001 4002; do
		nsenter --net=/run/netns/$sender \
			bash -c "echo 'packet $i' >/dev/udp/10.9.0.2/$port"
	done
done
enough() {
	[ "$(wc -l <"$tmp/hook")" -ge $((2 * count)) ] &&
		[ "$(wc -l <"$tmp/interface")" -ge $count ]
}
wait_for 10 enough || :
sleep 0.3				# for what must not come
kill -INT "${pids[@]}"
wait "${pids[@]}" || :
pids=()

say "tcpdump on the interface sees what the XDP program has passed:"
show "$tmp/interface"
say "tcpdump on the hook also sees what it has dropped, port 4001:"
show "$tmp/hook"

[ "$(ports "$tmp/interface")" = "4002: $count" ] &&
[ "$(ports "$tmp/hook")" = "4001: $count"$'\n'"4002: $count" ] || {
	say "That is not what was expected:"
	cat "$tmp/hook.err" "$tmp/interface.err" >&2
	exit 1
}
say "As expected. The namespaces, the pins and the programs are removed."
