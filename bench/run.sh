#!/bin/bash
# Measure what a capture costs, against other ways to do it; see
# doc/performance.md. As root, and with two CPUs. Everything happens in network
# and mount namespaces that end with it.
set -eu

usage="usage: bench/run.sh [--quick] [--json FILE] [--build DIR] [cost|sharing|enter|live|writers]

  --quick      under a minute, for a first look; otherwise under 15 minutes
  --json FILE  also write one JSON object for each metric
  --build DIR  the build directory, with bench/bench in it [build]
  writers      only tcpdump -w and xdpcap on the same hook, to files below TMPDIR"

srcdir=$(cd "$(dirname "$0")/.." && pwd)
build=$srcdir/build
json=
args=()
while [ $# -gt 0 ]; do
	case $1 in
	--quick | cost | sharing | enter | live | writers) args+=("$1") ;;
	--json | --build)
		[ $# -ge 2 ] || {
			echo "$usage" >&2
			exit 2
		}
		if [ "$1" = --json ]; then json=$2; else build=$2; fi
		shift
		;;
	--help | -h)
		echo "$usage"
		exit 0
		;;
	*)
		echo "$usage" >&2
		exit 2
		;;
	esac
	shift
done

die() {
	echo "bench/run.sh: $*" >&2
	exit 1
}

[ "$(id -u)" = 0 ] || die "needs root, for XDP and namespaces"
[ -x "$build/bench/bench" ] ||
	die "$build/bench/bench is not there: make check-programs"
[ "$(cat /proc/sys/kernel/bpf_stats_enabled)" = 0 ] ||
	die "kernel.bpf_stats_enabled is on, which adds to every program: sysctl kernel.bpf_stats_enabled=0"
[ "$(cat /proc/sys/net/core/bpf_jit_enable)" != 0 ] ||
	die "net.core.bpf_jit_enable is off: nothing measured without it would mean anything"
if [ -n "$json" ]; then
	: >"$json" || die "cannot write $json"
	args+=(--json "$(realpath "$json")")
fi

echo "$(uname -sr), $(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), load $(cut -d ' ' -f 1 /proc/loadavg)"

pins=$(mktemp -d)
files=
trap 'rmdir "$pins"; [ -z "$files" ] || rm -rf "$files"' EXIT
if [[ " ${args[*]-} " == *" writers "* ]]; then
	# tcpdump writes as user tcpdump
	files=$(mktemp -d)
	chmod 1777 "$files"
	args+=(--files "$files")
fi
export LD_LIBRARY_PATH=$build/libpcap XDPCAP_HELPER=$build/xdpcap-helper
PATH=$(realpath "$build"):$PATH
# The bpffs goes with the mount namespace, and with the process namespace whatever
# was started, however this ends. Not exec: its first process ignores Ctrl-C.
# shellcheck disable=SC2016
unshare --net --mount --propagation private --pid --fork --kill-child \
	--mount-proc bash -c '
	mount -t bpf bpf "$1" && ip link set lo up && cd / || exit 1
	"$2" "$1" "${@:3}"
	exit
' run "$pins" "$(realpath "$build")/bench/bench" ${args[@]+"${args[@]}"}
