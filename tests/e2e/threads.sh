#!/usr/bin/env bash
# The weights after training are bit for bit the same for any number of threads: LeNet, and a network with skips and odd shapes.
source "$(dirname "$0")/lib.sh"

if pictures=$(find_fashion_mnist); then
    "$NETC" "$root/examples/lenet.net" -o lenet
    data=(--data "$pictures")
else
    leave_out "on Fashion-MNIST (not at hand); tested on generated pictures"
    "$NETC" -D 'train.data=synthetic()' "$root/examples/lenet.net" -o lenet
    data=()
fi
"$NETC" "$tests/data/nets/residual/net.net" -o residual

for threads in 1 2 3 7; do
    expect 0 ./lenet train --quiet --threads "$threads" --limit 5000 --limit-test 500 --epochs 2 "${data[@]}" --out "lenet-$threads"
    expect 0 ./residual train --quiet --threads "$threads" --epochs 20 --data "$tests/data/nets/residual" --out "residual-$threads"
    same lenet-1/last.safetensors "lenet-$threads/last.safetensors"
    same residual-1/last.safetensors "residual-$threads/last.safetensors"
done

# The test can fail: other data give other weights.
expect 0 ./lenet train --quiet --limit 4999 --limit-test 500 --epochs 2 "${data[@]}" --out other
if cmp -s <(tensors lenet-1/last.safetensors) <(tensors other/last.safetensors); then fail "training does not depend on the data"; fi
