#!/usr/bin/env bash
# Small networks that between them use every operator, against PyTorch in float64: the untrained network's output, the losses of
# five steps and every tensor's update; optimised and not, and for processors with four and with eight lanes.
source "$(dirname "$0")/lib.sh"

check() { # check NAME OPTION...
    local name=$1
    shift
    local record=$tests/data/nets/$name out=$name$*
    echo "== $name $*"
    expect 0 "$NETC" "$@" "$record/net.net" -o trainer
    expect 0 ./trainer run "$record/x.npy" -o output.npy --weights "$record/initial.safetensors"
    "$TOOLS/compare_arrays" output.npy "$record/output.npy" 1e-5 || fail "$name: output"
    expect 0 ./trainer train --quiet --no-shuffle --data "$record" --max-steps 5 --init-weights "$record/initial.safetensors" \
        --log "$out.jsonl" --out "$out"
    "$TOOLS/compare_losses" "$out.jsonl" "$record/losses.txt" 2e-5 || fail "$name: losses"
    "$TOOLS/compare_weights" "$record/initial.safetensors" "$out/last.safetensors" "$record/update.safetensors" 1e-3 || fail "$name: updates"
}

count=0
for folder in "$tests"/data/nets/*/; do
    name=$(basename "$folder")
    check "$name"
    check "$name" -O0
    if [[ $(uname -m) == x86_64 ]]; then
        check "$name" -march=x86-64
        if grep -qw avx2 /proc/cpuinfo; then check "$name" -march=x86-64-v3; fi
    fi
    count=$((count + 1))
done
((count >= 18)) || fail "only $count networks found"
