#!/bin/bash
# Every example of README.md and of the manual pages is run (tests/examples.sh says
# what an example is). A block's lines that capture run at the same time, others
# one after the other; on a line that begins with a dollar sign follows its output.
#
# A document's examples are run in their order, as they stand, with pcap-xdpcap
# installed and a hook pinned as /sys/fs/bpf/hook. /usr/local and /etc are
# overlaid, so that nothing of this reaches the system. run_example is the table of
# examples: what it does not know fails. To add an example to a document, see
# whether a pattern there fits; if none does, add what shows that it is right.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/examples.sh
. "$SRC/tests/examples.sh"

# What is written for a reader's machine, as it is on this one, without comment.
substitute() {
	sed -E -e 's/[[:blank:]]+#.*//' -e "s|\./with-xdpcap|$BUILD/with-xdpcap|; s|\\\$PWD/|$BUILD/|g" \
		-e 's/udp port 53/udp port 4001/' \
		-e 's/^ssh [a-z]+ //; s/wireshark -k -i -/tshark -i -/' \
		-e "s/^(ip link set dev) eth0/in_ns $NS_B \1 $IF_B/" \
		<<<"$1"
}

# The system that examples may change.
sandbox() {
	local dir

	WIRESHARK=$(tshark -G folders 2>/dev/null |
		sed -n 's/^Extcap path:[[:space:]]*//p')
	WIRESHARK=${WIRESHARK%/*}
	# what a failed test has left
	sandbox_down 2>/dev/null || :
	for dir in /etc /usr/local "$WIRESHARK"; do
		mkdir -p "$TMP/over$dir"/{upper,work}
		mount -t overlay -o "lowerdir=$dir,upperdir=$TMP/over$dir/upper,workdir=$TMP/over$dir/work" \
			overlay "$dir" || fail "cannot overlay $dir"
	done
	# out of sight also here: see tests/sanitize/run
	[ -z "${XDPCAP_SANITIZED-}" ] || rm "$WIRESHARK"/extcap/*
	mount -t tmpfs xdpcap-tests /var/cache/ldconfig
	# for tests that are examples; the lock itself is held by these
	mount -t tmpfs xdpcap-tests /run/lock
	# no names of addresses from outside
	printf '%s: files\n' passwd group hosts >/etc/nsswitch.conf
	make -s -C "$BUILD" install >/dev/null
	hash -r
	# a page's examples are of where that has been done, as README.md says
	ln -s /usr/local/bin/xdpcap "$WIRESHARK/extcap"
	# a source directory like the reader's, with build/ in it
	mkdir "$TMP/tree"
	ln -s "$SRC"/* "$TMP/tree"
	rm -f "$TMP/tree/build"
	ln -s "$BUILD" "$TMP/tree/build"
	# tcpdump writes there as user tcpdump
	mkdir -m 1777 "$TMP/here"
	export HOME=$TMP/here
	cd "$TMP/here"
	network_up bpf/example.bpf.o
	chmod 755 "$BPFDIR"
	bpftool map pin pinned "$HOOK" /sys/fs/bpf/hook
	# another program's, which sees no packets
	mkdir "$BPFDIR/2"
	bpftool prog load "$BUILD/bpf/example.bpf.o" "$BPFDIR/2/prog" \
		pinmaps "$BPFDIR/2"
	bpftool map pin pinned "$BPFDIR/2/xdpcap_hook" /sys/fs/bpf/hook2
	encapsulated_frame
}

sandbox_down() {
	cd /
	rm -f /sys/fs/bpf/{hook,hook2,prog}
	umount /var/cache/ldconfig /run/lock "$WIRESHARK" /usr/local /etc
}

# A packet to TCP port 80, and the same in VXLAN: the file tcp.pcap.
encapsulated_frame() {
	local mac=${MAC_B//:/}${MAC_A//:/}0800 inner

	inner=4500002800010000400600000a0900010a090002138800500000000000000000500200000000000000
	inner=${inner:0:80}
	printf '%s\n' "$mac$inner" \
		"${mac}4500005a00010000401100000a0900010a090002138812b5004600000800000000000100$mac$inner" |
		sed 's/../ &/g; s/^/000000/' >tcp.txt
	text2pcap -F pcap -q tcp.txt tcp.pcap 2>text2pcap.err || fail "$(cat text2pcap.err)"
}

# attach OBJECT PROGRAM: natively to the receiving end, in place of the example's,
# with its hook, of whatever name, as /sys/fs/bpf/hook.
attach() {
	local dir=$BPFDIR/other

	mkdir "$dir"
	bpftool prog loadall "$1" "$dir" type xdp pinmaps "$dir/maps"
	rm /sys/fs/bpf/hook
	bpftool map pin pinned "$dir"/maps/*hook /sys/fs/bpf/hook
	in_ns "$NS_B" ip link set "$IF_B" xdp off
	attach_xdp "$dir/$2"
}

# The example's program again.
attach_example() {
	in_ns "$NS_B" ip link set "$IF_B" xdp off
	attach_xdp "$PROG"
	rm -rf /sys/fs/bpf/{prog,hook} "$BPFDIR/other"
	bpftool map pin pinned "$HOOK" /sys/fs/bpf/hook
}

# Packets with every verdict.
all_traffic() {
	traffic -c 250 -r 0 -p 4000,4001,4002,4003,4004 -s 70
	in_ns "$NS_A" "$BUILD/tests/replay" tcp.pcap "$IF_A"
}

# begin COMMAND: in the background, until it captures.
begin() {
	local name=example${#PID[@]}

	echo "$1" >"$name.cmd"
	: >"$name.out"
	TMPDIR=$PWD setsid bash -c "$1" >"$name.out" 2>&1 &
	PID[$name]=$!
	wait_for 60 begun "$name" || fail "it does not capture: $(cat "$name.out")"
}

begun() {
	grep -qE "listening on|reading from file|Capturing on|^File: |[Cc]apturing" "$1.out" &&
		return
	kill -0 "${PID[$1]}" 2>/dev/null || fail "it has ended: $(cat "$1.out")"
	return 1
}

# Packets for those that have begun, then interrupt them: they have captured
# something, or do when they are given more time, since the machine may be busy.
finish() {
	local again=() command

	captured 1 && return
	for command in "${again[@]}"; do
		begin "$command"
	done
	captured 10 && return
	cp example0.cmd example
	fail "it has captured nothing: $(cat example0.out)"
}

# captured ROUNDS: whether they all have, with so many times as many packets. Of those
# that have not, the commands are in again.
captured() {
	local name i

	again=()
	[ ${#PID[@]} != 0 ] || return 0
	# for longer than tcpdump's packet buffer timeout
	for ((i = 0; i < 2 * $1; i++)); do
		all_traffic
		sleep 0.6
	done
	for name in "${!PID[@]}"; do
		cp "$name.cmd" example
		interrupt INT "${PID[$name]}"
		ended "$name"
		grep -qE '(^|[^0-9])[1-9][0-9]* packets?( captured|, )|Packets captured: [1-9]|^[0-9:.]* IP ' \
			"$name.out" || again+=("$(cat "$name.cmd")")
	done
	[ ${#again[@]} = 0 ]
}

# interrupt SIGNAL SESSION: whichever it is that captures. What tshark has begun,
# dumpcap or xdpcap, is tshark's to end; what reads from a pipe ends by itself.
interrupt() {
	local name names=(tshark xdpcap dumpcap open)

	! pgrep -s "$2" -x tcpdump >/dev/null || names=(xdpcap tcpdump)
	for name in "${names[@]}"; do
		! pkill "-$1" -s "$2" -x "$name" || return 0
	done
}

# elsewhere LINE: another suite runs it; see example.
elsewhere() {
	local line

	line=${1%%#*}
	line=${line%"${line##*[![:blank:]]}"}
	grep -qF -e "example '$line'" "$SRC"/tests/*/run || unknown "$1"
}

# begin_fails COMMAND: it ends without having begun.
begin_fails() {
	! timeout 20 bash -c "$1" >output 2>&1 || fail "that should have failed: $1"
}

# until_output PATTERN SECONDS COMMAND: it takes longer than a test, so only until its
# output has that.
until_output() {
	setsid bash -c "$3" >output 2>&1 &
	PID[example]=$!
	wait_for "$2" has_output "$1" || fail "it does not print $1: $(tail output)"
	# to all of its session; the shell has made it ignore SIGINT
	kill -TERM -- "-${PID[example]}" 2>/dev/null || :
	ended example
}

has_output() {
	grep -qE "$1" output && return
	kill -0 "${PID[example]}" 2>/dev/null || fail "it has ended: $(tail output)"
	return 1
}

# output_of COMMAND EXPECTED: the same but for white space, and for what three
# dots stand for.
output_of() {
	local output expected

	output=$(bash -c "$1" 2>&1 | tr -s ' \n' ' ')
	expected=$(tr -s ' \n' ' ' <<<"$2" | sed 's/[][*?\]/\\&/g; s/\.\.\./*/g')
	# shellcheck disable=SC2053 # it is a pattern
	[[ $output == $expected ]] ||
		fail "output of $1: expected
$2
not
$(bash -c "$1" 2>&1)"
}

# run_code CODE: a block of C.
run_code() {
	case $1 in
	*xdpcap_enter*)
		# the former one is the program proper
		{
			sed '/^XDPCAP_HOOK_MAP/,$d' prog.bpf.c
			sed '/\/\* \.\.\. as above/,$d' <<<"$1"
			sed -n '/^{/,/^}/{ /^[{}]/d; p; }' prog.bpf.c
			sed '1,/\/\* \.\.\. as above/d' <<<"$1"
			grep _license prog.bpf.c
		} >enter.bpf.c
		clang -O2 -g -Wall -Werror -target bpf -I/usr/local/include \
			"-I/usr/include/$(uname -m)-linux-gnu" -c enter.bpf.c -o enter.bpf.o
		;;
	*'SEC("xdp")'*)
		# for the commands that follow
		printf '%s\n' "$1" >prog.bpf.c
		;;
	*pcap_open_live*)
		{
			echo '#include <pcap/pcap.h>'
			echo '#include <stdio.h>'
			echo 'int main(void) {'
			printf '%s\n' "$1"
			echo 'if (!p) { puts(errbuf); return 1; }'
			echo 'puts("listening on it"); fflush(stdout);'
			echo 'if (!pcap_next(p, &(struct pcap_pkthdr){0})) return 1;'
			echo 'puts("1 packet captured"); return 0; }'
		} >open.c
		cc -Wall -Werror -I"$LIBPCAP" open.c -o open -L"$LIBPCAP" -lpcap
		begin ./open
		finish
		;;
	*) unknown "$1" ;;
	esac
}

