#!/bin/bash
# "xdpcap hook": what it says of hooks, for people and for scripts, what it makes and
# removes, also while captures come and go, and what it explains; and the library
# for loaders.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
MODE=--immediate-mode

# xdpcap ARGUMENT...: the command, at the receiving end if that is there, or in the
# network namespace $AT.
AT=$NS_B
xdpcap() {
	local ns=()

	[ ! -e "/run/netns/$AT" ] || ns=(in_ns "$AT")
	"${ns[@]}" env "LD_LIBRARY_PATH=$LIBPCAP" "XDPCAP_HELPER=$HELPER" \
		"$BUILD/xdpcap" "$@"
}

# as_nobody COMMAND...: without any capability.
as_nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups env \
		"LD_LIBRARY_PATH=$LIBPCAP" "XDPCAP_HELPER=$HELPER" "$@"
}

# json FILTER: jq's, of the first hook whose path is $HOOK, or of $JSON.
json() {
	xdpcap hook list --json |
		jq -c --arg hook "${JSON:-$HOOK}" ".hooks[] | select(.path == \$hook) | $1"
}

# explain [OPTION...]: the remarks, each on a line. Without counting, as most have
# nothing to do with that.
explain() {
	xdpcap hook explain --seconds 0 "$@" >"$TMP/explained" ||
		fail "exit status $?"
	sed '1,/^Why /d' "$TMP/explained" | tr -s '\n ' '  ' |
		sed 's/ - \([A-Z0-9]\)/\n\1/g'
}

# explained PATTERN [OPTION...]: it is among the remarks.
explained() {
	contains "explanation" "$1" "$(explain "${@:2}" "$HOOK")"
}

# not_explained PATTERN [OPTION...]
not_explained() {
	local got

	got=$(explain "${@:2}" "$HOOK")
	# shellcheck disable=SC2053 # it is a pattern
	[[ $got != *$1* ]] || fail "explained, though it is not so: $got"
}

# explain_traffic OPTION... -- OPTION...: what the command says, into $TMP/out, with
# traffic while it counts.
explain_traffic() {
	local pid options=()

	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	xdpcap hook explain --seconds 4 "${options[@]}" >"$TMP/out" &
	pid=$!
	wait_for 30 counting || fail "it does not count: $(cat "$TMP/out")"
	traffic "${@:2}" >"$TMP/traffic"
	wait $pid || fail "exit status $?"
}

# It sleeps for nothing else.
counting() {
	[[ $(cat "/proc/$(pgrep -x xdpcap)/wchan" 2>/dev/null) == *nanosleep* ]]
}

# refused STATUS PATTERN COMMAND...: its exit status and message.
refused() {
	local status=0 out

	out=$("${@:3}" 2>&1 >/dev/null) || status=$?
	same "exit status of ${*:3}" "$1" "$status"
	contains "message of ${*:3}" "$2" "$out"
}

program_id() {
	bpftool prog show pinned "$1" | sed -n '1s/:.*//p'
}

map_id() {
	bpftool map show pinned "$1" | sed -n '1s/:.*//p'
}

# The helper of a capture by its process.
helper_of() {
	json ".captures[] | select(.pid == ${PID[$1]}) | .helper"
}

# --- list ---

test_list_says_who_uses_and_captures() {
	local out

	network_up
	bpftool map pin pinned "$HOOK" "$BPFDIR/another"
	DEVICE=xdpcap:$HOOK@drop,tx capture a udp
	DEVICE=xdpcap:$HOOK@drop capture b udp
	out=$(xdpcap hook list)
	same "the hook" "$HOOK
    map         $(map_id "$HOOK") xdpcap_hook, 5 slots, of XDP programs
    other pins  $BPFDIR/another
    programs    $(program_id "$PROG") example on $IF_B
    captures    drop, tx: tcpdump, process ${PID[a]}
                drop: tcpdump, process ${PID[b]}" "$(sed "1,/^\$/d" <<<"$out")"
	contains "the other pin" "$BPFDIR/another
    map         $(map_id "$HOOK")*captures    drop, tx: tcpdump, process" "$out"
	stop a
	stop b
	in_ns "$NS_B" ip link set "$IF_B" xdp off
	contains "afterwards" "example, on no interface
    captures    none" "$(xdpcap hook list)"
}

