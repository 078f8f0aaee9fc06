# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # PID is an associative array of lib.sh
# Programs of a user without privileges, and the graphical ones. Sourced after
# tests/lib.sh and common.sh.

# users [,CAPABILITY]: from now on the helper has the capabilities that it needs,
# and as_user starts programs for a user without any.
users() {
	local dir=$TMP/user

	[ -z "$(getcap "$(command -v dumpcap)")" ] ||
		skip "dumpcap has capabilities, with which it uses the libpcap that is installed"
	install -d "$dir"
	install -d -o nobody -g nogroup -m 700 "$dir/home"
	install -m 755 "$HELPER" "$dir/helper"
	setcap "cap_bpf,cap_net_admin,cap_perfmon${1-}+ep" "$dir/helper"
	# where every user may read
	cp -L "$LIBPCAP/libpcap.so.0.8" "$dir"
	LIBPCAP=$dir HELPER=$dir/helper
	chgrp nogroup "$HOOK"
	chmod 660 "$HOOK"
}

as_user=(
	setpriv --reuid=nobody --regid=nogroup --clear-groups --inh-caps=-all
	env "HOME=$TMP/user/home" "XDG_RUNTIME_DIR=$TMP/user/home"
)

# screen: an X server without a screen, until the test ends.
screen() {
	# nothing on the machine's own
	mkdir -p /tmp/.X11-unix
	mount -t tmpfs -o mode=1777 xdpcap-tests /tmp/.X11-unix
	Xvfb -displayfd 5 -screen 0 1024x700x24 -nolisten tcp -nolock -ac \
		5>"$TMP/display" 2>"$TMP/screen.err" &
	PID[screen]=$!
	wait_for 20 test -s "$TMP/display" || fail "Xvfb: $(cat "$TMP/screen.err")"
	DISPLAY=:$(cat "$TMP/display")
	export DISPLAY
}

# wireshark NAME SLOTS OPTION...: the graphical program, as a user, filling the
# screen. A user, because it warns of root, with a window. Its start page captures
# from all devices that are listed, and has not always ended that when a capture
# begins: the helper must be able to capture beside it.
wireshark() {
	users ,cap_sys_admin
	launch "$1" "$2" "${as_user[@]}" QT_X11_NO_MITSHM=1 wireshark "${@:3}"
}

# window PATTERN: wait for a window with such a title, and make it large.
window() {
	local id

	id=$(wait_for 30 xdotool search --onlyvisible --name "$1") ||
		fail "no window is titled $1"
	xdotool windowmove "$id" 0 0 windowsize --sync "$id" 1024 700
	echo "$id"
}

# settled: wait until the screen changes no more, but for a cursor or so: what is
# clicked before a window is complete can be lost.
settled() {
	wait_for 30 still || fail "the screen does not settle"
}

still() {
	local changed

	import -window root "$TMP/still-1.png"
	sleep 0.7
	import -window root "$TMP/still-2.png"
	changed=$(compare -metric AE "$TMP/still-1.png" "$TMP/still-2.png" null: 2>&1) || :
	[ "${changed%.*}" -lt 2000 ]
}

# picture FILE: of the screen, for people, among what the tests leave.
picture() {
	mkdir -p "$BUILD/artefacts"
	import -window root "$BUILD/artefacts/$1"
}