unknown() {
	fail "tests/docs.sh does not know this example; add it to the table in run_example, or in run_code if it is C:
$1"
}

# Whether it captures until it is interrupted, and from the example's hook.
captures() {
	case $1 in
	*enter* | *rpcap:* | 'xdpcap hook '* | 'tshark -r '* | 'ln -s '* | 'mkdir '*) return 1 ;;
	'tshark -i xdp:'* | *'tcpdump '*xdpcap:* | 'tshark '*xdpcap:* | 'dumpcap '*xdpcap:*) ;;
	'xdpcap '*hook*) ;;
	*) return 1 ;;
	esac
}

# run_example LINE: the table. Below are those that are run as they stand or as
# substitute() makes them; all others are another suite's to run.
run_example() {
	local line

	line=$(substitute "$1")
	case $line in
	'tcpdump '*xdpcap:*enter* | 'xdpcap '*enter*)
		# the one in the README, if it was there
		if [ -e enter.bpf.o ]; then
			attach enter.bpf.o prog
		else
			attach "$BUILD/bpf/enter.bpf.o" enter
		fi
		begin "$line"
		finish
		attach_example
		;;
	'xdpcap hook '*)
		bash -c "$line" >output 2>&1 || fail "exit status $?: $(cat output)"
		case $line in
		*' list --json'*)
			contains "hooks" /sys/fs/bpf/hook "$(jq -r '.. | strings' output)"
			;;
		*' list'* | *' explain hook'*) contains "output" /sys/fs/bpf/hook "$(cat output)" ;;
		*' create new'*) [ -e /sys/fs/bpf/new ] || fail "there is no new" ;;
		*' rm new'*) [ ! -e /sys/fs/bpf/new ] || fail "new is still there" ;;
		*' clean hook'*) hook_empty ;;
		*) unknown "$1" ;;
		esac
		;;
	# what an example before it has written
	'tshark -r '*)
		bash -c "$line" >output 2>&1 || fail "$(cat output)"
		grep -qE '\| +[1-9][0-9]* \||→|->' output ||
			fail "it shows no packets: $(cat output)"
		;;
	'xdpcap-filter '*)
		bash -c "$line" >output 2>&1 || fail "$(cat output)"
		contains "output" "cBPF instructions" "$(cat output)"
		;;
	'clang '*prog.bpf.c*)
		bash -c "$line"
		;;
	'bpftool prog load prog.bpf.o '*)
		rm /sys/fs/bpf/hook
		bash -c "$line"
		[ -e /sys/fs/bpf/hook ] || fail "the hook is not pinned"
		;;
	"in_ns $NS_B ip link set dev "*)
		in_ns "$NS_B" ip link set "$IF_B" xdp off
		eval "$line"
		# smaller than that program wants
		start a tcpdump -n -U -i xdpcap:hook@drop -w "$TMP/a.pcap"
		traffic -s 60
		wait_frames a 1
		stop a
		attach_example
		;;
	'ldd /usr/bin/tcpdump | grep libpcap')
		contains "libpcap" "/usr/local/lib/" "$(bash -c "$line")"
		;;
	'make uninstall')
		make -s -C "$BUILD" uninstall >/dev/null
		! ldd /usr/bin/tcpdump | grep -q /usr/local/lib/libpcap ||
			fail "tcpdump still uses this libpcap"
		make -s -C "$BUILD" install >/dev/null
		;;
	'echo /usr/local/lib >/etc/ld.so.conf.d/'* | ldconfig)
		bash -c "$line"
		;;
	'groupadd '* | 'chgrp '* | 'chmod '* | 'setcap '*)
		# a page may leave the first to the README
		[[ $line == groupadd* ]] || getent group xdpcap >/dev/null ||
			groupadd --system xdpcap
		bash -c "$line" || fail "exit status $?"
		# with the last of them, a member of the group captures
		[[ $line != *' /sys/fs/bpf/hook' || $line != chmod* ]] || {
			begin "setpriv --reuid=nobody --regid=xdpcap --clear-groups tcpdump -n -i xdpcap:hook"
			finish
			begin_fails "setpriv --reuid=nobody --regid=nogroup --clear-groups tcpdump -n -i xdpcap:hook"
		}
		;;
	./demo.sh*)
		(cd "$TMP/tree" && bash -c "$line") >output 2>&1 || fail "$(cat output)"
		contains "output" "As expected" "$(cat output)"
		;;
	# all but the suites, of which this is one
	./check.sh*)
		rm "$TMP/tree/tools"
		mkdir "$TMP/tree/tools"
		ln -s "$SRC"/tools/* "$TMP/tree/tools"
		rm "$TMP/tree/tools/run-suites"
		printf '#!/bin/sh\nprintf "%%s\\\\n" "$@"\n' >"$TMP/tree/tools/run-suites"
		chmod +x "$TMP/tree/tools/run-suites"
		(cd "$TMP/tree" && bash -c "$line") >output 2>&1 || fail "$(cat output)"
		sed -n "s|^$TMP/tree/||p" output >suites
		contains "suites" "tests/run" "$(cat suites)"
		while read -r line; do
			[ "$line" = build ] || [ -x "$SRC/$line" ] ||
				fail "check.sh runs $line, which is not there"
		done <suites
		;;
	*'ln -s /usr/local/bin/xdpcap '*)
		# one at a time
		rm -f "$WIRESHARK/extcap/xdpcap"
		! tshark -D 2>/dev/null | grep 'xdp:' || fail "it is there already"
		bash -c "$line" || fail "exit status $?"
		contains "interfaces" "xdp:/sys/fs/bpf/hook" "$(tshark -D 2>/dev/null)"
		;;
	'tests/run build '*/*)
		(cd "$TMP/tree" && env -u XDPCAP_TESTS_UNSHARED bash -c "$line") >output 2>&1 ||
			fail "$(cat output)"
		contains "output" "1 passed, 0 failed" "$(cat output)"
		;;
	'tools/install-deps '*)
		(cd "$SRC" && bash -c "$line") >output 2>&1 || fail "$(cat output)"
		;;
	'make -C build check-programs '*)
		(cd "$TMP/tree" && bash -c "$line") >output 2>&1 || fail "$(cat output)"
		[ -x "$BUILD/bench/translate/bench" ] || fail "it is not built"
		;;
	# all tests, this one among them, and again in other ways, for hours: that
	# they begin what check.sh runs, with fewer tests
	'tests/run build' | 'tests/run build '* | 'make -C build check'* | 'make -C build soak '*)
		case $line in
		make*) line=$(cd "$TMP/tree" && bash -c "$line -n") ;;
		esac
		line=$(grep -oE 'tests/([a-z]+/)?run' <<<"$line" | tail -n 1)
		[ -x "$SRC/$line" ] || fail "there is no $line"
		[ "$line" = tests/run ] ||
			grep -qE "[{,]$(basename "${line%/run}")[,}]" "$SRC/check.sh" ||
			fail "check.sh does not run $line"
		;;
	'bench/'*' --quick'*)
		# metrics and filters: a name and figures
		(cd "$TMP/tree" && until_output '^[a-z_0-9]+ +[0-9.]+ ' 60 "$line")
		;;
	*) elsewhere "$1" ;;
	esac
}
# Run what is in the file block.
run_block() {
	local line command='' expected=''

	if grep -qE '^#include|pcap_t \*|SEC\(' block; then
		run_code "$(cat block)"
		return
	fi
	while read -r line; do
		echo "$line" >example
		case $line in
		'$ '*)
			[ -z "$command" ] || output_of "$command" "$expected"
			command=${line#??} expected=
			;;
		'') ;;
		*)
			if [ -n "$command" ]; then
				expected+=$line$'\n'
			elif captures "$(substitute "$line")"; then
				begin "$(substitute "$line")"
			else
				finish
				run_example "$line"
			fi
			;;
		esac
	done <block
	finish
	[ -z "$command" ] || output_of "$command" "$expected"
}