test_list_for_scripts() {
	network_up
	DEVICE=xdpcap:$HOOK@drop,tx capture a udp
	DEVICE=xdpcap:$HOOK@drop capture b udp
	same "the whole" '[true,["'"$HOOK"'"]]' \
		"$(xdpcap hook list --json | jq -c '[.complete, [.hooks[].path]]')"
	same "the hook" \
		"[$(map_id "$HOOK"),\"xdpcap_hook\",5,false,\"xdp\",[\"$HOOK\"],[\"drop\",\"tx\"],[],[]]" \
		"$(json '[.map, .name, .entries, .enter, .owner, .pins, .taken, .dead, .occupied]')"
	same "programs" \
		"[{\"id\":$(program_id "$PROG"),\"name\":\"example\",\"type\":\"xdp\",\"interfaces\":[{\"name\":\"$IF_B\",\"ifindex\":12,\"netns\":null}]}]" \
		"$(json .programs)"
	same "captures" "[[\"drop\",\"tx\"],${PID[a]},\"tcpdump\"]
[[\"drop\"],${PID[b]},\"tcpdump\"]" \
		"$(json '.captures[] | [.actions, .pid, .name]')"
	same "helpers" "$(helpers | sort)" "$(json '.captures[].helper' | sort)"
	stop a
	stop b
	same "afterwards" '[[],[],[]]' "$(json '[.captures, .taken, .dead]')"
}

test_list_of_all_kinds() {
	mkdir "$BPFDIR"
	same "no hooks" '{"complete":true,"hooks":[]}' \
		"$(xdpcap hook list --json | jq -c .)"
	same "none that nobody may see" '{"complete":false,"hooks":[]}' \
		"$(as_nobody "$BUILD/xdpcap" hook list --json 2>/dev/null | jq -c .)"
	same "no hooks" "" "$(xdpcap hook list)"
	bpftool prog loadall "$BUILD/bpf/enter.bpf.o" "$BPFDIR" pinmaps "$BPFDIR"
	bpftool map create "$BPFDIR/ownerless" type prog_array key 4 value 4 \
		entries 5 name ownerless
	bpftool map create "$BPFDIR/hash" type hash key 4 value 4 entries 5 name hash
	bpftool map pin pinned "$BPFDIR/ownerless" "$BPFDIR/"$'not utf-8 \xff\xfe"'
	same "with enter" '[7,true,"xdp",[],[],["enter","route"]]' \
		"$(json '[.entries, .enter, .owner, .taken, .occupied, ([.programs[].name] | sort)]')"
	JSON=$BPFDIR/ownerless
	same "without owner" '[5,null,[],2]' \
		"$(json '[.entries, .owner, .programs, (.pins | length)]')"
	contains "without owner" "5 slots, that no program uses yet" \
		"$(xdpcap hook list)"
	# another program in a slot
	bpftool map update pinned "$HOOK" key 1 0 0 0 value pinned "$BPFDIR/route"
	JSON=$HOOK
	same "occupied" '[["drop"],["drop"],[]]' \
		"$(json '[.taken, .occupied, .captures]')"
	contains "occupied" "occupied    drop: by programs that are no capture's" \
		"$(xdpcap hook list)"
	bpftool map delete pinned "$HOOK" key 1 0 0 0
	rm -r "$BPFDIR"
}

# nameless_up: an interface that is called as the receiver's, and has the number of
# the sender's, with the program, in a network namespace without a name; of which
# there are two processes.
nameless_up() {
	# shellcheck disable=SC2016 # the inner shell's
	unshare --net sh -c 'ip link add "$0" index 11 type veth peer name peer &&
		ip link set peer up && ip link set "$0" up &&
		ip link set "$0" xdp pinned "$1" || exit
		setpriv --pdeathsig KILL sleep 300 & touch "$2" &&
		exec sleep 300' "$IF_B" "$PROG" "$TMP/up" &
	PID[nameless]=$!
	wait_for 20 test -e "$TMP/up" || fail "there is no such interface"
	wait_for 20 carrier "/proc/${PID[nameless]}/ns/net" || fail "it has no carrier"
}

# carrier NETNS: the interface that is called as the receiver's has one there. The
# kernel's word for it comes some time after the event.
carrier() {
	[[ $(nsenter --net="$1" ip link show "$IF_B") != *NO-CARRIER* ]]
}

no_carrier() {
	! carrier "$1"
}

test_interfaces_of_other_network_namespaces() {
	local nameless programs

	network_up
	nameless_up
	programs="programs    $(program_id "$PROG") example on"
	nameless="$IF_B (netns of pid ${PID[nameless]})"
	contains "in its own" "$programs $IF_B, $nameless
" "$(xdpcap hook list)"
	same "for scripts" "[[\"$IF_B\",12,null],[\"$IF_B\",11,\"/proc/${PID[nameless]}/ns/net\"]]" \
		"$(json '[.programs[].interfaces[] | [.name, .ifindex, .netns]]')"
	# from elsewhere; and what is in the directory may be anything
	AT=$NS_A
	mkfifo /run/netns/a-fifo
	echo "no namespace" >/run/netns/a-file
	touch /run/netns/z-another-name
	mount --bind "/run/netns/$NS_B" /run/netns/z-another-name
	contains "from another one" "$programs $IF_B (netns $NS_B), $nameless
" "$(xdpcap hook list)"
	same "for scripts" "[\"/run/netns/$NS_B\",\"/proc/${PID[nameless]}/ns/net\"]" \
		"$(json '[.programs[].interfaces[].netns]')"
	umount /run/netns/z-another-name
	rm /run/netns/a-fifo /run/netns/a-file /run/netns/z-another-name
	stop nameless KILL
}

test_explain_looks_into_other_network_namespaces() {
	local nameless id

	network_up
	nameless_up
	id=$(program_id "$PROG")
	nameless="$IF_B (netns of pid ${PID[nameless]})"
	AT=$NS_A
	xdpcap hook explain --seconds 0 "$HOOK" >"$TMP/out"
	same "interfaces" \
		"interfaces  $IF_B (netns $NS_B): program $id, native, up, uses the hook
                $nameless: program $id, native, up, uses the hook
                $IF_A: program $(program_id "$BPFDIR/pass"), native, up, does not use the hook" \
		"$(sed -n '/interfaces/,/^$/s/^    //p' "$TMP/out" | sed '2,$s/^ */                /')"
	not_explained "No interface"
	in_ns "$NS_B" ip link set "$IF_B" down
	nsenter --net="/proc/${PID[nameless]}/ns/net" ip link set peer down
	wait_for 20 no_carrier "/proc/${PID[nameless]}/ns/net" || fail "it has a carrier"
	explained "Interface $IF_B (netns $NS_B) is down."
	explained "Interface $nameless has no carrier."
	in_ns "$NS_B" ip link set "$IF_B" up
	wait_for 20 link_up "$NS_B" "$IF_B" || fail "$IF_B does not come up"
	# with another one in that namespace, and one of the same number in another
	in_ns "$NS_B" ip link add second type veth
	in_ns "$NS_B" ip link set second xdp pinned "$PROG"
	nsenter --net="/proc/${PID[nameless]}/ns/net" ip link add second index 12 type veth
	nsenter --net="/proc/${PID[nameless]}/ns/net" ip link set second xdp pinned "$PROG"
	explain_traffic "$HOOK" -- -c 20 -p 4001
	contains "count" "drop 20 pass 0 tx 0 redirect 0; interfaces received 20" \
		"$(cat "$TMP/out")"
	stop nameless KILL
}

# --- clean ---

test_dead_captures_are_listed_and_cleaned() {
	network_up
	DEVICE=xdpcap:$HOOK@drop,tx capture a udp
	DEVICE=xdpcap:$HOOK@drop capture b udp
	DEVICE=xdpcap:$HOOK@drop capture c udp
	kill -KILL "$(helper_of a)" "$(helper_of c)"
	ended a
	ended c
	wait_for 60 dead_are 2 || fail "$(xdpcap hook list)"
	same "the dead" '[["drop","tx"],["drop"]]' "$(json '[.dead[].actions] | sort_by(-length)')"
	same "the living" "[[[\"drop\"],${PID[b]}]]" \
		"$(json '[.captures[] | [.actions, .pid]]')"
	contains "in the list" "drop, tx: what a dead capture has left" \
		"$(xdpcap hook list)"
	explained "There is something of dead captures in the hook"
	traffic -c 10 -p 4001
	same "cleaning" "$HOOK: 2 dead captures removed" "$(xdpcap hook clean "$HOOK")"
	same "afterwards" '[0,1,["drop"]]' \
		"$(json '[(.dead | length), (.captures | length), .taken]')"
	same "cleaning again" "$HOOK: 0 dead captures removed" \
		"$(xdpcap hook clean "$HOOK")"
	traffic -c 10 -p 4001
	wait_frames b 20
	stop b
}

dead_are() {
	[ "$(json '.dead | length')" = "$1" ]
}

# Captures of the same and other actions begin, end, and are killed meanwhile: one
# that stays misses nothing, and each that begins can.
test_clean_beside_captures_that_come_and_go() {
	local pids=() i n=0

	network_up
	DEVICE=xdpcap:$HOOK@drop capture steady udp
	for i in 1 2; do
		while [ ! -e "$TMP/end" ]; do
			with_xdpcap "$BUILD/tests/open" "xdpcap:$HOOK" ||
				echo "a capture cannot begin"
		done >"$TMP/opens$i" &
		pids+=($!)
	done
	# and some that die while they attach
	printf '#!/bin/sh\nXDPCAP_TEST_DIE=attach-head:3 exec %s\n' \
		"$BUILD/xdpcap-helper-test" >"$TMP/dying"
	chmod +x "$TMP/dying"
	while [ ! -e "$TMP/end" ]; do
		HELPER=$TMP/dying with_xdpcap "$BUILD/tests/open" "xdpcap:$HOOK" ||
			echo died
	done >"$TMP/deaths" &
	pids+=($!)
	while [ ! -e "$TMP/end" ]; do
		xdpcap hook clean "$HOOK" && echo cleaned
	done >"$TMP/cleans" 2>&1 &
	pids+=($!)
	while [ ! -e "$TMP/end" ]; do
		xdpcap hook list --json | jq -e '.hooks | length == 1' >/dev/null &&
			echo listed
	done >"$TMP/lists" 2>&1 &
	pids+=($!)
	for i in {1..200}; do
		traffic -c 10 -p 4001
		n=$((n + 10))
		sleep 0.1
		[ "$i" -lt 15 ] || ! have_come_and_gone || break
	done
	touch "$TMP/end"
	wait "${pids[@]}"
	grep -h "cannot begin" -B 2 "$TMP"/opens* && fail "captures were kept off"
	same "cleaning" "" "$(grep -v "captures removed\$\|^cleaned\$" "$TMP/cleans" || :)"
	have_come_and_gone || fail "hardly cleaned, listed, or died"
	! grep -q '^OK' "$TMP/deaths" || fail "$(cat "$TMP/deaths")"
	same "listing" "" "$(grep -v "^listed\$" "$TMP/lists" || :)"
	wait_frames steady $n
	stop steady
	# of those that died last
	xdpcap hook clean "$HOOK"
	hook_empty || fail "cleaned, and not empty: $(hook_slots)"
	# the kernel has many programs to free
	wait_for 60 nothing_left || :
}

have_come_and_gone() {
	[ "$(grep -c '^cleaned$' "$TMP/cleans")" -ge 3 ] &&
		[ "$(grep -c '^died$' "$TMP/deaths")" -ge 3 ] &&
		[ "$(grep -c '^listed$' "$TMP/lists")" -ge 3 ]
}

# --- create, rm ---

test_create() {
	network_pair
	xdpcap hook create "$HOOK"
	same "the map" '["xdpcap_hook",5,null]' "$(json '[.name, .entries, .owner]')"
	refused 1 "xdpcap:$HOOK: there is something pinned already" \
		xdpcap hook create "$HOOK"
	# and used by a program
	bpftool prog load "$BUILD/bpf/example.bpf.o" "$PROG" \
		map name xdpcap_hook pinned "$HOOK"
	attach_xdp "$PROG"
	capture a udp
	traffic -c 5 -p 4001
	wait_frames a 5
	stop a
	# in the current directory, or /sys/fs/bpf; as the command captures from
	(cd "$BPFDIR" && xdpcap hook create with-enter --entries 7)
	JSON=$BPFDIR/with-enter
	same "with enter" '[7,true]' "$(json '[.entries, .enter]')"
	(cd "$TMP" && xdpcap hook create --entries=4 xdpcap-test/small)
	JSON=$BPFDIR/small
	same "without redirect" 4 "$(json .entries)"
	refused 1 "$TMP is not in a BPF file system" xdpcap hook create "$TMP/hook"
	refused 1 "names in a BPF file system cannot have a dot" \
		xdpcap hook create "$BPFDIR/a.b"
	refused 1 "there is no directory $BPFDIR/none" \
		xdpcap hook create "$BPFDIR/none/hook"
	refused 2 "no number of slots from 4 to 65536: \"3\"" \
		xdpcap hook create --entries 3 "$BPFDIR/three"
	refused 2 "no number of slots" xdpcap hook create --entries 5x "$BPFDIR/five"
	same "pins" "example pass small with-enter xdpcap_hook" \
		"$(find "$BPFDIR" -type f -printf '%f\n' | sort | paste -sd ' ')"
}

test_rm() {
	local id

	network_up
	id=$(map_id "$HOOK")
	xdpcap hook create "$BPFDIR/new"
	xdpcap hook rm "$BPFDIR/new"
	[ ! -e "$BPFDIR/new" ] || fail "it is there"
	# not what is no hook
	refused 1 "not a hook: the pin is a program" xdpcap hook rm "$PROG"
	refused 1 "xdpcap:$BPFDIR/new: no such file" xdpcap hook rm "$BPFDIR/new"
	refused 1 "not a pin" xdpcap hook rm "$TMP/before"
	[ -e "$PROG" ] && [ -e "$TMP/before" ] || fail "something else was removed"
	# not while there are captures
	capture a udp
	refused 1 "xdpcap:$HOOK: 1 captures are running" xdpcap hook rm "$HOOK"
	[ -e "$HOOK" ] || fail "it was removed"
	bpftool map pin pinned "$HOOK" "$BPFDIR/keep"
	xdpcap hook rm --force "$HOOK"
	[ ! -e "$HOOK" ] || fail "it is there"
	traffic -c 5 -p 4001
	wait_frames a 5
	stop a
	# more than one, and what dead captures have left goes with them
	HOOK=$BPFDIR/keep
	capture b udp
	kill -KILL "$(helpers)"
	ended b
	bpftool map pin pinned "$HOOK" "$BPFDIR/second"
	xdpcap hook rm "$BPFDIR/second" "xdpcap:$BPFDIR/keep@drop"
	same "left in the map" "" "$(bpftool map dump id "$id" | grep '^key' || :)"
	same "pins" "example pass" \
		"$(find "$BPFDIR" -type f -printf '%f\n' | sort | paste -sd ' ')"
	traffic -c 5 -p 4001
}

# --- explain ---

test_explain_counts_what_comes() {
	network_up
	explain_traffic --runs "$HOOK" -- -c 60 -p 4001,4002,4003
	contains "count" \
		"packets     in 4.0 s: aborted 0 drop 20 pass 20 tx 20 redirect 0; interfaces received 60; programs ran 60" \
		"$(cat "$TMP/out")"
	contains "interface" \
		"interfaces  $IF_B: program $(program_id "$PROG"), native, up, uses the hook" \
		"$(cat "$TMP/out")"
	contains "kind" "takes       programs without xdp.frags" "$(cat "$TMP/out")"
	contains "remark" "Packets come to the hook. A filter sees them as the program" \
		"$(tr -s '\n ' '  ' <"$TMP/out")"
	hook_empty || fail "the hook is not empty"
}

test_explain_program_that_does_not_call_the_hook() {
	local pid got

	network_up tests/silent.bpf.o
	{ while [ ! -e "$TMP/end" ]; do traffic -c 10 -p 4001; done; } \
		>"$TMP/traffic" 2>&1 &
	pid=$!
	got=$(explain --seconds 3 "$HOOK")
	contains "explanation" "The interfaces received * packets, and 0 came to the hook: what the program returns without xdpcap_exit() is not seen. With --runs," "$got"
	got=$(explain --seconds 3 --runs "$HOOK")
	touch "$TMP/end"
	wait $pid
	contains "explanation" "The programs ran * times, and 0 packets came to the hook" "$got"
	explained "The interfaces that run the program received no packet" --seconds 1
}

test_explain_no_program() {
	local id

	network_pair
	xdpcap hook create "$HOOK"
	explained "No program has used this hook yet. Load the XDP program so that it uses this map, and attach it: \"bpftool prog load OBJECT PROGRAM map name NAME pinned $HOOK\"" --seconds 1
	bpftool prog load "$BUILD/tests/example-frags.bpf.o" "$PROG" \
		map name xdpcap_hook pinned "$HOOK"
	not_explained "No program has used"
	contains "kind" "takes       programs with xdp.frags" "$(cat "$TMP/explained")"
	explained "No interface runs a program that uses the hook."
	not_explained "up to the MTU"
	attach_xdp "$PROG"
	not_explained "No interface"
	in_ns "$NS_B" ip link set "$IF_B" down
	explained "Interface $IF_B is down."
	in_ns "$NS_B" ip link set "$IF_B" up
	in_ns "$NS_A" ip link set "$IF_A" down
	wait_for 20 no_carrier "/run/netns/$NS_B" || fail "it has a carrier"
	explained "Interface $IF_B has no carrier."
	in_ns "$NS_B" ip link set "$IF_B" xdp off
	id=$(program_id "$PROG")
	rm "$PROG"
	wait_for 60 sh -c "! bpftool prog show id $id" || fail "the program stays"
	explained "are not loaded any more. The next one must be of the same kind (with xdp.frags), or it cannot be loaded with this map (EINVAL)"
	# which is so
	! bpftool prog load "$BUILD/bpf/example.bpf.o" "$PROG" \
		map name xdpcap_hook pinned "$HOOK" ||
		fail "the kernel takes another kind"
}

# The program that runs uses another map than the one that is pinned: its object was
# loaded twice.
test_explain_another_map() {
	local other

	network_up
	bpftool prog load "$BUILD/bpf/example.bpf.o" "$BPFDIR/example2"
	in_ns "$NS_B" ip link set "$IF_B" xdp off
	attach_xdp "$BPFDIR/example2"
	other=$(bpftool -j prog show pinned "$BPFDIR/example2" | jq '.map_ids[0]')
	explained "Program $(program_id "$BPFDIR/example2") example, attached to $IF_B, uses another map of the same name, $other, which is not pinned: pin it with \"bpftool map pin id $other PATH\""
	contains "interfaces" "does not use the hook" "$(cat "$TMP/explained")"
	bpftool map pin id "$other" "$BPFDIR/other"
	explained "uses another map of the same name, $other, which is pinned as $BPFDIR/other: capture there."
	contains "the other way" "Program $(program_id "$PROG") example uses another map of the same name, $(map_id "$HOOK"), which is pinned as $HOOK" \
		"$(explain "$BPFDIR/other")"
}

test_explain_what_keeps_captures_off() {
	local i

	network_up
	bpftool map pin pinned "$HOOK" "$BPFDIR/another"
	explained "The hook has 2 pins."
	bpftool map update pinned "$HOOK" key 3 0 0 0 value pinned "$PROG"
	explained "In tx there are programs that are no capture's"
	explained "A capture is not possible: xdpcap:$HOOK*action tx is already captured by program" --seconds 1
	bpftool map delete pinned "$HOOK" key 3 0 0 0
	for i in {1..8}; do
		DEVICE=xdpcap:$HOOK@drop capture "c$i" udp
	done
	explained "A capture is not possible: *action drop is captured 8 times already" --seconds 1
	for i in {1..8}; do
		stop "c$i"
	done
}

test_explain_enter() {
	network_pair
	bpftool prog loadall "$BUILD/bpf/enter.bpf.o" "$BPFDIR" pinmaps "$BPFDIR"
	attach_xdp "$BPFDIR/enter"
	explain_traffic "$HOOK" -- -c 20 -p 4000
	contains "explanation" "with the addresses, ports, tags and headers that they have then (and @enter as they came)" \
		"$(tr -s '\n ' '  ' <"$TMP/out")"
	contains "count" "drop 0 pass 20 tx 0 redirect 0 enter 20" "$(cat "$TMP/out")"
	bpftool map delete pinned "$HOOK" key 6 0 0 0
	explained "Slot 6 is empty, which is to hold the program to continue with" --seconds 1
	contains "count" "redirect 0; interfaces" "$(cat "$TMP/explained")"
}

test_capture_without_packets_points_to_it() {
	local out

	network_up
	out=$(xdpcap --duration 1 "$HOOK" "$TMP/a.pcap" 2>&1)
	contains "hint" "xdpcap: no packet came to the hook; \"xdpcap hook explain ${HOOK#/sys/fs/bpf/}\" may say why" "$out"
	out=$(xdpcap -q --duration 1 "$HOOK" "$TMP/a.pcap" 2>&1)
	same "with -q" "" "$out"
	start a env "LD_LIBRARY_PATH=$LIBPCAP" "XDPCAP_HELPER=$HELPER" \
		"$BUILD/xdpcap" --flush "$HOOK" "$TMP/a.pcap" "tcp"
	traffic -c 5 -p 4001
	stop a
	contains "hint" "xdpcap: of 5 packets, none matched the filter; \"xdpcap hook explain" \
		"$(cat "$TMP/a.err")"
	start a env "LD_LIBRARY_PATH=$LIBPCAP" "XDPCAP_HELPER=$HELPER" \
		"$BUILD/xdpcap" --flush "$HOOK" "$TMP/a.pcap" "udp"
	traffic -c 5 -p 4001
	wait_frames a 5
	stop a
	[[ $(cat "$TMP/a.err") != *explain* ]] || fail "$(cat "$TMP/a.err")"
	# the path that it names is one
	xdpcap hook explain --seconds 0 "${HOOK#/sys/fs/bpf/}" >"$TMP/out"
}

# --- Who may, and how ---

test_unprivileged() {
	network_up
	refused 0 "without CAP_SYS_ADMIN, programs and captures cannot be seen" \
		as_nobody "$BUILD/xdpcap" hook list
	same "what nobody may see" "" \
		"$(as_nobody "$BUILD/xdpcap" hook list 2>/dev/null)"
	refused 1 "Permission denied; you need read and write permission" \
		as_nobody "$BUILD/xdpcap" hook explain "$HOOK"
	refused 1 "Permission denied" as_nobody "$BUILD/xdpcap" hook rm "$HOOK"
	chmod 666 "$HOOK"
	chmod 777 "$BPFDIR"
	refused 1 "to look at captures takes CAP_SYS_ADMIN, which root has" \
		as_nobody "$BUILD/xdpcap" hook clean "$HOOK"
	refused 1 "cannot make a hook: *takes CAP_BPF" \
		as_nobody "$BUILD/xdpcap" hook create "$BPFDIR/new"
	same "what is not known is null" '[false,null,[],[],[]]' \
		"$(as_nobody "$BUILD/xdpcap" hook list --json 2>/dev/null |
			jq -c '[.complete, (.hooks[0] | .programs, .captures, .dead, .taken)]')"
	DEVICE=xdpcap:$HOOK@drop capture a udp
	refused 1 "there may be captures, which cannot be seen without" \
		as_nobody "$BUILD/xdpcap" hook rm "$HOOK"
	contains "taken" "captures    drop: not known which" \
		"$(as_nobody "$BUILD/xdpcap" hook list 2>/dev/null)"
	same "what is not known is null" '[null,null,["drop"]]' \
		"$(as_nobody "$BUILD/xdpcap" hook list --json 2>/dev/null |
			jq -c '.hooks[0] | [.captures, .dead, .taken]')"
	stop a
}

