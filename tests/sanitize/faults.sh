#!/bin/bash
# That sanitizers are at work wherever they are to be: faults in the module and in
# the helper are reported, in the files that tests/sanitize/run looks at. For the
# build that it makes.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

REPORTS=$BUILD/reports

# Every object of the module and of the helper has code of both; a small one may
# have nothing for UndefinedBehaviorSanitizer.
test_module_and_helper_are_instrumented() {
	local object symbols undefined=0

	cd "$BUILD"
	for object in libpcap/pcap-xdpcap*.o $(
		make -s print-xdpcap_helper_OBJECTS print-xdpcap_helper_test_OBJECTS); do
		# nothing is in it in these builds
		[[ $object != *sandbox.o ]] || continue
		symbols=$(nm -u "$object")
		contains "$object" __asan_report_ "$symbols"
		[[ $symbols != *__ubsan_handle_* ]] || undefined=$((undefined + 1))
	done
	[ $undefined -ge 8 ] || fail "only $undefined objects are checked for undefined behaviour"
}

# reported PATTERN...: there is one report, in which are all of these. It is what
# is expected, and goes.
reported() {
	local pattern file=("$REPORTS"/*)

	[ -f "${file[0]}" ] || fail "there is no report"
	[ ${#file[@]} = 1 ] || fail "reports: ${file[*]}"
	for pattern; do
		contains "report" "$pattern" "$(cat "${file[0]}")"
	done
	rm "${file[0]}"
}

# A capture in which the module, or the helper, has a fault; see fault.c and
# options.c.
capture_with() {
	rm -f "$REPORTS"/*
	HELPER=$TMP/helper
	printf '#!/bin/sh\nSANITIZE_FAULT=%s exec %s\n' "$2" "$BUILD/xdpcap-helper" \
		>"$HELPER"
	chmod 755 "$HELPER"
	with_xdpcap "$BUILD/tests/sanitize/fault" "xdpcap:$HOOK" "$1" || :
	wait_for 60 no_helpers
}

module() {
	network_up
	capture_with "$1" none
	reported "${@:2}" pcap-xdpcap.c
}

helper() {
	network_up
	capture_with none "$1"
	reported "${@:2}" xdpcap-helper
}

test_no_fault_is_not_reported() {
	network_up
	capture_with none none
	same "reports" "" "$(ls "$REPORTS")"
}

test_overflow_in_the_module_is_reported() {
	module overflow heap-buffer-overflow xdpcap_stats
}

test_undefined_behaviour_in_the_module_is_reported() {
	module alignment "misaligned address" xdpcap_stats
}

test_leak_in_the_module_is_reported() {
	module leak "detected memory leaks" xdpcap_create
}

test_overflow_in_the_helper_is_reported() {
	helper overflow heap-buffer-overflow
}

test_undefined_behaviour_in_the_helper_is_reported() {
	helper undefined "signed integer overflow"
}

test_leak_in_the_helper_is_reported() {
	helper leak "detected memory leaks"
}

run_tests
