#!/usr/bin/env bash
# An installed netc finds its runtime library wherever the prefix lies, without the folder it was built in.
source "$(dirname "$0")/lib.sh"

cmake --install "$(dirname "$NETC")" --prefix "$work/usr" >/dev/null
[[ -s usr/share/netc/examples/lenet.net ]] || fail "the examples are not installed"
mv usr moved
expect 0 env PATH="$work/moved/bin:$PATH" netc -D 'train.data=synthetic()' moved/share/netc/examples/linear.net -o linear
expect 0 ./linear train --quiet --limit 500 --limit-test 100 --epochs 1 --out run
[[ -s run/last.safetensors ]] || fail "no checkpoint"
