#!/usr/bin/env bash
# Runs the kernel tests for aarch64 under QEMU's user emulation: once with the dot products of Armv8.2, once without.
#
#   conformance/emulate/aarch64.sh [TEST FILTER...]
set -euo pipefail
cd "$(dirname "$0")/../.."
need() { command -v "$1" >/dev/null || { echo "missing $1: apt-get install $2" >&2; exit 2; }; }
need qemu-aarch64-static qemu-user-static
need aarch64-linux-gnu-gcc "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64-static -L /usr/aarch64-linux-gnu"
for run in max:neon-dotprod cortex-a72:neon; do
    echo "== $run"
    QEMU_CPU=${run%:*} OUNCE_EXPECT_KERNELS=${run#*:} cargo test -p ounce-kernels --target aarch64-unknown-linux-gnu --lib --tests -- "$@"
done
