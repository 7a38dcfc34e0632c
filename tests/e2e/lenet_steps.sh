#!/usr/bin/env bash
# The first eight steps of LeNet on Fashion-MNIST against PyTorch in float64: every loss, and every tensor's update; also at batch
# sizes that leave the last lane block partly empty, and for the plain lowering of -O0.
source "$(dirname "$0")/lib.sh"
need_fashion_mnist
record=$tests/data/lenet

check() { # check TRAINER BATCH
    echo "== $1, batch $2"
    expect 0 "./$1" train --quiet --no-test --no-shuffle --batch "$2" --max-steps 8 \
        --init-weights "$record/initial.safetensors" --log "$1-$2.jsonl" --out "$1-$2"
    "$TOOLS/compare_losses" "$1-$2.jsonl" "$record/losses_$2.txt" 2e-5 || fail "losses"
    "$TOOLS/compare_weights" "$record/initial.safetensors" "$1-$2/last.safetensors" "$record/update_$2.safetensors" 1e-3 || fail "updates"
}

"$NETC" "$root/examples/lenet.net" -o lenet
for batch in 128 50 37; do check lenet "$batch"; done
"$NETC" -O0 "$root/examples/lenet.net" -o lenet-O0
check lenet-O0 37
