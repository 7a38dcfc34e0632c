#!/usr/bin/env bash
# Ten epochs of LeNet on Fashion-MNIST reach the accuracy that the same network has elsewhere: 0.70 to 0.80.
source "$(dirname "$0")/lib.sh"
need_fashion_mnist

"$NETC" "$root/examples/lenet.net" -o lenet
expect 0 ./lenet train --quiet --out run
accuracy=$(sed -n 's/.*"event":"epoch","epoch":10,.*"val_acc":\([^,}]*\).*/\1/p' run/metrics.jsonl)
echo "val_acc $accuracy after ten epochs"
awk -v a="$accuracy" 'BEGIN { exit !(a >= 0.70 && a <= 0.80) }' || fail "not between 0.70 and 0.80"

expect 0 ./lenet test --weights run/last.safetensors
cat out.txt
grep -qx "accuracy $accuracy" out.txt || fail "test does not give the accuracy of the log"
