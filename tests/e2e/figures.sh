#!/usr/bin/env bash
# What a compilation costs: seconds and bytes, as information, since they depend on the machine and the preset; only the limit on the
# trainer's size, which does not, is a test.
source "$(dirname "$0")/lib.sh"

for name in linear mlp lenet; do
    start=$(date +%s%N)
    "$NETC" -D 'train.data=synthetic()' "$root/examples/$name.net" -o "$name"
    end=$(date +%s%N)
    size=$(stat -c %s "$name")
    printf '%-8s compiled in %4d ms; the trainer has %d bytes\n' "$name" $(((end - start) / 1000000)) "$size"
    ((size <= 2000000)) || fail "the trainer is larger than 2 MB"
done
expect 0 ./lenet time --steps 50 --threads 2 --json
sed 's/,"layers".*//' out.txt
