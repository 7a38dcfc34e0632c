#!/usr/bin/env bash
# What the machine lacks: a linker, or the processor's features that a trainer was compiled for. Exit code 6 and one message.
source "$(dirname "$0")/lib.sh"

echo "== no linker on the PATH"
expect 6 env -u NETC_CC PATH=/nonexistent "$NETC" "$root/examples/linear.net" -o linear
one_message "cc"
[[ ! -e linear ]] || fail "something was written"

echo "== a linker that fails"
mkdir bin
printf '#!/bin/sh\necho "ld: no room" >&2\nexit 1\n' >bin/cc
chmod +x bin/cc
expect 6 env -u NETC_CC PATH="$work/bin:$PATH" "$NETC" "$root/examples/linear.net" -o linear
grep -q 'ld: no room' err.txt || fail "the linker's own message is not shown"
[[ ! -e linear ]] || fail "something was written"

if [[ $(uname -m) != x86_64 ]]; then
    leave_out "a processor without the features (only on x86-64)"
elif ! command -v qemu-x86_64 >/dev/null; then
    leave_out "a processor without the features (needs qemu-user)"
else
    fake_fashion_mnist data
    echo "== a trainer for AVX2 on a processor without"
    expect 0 "$NETC" -march=x86-64-v3 "$root/examples/linear.net" -o linear
    expect 6 qemu-x86_64 -cpu Nehalem ./linear train --quiet --data data --out run
    one_message 'avx2'
    [[ ! -e run ]] || fail "something was written"
    echo "== a trainer for plain x86-64 on the same processor"
    expect 0 "$NETC" -march=x86-64 "$root/examples/linear.net" -o linear
    expect 0 qemu-x86_64 -cpu Nehalem ./linear train --quiet --data data --epochs 1 --threads 2 --out run
    [[ -s run/last.safetensors ]] || fail "no checkpoint"
fi
