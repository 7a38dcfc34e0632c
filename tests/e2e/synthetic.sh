#!/usr/bin/env bash
# The generated pictures are a problem worth solving: a linear classifier stays under 90%, LeNet passes 95%.
source "$(dirname "$0")/lib.sh"

accuracy() { # accuracy NAME [OPTION...]: trains with the defaults otherwise, prints the last val_acc
    expect 0 "$NETC" -D 'train.data=synthetic()' "$root/examples/$1.net" -o "$1"
    expect 0 "./$1" train --quiet --out "run-$1" "${@:2}"
    sed -n 's/.*"event":"epoch".*"val_acc":\([^,}]*\).*/\1/p' "run-$1/metrics.jsonl" | tail -n 1
}

linear=$(accuracy linear)
lenet=$(accuracy lenet --epochs 8)
echo "linear $linear, LeNet $lenet"
awk -v a="$linear" 'BEGIN { exit !(a > 0.10 && a < 0.90) }' || fail "the linear classifier is not under 90%"
awk -v a="$lenet" 'BEGIN { exit !(a > 0.95 && a <= 1) }' || fail "LeNet is not over 95%"