test_usage_and_completion() {
	local option

	refused 2 "Usage: xdpcap hook list" xdpcap hook
	refused 2 "no such command: \"frob\"" xdpcap hook frob
	refused 2 "the path of a hook is missing" xdpcap hook explain
	refused 2 "one argument too many: \"b\"" xdpcap hook create a b
	refused 2 "unrecognized option '--json'" xdpcap hook rm --json a
	refused 2 "no number of seconds: \"x\"" xdpcap hook explain --seconds x a
	refused 1 "no such file" xdpcap hook explain ./none
	refused 1 "cannot write the list" sh -c "'$BUILD/xdpcap' hook list --json >/dev/full"
	# shellcheck source=cmd/completion/xdpcap
	. "$SRC/cmd/completion/xdpcap"
	complete_words() {
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
		_xdpcap
		echo "${COMPREPLY[*]}"
	}
	same "commands" "list create explain clean rm" "$(complete_words xdpcap hook "")"
	same "options" "--runs" "$(complete_words xdpcap hook explain --r)"
	for option in $(xdpcap hook --help | grep -oE -- '--[a-z]+' | sort -u); do
		grep -qF -- "${option//-/\\-}" "$SRC/doc/xdpcap.1" ||
			fail "xdpcap(1) does not have $option"
	done
	network_up
	# a hook of this name, to capture from
	bpftool map pin pinned "$HOOK" "$BPFDIR/hook"
	(cd "$BPFDIR" && xdpcap -q --duration 1 ./hook "$TMP/out")
	same "hooks" "$HOOK" "$(complete_words xdpcap hook rm "$BPFDIR/xdp")"
}

