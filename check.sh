#!/bin/bash
# Build in build/ and run every test. As root, on Debian; installs the packages
# that are missing. The last line is "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")"

tools/install-deps
mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf

[ -x configure ] || autoreconf -i
mkdir -p build
[ -f build/Makefile ] || (cd build && ../configure --quiet)
make -C build --no-print-directory -j"$(nproc)" check-programs </dev/null

# beside the tests that wait most of the time those that do not, and need no turns
tools/run-suites "$PWD/build" \
	"$PWD"/tests/run \
	"$PWD"/tests/{ring,package,remote,consumers,libpcaps,sanitize,soak}/run -- \
	"$PWD"/tools/lint "$PWD"/tests/{build,translate,kernels}/run
