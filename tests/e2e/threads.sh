#!/usr/bin/env bash
# The weights after training are bit for bit the same for any number of threads: LeNet, ResNet-18 and GoogLeNet (smaller than they are), a
# network with skips and odd shapes, and one with batch norm and dropout; that one also after a stop and --resume.
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
cat >modes.net <<'END'
network modes(1, 14, 14) -> 10 {
    conv(6, 3, pad=1, bias=false) -> batch_norm -> relu -> max_pool(2) -> dropout(0.2)
    conv(9, 3) -> batch_norm -> relu
    flatten -> linear(20) -> relu -> dropout; linear(10)
}
train { batch = 37 }
END
"$NETC" modes.net -o modes
small=(-D 'train.data=synthetic()' -D size=48 -D ratio=4 -D train.batch=70)
"$NETC" "${small[@]}" "$root/examples/resnet18.net" -o resnet18
"$NETC" "${small[@]}" "$root/examples/googlenet.net" -o googlenet

for threads in 1 2 3 7; do
    expect 0 ./lenet train --quiet --threads "$threads" --limit 5000 --limit-test 500 --epochs 2 "${data[@]}" --out "lenet-$threads"
    expect 0 ./residual train --quiet --threads "$threads" --epochs 20 --data "$tests/data/nets/residual" --out "residual-$threads"
    expect 0 ./modes train --quiet --threads "$threads" --max-steps 40 --out "modes-$threads"
    for deep in resnet18 googlenet; do
        expect 0 "./$deep" train --quiet --threads "$threads" --limit 200 --limit-test 70 --max-steps 5 --out "$deep-$threads"
        same_state "$deep-1/last.safetensors" "$deep-$threads/last.safetensors"
    done
    same modes-1/last.safetensors "modes-$threads/last.safetensors"
    same lenet-1/last.safetensors "lenet-$threads/last.safetensors"
    same residual-1/last.safetensors "residual-$threads/last.safetensors"
done

expect 0 ./modes train --quiet --max-steps 15 --out resumed
expect 0 ./modes train --quiet --resume resumed/last.safetensors --max-steps 40 --out resumed
same_state modes-1/last.safetensors resumed/last.safetensors

# Another seed draws other masks, and other first weights: the same ones are given here.
expect 0 ./modes train --quiet --no-shuffle --init-weights modes-1/last.safetensors --max-steps 5 --out masks-a
expect 0 ./modes train --quiet --no-shuffle --init-weights modes-1/last.safetensors --max-steps 5 --seed 99 --out masks-b
if cmp -s <(tensors masks-a/last.safetensors) <(tensors masks-b/last.safetensors); then fail "the masks do not depend on the seed"; fi

# The test can fail: other data give other weights.
expect 0 ./lenet train --quiet --limit 4999 --limit-test 500 --epochs 2 "${data[@]}" --out other
if cmp -s <(tensors lenet-1/last.safetensors) <(tensors other/last.safetensors); then fail "training does not depend on the data"; fi