# --- The library ---

test_library_functions() {
	mkdir "$BPFDIR"
	"$BUILD/tests/loader" "$BPFDIR" "$BUILD/bpf/example.bpf.o"
	rm -r "$BPFDIR"
}

test_library_header_in_cxx() {
	# shellcheck disable=SC2046 # it may be more than one word
	printf '%s\n' '#include <xdpcap/loader.h>' 'int main()' \
		'{ return xdpcap_hook_unpin("x"); }' |
		$(make -s --no-print-directory -C "$BUILD" print-CLANG) -x c++ \
			-I"$SRC/lib" -Wall -Wextra -Werror -c - -o "$TMP/cxx.o"
	contains "symbols" "U xdpcap_hook_unpin" "$(nm "$TMP/cxx.o")"
}

# loader [PROGRAM]: the example, until the program runs.
loader() {
	: >"$TMP/loader.out"
	# a process of its own, which gets the signal
	nsenter --net="/run/netns/$NS_B" "$BUILD/tests/example-loader" "$IF_B" \
		"$BUILD/${1:-bpf/example.bpf.o}" xdpcap_hook "$HOOK" \
		>>"$TMP/loader.out" 2>"$TMP/loader.err" &
	PID[loader]=$!
	wait_for 60 grep -q runs "$TMP/loader.out" || {
		cat "$TMP/loader.err"
		return 1
	}
}

test_example_loader_keeps_captures_when_it_is_started_again() {
	local id

	network_pair
	loader
	capture a udp
	traffic -c 5 -p 4001
	wait_frames a 5
	id=$(map_id "$HOOK")
	stop loader TERM
	loader
	same "the map" "$id" "$(map_id "$HOOK")"
	traffic -c 5 -p 4001
	wait_frames a 10
	stop a
	stop loader TERM
	# with the program gone, the hook is of its kind all the same
	in_ns "$NS_B" "$BUILD/tests/example-loader" "$IF_B" \
		"$BUILD/tests/example-frags.bpf.o" xdpcap_hook "$HOOK" \
		2>"$TMP/err" && fail "another kind could be loaded"
	contains "message" "load: Invalid argument" "$(cat "$TMP/err")"
	xdpcap hook rm "$HOOK"
	loader tests/example-frags.bpf.o
	stop loader TERM
}

run_tests
