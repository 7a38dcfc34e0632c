#!/usr/bin/env bash
# The peak memory that a trainer's summary gives is what training takes, within a tenth: networks whose weights, activations, scratch
# and pictures weigh differently, and another number of threads.
source "$(dirname "$0")/lib.sh"

check() { # check TRAINER THREADS OPTION...: trains, and compares
    local name=$1 threads=$2 predicted used
    shift 2
    expect 0 "./$name" summary --threads "$threads"
    predicted=$(awk '/^peak memory/ { printf "%d", $3 * 1e6 }' out.txt)
    expect 0 "$TOOLS/peak_memory" "./$name" train --quiet --threads "$threads" --out run "$@"
    used=$(cat out.txt)
    printf '%-10s %d threads: %7.1f MB predicted, %7.1f MB used, %+.1f%%\n' "$name" "$threads" \
        "$((predicted / 100000))e-1" "$((used / 100000))e-1" "$((1000 * (used - predicted) / predicted))e-1"
    ((predicted > 0 && 10 * used <= 11 * predicted && 10 * used >= 9 * predicted)) || fail "$name: the prediction is off"
}

compile() { # compile NAME OPTION...: of examples/, on generated pictures
    local name=$1
    shift
    "$NETC" -D 'train.data=synthetic()' "$@" "$root/examples/$name.net" -o "$name"
}

if pictures=$(find_fashion_mnist); then
    "$NETC" "$root/examples/lenet.net" -o lenet
    check lenet 2 --data "$pictures" --max-steps 60
else
    leave_out "on Fashion-MNIST (not at hand)"
fi
compile resnet18 -D train.batch=32
check resnet18 2 --max-steps 2 --limit-test 32                  # weights
compile vgg11 -D size=64 -D hidden=1024 -D train.batch=64
check vgg11 1 --max-steps 2 --limit-test 64                     # the data set
compile googlenet -D size=64 -D train.batch=128
check googlenet 3 --max-steps 2 --limit-test 64                 # activations and scratch