# run_document FILE
run_document() {
	local number found=0

	examples "$SRC/$1" >"$TMP/examples"
	while read -r number; do
		sed -n "s/^$number\t//p" "$TMP/examples" >block
		(
			: >example
			trap 'echo "$1, the example at line $number: $(cat example)"
				for name in "${!PID[@]}"; do
					pkill -KILL -s "${PID[$name]}"
				done' EXIT
			run_block </dev/null
			trap - EXIT
		)
		found=$((found + 1))
	done < <(cut -f 1 "$TMP/examples" | uniq)
	echo "$1: $found examples"
}

test_examples_of_readme() {
	[ -z "${XDPCAP_SANITIZED-}" ] ||
		skip "a program that it has built cannot use an instrumented library"
	[ -n "$(type -P tshark)" ] || fail "tshark is not installed: tools/install-deps"
	sandbox
	run_document README.md
	sandbox_down
}

test_examples_of_other_documents() {
	local page

	sandbox
	for page in $(documents); do
		[ "$page" = README.md ] || run_document "$page"
	done
	sandbox_down
}

# The table is not one that takes anything.
test_unknown_example_fails() {
	sandbox
	printf 'Text:\n\n    xdpcap-frobnicate --all\n' >"$TMP/new.md"
	same "examples" "3	xdpcap-frobnicate --all" "$(examples "$TMP/new.md")"
	contains "message" "does not know this example; add it" \
		"$( (run_example "xdpcap-frobnicate --all") 2>&1 || :)"
	contains "message" "does not know this example; add it" \
		"$( (run_code "int main(void) {}") 2>&1 || :)"
	sandbox_down
}

run_tests
