#!/usr/bin/env bash
# The textbook's small cases of convolution and pooling, from source to numbers, exactly.
source "$(dirname "$0")/lib.sh"

count=0
for source in "$tests"/data/book/*.net; do
    case=${source%.net}
    for level in -O0 -O2; do
        echo "== ${case##*/} $level"
        expect 0 "$NETC" "$level" "$source" -o trainer
        expect 0 ./trainer run "$case.x.npy" -o y.npy --weights "$case.safetensors"
        "$TOOLS/compare_arrays" y.npy "$case.y.npy" 0 || fail "${case##*/} $level"
    done
    count=$((count + 1))
done
((count >= 13)) || fail "only $count cases found"
